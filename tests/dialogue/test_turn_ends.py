"""Rows about the end of the caller's turn, spoken or typed."""

from dataclasses import replace

from tests.dialogue.simulated_call import (
    ANSWER,
    PATIENT,
    QUESTION,
    WORD_S,
    SimulatedCall,
    heard,
)

from avr_sts_speechmatics.conversation import Message, ToolCall
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.state import State
from avr_sts_speechmatics.dialogue.steps import DRAFTS_MAX, SETTLE_S, SETTLE_TRIES, TURN_OVERDUE_S

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


# T1
def test_a_turn_with_words_is_written_down_and_answered(call: SimulatedCall) -> None:
    call.says(QUESTION)
    assert call.transcript == [("user", QUESTION)]
    assert call.questions == [QUESTION]
    call.agent_says(ANSWER)
    call.passes(10)
    assert call.conversation == [("user", QUESTION), ("assistant", ANSWER)]


# T1
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


# T1
def test_segments_of_a_turn_are_one_question(call: SimulatedCall) -> None:
    call.segment("I would like")
    call.segment("two tickets.")
    assert call.questions == []
    call.turn_ends()
    assert call.questions == ["I would like two tickets."]


# T2
def test_a_turn_without_words_asks_nothing(call: SimulatedCall) -> None:
    call.sound()
    call.segment("…")
    call.turn_ends()
    call.passes(60)
    assert (call.replies, call.transcript) == ([], [])


# --- the end of a turn that never comes --------------------------------------------------------


# T3
def test_settled_words_are_answered_when_the_end_of_turn_is_lost(
    call: SimulatedCall,
) -> None:
    call.segment(QUESTION)
    call.passes(TURN_OVERDUE_S - 0.1)
    assert call.questions == []
    call.passes(0.1)
    assert call.questions == [QUESTION]


# T3
def test_a_steady_noise_after_settled_words_does_not_keep_them_unanswered(
    call: SimulatedCall,
) -> None:
    call.segment("When do you open?")
    call.passes(1)
    call.sound()  # and it never ends
    call.passes(TURN_OVERDUE_S - 0.1)
    assert call.questions == []
    call.passes(0.2)
    assert call.questions == ["When do you open?"]


# T3
def test_a_segment_that_is_reported_twice_is_told_once(call: SimulatedCall) -> None:
    call.says(QUESTION)
    again = call.segments[-1]
    call.tell(again)
    call.turn_ends()
    assert call.questions == [QUESTION]
    call.agent_says(ANSWER)
    call.tell(again)
    call.passes(60)
    assert call.conversation == [("user", QUESTION), ("assistant", ANSWER)]


# T1
def test_the_same_words_said_twice_are_told_twice(call: SimulatedCall) -> None:
    call.segment("No.")
    call.segment("No.")
    call.turn_ends()
    assert call.questions == ["No. No."]


# T3
def test_every_new_guess_restarts_the_overdue_timer(call: SimulatedCall) -> None:
    call.segment("I would like")
    for guess in ("two", "two tickets", "two tickets to"):
        call.passes(TURN_OVERDUE_S - 0.1)
        call.guess(guess)
    assert call.questions == []


# T3
def test_a_belated_end_of_turn_does_not_start_a_second_answer(call: SimulatedCall) -> None:
    call.segment(QUESTION)
    call.passes(TURN_OVERDUE_S)
    call.turn_ends()
    assert call.questions == [QUESTION]


# --- a turn that ends in the middle of a sentence ----------------------------------------------


def thoughtful() -> SimulatedCall:
    """The caller has stopped in the middle of a sentence, and the recogniser has ended the turn."""
    call = SimulatedCall(replace(PATIENT, unfinished_s=1.0, preemptive=True))
    call.says("I would like to book.")
    return call


# T42
def test_the_rest_of_a_sentence_after_a_pause_is_part_of_the_turn() -> None:
    call = thoughtful()
    call.passes(0.9)
    call.says("A table for two.")
    assert [reply.history[-1] for reply in call.replies] == [
        Message("user", "I would like to book. A table for two.")
    ]
    assert heard(call) == []


