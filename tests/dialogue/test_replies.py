"""Rows about the agent's replies: voice, fillers, failures."""

from collections.abc import Callable

import pytest
from tests.dialogue.simulated_call import (
    ANSWER,
    PATIENT,
    QUESTION,
    SimulatedCall,
)

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import CUT_MARK, KEY_MARK, LOST_MARK, STOPPED_MARK
from avr_sts_speechmatics.dialogue.replies import FAILURES_MAX

# --- failures ----------------------------------------------------------------------------------


def fail_a_question(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_fails()
    call.settle()


# T21
def test_a_reply_that_fails_is_apologised_for(call: SimulatedCall) -> None:
    fail_a_question(call)
    assert call.fixed == [PATIENT.sorry]
    call.agent_says()
    call.passes(10)
    assert call.ended is None


# T21
def test_an_answer_without_a_word_is_apologised_for(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_has_said_all()
    call.settle()
    assert call.fixed == [PATIENT.sorry]


# T23
def test_an_apology_that_fails_ends_the_call(call: SimulatedCall) -> None:
    fail_a_question(call)
    call.agent_fails()
    call.settle()
    assert call.fixed == [PATIENT.sorry]
    assert call.ended is not None
    assert "voice" in str(call.ended.error)


# T22
def test_too_many_failures_in_a_row_end_the_call_with_an_apology(call: SimulatedCall) -> None:
    for _ in range(FAILURES_MAX - 1):
        fail_a_question(call)
        call.agent_says()  # the apology is heard; that is not an answer
        call.passes(20)
    fail_a_question(call)
    assert call.fixed[-1] == PATIENT.farewell
    assert call.ended is None
    call.agent_says()
    call.passes(20)
    assert call.ended is not None
    assert call.ended.error


# T22
def test_a_heard_answer_resets_the_count_of_failures(call: SimulatedCall) -> None:
    for _ in range(2 * FAILURES_MAX):
        fail_a_question(call)
        call.agent_says()
        call.passes(20)
        call.says(QUESTION)
        call.agent_says(ANSWER)
        call.passes(20)
    assert PATIENT.farewell not in call.fixed


def test_history_says_truly_why_a_sentence_was_cut(speaking: SimulatedCall) -> None:
    speaking.voice_breaks_off()
    assert speaking.conversation[-1] == ("assistant", "We are" + LOST_MARK)


@pytest.mark.parametrize(
    ("cut", "mark"),
    [
        (lambda call: call.guess("Stop"), CUT_MARK),
        (lambda call: call.types("1"), KEY_MARK),
        (lambda call: call.tell(ev.SttFailed()), STOPPED_MARK),
    ],
    ids=["words", "a key", "the end of the call"],
)
def test_each_cut_has_its_mark(
    speaking: SimulatedCall, cut: Callable[[SimulatedCall], None], mark: str
) -> None:
    cut(speaking)
    assert speaking.conversation[-1] == ("assistant", "We are" + mark)
