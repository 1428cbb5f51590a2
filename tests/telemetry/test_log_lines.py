"""The log lines of a call."""

import pytest

from avr_sts_speechmatics.call.observer import CallBegan, CallEnded
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.telemetry.log_lines import CallLog
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

CALLER = Caller("a-call", "audiosocket", {"from": "2001", "name": "O'Neil"})


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def test_the_call_is_logged_at_its_begin_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    log = CallLog(transcripts=False)
    log.event(100.0, CallBegan(CALLER, "sales"))
    log.event(112.34, CallEnded())
    assert caplog.messages == [
        "call begins (audiosocket, agent sales, from '2001', name \"O'Neil\")",
        "call ends after 12.3 s",
    ]


@pytest.mark.parametrize("allowed", [True, False])
def test_transcripts_are_logged_only_if_they_are_allowed(
    caplog: pytest.LogCaptureFixture, allowed: bool
) -> None:
    log = CallLog(transcripts=allowed)
    log.event(1.0, ev.SegmentHeard("Hello?", 1.0))
    log.command(1.0, ev.SendTranscript("user", "Hello?"))
    log.command(1.0, ev.Say(1, "Good morning."))
    assert caplog.messages == (["user: Hello?"] if allowed else [])


def test_a_turn_is_one_line_for_people_with_its_times_for_machines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = TurnTimes(10.4, stopped=10.0, confirmed=10.65, first_token=10.9, first_frame=11.105)
    times.words_said, times.words_heard, times.interrupted = 7, 5, True
    CallLog(transcripts=False).turn(times)
    (record,) = caplog.records
    assert record.getMessage() == (
        "turn: answered after 1105 ms (confirm 650, model 250), interrupted, 5 of 7 words heard"
    )
    assert record.turn == times.as_dict()  # type: ignore[attr-defined]


def line_of(caplog: pytest.LogCaptureFixture, times: TurnTimes) -> str:
    CallLog(transcripts=False).turn(times)
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
    log = CallLog(transcripts=False)
    log.event(1.0, CallBegan(Caller("a", "avr", {"agent": "sales", "from": "2001"}), "sales"))
    log.event(1.0, CallBegan(Caller("a", "avr", {"agent": "slaes"}), "default"))
    assert caplog.messages == [
        "call begins (avr, agent sales, from '2001')",
        "call begins (avr, agent default, agent 'slaes')",
    ]
