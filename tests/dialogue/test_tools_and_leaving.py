"""Rows about the model's tools, hanging up and transferring."""

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.dialogue.simulated_call import (
    ANSWER,
    PATIENT,
    QUESTION,
    WORD_S,
    SimulatedCall,
    heard,
)

from avr_sts_speechmatics.conversation import Message, ToolCall, ToolResult
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.tools_and_leaving import GONE_S

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


# T31, T32
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


# T31
def test_text_before_a_tool_call_precedes_the_call_in_the_history_even_if_unheard() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("I will have a look.", complete=False)
    call.agent_calls("look_up")
    call.tool_ends("Nine to five.")
    assert call.reply is not None
    assert call.reply.history[1] == Message("assistant", "I will have a look.")
    assert heard(call) == []


# T34
def test_a_model_may_ask_for_tools_for_tool_rounds_rounds() -> None:
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


# T34
def test_tools_beyond_tool_rounds_do_not_run_and_the_model_is_told() -> None:
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


# T31
def test_a_tool_that_is_refused_does_not_run_and_the_model_is_told_why() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_calls("avr_transfer", refused="900 is not a number to transfer to.")
    assert names_run(call) == []
    assert call.tool_results == [("avr_transfer", "900 is not a number to transfer to.")]
    assert call.asked_for(ev.ContinueReply) == 1


# T33
def test_a_caller_who_speaks_while_a_tool_runs_is_answered_when_the_tool_has_ended() -> None:
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


# T32
def test_a_tool_result_is_answered_after_a_guess_stopped_the_agent() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("I will have a look.", complete=False)
    call.agent_calls("look_up")
    call.guess("uh")
    call.tool_ends("Nine to five.")
    call.turn_ends()
    assert call.reply is not None
    assert call.reply.history[-1] == ToolResult("id1", "Nine to five.")


# T32
def test_a_tool_result_that_came_during_a_guess_without_words_is_answered() -> None:
    call = calling()
    call.guess("uh")
    call.tool_ends("Nine to five.")
    assert call.reply is None
    call.turn_ends()
    assert call.reply is not None
    assert call.reply.history[-1] == ToolResult("id1", "Nine to five.")


# T15
def test_a_slow_tool_is_bridged_by_phrases_that_differ() -> None:
    call = calling(filler_s=2.0)
    call.passes(2.1)
    assert call.fillers == [PATIENT.fillers[0]]
    call.passes(8)
    assert len(call.fillers) > 1
    assert all(one != next_ for one, next_ in pairwise(call.fillers))
    call.tool_ends()
    assert call.asked_for(ev.StartReply) == call.asked_for(ev.ContinueReply) == 1


# T15, T31
def test_a_filler_never_stands_between_a_tool_call_and_its_result() -> None:
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


# T35
def test_the_call_is_left_farewell_s_after_the_farewell_was_heard() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.4)
    assert heard(call) == ["Good bye."]
    assert names_run(call) == []
    call.passes(0.2)
    assert names_run(call) == ["avr_hangup"]
    assert call.ended is None


# T39
def test_a_departure_that_was_done_ends_the_call_without_a_second_hangup() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.5)
    call.tool_ends()
    call.passes(GONE_S - 0.1)
    assert call.ended is None
    call.passes(0.2)
    assert call.ended == ev.EndCall(None, hang_up=False)


# T35
@pytest.mark.parametrize(
    ("leaves", "phrase"), [("hang_up", PATIENT.goodbye), ("transfer", PATIENT.transferring)]
)
def test_a_departure_without_a_farewell_is_announced_by_a_phrase(leaves: str, phrase: str) -> None:
    call = leaving("", leaves)
    assert call.fixed == [phrase]
    call.agent_says()
    call.passes(20)
    assert heard(call) == [phrase]
    assert len(names_run(call)) == 1


# T35
def test_words_before_other_tools_are_no_farewell() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("I will have a look.", complete=False)
    call.agent_calls("look_up")
    call.passes(5)
    call.tool_ends()
    call.agent_calls("avr_hangup", leaves="hang_up")
    assert call.fixed == [PATIENT.goodbye]


# T35
def test_a_farewell_without_audio_yet_is_waited_for() -> None:
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


# T20
def test_max_call_says_nothing_while_the_pbx_is_at_work() -> None:
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


# T35
def test_a_farewell_that_was_heard_before_it_could_be_paused_ends_the_call() -> None:
    call = leaving()
    call.sound()
    call.pause_comes_too_late()
    call.quiet()
    call.passes(5)
    assert names_run(call) == ["avr_hangup"]


# T36
def test_a_sound_after_the_farewell_gives_the_caller_time_for_a_word() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.4)
    call.sound()
    call.passes(PATIENT.confirm_s - 0.1)
    assert names_run(call) == []
    call.passes(0.2)
    assert names_run(call) == ["avr_hangup"]


# T36
def test_a_sound_that_lasts_from_the_farewell_gives_the_caller_time_for_a_word() -> None:
    call = leaving(barge_in="off")
    call.sound()
    call.passes(FAREWELL_S + PATIENT.confirm_s - 0.1)
    assert names_run(call) == []
    call.passes(0.2)
    assert names_run(call) == ["avr_hangup"]


# T37
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


# T37
def test_words_keep_the_call_when_barge_in_is_off() -> None:
    call = leaving(barge_in="off")
    call.says("Oh, one more thing.")
    call.passes(10)
    assert names_run(call) == []
    assert call.questions[-1] == "Oh, one more thing."


