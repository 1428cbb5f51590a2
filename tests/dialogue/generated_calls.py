"""Calls nobody would think of: what may happen in one, and what is promised whatever happens.

A generated call is a list of steps; a step makes sense of itself or does nothing, so any list is a
call and a shorter one still is: whoever generates them (hypothesis in the tests, `random` in the
soak) may cut pieces out. Promises that hold at any time are checked by the simulated call as
things happen; `live_through` checks those about how calls end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from tests.dialogue.simulated_call import SimulatedCall

from avr_sts_speechmatics.conversation import ToolCall
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.state import State

Step: TypeAlias = Callable[[SimulatedCall], None]

MANNERS: Mapping[str, Sequence[Any]] = {
    "recording_notice": ["", "This call is recorded"],
    "disclosure": ["", "", "I am a machine"],
    "welcome": ["", "Hello there my friend"],
    "welcome_is_sacred": [False, True],
    "barge_in": ["words", "speech", "off"],
    "min_words": [1, 2, 3],
    "no_input_s": [0.0, 0.0, 8.0],
    "max_call_s": [0.0, 0.0, 35.0],
    "filler_s": [0.0, 2.0],
    "preemptive": [False, True],
    "dictation_s": [0.0, 1.5],
    "unfinished_s": [0.0, 1.0],
    "farewell_s": [0.0, 0.5],
    "tool_rounds": [1, 2, 3],
}
"""What manners are made of: a choice of each."""


def new_words(call: SimulatedCall) -> str:
    return f"word{len(call.said)}"


def settled_words(call: SimulatedCall) -> None:
    call.segment(new_words(call))


def late_words(call: SimulatedCall) -> None:
    call.segment(new_words(call), late=True)


def noise(call: SimulatedCall) -> None:
    call.segment("...")


def backchannel(call: SimulatedCall) -> None:
    call.segment("Mhm.")


def guess(call: SimulatedCall) -> None:
    call.guess("maybe")


def right_guess(call: SimulatedCall) -> None:
    """What a `settled_words` behind it will settle."""
    call.guess(new_words(call))


def late_guess(call: SimulatedCall) -> None:
    call.guess("maybe", late=True)


def key(call: SimulatedCall) -> None:
    call.types("7")


def hash_key(call: SimulatedCall) -> None:
    call.types("#")


def star_key(call: SimulatedCall) -> None:
    call.types("*")


def digits(call: SimulatedCall) -> None:
    call.segment(f"{new_words(call)} four four one")


def echo(call: SimulatedCall) -> None:
    """The line returns what the agent is saying."""
    if call.playout and call.reply is not None and call.reply.text is None:
        call.segment_of_the_agent(call.playout[0].text)


def half_a_sentence(call: SimulatedCall) -> None:
    call.segment(f"{new_words(call)} and")


def sentence(call: SimulatedCall) -> None:
    if call.reply is not None and not (call.reply.complete or call.reply.waits):
        fixed = call.reply.text
        call.agent_says(fixed or "some plain words here", complete=fixed is not None)


def asks_for_a_number(call: SimulatedCall) -> None:
    if call.model_may_ask:
        call.agent_says("What is your number?", complete=False)


def sentence_without_voice(call: SimulatedCall) -> None:
    reply = call.reply
    if reply is not None and reply.text is None and not (reply.complete or reply.waits):
        call.agent_prepares("and a few more")


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


def two_departures(call: SimulatedCall) -> None:
    if call.model_may_ask:
        call.agent_calls("avr_transfer", "avr_hangup", leaves="transfer")


def tool_ends(call: SimulatedCall) -> None:
    if call.tools:
        call.tool_ends()


def tool_fails(call: SimulatedCall) -> None:
    if call.tools:
        call.tool_ends("It failed.", failed=True)


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
    """Of replies that were cancelled, and too early of one begun ahead: nothing comes of it."""
    replies = [reply for reply in call.replies[-3:] if reply.cancelled]
    for reply in (*replies, *call.drafts):
        state, commands = call.dialogue.state, len(call.commands)
        call.tell(ev.SentenceReady(reply.number, 10**6, "never"))
        call.tell(ev.VoiceStarted(reply.number))
        call.tell(ev.ToolsCalled(reply.number, (ev.ToolRequest(ToolCall("x", "never", "{}")),)))
        call.tell(ev.ReplyEnded(reply.number))
        if reply.cancelled:
            call.tell(ev.ReplyFailed(reply.number))
        assert (call.dialogue.state, len(call.commands)) == (state, commands)


def stt_lost(call: SimulatedCall) -> None:
    call.tell(ev.SttLost())


def stt_restored(call: SimulatedCall) -> None:
    call.tell(ev.SttRestored())


def stt_failed(call: SimulatedCall) -> None:
    call.tell(ev.SttFailed())


def audio_ended(call: SimulatedCall) -> None:
    call.tell(ev.AudioEnded())


def service_ends(call: SimulatedCall) -> None:
    call.tell(ev.ServiceEnds())


def cost_reached(call: SimulatedCall) -> None:
    call.tell(ev.CostReached())


def operator_hangs_up(call: SimulatedCall) -> None:
    call.tell(ev.OperatorLeaves())


def nothing(call: SimulatedCall) -> None:
    pass


STEPS: list[Step] = [
    SimulatedCall.sound,
    SimulatedCall.quiet,
    *(2 * [SimulatedCall.turn_ends]),
    *(2 * [settled_words]),
    late_words,
    noise,
    backchannel,
    guess,
    right_guess,
    late_guess,
    digits,
    half_a_sentence,
    echo,
    key,
    hash_key,
    star_key,
    *(3 * [sentence, settle, answer_complete, short_time, long_time]),
    asks_for_a_number,
    failure,
    SimulatedCall.voice_comes,
    SimulatedCall.voice_breaks_off,
    SimulatedCall.pause_comes_too_late,
    *(2 * [sentence_without_voice]),
    tools_called,
    tool_refused,
    departure,
    two_departures,
    *(3 * [tool_ends]),
    tool_fails,
    draft_fails,
    late_news,
    stt_lost,
    stt_restored,
]

ENDINGS: list[Step] = [
    *(3 * [nothing]),
    stt_failed,
    audio_ended,
    service_ends,
    cost_reached,
    operator_hangs_up,
    SimulatedCall.operator_transfers,
]


def run_out(call: SimulatedCall) -> None:
    """The caller falls silent and all services work: whatever is open comes to its end.

    All but what was begun ahead: the end of the turn, which decides of it, comes very late.
    """
    call.tell(ev.SttRestored())
    call.quiet()
    for _ in range(60):
        while call.tools and call.ended is None:
            call.tool_ends("It failed.", failed=True)
        call.voice_comes()
        sentence(call)
        answer_complete(call)
        call.passes(2.0)
    call.turn_ends()


def live_through(manners: Manners, steps: Sequence[Step]) -> SimulatedCall:
    """One call from its first event to its last. AssertionError when it breaks a promise."""
    must_end = stt_failed in steps or audio_ended in steps
    call = SimulatedCall(manners)
    call.starts()
    for step in (*steps, run_out):
        step(call)
        call.assert_history_is_what_was_heard()
    # Only what ends a call cuts a notice.
    cutting = {service_ends, cost_reached, operator_hangs_up, SimulatedCall.operator_transfers}
    ends = must_end or manners.max_call_s or not cutting.isdisjoint(steps)
    assert ends or not call.notice_was_cut, "a notice was interrupted"
    # Nothing said is lost, nothing hangs.
    if call.ended is not None:
        voiceless = call.ended.error == "the agent has no voice"
        parted = call.fixed[-1:] in ([manners.farewell], [manners.goodbye])
        left = not call.ended.hang_up
        assert must_end or voiceless or parted or left, "ended for no reason"
        return call
    assert not must_end, "a call without a caller does not end"
    assert not manners.no_input_s, "a silent caller is not asked"
    assert call.dialogue.state is State.LISTENING, "it does not come to rest"
    assert (call.reply, call.paused, call.timers) == (None, False, {}), "something is left"
    assert call.waiting == [], "words were lost"
    assert not call.owed, "an answer is owed"
    assert call.drafts == [], "an answer begun ahead is left"
    assert call.tools == {}, "a tool is left"
    call.assert_tools_are_answered()
    return call
