"""The evaluation of a run: latency, jitter, gaps, faults and tokens."""

import base64
import json
from typing import Any

import pytest
from bench.codewords import Turn, answer
from bench.figures import Spending, Spread, judge
from bench.frames import Mark, encode
from bench.ledger import Call, Ledger, Request, Session, Usage
from bench.report import Report
from bench.voiceprint import pcm
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.reports import conditions

FRAME = 0.02


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_percentiles_are_ordered_and_within_the_values(values: list[float]) -> None:
    spread = Spread.of(values)
    slack = 1e-6
    assert min(values) <= spread.p50 + slack
    assert spread.p50 <= spread.p95 + slack
    assert spread.p95 <= spread.p99 + slack
    assert spread.p99 <= spread.worst + slack
    assert spread.worst == max(values)


def test_percentiles_match_the_usual_definition() -> None:
    spread = Spread.of(range(101), scale=2)
    assert (spread.count, spread.p50, spread.p95, spread.p99) == (101, 100, 190, 198)
    assert Spread.of([]) == Spread(0, 0, 0, 0, 0)


def frames_of(turn: Turn) -> list[bytes]:
    """The audio of an answer, as a service with an ideal filter sends it."""
    frames: list[bytes] = []
    for text in answer(turn):
        line = pcm(text, 8000)
        frames += [line[at : at + 320].ljust(320, b"\0") for at in range(0, len(line), 320)]
    return frames


def message(kind: str, pcm: bytes = b"") -> bytes:
    return json.dumps({"type": kind, "audio": base64.b64encode(pcm).decode()}).encode()


def answered_call(number: int = 0, ended_at: float = 10.0, added: float = 0.004) -> Ledger:
    """One call with one turn, answered correctly: 300 ms for the LLM, 200 ms for the TTS."""
    turn = Turn(number, 0)
    session = Session(started_at=1.03, turn_ended={0: ended_at}, speech_began={0: 9.0})
    for frame in range(5):
        session.received.take(encode(Mark(turn, frame, speaking=False)))
    call = Call(number, init_at=1.0, sent=5, speech_ended={0: ended_at - 0.3})
    first = ended_at + 0.3 + 0.2 + added
    call.arrived = [
        (first + index * FRAME, message("audio", pcm)) for index, pcm in enumerate(frames_of(turn))
    ]
    llm = [Request(turn, "", ended_at, ended_at + 0.3)]
    speaking = [
        Request(turn, text, ended_at + 0.3 + n, ended_at + 0.5 + n)
        for n, text in enumerate(answer(turn))
    ]
    return Ledger([session], llm, speaking, calls=[call])


def faults(ledger: Ledger) -> list[str]:
    return judge(ledger, 0, 100)[1].faults


def test_the_added_latency_excludes_the_time_of_llm_and_tts() -> None:
    timings, integrity = judge(answered_call(added=0.004), 0, 100)
    assert timings.added == [pytest.approx(0.004)]
    assert timings.voice_to_voice == [pytest.approx(0.804)]
    assert timings.session_open == [pytest.approx(0.03)]
    assert max(timings.jitter) == pytest.approx(0, abs=1e-6)
    assert (timings.gaps, integrity.faults, integrity.answers) == (0, [], 1)


def test_an_answer_begun_before_the_end_of_its_turn_has_no_added_latency() -> None:
    ledger = answered_call()
    (thought,) = ledger.llm
    early = thought.came_at - 0.1
    ledger.llm = [Request(thought.turn, thought.text, early, early + 0.3)]
    timings, _ = judge(ledger, 0, 100)
    assert timings.added == []
    assert timings.voice_to_voice == [pytest.approx(0.804)]


def test_an_answer_to_half_a_question_must_not_reach_the_tts() -> None:
    ledger = answered_call()
    text = answer(None)[0]
    ledger.speaking += [Request(None, text, 5.0, 5.1), Request(None, "Welcome.", 0.1, 0.2)]
    assert faults(ledger) == [f"an answer to half a question was sent to the TTS: {text}"]


def test_the_last_request_of_a_turn_is_kept_and_half_questions_are_dropped() -> None:
    ledger = answered_call()
    turn = Turn(0, 0)
    ledger.usage = [Usage(None, 400, 0), Usage(turn, 404, 40), Usage(turn, 404, 80)]
    spending = Spending.of(ledger)
    assert spending.turns == 1
    assert (spending.kept.requests, spending.kept.prompt, spending.kept.completion) == (1, 101, 20)
    dropped = spending.dropped
    assert (dropped.requests, dropped.prompt, dropped.completion) == (2, 201, 10)


def test_turns_outside_the_window_are_checked_but_not_timed() -> None:
    timings, integrity = judge(answered_call(ended_at=10.0), 20, 30)
    assert (timings.added, integrity.answers) == ([], 1)


def test_a_gap_is_counted_once_and_starts_a_new_grid() -> None:
    ledger = answered_call()
    call = ledger.calls[0]
    call.arrived = [
        (at + (0.1 if index >= 40 else 0.0), text) for index, (at, text) in enumerate(call.arrived)
    ]
    timings, integrity = judge(ledger, 0, 100)
    assert timings.gaps == 1
    assert max(timings.jitter) == pytest.approx(0, abs=1e-6)
    assert integrity.faults == []


def test_a_lost_caller_frame_is_a_fault_even_at_the_end() -> None:
    ledger = answered_call()
    ledger.calls[0].sent = 7
    assert faults(ledger) == ["call 0: frames to the recogniser: 2 did not arrive"]


def test_a_lost_agent_frame_is_a_fault() -> None:
    ledger = answered_call()
    del ledger.calls[0].arrived[10]
    (fault,) = faults(ledger)
    assert fault.startswith("call 0, turn 0: sentence 1: gap, repeat or foreign sound at 0.")


