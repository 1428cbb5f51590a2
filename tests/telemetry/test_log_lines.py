"""The log lines of a call."""

import pytest

from avr_sts_speechmatics.call.observer import CallBegan, CallEnded
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.log_lines import CallLog
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

CALLER = Caller("a-call", "audiosocket", {"from": "2001", "name": "O'Neil"})


def watched() -> tuple[CallLog, CallSummary]:
    summary = CallSummary()
    return CallLog(summary, transcripts=False), summary


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def test_the_call_is_logged_at_its_begin_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    log, summary = watched()
    for at, event in ((100.0, CallBegan(CALLER, "sales")), (112.34, CallEnded())):
        summary.event(at, event)
        log.event(at, event)
    assert caplog.messages == [
        "call begins (audiosocket, agent sales, from '***01', name '***')",
        summary.line(CallEnded()),
    ]
    assert "call ends after 12.3 s: the caller hung up;" in caplog.text


def test_numbers_and_names_of_callers_are_logged_only_if_transcripts_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    CallLog(CallSummary(), transcripts=True).event(100.0, CallBegan(CALLER, "sales"))
    assert caplog.messages == [
        "call begins (audiosocket, agent sales, from '2001', name \"O'Neil\")",
    ]


def test_the_end_is_there_for_machines_too(caplog: pytest.LogCaptureFixture) -> None:
    log, summary = watched()
    summary.event(100.0, CallBegan(CALLER, "sales"))
    ended = CallEnded("transfer", "700")
    summary.event(110.0, ended)
    log.event(110.0, ended)
    (record,) = caplog.records
    assert record.getMessage().startswith("call ends after 10.0 s: the call was transferred to 700")
    assert record.ended == summary.details(ended)  # type: ignore[attr-defined]


@pytest.mark.parametrize("allowed", [True, False])
def test_transcripts_are_logged_only_if_they_are_allowed(
    caplog: pytest.LogCaptureFixture, allowed: bool
) -> None:
    log = CallLog(CallSummary(), transcripts=allowed)
    log.event(1.0, ev.SegmentHeard("Hello?", 1.0))
    log.command(1.0, ev.SendTranscript("user", "Hello?"))
    log.command(1.0, ev.Say(1, "Good morning."))
    assert caplog.messages == (["user: Hello?"] if allowed else [])


def test_a_turn_is_one_line_for_people_with_its_times_for_machines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = TurnTimes(10.4, stopped=10.0, confirmed=10.65, first_token=10.9, first_frame=11.105)
    times.words_said, times.words_heard, times.interrupted = 7, 5, True
    CallLog(CallSummary(), transcripts=False).turn(times)
    (record,) = caplog.records
    assert record.getMessage() == (
        "turn: answered after 1105 ms (confirm 650, model 250), interrupted, 5 of 7 words heard"
    )
    assert record.turn == times.as_dict()  # type: ignore[attr-defined]


def line_of(caplog: pytest.LogCaptureFixture, times: TurnTimes) -> str:
    CallLog(CallSummary(), transcripts=False).turn(times)
    return caplog.messages[-1]


def test_a_wait_that_did_not_happen_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    cut = TurnTimes(10.0, stopped=9.5, confirmed=10.0, words_said=7, interrupted=True)
    assert line_of(caplog, cut) == (
        "turn: ended before anything was heard (confirm 500), interrupted, 0 of 7 words heard"
    )
    failed = TurnTimes(10.0)
    assert line_of(caplog, failed) == (
        "turn: ended before anything was heard, not whole, 0 of 0 words heard"
    )
    keys = TurnTimes(10.0, confirmed=10.0, first_token=10.2, first_frame=10.5)
    keys.words_said = keys.words_heard = 3
    assert line_of(caplog, keys) == "turn: answered (model 200), whole, 3 of 3 words heard"


def test_an_agent_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    log = CallLog(CallSummary(), transcripts=False)
    log.event(1.0, CallBegan(Caller("a", "avr", {"agent": "sales", "from": "2001"}), "sales"))
    log.event(1.0, CallBegan(Caller("a", "avr", {"agent": "slaes"}), "default"))
    assert caplog.messages == [
        "call begins (avr, agent sales, from '***01')",
        "call begins (avr, agent default, agent 'slaes')",
    ]
