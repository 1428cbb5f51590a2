"""Whose turn it is: every row of the table, then calls nobody would think of."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.dialogue.simulated_call import PATIENT, WORD_S, SimulatedCall

from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import CUT_MARK
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.turns import (
    FAILURES_MAX,
    SETTLE_S,
    SETTLE_TRIES,
    TURN_OVERDUE_S,
    State,
)

QUESTION = "When do you open?"
ANSWER = "We are open from nine to five on weekdays."
MANNERS = PATIENT
A_MOMENT = MANNERS.confirm_s / 2


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
    call.passes(MANNERS.confirm_s - 0.1)
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
    speaking.passes(MANNERS.confirm_s)
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
        speaking.passes(MANNERS.confirm_s)
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
    assert heard(call) == ["Well,", MANNERS.sorry]


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
    call.passes(MANNERS.keys_s - 0.1)
    call.types("3")
    assert call.questions == []
    call.passes(MANNERS.keys_s)
    assert call.questions == ["[keys: 1 2 3]"]


def test_the_hash_key_ends_a_number_at_once(call: SimulatedCall) -> None:
    call.types("42#")
    assert call.questions == ["[keys: 4 2]"]
    call.passes(MANNERS.keys_s)
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
    assert call.fixed == [MANNERS.sorry]
    call.agent_says()
    call.passes(10)
    assert call.ended is None


def test_an_answer_without_a_word_is_apologised_for(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_has_said_all()
    call.settle()
    assert call.fixed == [MANNERS.sorry]


def test_an_apology_that_fails_ends_the_call(call: SimulatedCall) -> None:
    fail_a_question(call)
    call.agent_fails()
    call.settle()
    assert call.fixed == [MANNERS.sorry]
    assert call.ended is not None
    assert "voice" in str(call.ended.error)


def test_who_failed_too_often_in_a_row_says_so_and_ends_the_call(call: SimulatedCall) -> None:
    for _ in range(FAILURES_MAX - 1):
        fail_a_question(call)
        call.agent_says()  # the apology is heard; that is not an answer
        call.passes(20)
    fail_a_question(call)
    assert call.fixed[-1] == MANNERS.farewell
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
    assert MANNERS.farewell not in call.fixed


# --- when nobody hears the caller --------------------------------------------------------------


def test_a_caller_whom_nobody_hears_is_asked_for_a_moment(call: SimulatedCall) -> None:
    call.tell(ev.HearingLost())
    call.passes(MANNERS.patience_s)
    assert call.fixed == [MANNERS.wait]


def test_a_short_loss_of_hearing_is_not_mentioned(call: SimulatedCall) -> None:
    call.tell(ev.HearingLost())
    call.passes(MANNERS.patience_s - 0.1)
    call.tell(ev.HearingRestored())
    call.passes(60)
    assert call.fixed == []


def test_a_caller_whom_nobody_hears_is_told_once_the_agent_has_finished(
    speaking: SimulatedCall,
) -> None:
    speaking.tell(ev.HearingLost())
    speaking.passes(MANNERS.patience_s)
    assert speaking.reply is not None
    assert speaking.reply.text is None
    speaking.passes(20)
    assert speaking.fixed == [MANNERS.wait]


def test_a_deaf_agent_says_so_and_ends_the_call(speaking: SimulatedCall) -> None:
    speaking.tell(ev.HearingFailed())
    assert speaking.fixed == [MANNERS.farewell]
    speaking.agent_says()
    speaking.passes(20)
    assert speaking.ended is not None
    assert speaking.ended.error


@pytest.mark.parametrize("begun", [False, True], ids=["before it begins", "while it is heard"])
def test_nothing_keeps_a_farewell_from_being_heard(call: SimulatedCall, begun: bool) -> None:
    call.tell(ev.HearingFailed())
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
    assert heard(call) == [MANNERS.farewell]
    assert call.ended is not None


def test_a_farewell_that_cannot_be_said_does_not_keep_the_caller(call: SimulatedCall) -> None:
    call.tell(ev.HearingFailed())
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
    call.tell(ev.HearingLost())
    call.tell(ev.AudioEnded())
    call.passes(MANNERS.patience_s)
    call.agent_says()
    call.passes(2 * SETTLE_S)
    call.tell(ev.HearingRestored())
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


# --- calls nobody would think of ---------------------------------------------------------------

Step: TypeAlias = Callable[[SimulatedCall], None]


def new_words(call: SimulatedCall) -> str:
    return f"word{len(call.said)}"


def settled_words(call: SimulatedCall) -> None:
    call.segment(new_words(call))


def late_words(call: SimulatedCall) -> None:
    call.segment(new_words(call), late=True)


def noise(call: SimulatedCall) -> None:
    call.segment("...")


def guess(call: SimulatedCall) -> None:
    call.guess("maybe")


def late_guess(call: SimulatedCall) -> None:
    call.guess("maybe", late=True)


def key(call: SimulatedCall) -> None:
    call.types("7")


def hash_key(call: SimulatedCall) -> None:
    call.types("#")


def star_key(call: SimulatedCall) -> None:
    call.types("*")


def sentence(call: SimulatedCall) -> None:
    if call.reply is not None and not (call.reply.complete or call.reply.waits):
        fixed = call.reply.text
        call.agent_says(fixed or "one two three four", complete=fixed is not None)


def answer_complete(call: SimulatedCall) -> None:
    if call.reply is not None:
        call.agent_has_said_all()


def failure(call: SimulatedCall) -> None:
    if call.reply is not None and not call.reply.waits:
        call.agent_fails()


def tools_called(call: SimulatedCall) -> None:
    if call.model_may_ask:
        call.agent_calls("look_up", "book")


def tool_refused(call: SimulatedCall) -> None:
    if call.model_may_ask:
        call.agent_calls("avr_transfer", refused="Not there.")


def departure(call: SimulatedCall) -> None:
    if call.model_may_ask:
        call.agent_calls("avr_hangup", leaves="hang_up")


def tool_ends(call: SimulatedCall) -> None:
    if call.tools:
        call.tool_ends()


def tool_fails(call: SimulatedCall) -> None:
    if call.tools:
        call.tool_ends("It failed.", failed=True)


def digits(call: SimulatedCall) -> None:
    call.segment(f"{new_words(call)} four four one")


def same_guess(call: SimulatedCall) -> None:
    call.guess("the same guess")


def draft_fails(call: SimulatedCall) -> None:
    if call.drafts:
        call.tell(ev.ReplyFailed(call.drafts.pop().number))


def short_time(call: SimulatedCall) -> None:
    call.passes(0.3, settle=False)


def long_time(call: SimulatedCall) -> None:
    call.passes(1.7, settle=False)


def settle(call: SimulatedCall) -> None:
    call.settle()


def late_news(call: SimulatedCall) -> None:
    for reply in call.replies[-3:]:
        if reply.cancelled:
            state, commands = call.dialogue.state, len(call.commands)
            call.tell(ev.SentenceReady(reply.number, 10**6, "never"))
            call.tell(ev.VoiceStarted(reply.number))
            call.tell(ev.ReplyEnded(reply.number))
            call.tell(ev.ReplyFailed(reply.number))
            assert (call.dialogue.state, len(call.commands)) == (state, commands)


def hearing_lost(call: SimulatedCall) -> None:
    call.tell(ev.HearingLost())


def hearing_restored(call: SimulatedCall) -> None:
    call.tell(ev.HearingRestored())


def hearing_failed(call: SimulatedCall) -> None:
    call.tell(ev.HearingFailed())


def audio_ended(call: SimulatedCall) -> None:
    call.tell(ev.AudioEnded())


def nothing(call: SimulatedCall) -> None:
    pass


CALLER: list[Step] = [
    SimulatedCall.sound,
    SimulatedCall.quiet,
    SimulatedCall.turn_ends,
    settled_words,
    late_words,
    noise,
    guess,
    late_guess,
    same_guess,
    digits,
    key,
    hash_key,
    star_key,
]
AGENT: list[Step] = [
    *(2 * [sentence, settle, answer_complete, short_time, long_time]),
    failure,
    tools_called,
    tool_refused,
    departure,
    *(2 * [tool_ends]),
    tool_fails,
    draft_fails,
    late_news,
    hearing_lost,
    hearing_restored,
]
STEPS = st.sampled_from([nothing, *CALLER, *AGENT])


def without_nothing(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step is not nothing]


def run_out(call: SimulatedCall) -> None:
    """The caller falls silent and all services work: whatever is open comes to its end."""
    call.quiet()
    call.turn_ends()
    call.tell(ev.HearingRestored())
    for _ in range(60):
        while call.tools and call.ended is None:
            call.tool_ends("It failed.", failed=True)
        sentence(call)
        answer_complete(call)
        call.passes(2.0)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=st.lists(STEPS, min_size=150, max_size=350).map(without_nothing),
    ending=st.sampled_from([nothing, nothing, hearing_failed, audio_ended]),
    after=st.lists(STEPS, max_size=30),
    manners=st.builds(
        Manners,
        welcome=st.sampled_from(["", "Hello there my friend"]),
        welcome_is_sacred=st.booleans(),
        barge_in=st.sampled_from(["words", "speech", "off"]),
        min_words=st.integers(1, 3),
        no_input_s=st.sampled_from([0.0, 8.0]),
        max_call_s=st.sampled_from([0.0, 0.0, 60.0]),
        filler_s=st.sampled_from([0.0, 2.0]),
        preemptive=st.booleans(),
        dictation_s=st.sampled_from([0.0, 1.5]),
        farewell_s=st.sampled_from([0.0, 0.5]),
        tool_rounds=st.integers(1, 3),
    ),
)
def test_no_call_breaks_a_promise(
    before: list[Step], ending: Step, after: list[Step], manners: Manners
) -> None:
    call = SimulatedCall(manners)
    call.starts()
    for step in (*before, ending, *after, run_out):
        step(call)
        call.assert_history_is_what_was_heard()
    # Nothing said is lost, nothing hangs.
    if call.ended is not None:
        voiceless = call.ended.error == "the agent has no voice"
        parted = call.fixed[-1:] in ([manners.farewell], [manners.goodbye])
        hung_up_by_the_model = not call.ended.hang_up
        assert ending is not nothing or voiceless or parted or hung_up_by_the_model
        return
    assert ending is nothing
    assert call.dialogue.state is State.LISTENING
    assert (call.reply, call.paused, call.timers) == (None, False, {})
    assert call.waiting == []
    assert not call.owed
    assert call.drafts == []
    assert call.tools == {}
    # Every tool the model asked for has its one result, which the model was or will be shown.
    assert len(call.tool_results) == len(call.tools_asked)
