"""Rows about time: silence, long calls, lost STT, the end of the audio."""

from dataclasses import replace

import pytest
from tests.dialogue.simulated_call import (
    ANSWER,
    PATIENT,
    QUESTION,
    WORD_S,
    SimulatedCall,
    heard,
)

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.silence_and_limits import ANSWER_S, SENTENCE_S, SOUND_S
from avr_sts_speechmatics.dialogue.steps import SETTLE_S, SETTLE_TRIES

# --- when nobody hears the caller --------------------------------------------------------------


# T24
def test_a_caller_is_asked_for_a_moment_while_stt_is_lost(call: SimulatedCall) -> None:
    call.tell(ev.SttLost())
    call.passes(PATIENT.patience_s)
    assert call.fixed == [PATIENT.wait]


# T24
def test_a_short_loss_of_stt_is_not_mentioned(call: SimulatedCall) -> None:
    call.tell(ev.SttLost())
    call.passes(PATIENT.patience_s - 0.1)
    call.tell(ev.SttRestored())
    call.passes(60)
    assert call.fixed == []


# T24
def test_a_caller_is_asked_for_a_moment_only_after_the_agent_has_finished(
    speaking: SimulatedCall,
) -> None:
    speaking.tell(ev.SttLost())
    speaking.passes(PATIENT.patience_s)
    assert speaking.reply is not None
    assert speaking.reply.text is None
    speaking.passes(20)
    assert speaking.fixed == [PATIENT.wait]


# T25
def test_stt_that_fails_for_good_ends_the_call_with_an_apology(speaking: SimulatedCall) -> None:
    speaking.tell(ev.SttFailed())
    assert speaking.fixed == [PATIENT.farewell]
    speaking.agent_says()
    speaking.passes(20)
    assert speaking.ended is not None
    assert speaking.ended.error


# T25
@pytest.mark.parametrize("begun", [False, True], ids=["before it begins", "while it is heard"])
def test_nothing_interrupts_the_last_sentence(call: SimulatedCall, begun: bool) -> None:
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


# T23, T25
def test_a_last_sentence_without_a_voice_ends_the_call(call: SimulatedCall) -> None:
    call.tell(ev.SttFailed())
    call.agent_fails()
    call.settle()
    assert call.ended is not None


# --- a file was piped in -----------------------------------------------------------------------


# T26
def test_a_call_whose_audio_has_ended_ends(call: SimulatedCall) -> None:
    call.tell(ev.AudioEnded())
    call.passes(SETTLE_S - 0.1)
    assert call.ended is None
    call.passes(0.1)
    assert call.ended is not None
    assert call.ended.error is None


# T26
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


# T26
def test_an_open_turn_does_not_keep_a_call_whose_audio_has_ended(call: SimulatedCall) -> None:
    call.sound()
    call.tell(ev.AudioEnded())
    call.passes(SETTLE_S * (SETTLE_TRIES + 1))
    assert call.ended is not None
    assert call.ended.error is None


# T26
def test_a_guess_without_words_does_not_keep_a_call_whose_audio_has_ended(
    speaking: SimulatedCall,
) -> None:
    speaking.tell(ev.AudioEnded())
    speaking.passes(SETTLE_S)
    speaking.guess("uh")
    speaking.turn_ends()
    speaking.voice_comes()
    speaking.passes(60)
    assert heard(speaking)[-1] == ANSWER
    assert speaking.ended is not None
    assert speaking.ended.error is None


# T26
def test_audio_kept_while_stt_was_lost_is_waited_for_after_the_audio_has_ended(
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


# --- silence has manners -------------------------------------------------------------------------


# T16, T17
def test_a_silent_caller_is_prompted_each_time_differently_and_then_the_call_ends() -> None:
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


# T16
def test_a_word_resets_the_count_of_prompts() -> None:
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


# T16
def test_no_prompt_comes_between_a_sound_and_its_first_word() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0))
    call.starts()
    call.passes(7.9)
    call.sound()
    call.passes(SOUND_S)
    assert call.fixed == []
    call.guess("When")
    call.passes(7)
    assert call.fixed == []


# T16, T17
def test_a_caller_in_a_steady_noise_is_prompted_and_the_call_ends() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=3.0))
    call.starts()
    call.sound()  # without a word, and without an end
    for prompt in call.manners.prompts:
        call.passes(3.0 + SOUND_S)
        assert call.fixed[-1] == prompt
        call.agent_says()
        call.passes(PATIENT.confirm_s + len(prompt.split()) * WORD_S)
    call.passes(3.0 + SOUND_S)
    assert call.fixed[-1] == call.manners.goodbye
    call.agent_says()
    call.passes(10)
    assert call.ended is not None


# T16
def test_noises_that_come_and_go_are_not_words() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0))
    call.starts()
    for _ in range(5):
        call.passes(1)
        call.sound()
        call.passes(1)
        call.quiet()
        call.turn_ends()
    assert call.fixed == [call.manners.prompts[0]]


# T16
def test_a_guess_without_words_counts_as_silence() -> None:
    call = SimulatedCall(replace(PATIENT, no_input_s=8.0))
    call.starts()
    call.sound()
    call.guess("uh")
    call.quiet()
    call.passes(8.1)
    assert call.fixed == [call.manners.prompts[0]]


