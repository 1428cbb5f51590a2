"""The recogniser: telephone speech gives text, noise gives none."""

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.sandbox.agent_wire import Clip

if TYPE_CHECKING:
    from avr_sts_speechmatics.sandbox.mel import Samples
    from avr_sts_speechmatics.sandbox.whisper import Whisper

pytestmark = pytest.mark.models

NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )
}


def words(text: str) -> list[str]:
    """The text for a comparison: lower case, no punctuation, digits one by one."""
    found = re.findall(r"[a-z']+|\d", text.lower())
    return [NUMBERS.get(word, word) for word in found]


def errors(said: list[str], heard: list[str]) -> int:
    """Number of wrong, missing or extra words (edit distance)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def samples_of(clip: Clip) -> "Samples":
    return np.frombuffer(clip.pcm, "<i2").astype(np.float32) / np.float32(32_768)


def test_telephone_speech_is_recognised(whisper: "Whisper", clips: list[Clip]) -> None:
    wrong, total = 0, 0
    for clip in clips:
        samples = samples_of(clip)
        heard = whisper.recognise(samples, 8_000)
        wrong += errors(words(clip.text), words(heard.text))
        total += len(words(clip.text))
        assert heard.no_speech < 0.5
    assert wrong / total <= 0.1


@pytest.mark.parametrize("seconds", [0.3, 2.0, 5.0])
def test_noise_and_tones_give_no_text(whisper: "Whisper", seconds: float) -> None:
    samples = int(seconds * 8_000)
    noise = np.random.default_rng(1).normal(0, 0.05, samples).astype(np.float32)
    tone = (0.2 * np.sin(2 * np.pi * 440 * np.arange(samples) / 8_000)).astype(np.float32)
    assert whisper.recognise(noise, 8_000).text == ""
    assert whisper.recognise(tone, 8_000).text == ""


def test_a_piece_longer_than_the_context_is_cut(whisper: "Whisper", clips: list[Clip]) -> None:
    samples = samples_of(clips[0])
    assert whisper.recognise(np.tile(samples, 12), 8_000).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" Hello there.", "Hello there."),
        ("(coughs) Yes. [BLANK_AUDIO]", "Yes."),
        ("*sigh*", ""),
        (" ...", ""),
        ("♪ ♪", ""),
    ],
)
def test_stage_directions_are_removed_from_the_text(text: str, said: str) -> None:
    from avr_sts_speechmatics.sandbox.whisper import tidy

    assert tidy(text) == said