def test_an_answer_to_another_call_is_a_fault() -> None:
    ledger = answered_call()
    ledger.calls[0].arrived = answered_call(number=1).calls[0].arrived
    assert faults(ledger)[0].startswith("call 0, turn 0: sentence 1: not heard")


def test_a_call_that_was_dropped_is_a_fault() -> None:
    ledger = answered_call()
    ledger.calls[0].complaint = "the service ended the call"
    assert faults(ledger) == ["call 0: the service ended the call"]


def interrupted_call(interrupted_after: int | None, stopped_after: int) -> Ledger:
    """The caller interrupts at the 40th frame with a second question."""
    ledger = answered_call()
    call, (session,) = ledger.calls[0], ledger.sessions
    began = call.arrived[39][0] + 0.001
    session.speech_began[1] = began
    session.turn_ended[1] = began + 1.0
    call.barged = {1}
    heard = call.arrived[:stopped_after]
    if interrupted_after is not None:
        at = call.arrived[interrupted_after][0] - 0.001
        heard = sorted([*heard, (at, message("interruption"))])
    second = answered_call(ended_at=began + 1.0)
    turn = Turn(0, 1)
    call.speech_ended[1] = began + 0.7
    call.arrived = heard + [
        (at, message("audio", pcm))
        for (at, _), pcm in zip(second.calls[0].arrived, frames_of(turn), strict=False)
    ]
    ledger.llm += [Request(turn, "", r.came_at, r.answered_at) for r in second.llm]
    ledger.speaking += [
        Request(turn, text, r.came_at, r.answered_at)
        for r, text in zip(second.speaking, answer(turn), strict=True)
    ]
    return ledger


def test_a_prompt_interruption_is_timed_without_a_fault() -> None:
    timings, integrity = judge(interrupted_call(interrupted_after=42, stopped_after=41), 0, 100)
    assert timings.barge_in == [pytest.approx(0.019)]
    assert (integrity.interruptions, integrity.faults) == (1, [])


def test_frames_after_the_interruption_are_a_fault() -> None:
    assert faults(interrupted_call(interrupted_after=42, stopped_after=50)) == [
        "call 0, turn 0: 8 frames of an interrupted answer came after `interruption`"
    ]


def test_an_agent_that_talks_on_is_a_fault() -> None:
    assert faults(interrupted_call(interrupted_after=None, stopped_after=60)) == [
        "call 0, turn 0: the caller spoke, and the agent was not interrupted"
    ]


def report(ledger: Ledger, **changes: Any) -> Report:
    timings, integrity = judge(ledger, 0, 100)
    return Report(conditions(**changes), timings, integrity, Spending.of(ledger))


def test_the_report_has_each_figure_beside_its_budget() -> None:
    made = report(answered_call())
    told = made.document()
    assert told["cpu_ms_per_call_second"] == pytest.approx(1.5)
    assert told["memory_mb_per_call"] == pytest.approx(0.2)
    assert (told["valid"], told["whole"]) == (True, True)
    table = made.table()
    assert "p99 < 30: met" in table
    assert "1.50" in table
    assert "whole" in table


def test_a_missed_budget_and_a_fault_are_reported() -> None:
    ledger = answered_call(added=0.031)
    ledger.calls[0].unanswered = 2
    table = report(ledger, longest_stop=0.012, busy_memory=90_000_000).table()
    assert "p99 < 30: MISSED" in table
    assert "12.00                              < 10: MISSED" in table
    assert "< 0.3: MISSED" in table
    assert "call 0: 2 questions were not answered" in table


@pytest.mark.parametrize(
    "trouble", [{"load_cpu": 19.0}, {"lags": [0.001, 0.02]}, {"service_waited": 2.0}]
)
def test_a_late_load_makes_the_timings_invalid(
    trouble: dict[str, float | list[float]],
) -> None:
    made = report(answered_call(), **trouble)
    assert made.document()["valid"] is False
    assert "NOT VALID" in made.table()


def test_a_call_with_tls_may_use_more_memory() -> None:
    table = report(answered_call(), tls=True, busy_memory=85_000_000).table()
    assert "0.35                              < 0.4: met" in table
    assert ", TLS; service on core 0, load on 1" in table


def test_workers_stops_collector_and_refusals_are_in_the_table() -> None:
    made = report(
        answered_call(),
        workers=2,
        cores=(0, 1),
        load_cores=(0, 1),
        longest_stop=0.004,
        collector={"gc_longest_stop_ms": 3.5},
        offered=150,
        refusals=[0.01, 1.2],
    )
    table = made.table()
    assert "service with 2 workers on core 0,1, the load too" in table
    assert "4.00                              < 10: met" in table
    assert "collector: gc_longest_stop_ms        3.50" in table
    assert "worst < 1000: MISSED" in table
    assert made.document()["refusal_ms"]["worst"] == pytest.approx(1200)


def test_a_service_that_answers_no_ping_has_no_stop() -> None:
    made = report(answered_call())
    assert made.document()["longest_stop_ms"] is None
    assert "longest stop of the loop, ms              -\n" in made.table()


@pytest.mark.parametrize(
    ("trouble", "valid"),
    [({"lags": [0.015]}, True), ({"service_waited": 9.0}, True), ({"lags": [0.025]}, False)],
)
def test_a_load_on_the_cores_of_the_service_may_be_less_punctual(
    trouble: dict[str, Any], valid: bool
) -> None:
    made = report(answered_call(), cores=(0, 1), load_cores=(0, 1), **trouble)
    assert made.document()["valid"] is valid