# T37
@pytest.mark.parametrize("after", [WORD_S, FAREWELL_S + 0.2], ids=["over it", "just after it"])
def test_a_backchannel_does_not_keep_the_call(after: float) -> None:
    call = leaving()
    call.passes(after)
    call.says("Okay.")
    call.passes(10)
    assert names_run(call) == ["avr_hangup"]
    assert ("user", "Okay.") in call.transcript
    assert heard(call) == ["Good bye."]


# T38
def test_the_model_answers_after_a_departure_that_failed() -> None:
    call = leaving(leaves="transfer")
    call.passes(10)
    call.tool_ends("There is no such call at the exchange.", failed=True)
    assert call.ended is None
    assert call.reply is not None
    assert call.tool_results == [("avr_transfer", "There is no such call at the exchange.")]
    call.agent_says("They are not there.")
    call.passes(20)
    assert heard(call)[-1] == "They are not there."


# T38
def test_words_said_while_the_pbx_is_at_work_are_answered_when_the_pbx_fails() -> None:
    call = leaving(leaves="transfer")
    call.passes(10)
    call.says("Are you still there?")
    assert call.tools
    call.tool_ends("Busy.", failed=True)
    assert call.questions[-1] == "Are you still there?"


# T38
def test_keys_typed_while_the_pbx_is_at_work_are_answered_when_the_pbx_fails() -> None:
    call = SimulatedCall(replace(PATIENT, keys_s=5.0))
    call.types("7")
    call.says(QUESTION)
    call.agent_says("Good bye.", complete=False)
    call.agent_calls("avr_hangup", leaves="hang_up")
    call.passes(FAREWELL_S + 0.1)
    assert call.tools
    call.passes(5)
    assert call.a_tool_has_no_result
    call.tool_ends("Busy.", failed=True)
    assert call.questions[-1] == "[keys: 7]"


# T35
def test_of_two_departures_at_once_the_first_is_done_and_the_second_refused() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says("Good bye.", complete=False)
    call.agent_calls("avr_transfer", "avr_hangup", leaves="transfer")
    call.passes(10)
    assert names_run(call) == ["avr_transfer"]
    call.tool_ends("Busy.", failed=True)
    assert [name for name, _ in call.tool_results] == ["avr_transfer", "avr_hangup"]
    assert "already" in call.tool_results[1][1]


# T35
def test_the_call_is_left_when_its_other_tools_have_ended() -> None:
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


# T25
def test_stt_that_fails_while_the_pbx_is_at_work_changes_nothing() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.6)
    assert call.tools
    call.tell(ev.SttFailed())
    assert call.fixed == []
    call.tool_ends()
    call.passes(GONE_S + 0.1)
    assert call.ended == ev.EndCall(None, hang_up=False)


# T25, T38
def test_a_failed_departure_without_stt_ends_the_call_with_an_apology() -> None:
    call = leaving()
    call.passes(FAREWELL_S + 0.6)
    call.tell(ev.SttFailed())
    call.tool_ends("Busy.", failed=True)
    assert call.fixed == [PATIENT.farewell]
    call.agent_says()
    call.passes(20)
    assert call.ended is not None
    assert call.ended.error


# T25
def test_stt_that_fails_during_the_farewell_ends_the_call_with_an_apology() -> None:
    call = leaving()
    call.passes(WORD_S)
    call.tell(ev.SttFailed())
    call.agent_says()
    call.passes(20)
    assert heard(call) == ["Good", PATIENT.farewell]
    assert names_run(call) == []
    assert call.ended is not None
    assert call.ended.hang_up


# --- the operator --------------------------------------------------------------------------------


# T46
def test_a_call_that_the_operator_ends_says_goodbye_first() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(0.3)
    call.tell(ev.OperatorLeaves())
    assert call.fixed == [PATIENT.goodbye]
    call.agent_says()
    call.says("Wait, one more thing!")
    call.passes(10)
    assert call.ended == ev.EndCall()
    assert call.ended.reason == "operator"


# T47
def test_a_call_that_the_operator_transfers_is_transferred_after_a_sentence() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.operator_transfers()
    assert call.fixed == [PATIENT.transferring]
    call.agent_says()
    call.passes(5)
    assert names_run(call) == ["avr_transfer"]
    call.tool_ends()
    call.passes(GONE_S + 0.1)
    assert call.ended == ev.EndCall(None, hang_up=False)
    assert call.ended.reason == "operator"


# T47
def test_words_do_not_keep_a_call_that_the_operator_transfers() -> None:
    call = SimulatedCall()
    call.starts()
    call.operator_transfers()
    call.agent_says()
    call.says("Wait, I have not finished!")
    call.passes(8)
    assert names_run(call) == ["avr_transfer"]


# T38, T47
def test_an_operators_transfer_that_fails_leaves_the_caller_with_the_agent() -> None:
    call = SimulatedCall()
    call.says(QUESTION)
    call.operator_transfers()
    call.agent_says()
    call.passes(5)
    call.tool_ends("No such extension.", failed=True)
    assert call.reply is not None
    assert call.reply.history[-1] == ToolResult("operator1", "No such extension.")
    call.agent_says(ANSWER)
    call.passes(20)
    assert heard(call)[-1] == ANSWER
    assert call.ended is None


# T46, T47
@pytest.mark.parametrize("transfers", [True, False])
def test_the_operator_decides_once(transfers: bool) -> None:
    call = SimulatedCall()
    call.starts()
    if transfers:
        call.operator_transfers()
    call.tell(ev.OperatorLeaves())
    call.operator_transfers()
    assert len(call.fixed) == 1
    call.agent_says()
    call.passes(10)
    assert len(names_run(call)) == transfers
