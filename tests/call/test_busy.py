"""A caller who cannot be taken: one kept sentence on the caller's line, and nothing else."""

import asyncio
from typing import Any, cast

import pytest
from tests.support import until

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.audio.playout import PlayoutClock
from avr_sts_speechmatics.call import busy as module
from avr_sts_speechmatics.call.busy import BusyCalls
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases

CALLER = Caller("a-call", "audiosocket")
SPEECH = bytes([1, 2]) * 1600  # 0.2 s


class Kept:
    """Kept phrases that have every sentence, or none."""

    def __init__(self, speech: bytes | None) -> None:
        self._speech = speech

    def get(self, sentence: str) -> bytes | None:
        return self._speech


class Phone(Line):
    """A line that keeps what it is sent; with `stuck`, nothing gets through."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.closed = False

    def open_playout(self, pacing: Any, finished: Any) -> Any:
        return pacing.playout(self.heard.extend, finished, continuous=True)

    def close(self, *, failed: bool) -> None:
        assert not failed
        self.closed = True


class Services:
    """The few services that a busy call may use; any other use is an AttributeError."""

    ambience = None

    def __init__(self, speech: bytes | None) -> None:
        self.agents = Agents.load(Settings(busy_message="Busy."))
        self._kept = cast(KeptPhrases, Kept(speech))

    def voice_of(self, agent: object) -> tuple[None, KeptPhrases]:
        return None, self._kept


def busy_calls(
    clock: PlayoutClock, on_busy: str = "hangup", speech: bytes | None = SPEECH, at_once: int = 20
) -> BusyCalls:
    return BusyCalls(cast(Any, Services(speech)), clock, on_busy, at_once=at_once)


async def test_the_sentence_is_played_whole_and_the_line_is_closed() -> None:
    clock, phone = PlayoutClock(), Phone()
    calls = busy_calls(clock)
    busy = calls.take(CALLER, phone)
    assert busy is not None
    busy.hear(bytes(320))
    busy.press("1")
    busy.audio_ended()
    await until(lambda: phone.closed)
    assert SPEECH in bytes(phone.heard)
    await until(lambda: not len(calls))
    clock.close()


@pytest.mark.parametrize(
    ("on_busy", "speech", "at_once"),
    [("refuse", SPEECH, 1), ("hangup", None, 1), ("hangup", SPEECH, 0)],
)
async def test_a_line_that_nothing_can_be_said_on_is_not_taken(
    on_busy: str, speech: bytes | None, at_once: int
) -> None:
    clock = PlayoutClock()
    calls = busy_calls(clock, on_busy, speech, at_once)
    assert calls.take(CALLER, Phone()) is None
    clock.close()


async def test_a_line_that_takes_nothing_is_closed_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LATE_S", 0.1)
    clock, phone = PlayoutClock(), Phone()
    calls = busy_calls(clock)
    assert calls.take(CALLER, phone) is not None
    await asyncio.sleep(0)  # the sentence has begun
    clock.close()
    await until(lambda: phone.closed)
    assert "could not be told so in time" in caplog.text


async def test_the_end_of_the_service_ends_the_sentence() -> None:
    clock, phone = PlayoutClock(), Phone()
    calls = busy_calls(clock)
    assert calls.take(CALLER, phone) is not None
    await asyncio.sleep(0)
    await calls.close()
    assert phone.closed
    await calls.close()
    clock.close()
