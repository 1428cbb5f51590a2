"""Whose turn it is: every row of the table, then calls nobody would think of."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.dialogue import generated_calls
from tests.dialogue.generated_calls import ENDINGS, MANNERS, Step, live_through, nothing
from tests.dialogue.simulated_call import PATIENT, WORD_S, SimulatedCall

from avr_sts_speechmatics.conversation import Message, ToolCall, ToolResult
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import CUT_MARK
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.turns import (
    DRAFTS_MAX,
    FAILURES_MAX,
    GONE_S,
    SETTLE_S,
    SETTLE_TRIES,
    TURN_OVERDUE_S,
    State,
)

QUESTION = "When do you open?"
ANSWER = "We are open from nine to five on weekdays."
A_MOMENT = PATIENT.confirm_s / 2


@pytest.fixture
def call() -> SimulatedCall:
    return SimulatedCall()


@pytest.fixture
def speaking(call: SimulatedCall) -> SimulatedCall:
    """The agent has said "We are" of its answer."""
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(2 * WORD_S)
    return call


@pytest.fixture
def paused(speaking: SimulatedCall) -> SimulatedCall:
    speaking.sound()
    return speaking


def heard(call: SimulatedCall) -> list[str]:
    return [text for role, text in call.transcript if role == "agent"]


# --- a plain call ------------------------------------------------------------------------------


def test_a_call_begins_with_the_welcome() -> None:
    call = SimulatedCall(replace(PATIENT, welcome="Hello, how can I help you?"))
    call.starts()
    call.agent_says()
    call.passes(10)
    assert call.transcript == [("agent", "Hello, how can I help you?")]
    assert call.dialogue.state is State.LISTENING


def test_without_a_welcome_the_caller_begins(call: SimulatedCall) -> None:
    call.starts()
    assert call.commands == []


def test_a_turn_with_words_is_written_down_and_answered(call: SimulatedCall) -> None:
    call.says(QUESTION)
    assert call.transcript == [("user", QUESTION)]
    assert call.questions == [QUESTION]
    call.agent_says(ANSWER)
    call.passes(10)
    assert call.conversation == [("user", QUESTION), ("assistant", ANSWER)]


def test_the_model_is_given_the_whole_conversation(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(10)
    call.says("And on Sundays?")
    assert list(call.replies[-1].history) == [
        Message("user", QUESTION),
        Message("assistant", ANSWER),
        Message("user", "And on Sundays?"),
    ]


def test_segments_of_a_turn_are_one_question(call: SimulatedCall) -> None:
    call.segment("I would like")
    call.segment("two tickets.")
    assert call.questions == []
    call.turn_ends()
    assert call.questions == ["I would like two tickets."]


def test_a_turn_without_words_asks_nothing(call: SimulatedCall) -> None:
    call.sound()
    call.segment("…")
    call.turn_ends()
    call.passes(60)
    assert (call.replies, call.transcript) == ([], [])


# --- the end of a turn that never comes --------------------------------------------------------


def test_settled_words_are_answered_though_the_end_of_their_turn_is_lost(
    call: SimulatedCall,
) -> None:
    call.segment(QUESTION)
    call.passes(TURN_OVERDUE_S - 0.1)
    assert call.questions == []
    call.passes(0.1)
    assert call.questions == [QUESTION]


def test_who_still_speaks_is_not_answered_by_the_clock(call: SimulatedCall) -> None:
    call.segment("I would like")
    call.sound()
    call.passes(10 * TURN_OVERDUE_S)
    assert call.questions == []
    call.quiet()
    call.passes(TURN_OVERDUE_S)
    assert call.questions == ["I would like"]


def test_every_new_guess_gives_the_caller_more_time(call: SimulatedCall) -> None:
    call.segment("I would like")
    for guess in ("two", "two tickets", "two tickets to"):
        call.passes(TURN_OVERDUE_S - 0.1)
        call.guess(guess)
    assert call.questions == []


def test_an_end_of_turn_that_comes_after_all_does_not_answer_twice(call: SimulatedCall) -> None:
    call.segment(QUESTION)
    call.passes(TURN_OVERDUE_S)
    call.turn_ends()
    assert call.questions == [QUESTION]


# --- before the agent speaks -------------------------------------------------------------------


def test_who_speaks_on_while_the_agent_thinks_had_not_finished(call: SimulatedCall) -> None:
    call.says("When do you open")
    call.guess("on")
    assert call.replies[0].cancelled
    call.segment("on Sundays?")
    call.turn_ends()
    assert call.questions == ["When do you open", "When do you open on Sundays?"]
    assert call.asked_for(ev.Flush) == 0


def test_sound_alone_does_not_stop_the_thinking(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.sound()
    assert call.reply is not None


def test_the_agent_does_not_begin_in_the_middle_of_the_callers_word(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.sound()
    call.agent_says(ANSWER)
    call.passes(PATIENT.confirm_s - 0.1)
    assert call.playout[0].played == 0
    call.passes(10)
    assert heard(call) == [ANSWER]


def test_the_end_of_a_turn_is_the_end_of_its_sound(call: SimulatedCall) -> None:
    call.sound()
    call.segment(QUESTION)
    call.turn_ends()
    call.agent_says(ANSWER)
    assert not call.paused


def test_an_answer_dropped_for_a_guess_that_came_to_nothing_is_given_after_all(
    call: SimulatedCall,
) -> None:
    call.says(QUESTION)
    call.guess("uh")
    assert call.reply is None
    call.turn_ends()
    assert call.questions == [QUESTION, QUESTION]


def test_an_answer_dropped_for_a_guess_is_given_though_no_end_of_turn_comes(
    call: SimulatedCall,
) -> None:
    call.says(QUESTION)
    call.guess("uh")
    call.passes(TURN_OVERDUE_S)
    assert call.questions == [QUESTION, QUESTION]


# --- a sound while the agent speaks ------------------------------------------------------------


def test_a_sound_pauses_the_agent_at_once(speaking: SimulatedCall) -> None:
    speaking.sound()
    assert speaking.paused
    played = speaking.playout[0].played
    speaking.passes(A_MOMENT)
    assert speaking.playout[0].played == played


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


def test_a_turn_that_ends_without_words_lets_the_agent_go_on_at_once(
    paused: SimulatedCall,
) -> None:
    paused.turn_ends()
    assert not paused.paused
    assert ev.Timer.CONFIRM not in paused.timers


def test_each_sound_is_judged_by_itself(speaking: SimulatedCall) -> None:
    for _ in range(3):
        speaking.sound()
        speaking.quiet()
        speaking.passes(PATIENT.confirm_s)
    assert speaking.asked_for(ev.Pause) == speaking.asked_for(ev.Resume) == 3


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


def test_words_take_the_floor_from_the_agent(speaking: SimulatedCall) -> None:
    speaking.guess("Stop")
    assert speaking.reply is None
    assert speaking.asked_for(ev.Flush) == 1
    assert speaking.dialogue.state is State.LISTENING


def test_words_take_the_floor_from_a_paused_agent(paused: SimulatedCall) -> None:
    paused.guess("Stop")
    assert paused.reply is None
    assert (paused.asked_for(ev.Flush), paused.asked_for(ev.Resume)) == (1, 0)
    assert ev.Timer.CONFIRM not in paused.timers


def test_settled_words_without_a_guess_take_the_floor_too(speaking: SimulatedCall) -> None:
    speaking.segment("Stop.")
    assert speaking.reply is None
    assert speaking.asked_for(ev.Flush) == 1


def test_a_guess_without_letters_takes_nothing(speaking: SimulatedCall) -> None:
    speaking.guess("...")
    speaking.passes(10)
    assert heard(speaking) == [ANSWER]


def test_what_was_cut_off_is_remembered_as_far_as_it_was_heard(speaking: SimulatedCall) -> None:
    speaking.passes(4 * WORD_S)
    speaking.says("Thanks!")
    assert speaking.transcript == [
        ("user", QUESTION),
        ("agent", "We are open from nine to"),
        ("user", "Thanks!"),
    ]
    assert speaking.conversation[1] == ("assistant", "We are open from nine to" + CUT_MARK)


def test_what_nobody_heard_is_not_remembered(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.sound()
    call.agent_says(ANSWER)  # begins paused
    call.guess("And")
    call.segment("And on Sundays?")
    call.turn_ends()
    assert call.conversation == [("user", f"{QUESTION} And on Sundays?")]


def test_a_sentence_whose_audio_never_came_is_not_remembered(call: SimulatedCall) -> None:
    call.says(QUESTION)
    utterance = call.agent_prepares(ANSWER)
    call.says("Never mind.")
    call.tell(ev.UtterancePlayed(utterance))  # of an empty utterance, which is soon over
    assert heard(call) == []


def test_late_news_of_a_cancelled_reply_means_nothing(speaking: SimulatedCall) -> None:
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


def test_a_late_final_is_answered_if_nobody_answers_yet(call: SimulatedCall) -> None:
    call.turn_ends()
    call.segment(QUESTION, late=True)
    assert call.questions == [QUESTION]


def test_a_late_final_joins_the_question_that_is_being_thought_about(call: SimulatedCall) -> None:
    call.says("When do you open")
    call.segment("on Sundays?", late=True)
    assert call.replies[0].cancelled
    assert call.questions[-1] == "When do you open on Sundays?"


def test_a_late_final_does_not_interrupt_the_agent(speaking: SimulatedCall) -> None:
    speaking.segment("please?", late=True)
    assert ("user", "please?") in speaking.transcript
    speaking.passes(10)
    assert heard(speaking) == [ANSWER]


def test_a_late_final_under_the_welcome_is_answered_after_it() -> None:
    call = SimulatedCall(replace(PATIENT, welcome="Hello, how can I help you?"))
    call.starts()
    call.agent_says()
    call.turn_ends()
    call.segment(QUESTION, late=True)
    assert call.questions == []
    call.passes(10)
    assert heard(call) == ["Hello, how can I help you?"]
    assert call.questions == [QUESTION]


def test_a_late_guess_means_nothing(speaking: SimulatedCall) -> None:
    speaking.guess("open?", late=True)
    assert speaking.reply is not None
    assert not speaking.paused


# --- keys --------------------------------------------------------------------------------------


def test_a_key_interrupts_the_agent(speaking: SimulatedCall) -> None:
    speaking.types("1")
    assert speaking.asked_for(ev.Flush) == 1


def test_a_pause_ends_a_number(call: SimulatedCall) -> None:
    call.types("12")
    call.passes(PATIENT.keys_s - 0.1)
    call.types("3")
    assert call.questions == []
    call.passes(PATIENT.keys_s)
    assert call.questions == ["[keys: 1 2 3]"]


def test_the_hash_key_ends_a_number_at_once(call: SimulatedCall) -> None:
    call.types("42#")
    assert call.questions == ["[keys: 4 2]"]
    call.passes(PATIENT.keys_s)
    assert len(call.questions) == 1


def test_the_star_key_clears_a_number(call: SimulatedCall) -> None:
    call.types("12*")
    call.passes(60)
    assert call.questions == []
    call.types("3#")
    assert call.questions == ["[keys: 3]"]


def test_who_types_is_not_answered_before_the_number_is_complete(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.types("1")
    call.turn_ends()
    assert call.questions == [QUESTION]
    call.types("2#")
    assert call.questions == [QUESTION, f"{QUESTION} [keys: 1 2]"]


def test_an_answer_dropped_for_a_cleared_number_is_given_after_all(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.types("1*")
    call.passes(TURN_OVERDUE_S)
    assert call.questions == [QUESTION, QUESTION]


# --- failures ----------------------------------------------------------------------------------


def fail_a_question(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_fails()
    call.settle()


def test_a_reply_that_fails_is_apologised_for(call: SimulatedCall) -> None:
    fail_a_question(call)
    assert call.fixed == [PATIENT.sorry]
    call.agent_says()
    call.passes(10)
    assert call.ended is None


def test_an_answer_without_a_word_is_apologised_for(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_has_said_all()
    call.settle()
    assert call.fixed == [PATIENT.sorry]


def test_an_apology_that_fails_ends_the_call(call: SimulatedCall) -> None:
    fail_a_question(call)
    call.agent_fails()
    call.settle()
    assert call.fixed == [PATIENT.sorry]
    assert call.ended is not None
    assert "voice" in str(call.ended.error)


def test_who_failed_too_often_in_a_row_says_so_and_ends_the_call(call: SimulatedCall) -> None:
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


def test_an_answer_that_is_heard_forgives_the_failures_before_it(call: SimulatedCall) -> None:
    for _ in range(2 * FAILURES_MAX):
        fail_a_question(call)
        call.agent_says()
        call.passes(20)
        call.says(QUESTION)
        call.agent_says(ANSWER)
        call.passes(20)
    assert PATIENT.farewell not in call.fixed


# --- when nobody hears the caller --------------------------------------------------------------


def test_a_caller_whom_nobody_hears_is_asked_for_a_moment(call: SimulatedCall) -> None:
    call.tell(ev.SttLost())
    call.passes(PATIENT.patience_s)
    assert call.fixed == [PATIENT.wait]


def test_a_short_loss_of_hearing_is_not_mentioned(call: SimulatedCall) -> None:
    call.tell(ev.SttLost())
    call.passes(PATIENT.patience_s - 0.1)
    call.tell(ev.SttRestored())
    call.passes(60)
    assert call.fixed == []


def test_a_caller_whom_nobody_hears_is_told_once_the_agent_has_finished(
    speaking: SimulatedCall,
) -> None:
    speaking.tell(ev.SttLost())
    speaking.passes(PATIENT.patience_s)
    assert speaking.reply is not None
    assert speaking.reply.text is None
    speaking.passes(20)
    assert speaking.fixed == [PATIENT.wait]


def test_a_deaf_agent_says_so_and_ends_the_call(speaking: SimulatedCall) -> None:
    speaking.tell(ev.SttFailed())
    assert speaking.fixed == [PATIENT.farewell]
    speaking.agent_says()
    speaking.passes(20)
    assert speaking.ended is not None
    assert speaking.ended.error


@pytest.mark.parametrize("begun", [False, True], ids=["before it begins", "while it is heard"])
def test_nothing_keeps_a_farewell_from_being_heard(call: SimulatedCall, begun: bool) -> None:
    call.tell(ev.SttFailed())
    if begun:
        call.agent_says()
    call.sound()
    call.guess("But")
    call.segment("But wait!")
    call.types("1#")
    call.turn_ends()
    call.segment("please", late=True)
    if not begun:
        call.agent_says()
    call.passes(20)
    assert heard(call) == [PATIENT.farewell]
    assert call.ended is not None


def test_a_farewell_that_cannot_be_said_does_not_keep_the_caller(call: SimulatedCall) -> None:
    call.tell(ev.SttFailed())
    call.agent_fails()
    call.settle()
    assert call.ended is not None


# --- a file was piped in -----------------------------------------------------------------------


def test_when_no_more_audio_comes_the_call_ends(call: SimulatedCall) -> None:
    call.tell(ev.AudioEnded())
    call.passes(SETTLE_S - 0.1)
    assert call.ended is None
    call.passes(0.1)
    assert call.ended is not None
    assert call.ended.error is None


def test_a_question_at_the_end_of_a_file_is_answered_before_the_call_ends(
    call: SimulatedCall,
) -> None:
    call.tell(ev.AudioEnded())
    call.guess("When do")
    call.passes(SETTLE_S)
    call.segment(QUESTION)
    call.turn_ends()
    call.agent_says(ANSWER)
    call.passes(SETTLE_S)
    assert call.ended is None
    call.passes(60)
    assert heard(call) == [ANSWER]
    assert call.ended is not None
    assert call.ended.error is None


def test_a_turn_that_never_ends_does_not_keep_a_call_whose_audio_has(call: SimulatedCall) -> None:
    call.sound()
    call.tell(ev.AudioEnded())
    call.passes(SETTLE_S * (SETTLE_TRIES + 1))
    assert call.ended is not None
    assert call.ended.error is None


def test_a_guess_that_came_to_nothing_does_not_keep_a_call_whose_audio_has_ended(
    speaking: SimulatedCall,
) -> None:
    speaking.tell(ev.AudioEnded())
    speaking.passes(SETTLE_S)
    speaking.guess("uh")
    speaking.turn_ends()
    speaking.passes(60)
    assert speaking.ended is not None
    assert speaking.ended.error is None


def test_what_was_kept_while_nobody_heard_is_waited_for_though_the_audio_has_ended(
    call: SimulatedCall,
) -> None:
    call.tell(ev.SttLost())
    call.tell(ev.AudioEnded())
    call.passes(PATIENT.patience_s)
    call.agent_says()
    call.passes(2 * SETTLE_S)
    call.tell(ev.SttRestored())
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(60)
    assert heard(call)[-1] == ANSWER
    assert call.ended is not None
    assert call.ended.error is None


# --- what interrupts, and what does not ----------------------------------------------------------


def answering(**manners: object) -> SimulatedCall:
    """The agent has said "We are" of its answer."""
    call = SimulatedCall(replace(PATIENT, **manners))  # type: ignore[arg-type]
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(2 * WORD_S)
    return call


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


def test_a_backchannel_before_words_does_not_count_among_them() -> None:
    call = answering(min_words=2)
    call.sound()
    call.guess("yeah but")
    assert call.asked_for(ev.Flush) == 0
    call.guess("yeah but when")
    assert call.asked_for(ev.Flush) == 1


def test_words_of_several_segments_are_counted_together() -> None:
    call = answering(min_words=2)
    call.sound()
    call.segment("Wait,")
    assert call.asked_for(ev.Flush) == 0
    call.segment("please.")
    assert call.asked_for(ev.Flush) == 1


def test_the_same_word_is_an_answer_when_the_agent_does_not_talk(call: SimulatedCall) -> None:
    call.says("Yeah.")
    assert call.questions == ["Yeah."]


def test_with_barge_in_by_speech_a_sound_is_enough() -> None:
    call = answering(barge_in="speech")
    call.sound()
    assert call.asked_for(ev.Flush) == 1
    assert heard(call) == ["We are"]


def test_without_barge_in_the_answer_is_heard_and_the_caller_answered_after_it() -> None:
    call = answering(barge_in="off")
    call.says("And on Sunday?")
    assert call.asked_for(ev.Pause) == call.asked_for(ev.Flush) == 0
    call.passes(20)
    assert heard(call) == [ANSWER]
    assert call.questions[-1].endswith("And on Sunday?")


def test_a_key_interrupts_also_where_words_may_not() -> None:
    call = answering(barge_in="off")
    call.types("1")
    assert call.asked_for(ev.Flush) == 1


def test_a_sacred_welcome_is_heard_to_its_end_and_the_answers_after_it_are_not_sacred() -> None:
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


# --- silence has manners -------------------------------------------------------------------------


def test_a_silent_caller_is_asked_each_time_differently_and_then_parted_with() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0, no_input_max=2))
    call.starts()
    for prompt in call.manners.prompts:
        call.passes(7.9)
        assert call.reply is None
        call.passes(0.2)
        assert call.fixed[-1] == prompt
        call.agent_says()
        call.passes(len(prompt.split()) * WORD_S)  # heard; the patience begins anew after it
    call.passes(8)
    assert call.fixed[-1] == call.manners.goodbye
    call.agent_says()
    call.passes(5)
    assert call.ended is not None
    assert call.ended.error is None


def test_a_word_begins_the_patience_anew() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0, no_input_max=1))
    call.starts()
    call.passes(8.1)
    call.agent_says()
    call.passes(5)
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(len(ANSWER.split()) * WORD_S + 8.1)
    assert call.fixed == [call.manners.prompts[0]] * 2
    assert call.ended is None


def test_a_sound_is_not_silence() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0))
    call.starts()
    call.passes(7)
    call.sound()
    call.passes(7)
    assert call.fixed == []
    call.quiet()
    call.passes(8.1)
    assert call.fixed == [call.manners.prompts[0]]


def test_a_guess_that_came_to_nothing_is_silence() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0))
    call.starts()
    call.sound()
    call.guess("uh")
    call.quiet()
    call.passes(8.1)
    assert call.fixed == [call.manners.prompts[0]]


def test_whom_nobody_heard_for_a_while_is_asked_when_they_are_heard_again_and_silent() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0))
    call.starts()
    call.sound()  # nobody will tell when it ended
    call.tell(ev.SttLost())
    call.passes(PATIENT.patience_s)
    call.agent_says()
    call.passes(20)
    assert call.fixed == [call.manners.wait]
    call.tell(ev.SttRestored())
    call.passes(8.1)
    assert call.fixed == [call.manners.wait, call.manners.prompts[0]]


def test_a_word_over_the_goodbye_keeps_the_call() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0, no_input_max=0))
    call.starts()
    call.passes(8.1)
    call.agent_says()
    call.says("Oh, one more thing.")
    assert call.ended is None
    assert call.questions == ["Oh, one more thing."]
    call.agent_says(ANSWER)
    call.passes(6)
    assert call.ended is None


def test_a_call_that_lasts_too_long_is_warned_and_ended_with_a_goodbye() -> None:
    call = SimulatedCall(replace(PATIENT, max_call_s=60.0))
    call.starts()
    call.passes(29)
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(10)  # the warning waits for the answer's end
    assert heard(call)[-1] == ANSWER
    assert call.fixed == [call.manners.warning]
    call.agent_says()
    call.passes(60)
    assert call.fixed[-1] == call.manners.goodbye
    call.agent_says()
    call.passes(5)
    assert call.ended is not None
    assert call.ended.error is None


def test_a_slow_answer_is_bridged_by_a_phrase_and_not_twice_the_same() -> None:
    call = SimulatedCall(replace(PATIENT, filler_s=2.0))
    for _ in range(2):
        call.says(QUESTION)
        call.passes(2.1)
        call.agent_says(ANSWER)
        call.passes(20)
    assert call.fillers == list(call.manners.fillers[:2])
    assert heard(call) == [call.fillers[0], ANSWER, call.fillers[1], ANSWER]


def test_a_quick_answer_needs_no_phrase() -> None:
    call = SimulatedCall(replace(PATIENT, filler_s=2.0))
    call.says(QUESTION)
    call.passes(1.9)
    call.agent_says(ANSWER)
    call.passes(20)
    assert call.fillers == []


def test_an_answer_interrupted_in_its_filler_by_nothing_but_a_guess_is_still_given() -> None:
    call = SimulatedCall(replace(PATIENT, filler_s=2.0))
    call.says(QUESTION)
    call.passes(2.1)
    call.sound()
    call.guess("um")
    call.turn_ends()
    assert len(call.questions) == 2
    assert call.questions[-1] == call.questions[0] or call.fillers


# --- answering ahead -----------------------------------------------------------------------------


def early(**manners: object) -> SimulatedCall:
    """A call in which the model may be asked before the turn is certain to be over."""
    return SimulatedCall(replace(PATIENT, preemptive=True, **manners))  # type: ignore[arg-type]


def draft_question(call: SimulatedCall) -> str:
    (draft,) = call.drafts
    last = draft.history[-1]
    assert isinstance(last, Message)
    return last.content


def test_a_settled_segment_is_answered_ahead_and_the_end_of_the_turn_adopts_it() -> None:
    call = early()
    call.segment(QUESTION)
    assert draft_question(call) == QUESTION
    assert call.transcript == []
    call.turn_ends()
    assert (call.asked_for(ev.StartReply), call.asked_for(ev.ConfirmReply)) == (1, 1)
    call.agent_says(ANSWER)
    call.passes(10)
    assert call.conversation == [("user", QUESTION), ("assistant", ANSWER)]


def test_a_guess_is_answered_ahead_once_it_was_heard_twice() -> None:
    call = early()
    call.sound()
    call.guess("When do you")
    call.guess("when do you open")
    assert call.drafts == []
    call.guess("When do you open?")
    assert draft_question(call) == "When do you open?"
    call.segment(QUESTION)  # the same words: that answer will do
    call.turn_ends()
    assert (call.asked_for(ev.StartReply), call.asked_for(ev.ConfirmReply)) == (1, 1)


def test_a_guess_is_answered_ahead_once_nothing_more_is_being_said() -> None:
    call = early()
    call.sound()
    call.guess("When do you open")
    assert call.drafts == []
    call.quiet()
    assert draft_question(call) == "When do you open"
    call.guess("When do you open today")  # what was said before still settles
    assert draft_question(call) == "When do you open today"


def test_an_answer_begun_ahead_knows_what_was_settled_before_the_guess() -> None:
    call = early()
    call.segment("I would like")
    call.guess("two tickets")
    call.guess("two tickets")
    assert draft_question(call) == "I would like two tickets"


def test_words_that_change_drop_the_answer_to_the_old_ones() -> None:
    call = early()
    call.sound()
    call.segment("When do you open")
    call.guess("on")
    assert call.drafts == []
    call.segment("on Sundays?")
    assert draft_question(call) == "When do you open on Sundays?"
    call.turn_ends()
    assert call.questions == ["When do you open on Sundays?"]
    assert call.asked_for(ev.Flush) == 0


def test_a_turn_that_ends_without_words_drops_the_answer_to_its_guess() -> None:
    call = early()
    call.guess("uh")
    call.guess("uh")
    assert call.drafts_begun == 1
    call.turn_ends()
    assert call.drafts == []
    assert call.replies == []


def test_a_guess_answered_ahead_that_was_settled_otherwise_is_asked_anew() -> None:
    call = early()
    call.guess("When do you clothes")
    call.guess("When do you clothes")
    call.segment("When do you close?")
    call.turn_ends()
    assert call.questions == ["When do you close?"]
    assert call.drafts_begun == 2


def test_a_key_drops_the_answer_begun_ahead() -> None:
    call = early()
    call.segment(QUESTION)
    call.types("1")
    assert call.drafts == []
    call.types("#")
    call.turn_ends()
    assert call.questions[-1] == f"[keys: 1] {QUESTION}"


def test_a_phrase_of_ours_drops_the_answer_begun_ahead() -> None:
    call = early(max_call_s=60.0)
    call.starts()
    call.passes(31)
    call.agent_says()
    call.passes(28)
    call.segment(QUESTION)
    assert len(call.drafts) == 1
    call.passes(2)
    assert call.fixed == [PATIENT.warning, PATIENT.goodbye]
    assert call.drafts == []


def test_only_so_many_answers_are_begun_ahead_in_a_turn() -> None:
    call = early()
    words = "I would like to have a table".split()
    for word in words:
        call.segment(word)
    assert call.drafts_begun == DRAFTS_MAX < len(words)
    call.turn_ends()
    assert call.questions == [" ".join(words)]
    call.agent_says(ANSWER)
    call.passes(20)
    call.segment(QUESTION)
    assert call.drafts_begun == DRAFTS_MAX + 1


def test_an_answer_begun_ahead_that_fails_is_asked_for_again_at_the_end_of_the_turn() -> None:
    call = early()
    call.segment(QUESTION)
    call.tell(ev.ReplyFailed(call.drafts.pop().number))
    call.turn_ends()
    assert call.questions == [QUESTION]
    assert (call.asked_for(ev.ConfirmReply), call.fixed) == (0, [])


def test_an_answer_begun_ahead_knows_what_was_said_over_a_welcome_that_nothing_interrupts() -> None:
    call = early(welcome="This call is recorded.", welcome_is_sacred=True)
    call.starts()
    call.agent_says()
    call.says("Hello there.")
    call.types("1*")  # a key interrupts even that
    call.segment(QUESTION)
    assert draft_question(call) == f"Hello there. {QUESTION}"
    call.turn_ends()
    assert call.asked_for(ev.ConfirmReply) == 1


def test_the_end_of_a_call_drops_the_answer_begun_ahead() -> None:
    call = early()
    call.tell(ev.AudioEnded())
    call.guess("When do")
    assert len(call.drafts) == 1
    call.passes(SETTLE_S * (SETTLE_TRIES + 1))
    assert call.ended is not None
    assert call.drafts == []


def test_nothing_is_answered_ahead_while_the_agent_speaks_or_if_it_is_forbidden() -> None:
    call = early(barge_in="off")
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.segment("And on Sundays?")
    assert call.drafts_begun == 1  # that of the first question
    forbidden = SimulatedCall(PATIENT)
    forbidden.segment(QUESTION)
    assert forbidden.drafts_begun == 0


# --- numbers, dates, addresses -------------------------------------------------------------------


def dictating(**manners: object) -> SimulatedCall:
    """The caller has begun to say a number, and the recogniser has ended the turn."""
    call = SimulatedCall(replace(PATIENT, **manners))  # type: ignore[arg-type]
    call.says("It is four four one")
    return call


def test_a_number_said_in_pieces_is_one_turn() -> None:
    call = dictating()
    call.passes(PATIENT.dictation_s - 0.1)
    call.says("nine two")
    assert call.questions == []
    call.passes(PATIENT.dictation_s)
    assert call.questions == ["It is four four one nine two"]
    call.passes(60)
    assert len(call.questions) == 1


def test_more_words_end_the_wait_for_more_of_a_number() -> None:
    call = dictating()
    call.says("That is all.")
    assert call.questions == ["It is four four one That is all."]


def test_the_wait_for_more_of_a_number_does_not_end_while_the_caller_speaks() -> None:
    call = dictating()
    call.sound()
    call.passes(10 * PATIENT.dictation_s)
    assert call.questions == []
    call.quiet()
    call.passes(PATIENT.dictation_s)
    assert call.questions == ["It is four four one"]


def test_one_word_is_dictation_when_the_agent_asked_for_a_number() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("What is your postcode?")
    call.passes(10)
    call.says("It is nine")
    assert len(call.questions) == 1
    call.passes(PATIENT.dictation_s)
    assert len(call.questions) == 2


def test_a_late_final_of_a_number_is_a_part_of_it() -> None:
    call = dictating()
    call.segment("nine two", late=True)
    assert call.questions == []
    call.passes(PATIENT.dictation_s)
    assert call.questions == ["It is four four one nine two"]


def test_keys_that_complete_a_spoken_number_are_one_question_with_it() -> None:
    call = dictating()
    call.types("9#")
    assert call.questions == ["It is four four one [keys: 9]"]
    call.passes(60)
    assert len(call.questions) == 1


def test_a_number_is_answered_at_once_where_nobody_wants_to_wait() -> None:
    assert dictating(dictation_s=0.0).questions == ["It is four four one"]


def test_an_answer_begun_ahead_waits_for_the_rest_of_a_number_unheard() -> None:
    call = dictating(preemptive=True)
    assert draft_question(call) == "It is four four one"
    call.passes(PATIENT.dictation_s)
    assert call.asked_for(ev.ConfirmReply) == 1
    assert call.asked_for(ev.StartReply) == 1


# --- tools ---------------------------------------------------------------------------------------


def calling(*names: str, **manners: object) -> SimulatedCall:
    """The model was asked, and asks for tools without a word."""
    call = SimulatedCall(replace(PATIENT, **manners))  # type: ignore[arg-type]
    call.says(QUESTION)
    call.agent_calls(*(names or ("look_up",)))
    return call


def names_run(call: SimulatedCall) -> list[str]:
    return [
        command.request.call.name for command in call.commands if isinstance(command, ev.RunTool)
    ]


def test_tools_run_once_and_the_model_goes_on_with_their_results() -> None:
    call = calling("look_up", "book")
    assert names_run(call) == ["look_up", "book"]
    call.tool_ends("Nine to five.")
    assert call.asked_for(ev.ContinueReply) == 0
    call.tool_ends("Booked.")
    assert call.reply is not None
    assert list(call.reply.history) == [
        Message("user", QUESTION),
        ToolCall("id1", "look_up", "{}"),
        ToolCall("id2", "book", "{}"),
        ToolResult("id1", "Nine to five."),
        ToolResult("id2", "Booked."),
    ]
    call.agent_says(ANSWER)
    call.passes(20)
    assert heard(call) == [ANSWER]
    assert names_run(call) == ["look_up", "book"]


def test_what_is_said_before_a_tool_is_shown_to_the_model_before_it_though_not_yet_heard() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("I will have a look.", complete=False)
    call.agent_calls("look_up")
    call.tool_ends("Nine to five.")
    assert call.reply is not None
    assert call.reply.history[1] == Message("assistant", "I will have a look.")
    assert heard(call) == []


def test_a_model_may_ask_for_tools_again_but_not_for_ever() -> None:
    call = calling(tool_rounds=2)
    call.tool_ends()
    assert call.model_may_ask
    call.agent_calls("look_up")
    call.tool_ends()
    assert not call.model_may_ask
    call.agent_says(ANSWER)
    call.passes(20)
    call.says(QUESTION)
    call.agent_calls("look_up")  # each answer has its rounds
    assert len(names_run(call)) == 3


def test_a_model_that_asks_though_it_may_not_gets_nothing_run_but_an_answer() -> None:
    call = calling(tool_rounds=1)
    call.tool_ends()
    reply = call.reply
    assert reply is not None
    reply.waits = True
    request = ev.ToolRequest(ToolCall("again", "look_up", "{}"))
    call.tools_asked.append("again")
    call.tell(ev.ToolsCalled(reply.number, (request,)))
    assert len(names_run(call)) == 1
    assert "Not done" in call.tool_results[-1][1]
    assert not reply.waits


def test_a_tool_that_is_refused_does_not_run_and_the_model_is_told_why() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_calls("avr_transfer", refused="900 is not a number to transfer to.")
    assert names_run(call) == []
    assert call.tool_results == [("avr_transfer", "900 is not a number to transfer to.")]
    assert call.asked_for(ev.ContinueReply) == 1


def test_who_speaks_while_a_tool_runs_is_answered_when_it_has_ended() -> None:
    call = calling()
    call.says("And on Sundays?")
    assert call.replies[-1].waits
    call.passes(1)
    call.tool_ends("Nine to five.")
    last = call.replies[-1]
    assert not last.waits
    assert list(last.history) == [
        Message("user", QUESTION),
        ToolCall("id1", "look_up", "{}"),
        ToolResult("id1", "Nine to five."),
        Message("user", "And on Sundays?"),
    ]
    assert len(names_run(call)) == 1


def test_a_result_is_told_though_the_agent_had_spoken_and_was_stopped_by_nothing_but_a_guess() -> (
    None
):
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("I will have a look.", complete=False)
    call.agent_calls("look_up")
    call.guess("uh")
    call.tool_ends("Nine to five.")
    call.turn_ends()
    assert call.reply is not None
    assert call.reply.history[-1] == ToolResult("id1", "Nine to five.")


def test_a_result_that_came_while_a_guess_came_to_nothing_is_told_after_all() -> None:
    call = calling()
    call.guess("uh")
    call.tool_ends("Nine to five.")
    assert call.reply is None
    call.turn_ends()
    assert call.reply is not None
    assert call.reply.history[-1] == ToolResult("id1", "Nine to five.")


def test_a_slow_tool_is_bridged_by_a_phrase_and_a_slower_one_by_another() -> None:
    call = calling(filler_s=2.0)
    call.passes(2.1)
    assert call.fillers == [PATIENT.fillers[0]]
    call.passes(8)
    assert len(call.fillers) > 1
    assert all(one != next_ for one, next_ in pairwise(call.fillers))
    call.tool_ends()
    assert call.asked_for(ev.StartReply) == call.asked_for(ev.ContinueReply) == 1


def test_a_phrase_heard_meanwhile_does_not_stand_between_a_tool_and_its_result() -> None:
    call = calling(filler_s=2.0)
    call.passes(6)
    call.tool_ends("Nine to five.")
    assert call.reply is not None
    kinds = [type(entry) for entry in call.reply.history]
    assert kinds[:3] == [Message, ToolCall, ToolResult]


# --- leaving -------------------------------------------------------------------------------------


def leaving(said: str = "Good bye.", leaves: str = "hang_up", **manners: object) -> SimulatedCall:
    """The model has said `said`, heard so far as it goes, and asks to leave the call."""
    call = SimulatedCall(replace(PATIENT, farewell_s=0.5, **manners))  # type: ignore[arg-type]
    call.says("That is all, thanks.")
    if said:
        call.agent_says(said, complete=False)
    call.agent_calls("avr_transfer" if leaves == "transfer" else "avr_hangup", leaves=leaves)
    return call


FAREWELL_S = len("Good bye.".split()) * WORD_S
"""How long the words of `leaving` take (s)."""


def test_a_farewell_is_heard_to_its_end_and_a_moment_longer_before_the_call_is_left() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.4)
    assert heard(call) == ["Good bye."]
    assert names_run(call) == []
    call.passes(0.2)
    assert names_run(call) == ["avr_hangup"]
    assert call.ended is None


def test_what_was_done_ends_the_call_unless_the_exchange_does_and_nothing_is_hung_up_twice() -> (
    None
):
    call = leaving()
    call.passes(FAREWELL_S + 0.5)
    call.tool_ends()
    call.passes(GONE_S - 0.1)
    assert call.ended is None
    call.passes(0.2)
    assert call.ended == ev.EndCall(None, hang_up=False)


@pytest.mark.parametrize(
    ("leaves", "phrase"), [("hang_up", PATIENT.goodbye), ("transfer", PATIENT.transferring)]
)
def test_a_model_that_leaves_without_a_word_is_given_some(leaves: str, phrase: str) -> None:
    call = leaving("", leaves)
    assert call.fixed == [phrase]
    call.agent_says()
    call.passes(20)
    assert heard(call) == [phrase]
    assert len(names_run(call)) == 1


def test_what_was_said_before_other_tools_is_no_farewell() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("I will have a look.", complete=False)
    call.agent_calls("look_up")
    call.passes(5)
    call.tool_ends()
    call.agent_calls("avr_hangup", leaves="hang_up")
    assert call.fixed == [PATIENT.goodbye]


def test_a_farewell_whose_voice_has_not_come_yet_is_waited_for() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_prepares("Good bye.")
    call.agent_calls("avr_hangup", leaves="hang_up")
    call.passes(5)
    assert call.asked_for(ev.RunTool) == 0
    call.voice_comes()
    call.passes(5)
    assert heard(call) == ["Good bye."]
    assert names_run(call) == ["avr_hangup"]


def test_the_limit_of_a_call_that_is_being_left_says_nothing_more() -> None:
    call = SimulatedCall(replace(PATIENT, max_call_s=30.1))
    call.starts()
    call.passes(0.2)
    call.agent_says()  # the warning
    call.passes(5)
    call.says(QUESTION)
    call.agent_says("Good bye.", complete=False)
    call.agent_calls("avr_hangup", leaves="hang_up")
    call.passes(FAREWELL_S + 0.1)
    assert call.tools
    call.passes(60)
    assert call.fixed == [PATIENT.warning]


def test_a_farewell_that_was_heard_before_it_could_be_paused_ends_the_call() -> None:
    call = leaving()
    call.sound()
    call.pause_comes_too_late()
    call.quiet()
    call.passes(5)
    assert names_run(call) == ["avr_hangup"]


def test_a_sound_after_the_farewell_gives_the_caller_time_for_a_word() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.4)
    call.sound()
    call.passes(PATIENT.confirm_s - 0.1)
    assert names_run(call) == []
    call.passes(0.2)
    assert names_run(call) == ["avr_hangup"]


def test_a_sound_that_lasts_from_the_farewell_gives_the_caller_time_for_a_word() -> None:
    call = leaving(barge_in="off")
    call.sound()
    call.passes(FAREWELL_S + PATIENT.confirm_s - 0.1)
    assert names_run(call) == []
    call.passes(0.2)
    assert names_run(call) == ["avr_hangup"]


@pytest.mark.parametrize("after", [WORD_S, FAREWELL_S + 0.2], ids=["over it", "just after it"])
def test_words_keep_the_call_and_the_model_is_told(after: float) -> None:
    call = leaving()
    call.passes(after)
    call.says("Oh, one more thing.")
    assert names_run(call) == []
    assert call.reply is not None
    *_, result, question = call.reply.history
    assert isinstance(result, ToolResult)
    assert "still on the line" in result.content
    assert question == Message("user", "Oh, one more thing.")
    call.agent_says("Yes?")
    call.passes(60)
    assert call.ended is None


def test_words_keep_the_call_where_nothing_may_interrupt_the_farewell() -> None:
    call = leaving(barge_in="off")
    call.says("Oh, one more thing.")
    call.passes(10)
    assert names_run(call) == []
    assert call.questions[-1] == "Oh, one more thing."


@pytest.mark.parametrize("after", [WORD_S, FAREWELL_S + 0.2], ids=["over it", "just after it"])
def test_a_backchannel_does_not_keep_the_call(after: float) -> None:
    call = leaving()
    call.passes(after)
    call.says("Okay.")
    call.passes(10)
    assert names_run(call) == ["avr_hangup"]
    assert ("user", "Okay.") in call.transcript
    assert heard(call) == ["Good bye."]


def test_a_departure_that_fails_is_told_to_the_model_which_answers() -> None:
    call = leaving(leaves="transfer")
    call.passes(10)
    call.tool_ends("There is no such call at the exchange.", failed=True)
    assert call.ended is None
    assert call.reply is not None
    assert call.tool_results == [("avr_transfer", "There is no such call at the exchange.")]
    call.agent_says("They are not there.")
    call.passes(20)
    assert heard(call)[-1] == "They are not there."


def test_words_said_while_a_departure_is_tried_are_answered_when_it_fails() -> None:
    call = leaving(leaves="transfer")
    call.passes(10)
    call.says("Are you still there?")
    assert call.tools
    call.tool_ends("Busy.", failed=True)
    assert call.questions[-1] == "Are you still there?"


def test_keys_complete_while_a_departure_is_tried_are_answered_when_it_fails() -> None:
    call = SimulatedCall(replace(PATIENT, keys_s=5.0))
    call.types("7")
    call.says(QUESTION)
    call.agent_says("Good bye.", complete=False)
    call.agent_calls("avr_hangup", leaves="hang_up")
    call.passes(FAREWELL_S + 0.1)
    assert call.tools
    call.passes(5)
    assert call.dialogue.history.undone
    call.tool_ends("Busy.", failed=True)
    assert call.questions[-1] == "[keys: 7]"


def test_of_two_departures_at_once_the_first_is_done_and_the_other_refused() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("Good bye.", complete=False)
    call.agent_calls("avr_transfer", "avr_hangup", leaves="transfer")
    call.passes(10)
    assert names_run(call) == ["avr_transfer"]
    call.tool_ends("Busy.", failed=True)
    assert [name for name, _ in call.tool_results] == ["avr_transfer", "avr_hangup"]
    assert "already" in call.tool_results[1][1]


def test_the_call_is_left_when_the_tools_beside_it_have_ended() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("Good bye.", complete=False)
    call.agent_calls("book")
    reply = call.reply
    assert reply is not None
    call.tool_ends("Booked.")
    call.agent_calls("book")
    call.passes(10)
    assert names_run(call) == ["book", "book"]


def test_hearing_that_fails_while_the_call_is_left_changes_nothing() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.6)
    assert call.tools
    call.tell(ev.SttFailed())
    assert call.fixed == []
    call.tool_ends()
    call.passes(GONE_S + 0.1)
    assert call.ended == ev.EndCall(None, hang_up=False)


def test_a_deaf_agent_that_could_not_leave_says_so_and_ends_the_call() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.6)
    call.tell(ev.SttFailed())
    call.tool_ends("Busy.", failed=True)
    assert call.fixed == [PATIENT.farewell]
    call.agent_says()
    call.passes(20)
    assert call.ended is not None
    assert call.ended.error


def test_hearing_that_fails_during_the_farewell_ends_the_call_with_an_apology() -> None:
    call = leaving()
    call.passes(WORD_S)
    call.tell(ev.SttFailed())
    call.agent_says()
    call.passes(20)
    assert heard(call) == ["Good", PATIENT.farewell]
    assert names_run(call) == []
    assert call.ended is not None
    assert call.ended.hang_up


# --- calls nobody would think of ---------------------------------------------------------------

EVENTS = 100_000
"""At least so many things happen in the generated calls of this test. `make soak` has more."""

STEPS = st.sampled_from([nothing, *generated_calls.STEPS])


@pytest.mark.timeout(180)  # a quarter of a minute on a quiet machine, and not all are quiet
def test_no_call_breaks_a_promise() -> None:
    lived = 0

    @settings(
        max_examples=620,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        before=st.lists(STEPS, min_size=150, max_size=350),
        ending=st.sampled_from(ENDINGS),
        after=st.lists(STEPS, max_size=30),
        manners=st.fixed_dictionaries({k: st.sampled_from(v) for k, v in MANNERS.items()}),
    )
    def any_call(
        before: list[Step], ending: Step, after: list[Step], manners: dict[str, Any]
    ) -> None:
        nonlocal lived
        lived += live_through(Manners(**manners), [*before, ending, *after]).events

    any_call()
    assert lived >= EVENTS
