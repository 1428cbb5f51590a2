"""A call that costs too much: a warning before, an event once the limit is reached, no flood."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.call.observer import AgentAnswered, CallEnded, Observed
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.services.use import AudioSent, TextSent
from avr_sts_speechmatics.telemetry.cost_limit import AGAIN_S, CostLimit
from avr_sts_speechmatics.telemetry.prices import Entry, Price, Prices

STT, TTS = ("asr.test", "a-model"), ("voice.test", "")
PRICES = Prices(
    (
        Entry("stt", "asr.test", None, Price(second=0.01), "", ""),
        Entry("tts", "voice.test", None, Price(character=0.01), "", ""),
    )
)
ANSWERED = AgentAnswered("default", Manners())
NOTHING = ev.CallerSpeechEnded()


class Watched(CostLimit):
    """A limit of 1.00 that keeps what it tells."""

    def __init__(self) -> None:
        super().__init__(PRICES, 1.0, STT)
        self.told: list[ev.Event] = []

    def tell_soon(self, event: ev.Event) -> None:
        self.told.append(event)


def text(characters: int) -> TextSent:
    return TextSent(*TTS, characters)


def after(*happened: tuple[float, Observed]) -> list[ev.Event]:
    limit = Watched()
    for at, event in happened:
        limit.event(at, event)
    return limit.told


def test_what_was_sent_counts_and_so_does_the_time_that_the_recogniser_hears() -> None:
    assert after((0.0, ANSWERED), (1.0, text(98))) == []
    assert after((0.0, ANSWERED), (1.0, text(99))) == [ev.CostReached()]
    assert after((0.0, ANSWERED), (99.0, NOTHING)) == []
    assert after((0.0, ANSWERED), (101.0, NOTHING)) == [ev.CostReached()]


def test_audio_of_a_session_that_ended_is_not_counted_twice() -> None:
    ended = (60.0, AudioSent(*STT, 60.0))
    assert after((0.0, ANSWERED), ended, (99.0, NOTHING)) == []
    assert after((0.0, ANSWERED), ended, (101.0, NOTHING)) == [ev.CostReached()]


def test_a_call_that_goes_on_is_told_again_and_not_at_each_event() -> None:
    seconds = [101 + second / 10 for second in range(100)]
    told = after((0.0, ANSWERED), *((at, NOTHING) for at in seconds))
    assert len(told) == 10 / AGAIN_S


def test_the_end_of_the_call_ends_the_watch() -> None:
    assert after((0.0, ANSWERED), (101.0, CallEnded()), (102.0, NOTHING)) == []


def test_the_warning_comes_once_before_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    limit = Watched()
    for at in (0.0, 79.0, 81.0, 90.0, 102.0):
        limit.event(at, ANSWERED if at == 0 else NOTHING)
        assert len(caplog.records) == (at > 80)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "the call has cost 0.8100 USD, 81 % of MAX_COST"


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 60)), max_size=12))
def test_nothing_is_told_below_the_limit_and_something_at_it(
    turns: list[tuple[float, int]],
) -> None:
    limit, at, cost = Watched(), 0.0, 0.0
    limit.event(at, ANSWERED)
    for pause, characters in turns:
        at += pause
        cost += 0.01 * (pause + characters)
        limit.event(at, text(characters))
        if cost < 0.999:
            assert not limit.told
        elif cost > 1.001:
            assert limit.told
