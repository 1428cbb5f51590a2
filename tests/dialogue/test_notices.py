"""Rows T48 to T50: notices are heard to their ends before all else, whatever the caller does."""

from dataclasses import replace

import pytest
from tests.dialogue.simulated_call import ANSWER, PATIENT, QUESTION, SimulatedCall, heard

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.state import State

RECORDED, MACHINE = "This call is recorded.", "I am an automated assistant."
WELCOME = "Hello, how can I help you?"
BOTH = replace(PATIENT, recording_notice=RECORDED, disclosure=MACHINE, welcome=WELCOME)
NOTICES = [ev.ReportNotice("recording", RECORDED), ev.ReportNotice("disclosure", MACHINE)]


def opened(**changes: object) -> SimulatedCall:
    """A call in which the first notice is being heard."""
    call = SimulatedCall(replace(BOTH, **changes))  # type: ignore[arg-type]
    call.starts()
    call.agent_says()
    call.passes(0.5)
    return call


def says_on(call: SimulatedCall) -> None:
    """Let the agent say fixed texts until it listens, or answers."""
    while call.reply is not None and call.reply.text is not None:
        call.agent_says()
        call.passes(10)


def reported(call: SimulatedCall) -> list[ev.Command]:
    return [command for command in call.commands if isinstance(command, ev.ReportNotice)]


# T48
def test_notices_are_said_one_after_another_before_the_welcome() -> None:
    call = opened()
    call.passes(10)
    says_on(call)
    assert heard(call) == [RECORDED, MACHINE, WELCOME]
    assert reported(call) == NOTICES
    assert call.dialogue.state is State.LISTENING


# T48
def test_a_notice_is_said_to_a_caller_who_speaks_first() -> None:
    call = opened(welcome="", recording_notice="")
    call.passes(10)
    assert (heard(call), call.reply) == ([MACHINE], None)
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(20)
    assert heard(call) == [MACHINE, ANSWER]


# T48
def test_a_notice_is_reported_when_it_was_heard_to_its_end_and_not_before() -> None:
    call = opened()
    assert reported(call) == []
    call.passes(10)
    assert reported(call) == NOTICES[:1]


# T48, T49
@pytest.mark.parametrize("barge_in", ["words", "speech"])
def test_words_over_a_notice_are_answered_after_all_notices_instead_of_the_welcome(
    barge_in: str,
) -> None:
    call = opened(barge_in=barge_in)
    call.says(QUESTION)
    assert call.asked_for(ev.Pause) == call.asked_for(ev.Flush) == 0
    call.passes(10)
    says_on(call)
    assert heard(call) == [RECORDED, MACHINE]
    assert call.questions == [QUESTION]
    call.agent_says(ANSWER)
    call.passes(20)
    assert heard(call)[2:] == [ANSWER]


# T49
def test_words_before_the_voice_of_a_notice_has_begun_do_not_cancel_it() -> None:
    call = SimulatedCall(BOTH)
    call.starts()
    call.says(QUESTION)
    says_on(call)
    assert heard(call) == [RECORDED, MACHINE]
    assert call.questions == [QUESTION]


# T49
def test_a_late_segment_over_a_notice_is_answered_afterwards() -> None:
    call = SimulatedCall(replace(BOTH, recording_notice=""))
    call.starts()
    call.turn_ends()
    call.segment(QUESTION, late=True)
    says_on(call)
    assert (heard(call), call.questions) == ([MACHINE], [QUESTION])


# T49
def test_keys_over_a_notice_are_collected_and_answered_afterwards() -> None:
    call = opened()
    call.types("12#")
    assert call.asked_for(ev.Flush) == 0
    call.passes(10)
    says_on(call)
    assert (heard(call), call.questions) == ([RECORDED, MACHINE], ["[keys: 1 2]"])


# T49
def test_keys_that_are_not_all_there_as_the_notices_end_replace_the_welcome() -> None:
    call = opened(recording_notice="")
    call.passes(1.5)
    call.types("12")
    call.passes(1.0)
    assert (heard(call), call.reply) == ([MACHINE], None)
    call.types("3")
    call.passes(5)
    assert call.questions == ["[keys: 1 2 3]"]


# T49
@pytest.mark.parametrize("manners", [{"welcome_is_sacred": True}, {"barge_in": "off"}])
def test_a_welcome_that_words_cannot_interrupt_is_said_before_the_answer(
    manners: dict[str, object],
) -> None:
    call = opened(**manners)
    call.says(QUESTION)
    call.passes(10)
    says_on(call)
    assert heard(call) == [RECORDED, MACHINE, WELCOME]
    assert call.questions == [QUESTION]


# T49
def test_a_sound_as_the_notices_end_holds_the_welcome_until_it_is_clear() -> None:
    call = opened(recording_notice="")
    call.sound()
    call.passes(10)
    call.agent_says()
    assert call.paused
    call.guess("Opening")
    call.segment("Opening hours?")
    call.quiet()
    call.turn_ends()
    assert (heard(call), call.questions) == ([MACHINE], ["Opening hours?"])


# T49
def test_mhm_over_a_notice_is_no_question() -> None:
    call = opened(recording_notice="")
    call.says("Mhm.")
    call.passes(10)
    says_on(call)
    assert (heard(call), call.questions) == ([MACHINE, WELCOME], [])


# T50
def test_a_caller_is_welcomed_though_no_notice_could_be_said() -> None:
    call = SimulatedCall(BOTH)
    call.starts()
    call.agent_fails()
    call.settle()
    call.agent_fails()
    call.settle()
    says_on(call)
    assert (heard(call), reported(call)) == ([WELCOME], [])
    notes = [command.text for command in call.commands if isinstance(command, ev.Note)]
    assert ["(recording)" in notes[0], "(disclosure)" in notes[1]] == [True, True]


# T50
def test_a_notice_of_which_the_end_was_not_heard_is_not_reported() -> None:
    call = opened(recording_notice="")
    call.voice_breaks_off()
    says_on(call)
    assert reported(call) == []
    assert [c.text for c in call.commands if isinstance(c, ev.Note)] == [
        "the caller did not hear the whole notice (disclosure): the voice failed"
    ]
    assert heard(call)[-1] == WELCOME


# T50
def test_a_welcome_that_fails_after_a_notice_does_not_end_the_call() -> None:
    call = SimulatedCall(replace(BOTH, recording_notice=""))
    call.starts()
    for _ in range(2):
        call.agent_fails()
        call.settle()
    call.says(QUESTION)
    assert (call.ended, call.questions) == (None, [QUESTION])


# T44
def test_the_end_of_this_program_is_not_delayed_by_a_notice() -> None:
    call = opened(disclosure="word " * 100)
    call.passes(5)
    call.agent_says()
    call.tell(ev.ServiceEnds())
    call.passes(3)
    says_on(call)
    assert call.ended is not None
    assert reported(call) == NOTICES[:1]