# T42
def test_a_sentence_that_stays_unfinished_is_answered_with_what_was_prepared() -> None:
    call = thoughtful()
    assert draft_question(call) == "I would like to book."
    call.passes(0.9)
    assert call.asked_for(ev.ConfirmReply) == 0
    call.passes(0.1)
    assert (call.asked_for(ev.StartReply), call.asked_for(ev.ConfirmReply)) == (1, 1)


# T42
def test_a_whole_sentence_is_answered_at_once() -> None:
    call = SimulatedCall(replace(PATIENT, unfinished_s=1.0))
    call.says("A table for two.")
    assert call.questions == ["A table for two."]


# --- words over the agent that come to nothing ---------------------------------------------------


# T41
def test_an_answer_interrupted_by_nothing_is_said_again_from_the_cut_sentence(
    call: SimulatedCall,
) -> None:
    call.says(QUESTION)
    call.agent_says(ANSWER, "Shall I book a table?")
    call.passes(2 * WORD_S)
    call.sound()
    call.guess("the")
    assert not call.playout
    call.quiet()
    call.turn_ends()
    call.voice_comes()
    call.passes(20)
    assert heard(call) == ["We are", ANSWER, "Shall I book a table?"]
    assert call.questions == [QUESTION]


# T41
def test_an_answer_that_was_begun_and_not_heard_is_heard_after_all(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.sound()
    call.agent_says(ANSWER)
    call.guess("the")
    call.turn_ends()
    call.voice_comes()
    call.passes(20)
    assert heard(call) == [ANSWER]
    assert call.questions == [QUESTION]


# T41
def test_words_that_come_to_nothing_and_never_end_cost_a_moment(speaking: SimulatedCall) -> None:
    speaking.sound()
    speaking.guess("the")
    speaking.passes(TURN_OVERDUE_S)
    speaking.voice_comes()
    speaking.passes(20)
    assert heard(speaking) == ["We are", ANSWER]


# T8, T41
def test_a_cough_that_flushed_the_agent_costs_a_moment() -> None:
    call = SimulatedCall(replace(PATIENT, barge_in="speech"))
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(2 * WORD_S)
    call.sound()
    assert not call.playout
    call.quiet()
    call.passes(PATIENT.confirm_s)
    call.voice_comes()
    call.passes(20)
    assert heard(call) == ["We are", ANSWER]


# T9
def test_settled_words_end_the_answer_that_they_interrupted(speaking: SimulatedCall) -> None:
    speaking.guess("and on")
    assert not speaking.replies[0].cancelled
    speaking.segment("And on Sundays?")
    assert speaking.replies[0].cancelled
    speaking.turn_ends()
    assert speaking.questions == [QUESTION, "And on Sundays?"]


# T41
def test_a_backchannel_settles_what_seemed_to_be_words(speaking: SimulatedCall) -> None:
    speaking.guess("my")
    speaking.segment("Mhm.")
    speaking.turn_ends()
    speaking.voice_comes()
    speaking.passes(20)
    assert speaking.questions == [QUESTION]
    assert heard(speaking) == ["We are", ANSWER]


# T41
def test_a_backchannel_in_the_middle_of_a_question_that_was_cut_answers_it(
    call: SimulatedCall,
) -> None:
    call.says(QUESTION)
    call.agent_says("Shall I book it for you?")
    call.passes(4 * WORD_S)
    call.guess("yes")
    call.segment("Yeah.")
    call.turn_ends()
    assert call.questions == [QUESTION, "Yeah."]


# T41
def test_tools_of_an_answer_that_is_held_run_only_when_it_goes_on(speaking: SimulatedCall) -> None:
    speaking.guess("the")
    held = speaking.held
    assert held is not None
    tool = ToolCall("1", "book", "{}")
    speaking.tell(ev.ToolsCalled(held.number, (ev.ToolRequest(tool),)))
    assert speaking.asked_for(ev.RunTool) == 0
    speaking.tools_asked.append("1")
    held.waits = True
    speaking.turn_ends()
    assert speaking.asked_for(ev.RunTool) == 1


# --- keys --------------------------------------------------------------------------------------


# T14
def test_a_key_interrupts_the_agent(speaking: SimulatedCall) -> None:
    speaking.types("1")
    assert speaking.asked_for(ev.Flush) == 1


# T14
def test_a_pause_ends_a_number(call: SimulatedCall) -> None:
    call.types("12")
    call.passes(PATIENT.keys_s - 0.1)
    call.types("3")
    assert call.questions == []
    call.passes(PATIENT.keys_s)
    assert call.questions == ["[keys: 1 2 3]"]


# T14
def test_the_hash_key_ends_a_number_at_once(call: SimulatedCall) -> None:
    call.types("42#")
    assert call.questions == ["[keys: 4 2]"]
    call.passes(PATIENT.keys_s)
    assert len(call.questions) == 1


# T14
def test_the_star_key_clears_a_number(call: SimulatedCall) -> None:
    call.types("12*")
    call.passes(60)
    assert call.questions == []
    call.types("3#")
    assert call.questions == ["[keys: 3]"]


# T14
def test_a_typing_caller_is_answered_when_the_number_is_complete(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.types("1")
    call.turn_ends()
    assert call.questions == [QUESTION]
    call.types("2#")
    assert call.questions == [QUESTION, f"{QUESTION} [keys: 1 2]"]


# T5, T14
def test_an_answer_cancelled_for_a_cleared_number_is_given_after_all(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.types("1*")
    call.passes(TURN_OVERDUE_S)
    assert call.questions == [QUESTION, QUESTION]


# --- answering ahead -----------------------------------------------------------------------------


def early(**manners: object) -> SimulatedCall:
    """A call in which the model may be asked before the turn is certain to be over."""
    return SimulatedCall(replace(PATIENT, preemptive=True, **manners))  # type: ignore[arg-type]


def draft_question(call: SimulatedCall) -> str:
    (draft,) = call.drafts
    last = draft.history[-1]
    assert isinstance(last, Message)
    return last.content


# T27, T29
def test_a_settled_segment_is_answered_ahead_and_the_end_of_turn_confirms_the_answer() -> None:
    call = early()
    call.segment(QUESTION)
    assert draft_question(call) == QUESTION
    assert call.transcript == []
    call.turn_ends()
    assert (call.asked_for(ev.StartReply), call.asked_for(ev.ConfirmReply)) == (1, 1)
    call.agent_says(ANSWER)
    call.passes(10)
    assert call.conversation == [("user", QUESTION), ("assistant", ANSWER)]


# T27
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


# T27
def test_a_guess_is_answered_ahead_once_the_caller_is_silent() -> None:
    call = early()
    call.sound()
    call.guess("When do you open")
    assert call.drafts == []
    call.quiet()
    assert draft_question(call) == "When do you open"
    call.guess("When do you open today")  # what was said before still settles
    assert draft_question(call) == "When do you open today"


# T27
def test_an_answer_begun_ahead_includes_the_segments_before_the_guess() -> None:
    call = early()
    call.segment("I would like")
    call.guess("two tickets")
    call.guess("two tickets")
    assert draft_question(call) == "I would like two tickets"


# T28
def test_words_that_change_drop_the_answer_begun_ahead() -> None:
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


# T28
def test_a_turn_that_ends_without_words_drops_the_answer_to_its_guess() -> None:
    call = early()
    call.guess("uh")
    call.guess("uh")
    assert call.drafts_begun == 1
    call.turn_ends()
    assert call.drafts == []
    assert call.replies == []


# T28
def test_a_guess_that_settles_differently_is_asked_anew() -> None:
    call = early()
    call.guess("When do you clothes")
    call.guess("When do you clothes")
    call.segment("When do you close?")
    call.turn_ends()
    assert call.questions == ["When do you close?"]
    assert call.drafts_begun == 2


# T28
def test_a_key_drops_the_answer_begun_ahead() -> None:
    call = early()
    call.segment(QUESTION)
    call.types("1")
    assert call.drafts == []
    call.types("#")
    call.turn_ends()
    assert call.questions[-1] == f"[keys: 1] {QUESTION}"


# T28
def test_a_fixed_phrase_drops_the_answer_begun_ahead() -> None:
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


# T27
def test_a_turn_begins_at_most_drafts_max_answers_ahead() -> None:
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


# T29
def test_an_answer_begun_ahead_that_fails_is_asked_for_again_at_the_end_of_the_turn() -> None:
    call = early()
    call.segment(QUESTION)
    call.tell(ev.ReplyFailed(call.drafts.pop().number))
    call.turn_ends()
    assert call.questions == [QUESTION]
    assert (call.asked_for(ev.ConfirmReply), call.fixed) == (0, [])


# T27
def test_an_answer_begun_ahead_includes_words_said_over_a_sacred_welcome() -> None:
    call = early(welcome="This call is recorded.", welcome_is_sacred=True)
    call.starts()
    call.agent_says()
    call.says("Hello there.")
    call.types("1*")  # a key interrupts even that
    call.segment(QUESTION)
    assert draft_question(call) == f"Hello there. {QUESTION}"
    call.turn_ends()
    assert call.asked_for(ev.ConfirmReply) == 1


# T28
def test_the_end_of_a_call_drops_the_answer_begun_ahead() -> None:
    call = early()
    call.tell(ev.AudioEnded())
    call.guess("When do")
    assert len(call.drafts) == 1
    call.passes(SETTLE_S * (SETTLE_TRIES + 1))
    assert call.ended is not None
    assert call.drafts == []


# T27
def test_no_answer_is_begun_ahead_while_the_agent_speaks_or_preemptive_is_off() -> None:
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


# T30
def test_a_number_said_in_pieces_is_one_turn() -> None:
    call = dictating()
    call.passes(PATIENT.dictation_s - 0.1)
    call.says("nine two")
    assert call.questions == []
    call.passes(PATIENT.dictation_s)
    assert call.questions == ["It is four four one nine two"]
    call.passes(60)
    assert len(call.questions) == 1


# T30
def test_more_words_end_the_wait_for_more_of_a_number() -> None:
    call = dictating()
    call.says("That is all.")
    assert call.questions == ["It is four four one That is all."]


# T30
def test_a_sound_prolongs_the_wait_for_more_of_a_number_but_not_for_ever() -> None:
    call = dictating()
    call.passes(PATIENT.dictation_s - 0.1)
    call.sound()
    call.passes(TURN_OVERDUE_S - 0.1)
    assert call.questions == []
    call.passes(0.2)
    assert call.questions == ["It is four four one"]


# T30
def test_one_word_is_dictation_when_the_agent_asked_for_a_number() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("What is your postcode?")
    call.passes(10)
    call.says("It is nine")
    assert len(call.questions) == 1
    call.passes(PATIENT.dictation_s)
    assert len(call.questions) == 2


# T30
def test_a_late_segment_of_a_number_is_part_of_the_number() -> None:
    call = dictating()
    call.segment("nine two", late=True)
    assert call.questions == []
    call.passes(PATIENT.dictation_s)
    assert call.questions == ["It is four four one nine two"]


# T14, T30
def test_keys_that_complete_a_spoken_number_are_one_question_with_it() -> None:
    call = dictating()
    call.types("9#")
    assert call.questions == ["It is four four one [keys: 9]"]
    call.passes(60)
    assert len(call.questions) == 1


# T30
def test_a_number_is_answered_at_once_when_dictation_is_off() -> None:
    assert dictating(dictation_s=0.0).questions == ["It is four four one"]


# T27, T30
def test_an_answer_begun_ahead_waits_for_the_rest_of_a_number_unheard() -> None:
    call = dictating(preemptive=True)
    assert draft_question(call) == "It is four four one"
    call.passes(PATIENT.dictation_s)
    assert call.asked_for(ev.ConfirmReply) == 1
    assert call.asked_for(ev.StartReply) == 1
