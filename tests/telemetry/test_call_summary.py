"""The summary of a call, for records, machines and people."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.call.observer import (
    CallBegan,
    CallEnded,
    Flushed,
    Observed,
    TokensUsed,
    ToolRan,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.records.tables import calls
from avr_sts_speechmatics.services.use import AudioSent, TextSent
from avr_sts_speechmatics.speech.speaker import ServiceFailed
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.prices import default_prices
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

BEGAN = CallBegan(Caller("a-call", "test"), "default")


def answered_after(ms: int) -> TurnTimes:
    return TurnTimes(asked=10.0, stopped=10.0, first_frame=10.0 + ms / 1000)


def summary_of(*happened: Observed, waits: tuple[int, ...] = ()) -> CallSummary:
    """A summary of a call that began at 10.0 s, before its end."""
    summary = CallSummary()
    summary.event(10.0, BEGAN)
    for event in happened:
        summary.event(11.0, event)
    for ms in waits:
        summary.turn(answered_after(ms))
    return summary


@pytest.mark.parametrize("reason", get_args(ev.EndReason))
def test_every_reason_has_its_words_and_somebody_who_ended_the_call(reason: ev.EndReason) -> None:
    ended = CallEnded(reason, "700", "no voice")
    sentence = CallSummary().sentence(ended)
    assert sentence
    assert "{" not in sentence
    columns = CallSummary().columns(ended)
    assert columns["reason"] == reason
    assert columns["ended_by"] in ("caller", "agent", "operator", "service")


@pytest.mark.parametrize(
    ("reason", "by"),
    [("caller", "caller"), ("transfer", "agent"), ("silence", "service"), ("shutdown", "service")],
)
def test_who_ended_the_call_is_known(reason: ev.EndReason, by: str) -> None:
    assert CallSummary().columns(CallEnded(reason))["ended_by"] == by


def test_a_call_that_failed_and_was_transferred_says_both() -> None:
    ended = CallEnded("failure", "700", "a service is gone")
    assert CallSummary().sentence(ended) == (
        "failure: a service is gone; the call was transferred to 700"
    )


def test_every_column_is_one_of_the_table() -> None:
    assert CallSummary().columns(CallEnded()).keys() <= set(calls.columns.keys())


def test_the_facts_of_a_call_are_counted() -> None:
    summary = summary_of(
        TokensUsed(1, 400, 0, 20),
        TokensUsed(2, 500, 384, 30),
        TokensUsed(3, 510, 0, 4, estimated=True),
        AudioSent("asr.test", "enhanced", 40.25),
        AudioSent("asr.test", "enhanced", 20.5),
        TextSent("voice.test", "", 120),
        TextSent("other.test", "tts-1", 30),
        ServiceFailed("llm", "llm: gone"),
        ToolRan("avr_transfer", 2.0, True),
        ToolRan("find_booking", 2.0, False),
        waits=(900, 700, 2000),
    )
    summary.command(12.0, ev.SendTranscript("user", "Hello?"))
    summary.command(13.0, ev.SendTranscript("user", "Are you there?"))
    summary.command(14.0, ev.SendTranscript("agent", "Yes."))
    ended = CallEnded("silence")
    summary.event(71.26, ended)
    assert summary.columns(ended) == {
        "reason": "silence",
        "ended_by": "service",
        "transferred_to": None,
        "error": None,
        "duration_s": 61.3,
        "turns": 2,
        "interruptions": 0,
        "failures": 2,
        "voice_to_voice_median_ms": 900,
        "voice_to_voice_worst_ms": 2000,
        "stt_s": 60.8,
        "prompt_tokens": 1410,
        "cached_tokens": 384,
        "completion_tokens": 54,
        "estimated_tokens": 514,
        "tts_characters": 150,
        "cost": None,
        "currency": None,
    }


def test_an_interruption_is_a_sentence_that_was_cut_off() -> None:
    heard_out = Flushed((ev.UtteranceDropped(1, 1.0),))
    cut_off = Flushed((ev.UtteranceDropped(1, 1.0), ev.UtteranceDropped(2, 0.4)))
    nothing = Flushed(())
    columns = summary_of(heard_out, cut_off, nothing, cut_off).columns(CallEnded())
    assert columns["interruptions"] == 2


def test_a_turn_without_a_wait_does_not_count_as_fast() -> None:
    summary = CallSummary()
    summary.turn(TurnTimes(asked=10.0, first_frame=10.1))  # keys: no end of speech to count from
    assert summary.columns(CallEnded())["voice_to_voice_worst_ms"] is None
    assert "answers" not in summary.line(CallEnded())


@given(st.lists(st.integers(0, 60_000), min_size=1))
def test_the_median_lies_between_the_shortest_and_the_worst_wait(waits: list[int]) -> None:
    columns = summary_of(waits=tuple(waits)).columns(CallEnded())
    middle, worst = columns["voice_to_voice_median_ms"], columns["voice_to_voice_worst_ms"]
    assert isinstance(middle, int)
    assert isinstance(worst, int)
    assert min(waits) <= middle <= worst == max(waits)


def test_values_that_are_not_known_are_left_out_of_log_and_webhooks() -> None:
    details = summary_of().details(CallEnded())
    assert None not in details.values()
    assert {"transferred_to", "error", "voice_to_voice_median_ms"}.isdisjoint(details)


def test_the_last_line_of_a_call_says_everything_to_people() -> None:
    cut_off = Flushed((ev.UtteranceDropped(2, 0.4),))
    summary = summary_of(
        cut_off,
        TokensUsed(1, 400, 128, 20),
        TokensUsed(2, 90, 0, 4, estimated=True),
        AudioSent("asr.test", "", 61.26),
        TextSent("voice.test", "", 120),
        waits=(700, 900),
    )
    summary.command(12.0, ev.SendTranscript("user", "Hello?"))
    ended = CallEnded("transfer", "700")
    summary.event(71.26, ended)
    assert summary.line(ended) == (
        "call ends after 61.3 s: the call was transferred to 700; 1 turn, answers after 800 ms "
        "(worst 900 ms), 1 interruption, 0 failures; 61.3 s recognised, 490 tokens asked "
        "(128 cached), 24 answered, 94 estimated, 120 characters spoken"
    )


def test_the_cost_is_part_of_the_summary_if_every_service_has_a_price() -> None:
    summary = CallSummary(default_prices())
    summary.event(1.0, AudioSent("eu.rt.speechmatics.com", "linden-1", 360))
    summary.event(1.0, TextSent("preview.tts.speechmatics.com", "", 1000))
    columns = summary.columns(CallEnded())
    assert (columns["cost"], columns["currency"]) == (0.027, "USD")
    assert summary.line(CallEnded()).endswith("; cost 0.0270 USD")


def test_a_cost_that_is_not_known_is_no_zero() -> None:
    summary = CallSummary(default_prices())
    summary.event(1.0, TextSent("localhost:8880", "kokoro", 1000))
    columns = summary.columns(CallEnded())
    assert columns["cost"] is columns["currency"] is None
    assert summary.line(CallEnded()).endswith(
        "; cost unknown: no price of tts kokoro at localhost:8880"
    )
