"""A patient caller: hears out, speaks in time, and knows when it was answered."""

from pathlib import Path

import numpy as np
from tests.phone.calling import Printed, call, report
from tests.phone.simple_agent import ANSWER, QUESTION, RATE, Agent, answering, silence, sound

from avr_sts_speechmatics.phone.caller import Conversation, Turn
from avr_sts_speechmatics.phone.connection import AnswerTimes
from avr_sts_speechmatics.phone.tape import FRAME


async def test_the_latency_is_from_the_last_sound_of_the_caller_to_the_first_of_the_agent(
    printed: Printed,
) -> None:
    # The agent notices the end 2 frames later, thinks 150 ms, and its voice begins after 100 ms.
    async with answering(Agent(answers=[silence(100) + ANSWER])) as url:
        _, told = await report(printed, "--url", url, "--say", "Hello?")
    assert 285 <= told["turns"][0]["latency_ms"] <= 350


async def test_turns_are_said_in_the_order_given_and_each_waits_for_the_answer_before(
    printed: Printed, tmp_path: Path
) -> None:
    (tmp_path / "second.raw").write_bytes(QUESTION)
    agent = Agent(answers=[ANSWER, ANSWER, ANSWER])
    async with answering(agent) as url:
        status, told = await report(
            printed,
            *("--url", f"{url}/?from=2001&to=5005", "--uuid", "call-7"),
            *("--say", "First?", "--play", tmp_path / "second.raw", "--say", "Third?"),
        )
    assert status == 0
    assert (agent.uuid, agent.path) == ("call-7", "/?from=2001&to=5005&watch=1")
    assert [turn["said"] for turn in told["turns"]] == ["First?", "second.raw", "Third?"]
    assert [turn["heard"] for turn in told["turns"]] == ["A question?"] * 3
    assert [turn["answer"] for turn in told["turns"]] == ["An answer."] * 3
    assert [entry["role"] for entry in told["transcript"]] == ["user", "agent"] * 3
    assert told["uuid"] == "call-7"
    assert told["answered"] is True


async def test_a_welcome_is_heard_out_before_the_caller_speaks(printed: Printed) -> None:
    agent = Agent(welcome=sound(600), answers=[ANSWER])
    async with answering(agent) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?")
    first_sound = np.flatnonzero(np.frombuffer(agent.audio, dtype="<i2"))[0] / RATE
    assert first_sound > 0.6 + 0.7
    assert told["welcome_ms"] < 200
    assert (status, told["turns"][0]["latency_ms"] is not None) == (0, True)


async def test_the_line_is_never_without_frames_and_carries_the_speech_unchanged() -> None:
    agent = Agent(answers=[ANSWER])
    async with answering(agent) as url:
        await call("--url", url, "--say", "Hello?")
    assert len(agent.audio) % len(FRAME) == 0
    assert len(agent.audio) > 1.2 * 2 * RATE
    assert bytes(agent.audio).strip(b"\0") == QUESTION.strip(b"\0")


async def test_keys_are_pressed_after_the_last_line_and_are_a_turn(printed: Printed) -> None:
    agent = Agent(answers=[ANSWER, ANSWER])
    async with answering(agent) as url:
        _, told = await report(printed, "--url", url, "--say", "Hello?", "--digits", "12#")
    assert agent.digits == "12#"
    assert [turn["said"] for turn in told["turns"]] == ["Hello?", "keys 12#"]
    assert 100 <= told["turns"][1]["latency_ms"] <= 250


async def test_an_interruption_silences_what_was_queued(printed: Printed) -> None:
    async with answering(Agent(answers=[sound(3000)], barge_in=True)) as url:
        _, told = await report(printed, "--url", url, "--say", "Stop!")
    assert told["interruptions"] == 1
    assert told["seconds"] < 3


def two_turns() -> Conversation:
    """A call in its second turn; the agent spoke between the two."""
    call = Conversation(tell=lambda line: None)
    call.turns += [Turn("One?", began_at=0.0, spoken_at=0.5), Turn("Two?", 2.0, 2.5)]
    call.tape.heard(sound(200), at=1.0)
    return call


def test_what_a_service_tells_late_belongs_to_the_turn_whose_answer_was_heard() -> None:
    call = two_turns()
    heard, silent = AnswerTimes(frame_ms=20), AnswerTimes(requests=1)
    call.answer_ended(heard)
    call.answer_ended(silent)
    assert [turn.answers for turn in call.turns] == [[heard], [silent]]
    Conversation(tell=lambda line: None).answer_ended(heard)  # an answer to nothing is nobody's


def test_the_latency_of_a_turn_is_known_when_it_was_answered() -> None:
    call = two_turns()
    assert not call.note_answer()
    assert call.turns[-1].latency_ms is None
    call.tape.heard(sound(200), at=2.8)
    assert call.note_answer()
    assert call.turns[-1].latency_ms == 300


def test_the_first_reason_for_the_end_of_a_call_counts() -> None:
    call = Conversation(tell=lambda line: None)
    call.closed("the connection was lost")
    call.end("the caller hung up")
    assert call.ended == "the connection was lost"


def test_everything_that_happens_is_told_as_a_line() -> None:
    lines: list[str] = []
    call = Conversation(tell=lines.append)
    call.transcript("user", "Hello?")
    call.transcript("agent", "Good morning.")
    call.tool_ran("find_booking", 40)
    call.interruption()
    call.error("busy")
    assert lines == [
        "caller: Hello?",
        "agent: Good morning.",
        "tool: find_booking (40 ms)",
        "(interrupted)",
        "error: busy",
    ]
    assert (call.interruptions, call.errors) == (1, ["busy"])
    assert [(run.turn, run.name) for run in call.tools] == [(0, "find_booking")]
