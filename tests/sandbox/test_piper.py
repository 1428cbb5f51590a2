"""The Piper voice: its speech can be understood."""

from concurrent.futures import Executor
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from avr_sts_speechmatics.sandbox.piper import Piper
    from avr_sts_speechmatics.sandbox.whisper import Whisper

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Your appointment is on Tuesday.", ["appointment", "tuesday"]),
        ("I heard five five three, eight eight two.", ["553", "882"]),
        ("It costs twenty five pounds.", ["25"]),
    ],
)
def test_the_voice_is_understood_by_the_recogniser(
    piper: "Piper", whisper: "Whisper", text: str, words: list[str]
) -> None:
    heard = whisper.recognise(piper.say(text), 16_000).text.lower().replace(" ", "")
    assert all(word in heard for word in words), heard


def test_the_voice_is_neither_faint_nor_clipped(piper: "Piper") -> None:
    audio = piper.say("Good morning, how can I help you?")
    assert 0.1 < float(np.abs(audio).max()) < 1.0


def test_a_clause_that_cannot_be_spoken_is_a_short_silence(piper: "Piper") -> None:
    audio = piper.say("?")
    assert len(audio) < 16_000


async def test_text_is_spoken_clause_by_clause(piper: "Piper", worker: Executor) -> None:
    from avr_sts_speechmatics.sandbox.piper import LocalTts

    voice = LocalTts(piper, worker)
    pieces = [piece async for piece in voice.speak("Hello. How are you?", "sarah")]
    assert len(pieces) == 2
    assert all(len(piece) % 2 == 0 for piece in pieces)


async def test_text_that_cannot_be_spoken_is_not_an_error(piper: "Piper", worker: Executor) -> None:
    from avr_sts_speechmatics.sandbox.piper import LocalTts

    voice = LocalTts(piper, worker)
    audio = b"".join([piece async for piece in voice.speak("日本 …", "jack")])
    assert 0 < len(audio) < 16_000
