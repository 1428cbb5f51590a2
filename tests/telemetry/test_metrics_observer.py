"""Metrics of calls: each report of a call, and what is counted."""

from typing import get_args

import pytest
from tests.telemetry.series import all_of, seconds, value

from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    Flushed,
    KeyReceived,
    Observed,
    TokensUsed,
    ToolRan,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.errors import FailureKind
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.services.use import AudioSent, Retried, TextSent
from avr_sts_speechmatics.speech.speaker import ServiceFailed
from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.metrics_memory import SeriesMemory
from avr_sts_speechmatics.telemetry.metrics_observer import CallMetrics, CallsMetrics
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

CALLER = Caller("5c6f-uuid", "audiosocket", {"from": "+4930987654", "to": "5001"})


class PricedSummary(CallSummary):
    """A summary with a cost."""

    def columns(self, ended: CallEnded) -> dict[str, object]:
        return super().columns(ended) | {"cost": 0.25, "currency": "USD"}


@pytest.fixture
def calls() -> CallsMetrics:
    return CallsMetrics(
        m.Metrics(SeriesMemory()), lambda: ["default", "sales"], lambda: ["book", "hang_up"]
    )


def began(calls: CallsMetrics, caller: Caller = CALLER, agent: str = "default") -> CallMetrics:
    observer = calls.observer(PricedSummary())
    observer.event(100.0, CallBegan(caller, agent))
    return observer


def test_a_call_is_counted_while_it_lasts_and_when_it_ends(calls: CallsMetrics) -> None:
    of = {"transport": "audiosocket", "agent": "default"}
    first, second = began(calls), began(calls)
    assert value(calls.metrics, m.CALLS, **of) == 2
    assert value(calls.metrics, m.BEGUN, **of) == 2
    assert value(calls.metrics, m.ENDED, **of) == 0
    first.event(160.0, CallEnded("transfer"))
    second.event(130.0, CallEnded("failure"))
    assert value(calls.metrics, m.CALLS, **of) == 0
    assert value(calls.metrics, m.ENDED, reason="transfer", **of) == 1
    assert value(calls.metrics, m.ENDED, reason="failure", **of) == 1
    assert value(calls.metrics, m.CALL_SECONDS, **of) == 2
    assert seconds(calls.metrics, m.CALL_SECONDS, **of) == pytest.approx(90.0)
    assert value(calls.metrics, m.COST, currency="USD", agent="default") == 0.5


def test_every_reason_is_there_before_the_first_end(calls: CallsMetrics) -> None:
    began(calls)
    for reason in (*get_args(ev.EndReason), m.LOST):
        assert value(calls.metrics, m.ENDED, reason=reason) == 0
    for kind in get_args(FailureKind):
        assert value(calls.metrics, m.FAILURES, service="stt", kind=kind) == 0


def test_a_call_that_another_agent_takes_is_counted_there(calls: CallsMetrics) -> None:
    observer = began(calls)
    observer.event(101.0, AgentAnswered("sales", Manners()))
    assert value(calls.metrics, m.CALLS, agent="default") == 0
    assert value(calls.metrics, m.CALLS, agent="sales") == 1
    observer.event(102.0, CallEnded())
    assert value(calls.metrics, m.ENDED, agent="sales", reason="caller") == 1
    assert value(calls.metrics, m.CALLS) == 0


ANSWER = TurnTimes(
    asked=10.0,
    stopped=10.0,
    confirmed=10.4,
    first_token=10.7,
    first_clause=10.8,
    first_audio=11.1,
    first_frame=11.125,
    words_said=3,
    words_heard=3,
)


def test_parts_of_an_answer_add_up_to_the_whole(calls: CallsMetrics) -> None:
    began(calls).turn(ANSWER)
    metrics = calls.metrics
    assert value(metrics, m.ANSWERS, result="whole", agent="default") == 1
    assert seconds(metrics, m.VOICE_TO_VOICE) == pytest.approx(1.125)
    parts = {"confirm": 0.4, "model": 0.3, "clause": 0.1, "voice": 0.3, "frame": 0.025}
    for part, took in parts.items():
        assert seconds(metrics, m.PARTS, part=part) == pytest.approx(took)


