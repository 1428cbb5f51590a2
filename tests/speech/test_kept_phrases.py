"""Phrases that are spoken again and again, synthesised once and kept."""

import time
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import numpy as np
import pytest

from avr_sts_speechmatics.audio.pcm import RATE, seconds
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.tts.fallback import FallbackTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases, speech_of
from avr_sts_speechmatics.speech.phrase_store import FRESH_S, PhraseStore, Shelf

WELCOME, SORRY, WAIT = "Hello!", "I'm sorry.", "One moment, please."


class SmallTts:
    """Speaks each letter as 100 samples of one level, a letter a piece."""

    def __init__(self, rate: int = RATE, cannot_say: Iterable[str] = ()) -> None:
        self.rate = rate
        self.cannot_say = set(cannot_say)
        self.asked: list[str] = []
        self.closed = 0

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        self.asked.append(text)
        try:
            for letter in text:
                yield np.full(100, 10 * ord(letter), "<i2").tobytes()
                if text in self.cannot_say:
                    raise ServiceError("tts", "gone", retryable=True)
        finally:
            self.closed += 1

    async def close(self) -> None:
        pass


async def test_a_phrase_is_there_once_it_was_prepared() -> None:
    phrases = KeptPhrases([WELCOME, SORRY])
    assert phrases.get(WELCOME) is None
    assert await phrases.prepare(SmallTts())
    speech = phrases.get(WELCOME)
    assert speech is not None
    assert len(speech) == len(WELCOME) * 200
    assert phrases.get("Something else.") is None


async def test_a_phrase_is_synthesised_once() -> None:
    phrases, voice = KeptPhrases([WELCOME, SORRY, WELCOME]), SmallTts()
    assert await phrases.prepare(voice)
    assert await phrases.prepare(voice)
    assert voice.asked == [WELCOME, SORRY]


async def test_phrases_are_kept_as_their_language_cuts_and_says_them() -> None:
    text, voice = "Am 3. Mai kostet es 25 Euro.", SmallTts()
    phrases = KeptPhrases([text], "de")
    assert await phrases.prepare(voice)
    assert voice.asked == ["Am dritten Mai kostet es fünfundzwanzig Euro."]
    assert phrases.get(text) is not None


async def test_no_phrase_is_no_request() -> None:
    voice = SmallTts()
    assert await KeptPhrases(["", ""]).prepare(voice)
    assert voice.asked == []


async def test_a_phrase_that_failed_is_tried_again_and_nothing_of_it_is_kept() -> None:
    phrases, voice = KeptPhrases([WELCOME, SORRY]), SmallTts(cannot_say=[SORRY])
    assert not await phrases.prepare(voice)
    assert phrases.get(SORRY) is None
    voice.cannot_say.clear()
    assert await phrases.prepare(voice)
    assert phrases.get(SORRY) is not None
    assert voice.asked == [WELCOME, SORRY, SORRY]


async def test_one_phrase_that_cannot_be_said_does_not_cost_the_others() -> None:
    phrases = KeptPhrases([WELCOME, SORRY, WAIT])
    assert not await phrases.prepare(SmallTts(cannot_say=[WELCOME]))
    assert phrases.get(SORRY) is not None
    assert phrases.get(WAIT) is not None


async def test_an_unexpected_exception_is_raised() -> None:
    class Broken(SmallTts):
        async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
            raise TypeError(text)
            yield b""

    with pytest.raises(TypeError):
        await KeptPhrases([WELCOME]).prepare(Broken())


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000])
async def test_speech_has_the_rate_of_the_line(rate: int) -> None:
    voice: Tts = SmallTts(rate)
    text = "a" * 200
    speech = await speech_of(text, voice)
    tail = 0.003  # of the filter: its last sound is not cut off
    assert 0 <= seconds(len(speech)) - seconds(len(text) * 200, rate) <= tail
    levels = np.frombuffer(speech, dtype="<i2")
    assert abs(int(levels[len(levels) // 2]) - 970) <= 1


async def test_a_request_that_failed_is_closed() -> None:
    voice = SmallTts(cannot_say=[WELCOME])
    with pytest.raises(ServiceError):
        await speech_of(WELCOME, voice)
    assert voice.closed == 1


# --- on disk between starts ----------------------------------------------------------------------

VOICE = ("speechmatics", "https://tts.example", "", "sarah", "en")


def kept(folder: Path, now: float | None = None) -> KeptPhrases:
    """Phrases of a process that has just started."""
    clock = time.time if now is None else lambda: now
    phrases = KeptPhrases([WELCOME, SORRY], shelf=Shelf(PhraseStore(folder, clock=clock), *VOICE))
    phrases.restore()
    return phrases


async def test_after_a_start_the_phrases_of_the_last_one_are_there_at_once(tmp_path: Path) -> None:
    first = kept(tmp_path)
    assert first.missing == 2
    await first.prepare(SmallTts())
    voice, second = SmallTts(), kept(tmp_path)
    assert second.missing == 0
    assert second.get(WELCOME) == first.get(WELCOME)
    assert await second.prepare(voice)
    assert voice.asked == []


async def test_old_phrases_are_renewed_behind_the_missing_ones(tmp_path: Path) -> None:
    await kept(tmp_path).prepare(SmallTts())
    voice, later = SmallTts(), kept(tmp_path, time.time() + FRESH_S + 10)
    assert later.missing == 0
    assert await later.prepare(voice)
    assert sorted(voice.asked) == sorted([WELCOME, SORRY])
    again = SmallTts()
    await kept(tmp_path, time.time() + FRESH_S + 10).prepare(again)
    assert again.asked == []


async def test_old_phrases_stay_where_the_voice_is_gone(tmp_path: Path) -> None:
    await kept(tmp_path).prepare(SmallTts())
    later = kept(tmp_path, time.time() + FRESH_S + 10)
    assert await later.prepare(SmallTts(cannot_say=[WELCOME, SORRY]))
    assert later.get(SORRY) is not None


async def test_half_a_phrase_is_not_kept(tmp_path: Path) -> None:
    assert not await kept(tmp_path).prepare(SmallTts(cannot_say=[WELCOME]))
    assert kept(tmp_path).missing == 1


async def test_what_the_second_voice_said_is_not_kept_as_the_first_ones(tmp_path: Path) -> None:
    both = FallbackTts(SmallTts(cannot_say=[SORRY]), SmallTts())
    both_at_once = FallbackTts(Gone(), SmallTts())
    first = kept(tmp_path)
    assert await first.prepare(both_at_once)
    assert first.missing == 0
    assert kept(tmp_path).missing == 2
    assert not await kept(tmp_path).prepare(both)
    assert kept(tmp_path).missing == 1


class Gone(SmallTts):
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        raise ServiceError("tts", "gone", retryable=True)
        yield b""
