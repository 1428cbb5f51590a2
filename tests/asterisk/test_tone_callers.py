"""What callers say in tones is understood, whoever says it, after G.711 and at either rate."""

import pytest
from tests.asterisk.g711 import A_LAW, MU_LAW
from tests.asterisk.tone_callers import NAMES, Saying, ToneEar, Turn, text_of, understood, utterance

from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.sandbox.engines import ServerMessage


@pytest.mark.parametrize("saying", Saying)
@pytest.mark.parametrize("caller", range(len(NAMES)))
def test_every_caller_is_understood(caller: int, saying: Saying) -> None:
    spoken = utterance(caller, saying, 0.3)
    law = A_LAW if caller % 2 else MU_LAW
    assert understood(law.decode(law.encode(spoken)), 8000) == text_of(caller, saying)
    assert understood(Resampler(8000, 16_000).feed(spoken), 16_000) == text_of(caller, saying)


async def test_an_utterance_is_reported_as_a_recogniser_would() -> None:
    sent: list[ServerMessage] = []
    turns: list[Turn] = []
    ear = ToneEar(8000, sent.append, turns.append)
    spoken = bytes(16_000) + utterance(3, Saying.QUESTION) + bytes(12_000)
    for at in range(0, len(spoken), 320):
        await ear.hear(spoken[at : at + 320])
    kinds = [message["message"] for message in sent if not isinstance(message, str)]
    assert kinds == [
        "SpeechStarted", "StartOfTurn", "AddPartialSegment", "AddSegment", "SpeechEnded",
        "EndOfTurn",
    ]  # fmt: skip
    (turn,) = turns
    assert turn.text == "Caller delta has a question."
    assert 0 < turn.noticed_at <= turn.over_at


async def test_silence_is_not_reported() -> None:
    sent: list[ServerMessage] = []
    ear = ToneEar(16_000, sent.append, lambda turn: None)
    await ear.hear(bytes(64_000))
    assert sent == []