# T16
def test_a_silent_caller_is_prompted_after_stt_is_restored() -> None:
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


# T18
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


# T19, T20
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


# T15
def test_a_slow_answer_is_bridged_by_phrases_that_differ() -> None:
    call = SimulatedCall(replace(PATIENT, filler_s=2.0))
    for _ in range(2):
        call.says(QUESTION)
        call.passes(2.1)
        call.agent_says(ANSWER)
        call.passes(20)
    assert call.fillers == list(call.manners.fillers[:2])
    assert heard(call) == [call.fillers[0], ANSWER, call.fillers[1], ANSWER]


# T15
def test_a_quick_answer_needs_no_phrase() -> None:
    call = SimulatedCall(replace(PATIENT, filler_s=2.0))
    call.says(QUESTION)
    call.passes(1.9)
    call.agent_says(ANSWER)
    call.passes(20)
    assert call.fillers == []


# T15
def test_a_guess_over_a_filler_does_not_cost_the_answer() -> None:
    call = SimulatedCall(replace(PATIENT, filler_s=2.0))
    call.says(QUESTION)
    call.passes(2.1)
    call.sound()
    call.guess("um")
    call.turn_ends()
    assert len(call.questions) == 2
    assert call.questions[-1] == call.questions[0] or call.fillers


# --- when this program ends ---------------------------------------------------------------------


# T44
def test_a_silent_caller_is_told_at_once_that_the_call_ends(call: SimulatedCall) -> None:
    call.tell(ev.ServiceEnds())
    assert call.fixed == [PATIENT.farewell]
    call.agent_says()
    call.passes(20)
    assert call.ended == ev.EndCall()
    assert call.ended.reason == "shutdown"


# T44
def test_a_sentence_under_way_is_said_to_its_end_and_the_next_is_not(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says("At five.", "On Sundays we are closed.", complete=False)
    call.passes(0.2)
    call.tell(ev.ServiceEnds())
    assert call.fixed == []
    call.passes(4 * WORD_S)
    assert call.fixed == [PATIENT.farewell]
    call.agent_says()
    call.passes(20)
    assert heard(call)[0] == "At five."
    assert all("Sundays are" not in text for text in heard(call))
    assert call.ended is not None


# T44
def test_a_long_sentence_is_not_waited_for(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says("We are open from nine in the morning until five in the afternoon " * 3 + ".")
    call.passes(0.2)
    call.tell(ev.ServiceEnds())
    call.passes(SENTENCE_S)
    assert call.fixed == [PATIENT.farewell]


# T44
def test_words_over_the_last_sentence_do_not_keep_the_call(call: SimulatedCall) -> None:
    call.tell(ev.ServiceEnds())
    call.agent_says()
    call.says("Wait, one more thing!")
    call.passes(10)
    assert call.ended is not None
    assert call.ended.reason == "shutdown"


# T44
def test_a_call_that_is_about_to_end_ends_as_it_would(call: SimulatedCall) -> None:
    call.tell(ev.SttFailed())
    call.tell(ev.ServiceEnds())
    call.agent_says()
    call.passes(20)
    assert call.ended is not None
    assert call.ended.reason == "failure"


# --- when the call costs too much ---------------------------------------------------------------


# T45
def test_a_call_that_costs_too_much_ends_with_a_goodbye(call: SimulatedCall) -> None:
    call.tell(ev.CostReached())
    assert call.fixed == [PATIENT.goodbye]
    call.agent_says()
    call.passes(20)
    assert call.ended == ev.EndCall()
    assert call.ended.reason == "cost_limit"


# T45
def test_a_cost_that_is_reached_in_a_sentence_waits_for_its_end(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says("At five.", "On Sundays we are closed.", complete=False)
    call.passes(0.2)
    call.tell(ev.CostReached())
    call.tell(ev.CostReached())
    assert call.fixed == []
    call.passes(4 * WORD_S)
    assert call.fixed == [PATIENT.goodbye]
    call.tell(ev.CostReached())
    call.agent_says()
    call.passes(20)
    assert heard(call)[0] == "At five."
    assert call.fixed == [PATIENT.goodbye]
    assert call.ended is not None
    assert call.ended.reason == "cost_limit"


# T45
def test_the_first_sentence_of_an_answer_that_costs_too_much_is_heard(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.tell(ev.CostReached())
    assert call.fixed == []
    call.agent_says("At five.", "On Sundays we are closed.")
    call.passes(20)
    assert heard(call)[0] == "At five."
    assert call.fixed == [PATIENT.goodbye]


# T45
def test_an_answer_that_never_comes_does_not_keep_the_call(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.tell(ev.CostReached())
    call.passes(ANSWER_S + 1)
    assert call.fixed[-1] == PATIENT.goodbye


# T45
def test_the_end_of_the_service_comes_before_the_cost(call: SimulatedCall) -> None:
    call.says(QUESTION)
    call.agent_says("We are open from nine in the morning until five in the afternoon.")
    call.passes(0.2)
    call.tell(ev.CostReached())
    call.tell(ev.ServiceEnds())
    call.passes(SENTENCE_S + 20 * WORD_S)
    assert call.fixed == [PATIENT.farewell]