def test_what_was_done_ahead_is_no_wait(calls: CallsMetrics) -> None:
    ahead = TurnTimes(
        asked=9.5,
        stopped=10.0,
        confirmed=10.4,
        first_token=10.1,
        first_clause=10.4,
        first_audio=10.6,
        first_frame=10.6,
    )
    began(calls).turn(ahead)
    assert seconds(calls.metrics, m.PARTS, part="model") == 0
    assert value(calls.metrics, m.PARTS, part="model") == 1
    whole = seconds(calls.metrics, m.VOICE_TO_VOICE)
    assert whole == pytest.approx(0.6)
    assert seconds(calls.metrics, m.PARTS) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("times", "result"),
    [
        (TurnTimes(asked=1.0, confirmed=1.0), "failed"),
        (TurnTimes(asked=1.0, confirmed=1.0, interrupted=True), "dropped"),
        (TurnTimes(asked=1.0, confirmed=1.0, first_frame=2.0, interrupted=True), "interrupted"),
        (TurnTimes(asked=1.0, confirmed=1.0, first_frame=2.0), "whole"),
    ],
)
def test_what_became_of_an_answer(calls: CallsMetrics, times: TurnTimes, result: str) -> None:
    began(calls).turn(times)
    assert value(calls.metrics, m.ANSWERS) == 1
    assert value(calls.metrics, m.ANSWERS, result=result) == 1
    # None of these had a last sound of the caller to count from.
    assert value(calls.metrics, m.VOICE_TO_VOICE) == 0


def test_barge_ins_and_false_ones(calls: CallsMetrics) -> None:
    observer = began(calls)
    observer.command(101.0, ev.Pause())
    observer.command(101.5, ev.Resume())
    observer.event(102.0, Flushed((ev.UtteranceDropped(1, 0.5), ev.UtteranceDropped(2, 0.0))))
    observer.event(103.0, Flushed((ev.UtteranceDropped(3, 1.0),)))
    assert value(calls.metrics, m.BARGE_INS, result="resumed") == 1
    assert value(calls.metrics, m.BARGE_INS, result="interrupted") == 1


def test_use_is_counted(calls: CallsMetrics) -> None:
    observer = began(calls, agent="sales")
    happened: tuple[Observed, ...] = (
        TokensUsed(1, prompt=100, cached=60, completion=20),
        TextSent("tts.test", "", 44),
        AudioSent("stt.test", "", 12.5),
        Retried("tts"),
        ServiceFailed("llm", "no answer", "timeout"),
    )
    for event in happened:
        observer.event(101.0, event)
    metrics = calls.metrics
    assert value(metrics, m.TOKENS, kind="prompt", agent="sales") == 40
    assert value(metrics, m.TOKENS, kind="cached") == 60
    assert value(metrics, m.TOKENS, kind="completion") == 20
    assert value(metrics, m.CHARACTERS, agent="sales") == 44
    assert value(metrics, m.RECOGNISED, agent="sales") == 12.5
    assert value(metrics, m.RETRIES, service="tts") == 1
    assert value(metrics, m.RETRIES) == 1
    assert value(metrics, m.FAILURES, service="llm", kind="timeout") == 1
    assert value(metrics, m.FAILURES) == 1


def test_tools_have_their_names_and_those_that_a_model_invents_have_none(
    calls: CallsMetrics,
) -> None:
    observer = began(calls)
    observer.event(101.0, ToolRan("book", 0.4, False))
    observer.event(101.0, ToolRan("hang_up", 0.2, True))
    observer.event(101.0, ToolRan("call +4930987654", 0.2, True))
    metrics = calls.metrics
    assert value(metrics, m.TOOL_CALLS, tool="book", result="done") == 1
    assert value(metrics, m.TOOL_CALLS, tool="book", result="failed") == 0
    assert value(metrics, m.TOOL_CALLS, tool="hang_up", result="failed") == 1
    assert value(metrics, m.TOOL_CALLS, tool=m.OTHER, result="failed") == 1
    assert seconds(metrics, m.TOOL_SECONDS, tool="book") == pytest.approx(0.4)


def test_nothing_of_a_caller_becomes_a_label(calls: CallsMetrics) -> None:
    observer = began(calls, Caller("+4930987654", "+4930987654", {}), "+4930987654")
    observer.event(101.0, ToolRan("+4930987654", 0.2, False))
    observer.event(102.0, CallEnded(error="+4930987654"))
    texts = [text for one in all_of(calls.metrics) for text in one.labels.values()]
    assert m.OTHER in texts
    assert not [text for text in texts if any(letter.isdigit() for letter in text)]


def test_a_key_before_the_call_and_an_answer_after_it_are_nobodys(calls: CallsMetrics) -> None:
    observer = calls.observer(CallSummary())
    observer.event(99.0, KeyReceived("1"))
    observer.turn(ANSWER)
    observer.event(100.0, CallBegan(CALLER, "default"))
    observer.event(101.0, CallEnded())
    observer.turn(ANSWER)
    observer.command(102.0, ev.Resume())
    assert value(calls.metrics, m.VOICE_TO_VOICE) == 0
