"""Rows about sounds and words of the caller over the agent."""

from dataclasses import replace

import pytest
from tests.dialogue.simulated_call import (
    A_MOMENT,
    ANSWER,
    PATIENT,
    QUESTION,
    WORD_S,
    SimulatedCall,
    heard,
)

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import CUT_MARK
from avr_sts_speechmatics.dialogue.state import State
from avr_sts_speechmatics.dialogue.steps import TURN_OVERDUE_S

# --- before the agent speaks -------------------------------------------------------------------


# T4
def test_words_while_the_agent_thinks_join_the_question(call: SimulatedCall) -> None:
    call.says("When do you open")
    call.guess("on")
    assert call.replies[0].cancelled
    call.segment("on Sundays?")
    call.turn_ends()
    assert call.questions == ["When do you open", "When do you open on Sundays?"]
    assert call.asked_for(ev.Flush) == 0


# T4
def test_a_sound_does_not_cancel_a_reply_that_is_not_heard_yet(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.sound()
    assert call.reply is not None


# T6
def test_the_agent_begins_paused_while_the_caller_makes_a_sound(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.sound()
    call.agent_says(ANSWER)
    call.passes(PATIENT.confirm_s - 0.1)
    assert call.playout[0].played == 0
    call.passes(10)
    assert heard(call) == [ANSWER]


# T6
def test_the_end_of_a_turn_ends_its_sound(call: SimulatedCall) -> None:
    call.sound()
    call.segment(QUESTION)
    call.turn_ends()
    call.agent_says(ANSWER)
    assert not call.paused


# T5
def test_an_answer_cancelled_for_a_guess_without_words_is_given_after_all(
    call: SimulatedCall,
) -> None:
    call.says(QUESTION)
    call.guess("uh")
    assert call.reply is None
    call.turn_ends()
    assert call.questions == [QUESTION, QUESTION]


# T5
def test_an_answer_cancelled_for_a_guess_is_given_when_no_end_of_turn_comes(
    call: SimulatedCall,
) -> None:
    call.says(QUESTION)
    call.guess("uh")
    call.passes(TURN_OVERDUE_S)
    assert call.questions == [QUESTION, QUESTION]


# --- a sound while the agent speaks ------------------------------------------------------------


# T7
def test_a_sound_pauses_the_agent_at_once(speaking: SimulatedCall) -> None:
    speaking.sound()
    assert speaking.paused
    played = speaking.playout[0].played
    speaking.passes(A_MOMENT)
    assert speaking.playout[0].played == played


# T7, T12
def test_a_cough_does_not_cost_the_caller_the_rest_of_the_sentence(
    speaking: SimulatedCall,
) -> None:
    speaking.sound()
    speaking.quiet()
    speaking.passes(PATIENT.confirm_s)
    assert not speaking.paused
    speaking.passes(10)
    assert heard(speaking) == [ANSWER]
    assert speaking.asked_for(ev.Flush) == 0


# T2, T12
def test_a_turn_without_words_resumes_the_agent_at_once(
    paused: SimulatedCall,
) -> None:
    paused.turn_ends()
    assert not paused.paused
    assert ev.Timer.CONFIRM not in paused.timers


# T12
def test_each_sound_has_its_own_confirm_time(speaking: SimulatedCall) -> None:
    for _ in range(3):
        speaking.sound()
        speaking.quiet()
        speaking.passes(PATIENT.confirm_s)
    assert speaking.asked_for(ev.Pause) == speaking.asked_for(ev.Resume) == 3


# T12
def test_a_reply_that_ends_while_paused_leaves_no_pause_behind(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says("Nine.")
    call.passes(WORD_S, settle=False)
    call.sound()  # after its last sample, before the end of the reply is known
    call.settle()
    assert not call.paused
    call.quiet()
    call.says("And when do you close?")
    call.agent_says("At five.")
    call.passes(10)
    assert heard(call) == ["Nine.", "At five."]


# T12
def test_a_reply_heard_to_its_end_before_it_could_be_paused_leaves_no_pause_behind(
    paused: SimulatedCall,
) -> None:
    paused.pause_comes_too_late()
    paused.settle()
    assert not paused.paused
    paused.quiet()
    paused.says("And on Sundays?")
    paused.agent_says("At ten.")
    paused.passes(10)
    assert heard(paused) == [ANSWER, "At ten."]


# T12, T21
def test_a_reply_that_fails_while_paused_is_apologised_for_aloud(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says("Well,", complete=False)
    call.passes(WORD_S)
    call.sound()
    call.agent_fails()
    call.settle()
    call.quiet()
    call.agent_says()
    call.passes(20)
    assert heard(call) == ["Well,", PATIENT.sorry]


# --- words while the agent speaks --------------------------------------------------------------


# T9
def test_words_take_the_floor_from_the_agent(speaking: SimulatedCall) -> None:
    speaking.guess("Stop")
    assert speaking.reply is None
    assert speaking.asked_for(ev.Flush) == 1
    assert speaking.dialogue.state is State.LISTENING


# T9
def test_words_take_the_floor_from_a_paused_agent(paused: SimulatedCall) -> None:
    paused.guess("Stop")
    assert paused.reply is None
    assert (paused.asked_for(ev.Flush), paused.asked_for(ev.Resume)) == (1, 0)
    assert ev.Timer.CONFIRM not in paused.timers


# T9
def test_settled_words_without_a_guess_take_the_floor_too(speaking: SimulatedCall) -> None:
    speaking.segment("Stop.")
    assert speaking.reply is None
    assert speaking.asked_for(ev.Flush) == 1


# T9
def test_a_guess_without_letters_takes_no_floor(speaking: SimulatedCall) -> None:
    speaking.guess("...")
    speaking.passes(10)
    assert heard(speaking) == [ANSWER]


# T9
def test_an_interrupted_sentence_is_remembered_as_far_as_it_was_heard(
    speaking: SimulatedCall,
) -> None:
    speaking.passes(4 * WORD_S)
    speaking.says("Thanks!")
    assert speaking.transcript == [
        ("user", QUESTION),
        ("agent", "We are open from nine to"),
        ("user", "Thanks!"),
    ]
    assert speaking.conversation[1] == ("assistant", "We are open from nine to" + CUT_MARK)


# T9
def test_a_sentence_that_was_not_heard_is_not_remembered(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.sound()
    call.agent_says(ANSWER)  # begins paused
    call.guess("And")
    call.segment("And on Sundays?")
    call.turn_ends()
    assert call.conversation == [("user", f"{QUESTION} And on Sundays?")]


# T9
def test_a_sentence_whose_audio_never_came_is_not_remembered(call: SimulatedCall) -> None:
    call.says(QUESTION)
    utterance = call.agent_prepares(ANSWER)
    call.says("Never mind.")
    call.tell(ev.UtterancePlayed(utterance))  # of an empty utterance, which is soon over
    assert heard(call) == []


# T9
def test_events_of_a_cancelled_reply_are_ignored(speaking: SimulatedCall) -> None:
    speaking.says("Stop.")
    commands = len(speaking.commands)
    for news in (
        ev.SentenceReady(1, 99, "And another thing."),
        ev.VoiceStarted(1),
        ev.UtterancePlayed(99),
        ev.ReplyEnded(1),
        ev.ReplyFailed(1),
    ):
        speaking.tell(news)
    assert len(speaking.commands) == commands
    assert speaking.dialogue.state is State.THINKING


# --- finals that come late ---------------------------------------------------------------------


# T13
def test_a_late_segment_is_answered_when_no_reply_is_under_way(call: SimulatedCall) -> None:
    call.turn_ends()
    call.segment(QUESTION, late=True)
    assert call.questions == [QUESTION]


# T13
def test_a_late_segment_joins_the_question_under_way(call: SimulatedCall) -> None:
    call.says("When do you open")
    call.segment("on Sundays?", late=True)
    assert call.replies[0].cancelled
    assert call.questions[-1] == "When do you open on Sundays?"


# T13
def test_a_late_segment_does_not_interrupt_the_agent(speaking: SimulatedCall) -> None:
    speaking.segment("please?", late=True)
    assert ("user", "please?") in speaking.transcript
    speaking.passes(10)
    assert heard(speaking) == [ANSWER]


# T13
def test_a_late_segment_during_the_welcome_is_answered_after_the_welcome() -> None:
    call = SimulatedCall(replace(PATIENT, welcome="Hello, how can I help you?"))
    call.starts()
    call.agent_says()
    call.turn_ends()
    call.segment(QUESTION, late=True)
    assert call.questions == []
    call.passes(10)
    assert heard(call) == ["Hello, how can I help you?"]
    assert call.questions == [QUESTION]


# T13
def test_a_late_guess_is_ignored(speaking: SimulatedCall) -> None:
    speaking.guess("open?", late=True)
    assert speaking.reply is not None
    assert not speaking.paused


# --- what interrupts, and what does not ----------------------------------------------------------


def answering(**manners: object) -> SimulatedCall:
    """The agent has said "We are" of its answer."""
    call = SimulatedCall(replace(PATIENT, **manners))  # type: ignore[arg-type]
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(2 * WORD_S)
    return call


# T10
@pytest.mark.parametrize("text", ["Mhm.", "Yeah, okay.", "uh-huh", "I see!"])
def test_a_backchannel_pauses_the_agent_and_takes_no_floor(text: str) -> None:
    call = answering()
    call.says(text)
    assert not call.paused
    call.passes(20)
    assert heard(call) == [ANSWER]
    assert call.asked_for(ev.Flush) == 0
    assert call.asked_for(ev.StartReply) == 1
    assert ("user", text) in call.transcript


# T10
def test_a_backchannel_before_words_does_not_count_as_a_word() -> None:
    call = answering(min_words=2)
    call.sound()
    call.guess("yeah but")
    assert call.asked_for(ev.Flush) == 0
    call.guess("yeah but when")
    assert call.asked_for(ev.Flush) == 1


# T9
def test_words_of_several_segments_are_counted_together() -> None:
    call = answering(min_words=2)
    call.sound()
    call.segment("Wait,")
    assert call.asked_for(ev.Flush) == 0
    call.segment("please.")
    assert call.asked_for(ev.Flush) == 1


# T9
@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("停", "停一下"),
        ("はい", "ちょっと待って"),
        ("ครับ", "หยุดก่อน"),
        ("잠깐", "잠깐 기다려"),
        ("لحظة", "لحظة من فضلك"),
        ("हिन्दी", "हिन्दी में"),
    ],
)
def test_two_words_interrupt_in_every_language(one: str, two: str) -> None:
    call = answering(min_words=2)
    call.sound()
    call.guess(one)
    assert call.asked_for(ev.Flush) == 0
    call.guess(two)
    assert call.asked_for(ev.Flush) == 1


# T10
def test_a_backchannel_is_an_answer_when_the_agent_is_silent(call: SimulatedCall) -> None:
    call.says("Yeah.")
    assert call.questions == ["Yeah."]


# T8
def test_with_barge_in_speech_a_sound_takes_the_floor() -> None:
    call = answering(barge_in="speech")
    call.sound()
    assert call.asked_for(ev.Flush) == 1
    assert heard(call) == ["We are"]


# T11
def test_with_barge_in_off_the_answer_is_heard_and_the_caller_is_answered_after_it() -> None:
    call = answering(barge_in="off")
    call.says("And on Sunday?")
    assert call.asked_for(ev.Pause) == call.asked_for(ev.Flush) == 0
    call.passes(20)
    assert heard(call) == [ANSWER]
    assert call.questions[-1].endswith("And on Sunday?")


# T11, T14
def test_a_key_interrupts_when_barge_in_is_off() -> None:
    call = answering(barge_in="off")
    call.types("1")
    assert call.asked_for(ev.Flush) == 1


# T11
def test_a_sacred_welcome_is_heard_to_its_end_and_later_answers_can_be_interrupted() -> None:
    call = SimulatedCall(replace(PATIENT, welcome="This call is recorded.", welcome_is_sacred=True))
    call.starts()
    call.agent_says()
    call.says(QUESTION)
    assert call.asked_for(ev.Pause) == call.asked_for(ev.Flush) == 0
    call.passes(20)
    assert heard(call) == ["This call is recorded."]
    call.agent_says(ANSWER)
    call.says("Stop.")
    assert call.asked_for(ev.Flush) == 1
