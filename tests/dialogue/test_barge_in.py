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
from avr_sts_speechmatics.dialogue.own_voice import IN_A_ROW_MAX
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


# --- few words over the end of what the agent says ---------------------------------------------

ASKS = "Shall I book it for you?"


def asking(call: SimulatedCall, left_s: float) -> SimulatedCall:
    """The agent asks a question; so much of it is still to be heard."""
    call.says(QUESTION)
    call.agent_says(ASKS)
    call.passes(len(ASKS.split()) * WORD_S - left_s)
    return call


# T40
@pytest.mark.parametrize(
    ("word", "left_s"),
    [
        *(("Yeah.", left) for left in (0.05, 0.3, 1.5)),
        *((word, 0.8) for word in ("Sure", "okay", "Right.", "I see.")),
        ("Mhm.", 0.3),
    ],
)
def test_a_backchannel_over_the_end_of_a_question_answers_it(
    call: SimulatedCall, word: str, left_s: float
) -> None:
    asking(call, left_s).says(word)
    assert call.asked_for(ev.Flush) == 0
    call.passes(left_s + 0.1)
    assert heard(call) == [ASKS]
    assert call.questions == [QUESTION, word]


# T40
def test_a_backchannel_over_the_end_of_a_welcome_answers_it() -> None:
    call = SimulatedCall(replace(PATIENT, welcome="Hello, is this about your order?"))
    call.starts()
    call.agent_says()
    call.passes(5 * WORD_S)
    call.says("Yeah.")
    call.passes(2)
    assert call.questions == ["Yeah."]


# T40
def test_a_backchannel_over_the_end_of_a_statement_is_the_next_turn(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(len(ANSWER.split()) * WORD_S - 0.2)
    call.says("Okay.")
    call.passes(0.3)
    assert call.questions == [QUESTION, "Okay."]


# T40
def test_few_words_below_the_minimum_over_the_end_of_a_question_answer_it() -> None:
    call = asking(SimulatedCall(replace(PATIENT, min_words=3)), left_s=0.3)
    call.says("Tomorrow please.")
    call.passes(1)
    assert call.questions == [QUESTION, "Tomorrow please."]


# T10
def test_a_hum_in_the_middle_of_a_question_does_not_answer_it(call: SimulatedCall) -> None:
    asking(call, left_s=1.5).says("Mhm.")
    call.passes(60)
    assert call.questions == [QUESTION]


# T10
def test_a_backchannel_over_a_question_is_no_answer_if_the_agent_goes_on(
    call: SimulatedCall,
) -> None:
    call.says(QUESTION)
    call.agent_says("You know what?", ANSWER)
    call.passes(2 * WORD_S)
    call.says("Mhm.")
    call.passes(60)
    assert call.questions == [QUESTION]
    assert heard(call) == ["You know what?", ANSWER]


# T10
def test_a_backchannel_at_the_end_of_a_call_keeps_nobody(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says("Goodbye then.", complete=False)
    call.agent_calls("avr_hangup", leaves="hang_up")
    call.passes(WORD_S)
    call.says("Okay.")
    call.passes(60)
    assert call.questions == [QUESTION]
    assert len(call.tools_run) == 1


# --- the line returns the agent's voice ----------------------------------------------------------


def returned(call: SimulatedCall, text: str) -> None:
    """The line returns a sentence of the agent, which the recogniser takes for a turn."""
    words = text.split()
    call.sound()
    for count in range(1, len(words) + 1):
        call.tell(ev.WordsHeard(" ".join(words[:count]), call.audio_s()))
        call.passes(WORD_S / 4)
    call.tell(ev.SegmentHeard(text, call.audio_s()))
    call.quiet()
    call.turn_ends()


# T43
@pytest.mark.parametrize(
    "text", [ANSWER, "We are open from mine to five on week days", "are open from nine to five"]
)
def test_the_agents_own_words_take_no_floor_and_ask_nothing(call: SimulatedCall, text: str) -> None:
    call.says(QUESTION)
    call.agent_says(ANSWER, "Is there anything else I can do for you today?")
    call.passes(WORD_S)
    returned(call, text)
    call.passes(60)
    assert call.asked_for(ev.Flush) == 0
    assert heard(call) == [ANSWER, "Is there anything else I can do for you today?"]
    assert call.questions == [QUESTION]
    assert call.asked_for(ev.Note) == 1


# T43
def test_the_agents_last_words_ask_nothing_when_they_come_back_after_its_end(
    call: SimulatedCall,
) -> None:
    call.says(QUESTION)
    call.agent_says("How can I help you?")
    call.passes(5 * WORD_S)
    assert call.reply is None
    call.sound()
    call.guess("can I help you")
    call.segment_of_the_agent("Can I help you?")
    call.turn_ends()
    call.passes(60)
    assert call.questions == [QUESTION]


# T43
def test_a_caller_may_repeat_the_agents_words_after_its_end(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(len(ANSWER.split()) * WORD_S + 2)
    call.says("From nine to five on weekdays?")
    assert call.questions == [QUESTION, "From nine to five on weekdays?"]


# T43
def test_real_words_behind_the_agents_own_interrupt_it(speaking: SimulatedCall) -> None:
    speaking.sound()
    speaking.guess("we are open no wait")
    assert not speaking.playout
    speaking.segment_of_the_agent("We are")
    speaking.segment("no wait.")
    speaking.turn_ends()
    assert speaking.questions == [QUESTION, "no wait."]


# T7, T43
def test_on_a_line_that_echoes_a_sound_does_not_pause_the_agent(call: SimulatedCall) -> None:
    for _ in range(2):
        call.says(QUESTION)
        call.agent_says(ANSWER)
        call.passes(WORD_S)
        returned(call, ANSWER)
        call.passes(20)
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(WORD_S)
    call.sound()
    assert not call.paused
    call.guess("stop please")
    assert not call.playout


# T9
def test_an_agent_that_is_interrupted_again_and_again_is_harder_to_interrupt(
    call: SimulatedCall,
) -> None:
    for n in range(IN_A_ROW_MAX):
        call.says(f"Question number {n}, please?")
        call.agent_says(ANSWER)
        call.passes(WORD_S)
    call.says("Another one, please?")
    assert call.asked_for(ev.Note) == 1
    call.agent_says(ANSWER)
    call.passes(WORD_S)
    call.guess("uh")
    assert call.playout
    call.passes(20)
    call.says(QUESTION)  # an answer was heard
    call.agent_says(ANSWER)
    call.passes(WORD_S)
    call.guess("stop")
    assert not call.playout
