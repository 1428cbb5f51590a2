"""The steps that the rows of the state table share: answer, say, flush, listen, leave.

`turns.Dialogue` decides when a step is taken. A step is a generator of commands: each command is
carried out before the step goes on, and a command that has an answer (`Flush`) returns it.
"""

from collections.abc import Generator, Iterator
from itertools import count
from typing import TypeAlias

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import CUT_MARK, STOPPED_MARK, History
from avr_sts_speechmatics.dialogue.manners import HUMS, Manners
from avr_sts_speechmatics.dialogue.own_voice import ECHO_S, OwnVoice
from avr_sts_speechmatics.dialogue.state import (
    CallerAudio,
    CallerTurn,
    Departure,
    Draft,
    Drafts,
    Goodbye,
    Held,
    Kind,
    LastWord,
    Patience,
    Reply,
    Requested,
    State,
    Stt,
    ToolRuns,
    Warning,
)
from avr_sts_speechmatics.dialogue.words import count_words, plain

Commands: TypeAlias = Generator[ev.Command, ev.Answer, None]
"""Commands in order. What is sent in is the answer to the last one."""

TURN_OVERDUE_S = 3.0
"""How long settled words wait for the end of their turn (s). Longer than the pause that recognisers
wait for (below 1 s) and the time that their text needs to settle (below 1 s) together."""

SETTLE_S = 2.5
"""How long after the last audio a recogniser may still report speech in that audio (s)."""

SETTLE_TRIES = 6
"""How often SETTLE_S is granted to a turn that has begun and does not end."""

EDGE_S = 1.0
"""Few words are an answer if the agent has no more than this to say after them (s)."""

EDGE_OF_QUESTION_S = 2.0
"""The same while the agent asks a question: "yeah" is often said over its last words (s)."""

EDGE_OF_HUM_S = 0.5
"""The same for "mhm": a listener's sound in the middle of a question does not answer it (s)."""

DRAFTS_MAX = 3
"""How many answers may be begun ahead in one turn: each one that is dropped costs its tokens."""

SERVICE_GONE = "a service this call needs is not available"
"""Error for the transport when a call ends because STT or the LLM is gone."""

_KEPT = "Not done: the caller spoke before it happened, and is still on the line."


class Steps:
    """A dialogue's memory and the steps that change it."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.history = History()
        self.state = State.LISTENING
        self.caller = CallerTurn()
        self.reply: Reply | None = None
        self.held: Held | None = None
        self.own_voice = OwnVoice()
        self.drafts = Drafts()
        self.departure: Departure | None = None
        self.stt = Stt.HEARING
        self.patience = Patience.of(manners)
        self.tools = ToolRuns()
        self.audio = CallerAudio()
        self.handling = False
        """Whether an event is being handled: no other may be."""
        self._reply_numbers: Iterator[int] = count(1)

    # --- what holds now ------------------------------------------------------------------------

    @property
    def holds_the_floor(self) -> bool:
        """Whether the agent has the floor, even if silent for a moment between two sentences."""
        if self.gives_notice or self.state is State.THINKING:
            return self.reply is not None and (self.gives_notice or self.reply.has_spoken)
        return self.state in (State.SPEAKING, State.PAUSED, State.DEPARTING)

    @property
    def gives_notice(self) -> bool:
        """Whether the agent says, or is about to say, a notice that nothing may interrupt."""
        return self.reply is not None and self.reply.kind is Kind.NOTICE

    @property
    def may_be_interrupted(self) -> bool:
        """Whether the caller can take the floor with words."""
        welcoming = self.reply is not None and self.reply.kind is Kind.WELCOME
        sacred = self.gives_notice or (welcoming and self.manners.welcome_is_sacred)
        return not (self.must_end or sacred or self.manners.barge_in == "off")

    @property
    def must_end(self) -> bool:
        """Whether the call ends whatever the caller does."""
        departure = self.departure
        if isinstance(departure, Requested):
            return departure.request.by_operator
        return isinstance(departure, LastWord)

    @property
    def pbx_is_at_work(self) -> bool:
        """Whether the PBX is hanging up or transferring: too late for a word of the caller."""
        return isinstance(self.departure, Requested) and self.departure.under_way

    @staticmethod
    def is_question(text: str) -> bool:
        return text.rstrip().endswith(("?", "？", "؟"))

    def counted(self, *texts: str) -> int:
        """Words of `texts` that are no backchannels."""
        return count_words(texts, self.manners.backchannels)

    # --- replies -------------------------------------------------------------------------------

    def answer(self, *texts: str) -> Commands:
        """Start a reply to `texts` and to whatever has not been answered before them."""
        caller = self.caller
        if caller.held_open:
            texts = (caller.take_text(), *texts)
            yield ev.CancelTimer(ev.Timer.DICTATION)
        asked = plain(" ".join((*caller.late, *texts)))
        draft = self.drafts.current
        if draft is not None and not (asked and asked == draft.answers):
            yield from self.drop_draft()
            draft = None
        self.drafts.current = None
        caller.unanswered = self.tools.owed = False
        yield from self.stop_patience()
        if not caller.segments:
            yield ev.CancelTimer(ev.Timer.OVERDUE)
        yield from self.take_the_floor()
        for text in (*caller.take_late(), *texts):
            yield from self.write_down(text)
        if self.must_end:
            return
        caller.unanswered = True
        reply = self.begin(Kind.ANSWER, None if draft is None else draft.number)
        if draft is not None:
            yield ev.ConfirmReply(reply.number)
        elif self.tools.running:
            reply.waits_for_tools = True
            yield ev.StartReply(reply.number, None)
        else:
            yield ev.StartReply(reply.number, self.history.request())
        yield from self.await_voice()

    def say(self, text: str, kind: Kind = Kind.PHRASE) -> Commands:
        """Start a reply that is a fixed text."""
        yield from self.stop_patience()
        yield from self.write_edge()
        yield from self.give_up_held()
        yield from self.drop_draft()
        yield ev.Say(self.begin(kind).number, text)

    def begin(self, kind: Kind, number: int | None = None) -> Reply:
        """Make a new reply the present one. number: of a draft that becomes the reply."""
        self.reply = Reply(next(self._reply_numbers) if number is None else number, kind)
        self.state = State.THINKING
        return self.reply

    def await_voice(self) -> Commands:
        """Wait for the voice of an answer, but not in silence for ever."""
        manners = self.manners
        if manners.filler_s and manners.fillers and self.reply is not None and self.reply.is_answer:
            yield ev.SetTimer(ev.Timer.FILLER, manners.filler_s)

    def think_ahead(self, guess: str = "", *, settled: bool) -> Commands:
        """Begin an answer to the turn as far as it is known, unless that answer is begun already.

        guess: words that are not settled yet.
        settled: the words are likely to stay as they are.
        """
        caller, drafts = self.caller, self.drafts
        asked = " ".join((*caller.late, *caller.segments, guess)).strip()
        if drafts.current is not None and plain(asked) == drafts.current.answers:
            return
        yield from self.drop_draft()
        may = self.manners.preemptive and settled and drafts.begun < DRAFTS_MAX
        idle = self.state is State.LISTENING and not (caller.keys or self.tools.running)
        if may and idle and not self.must_end:
            drafts.begun += 1
            drafts.current = Draft(next(self._reply_numbers), plain(asked))
            history = self.history.request(asked)
            yield ev.StartReply(drafts.current.number, history, tentative=True)

    def drop_draft(self) -> Commands:
        """Cancel an answer that was begun ahead."""
        draft, self.drafts.current = self.drafts.current, None
        if draft is not None:
            yield ev.CancelReply(draft.number)

    def ask_again(self) -> Commands:
        """Ask the model again once all tools of its answer have ended."""
        reply = self.reply
        if reply is None or not reply.waits_for_tools:
            return
        if self.tools.running or self.departure is not None:
            return
        reply.waits_for_tools = reply.said_since_tools = False
        may_use_tools = reply.rounds < self.manners.tool_rounds
        history = self.history.request(expected=True)
        yield ev.ContinueReply(reply.number, history, may_use_tools)

    # --- the floor -----------------------------------------------------------------------------

    def take_the_floor(self, mark: str = CUT_MARK, *, certain: bool = True) -> Commands:
        """Give the caller the floor: whatever the agent was about to say is not said.

        mark: ends the sentence that is cut off, in the history.
        certain: the caller said something. Otherwise the reply is only held, see `go_on`.
        """
        if self.must_end:
            return
        if certain:
            yield from self.give_up_held()
        asked = self.is_question(self.history.last_said)
        audible = self.state in (State.SPEAKING, State.PAUSED)
        if self.state is State.DEPARTING:
            yield ev.CancelTimer(ev.Timer.FAREWELL)
        self.state = State.LISTENING
        if audible:
            yield ev.CancelTimer(ev.Timer.CONFIRM)
            yield ev.SetTimer(ev.Timer.ECHO, ECHO_S)
            for dropped in (yield ev.Flush()) or ():
                yield from self.write_heard(dropped.utterance, dropped.heard, mark)
        yield from self.write_edge()
        if self.reply is not None:
            if certain or not self._can_be_held(self.reply):
                yield ev.CancelReply(self.reply.number)
            else:
                self.held = Held(self.reply, asked)
                yield ev.HoldReply(self.reply.number)
            yield ev.CancelTimer(ev.Timer.FILLER)
            self.reply = None
        self.keep_the_call()
        self.history.forget_unheard()
        if self.tools.owed:
            self.caller.unanswered, self.tools.owed = True, False
        # Should the words come to nothing, the agent goes on, or the answer is still owed.
        if self.caller.unanswered or self.held is not None:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        if self.audio.settled:
            yield ev.SetTimer(ev.Timer.SETTLE, SETTLE_S)

    def _can_be_held(self, reply: Reply) -> bool:
        """Whether the agent can go on with a reply that is interrupted now."""
        return reply.has_spoken and self.departure is None and not self.tools.owed

    def give_up_held(self) -> Commands:
        """The caller did say something: the reply that was interrupted is over."""
        held, self.held = self.held, None
        if held is None:
            return
        yield ev.CancelReply(held.reply.number)
        if not (self.caller.segments or self.caller.unanswered):
            yield ev.CancelTimer(ev.Timer.OVERDUE)

    def pause(self) -> Commands:
        """Hold the agent's speech until it is clear whether a sound has words."""
        self.state = State.PAUSED
        yield ev.Pause()
        if self.caller.at_edge:
            yield ev.CancelTimer(ev.Timer.EDGE)
        yield ev.SetTimer(ev.Timer.CONFIRM, self.manners.confirm_s)

    def resume(self) -> Commands:
        """Go on at the very sample where the agent's speech was paused."""
        self.state = State.SPEAKING
        yield ev.CancelTimer(ev.Timer.CONFIRM)
        yield ev.Resume()
        if self.caller.at_edge:
            yield from self.time_the_edge()

    def time_the_edge(self) -> Commands:
        """Find out whether the caller's few words came at the end of what the agent says."""
        if not count_words([self.caller.at_edge], HUMS):
            longest = EDGE_OF_HUM_S
        else:
            asks = self.is_question(self.history.last_said)
            longest = EDGE_OF_QUESTION_S if asks else EDGE_S
        yield ev.SetTimer(ev.Timer.EDGE, longest)

    def write_edge(self) -> Commands:
        """Write down few words of the caller that were no answer."""
        if text := self.caller.take_edge():
            yield ev.CancelTimer(ev.Timer.EDGE)
            yield from self.write_down(text)

    def listen(self) -> Commands:
        """The reply is over: do whatever waited for its end, or wait for the caller."""
        self.reply = None
        self.state = State.LISTENING
        yield ev.CancelTimer(ev.Timer.FILLER)
        if self.own_voice.agent_near:
            yield ev.SetTimer(ev.Timer.ECHO, ECHO_S)
        if self.departure is None and (text := self.caller.take_edge()):
            yield ev.CancelTimer(ev.Timer.EDGE)
            self.caller.answer_later(text)
        if self.departure is not None:
            yield from self.depart()
        elif self.caller.unanswered and not self.caller.keys:
            yield from self.answer()
        elif self.patience.warning is Warning.DUE:
            self.patience.warning = Warning.SAID
            yield from self.say(self.manners.warning)
        elif self.audio.settled:
            yield from self.settle()
        else:
            yield from self.await_input()

    def settle(self) -> Commands:
        """All of the caller's audio was heard: end the call, unless something is open."""
        caller = self.caller
        if self.state is not State.LISTENING or caller.keys:
            return  # the end of the reply looks again
        open_ = (
            caller.is_open
            or caller.unanswered
            or self.held is not None
            or self.stt is not Stt.HEARING
        )
        if open_ and self.audio.tries < SETTLE_TRIES:
            self.audio.tries += 1
            yield ev.SetTimer(ev.Timer.SETTLE, SETTLE_S)
        else:
            yield from self.end(hang_up=False)

    def await_input(self) -> Commands:
        """It is the caller's turn: wait for the caller, but not for ever."""
        caller = self.caller
        # A sound may be a steady noise, and a guess may come to nothing: neither stops the timer.
        idle = self.state is State.LISTENING and not (
            caller.segments
            or caller.unanswered
            or self.held is not None
            or caller.keys
            or self.audio.ended
            or self.stt is not Stt.HEARING
        )
        if idle and self.manners.no_input_s and not self.patience.runs:
            self.patience.runs = True
            yield ev.SetTimer(ev.Timer.NO_INPUT, self.manners.no_input_s)

    def stop_patience(self) -> Commands:
        """The caller said something, or the agent does: nobody waits for words."""
        self.patience.runs = self.patience.extended = False
        yield ev.CancelTimer(ev.Timer.NO_INPUT)

    # --- what was said -------------------------------------------------------------------------

    def write_down(self, text: str) -> Commands:
        """Write words of the caller into the history."""
        self.history.caller_said(text)
        yield ev.SendTranscript("user", text)

    def write_heard(self, utterance: int, share: float, mark: str = CUT_MARK) -> Commands:
        """Write what was heard of an utterance into the history.

        share: of the utterance's audio, 0 to 1.
        mark: ends a sentence of which not all was heard.
        """
        words = self.history.heard(utterance, share, mark)
        if words:
            yield ev.SendTranscript("agent", words)

    # --- the end -------------------------------------------------------------------------------

    def depart(self) -> Commands:
        """The last word has been sent: wait until it is heard, and whether the caller speaks."""
        yield from self.write_edge()
        self.state = State.DEPARTING
        speaking = self.caller.speaking and not self.must_end
        margin = self.manners.confirm_s if speaking else 0.0
        yield ev.SetTimer(ev.Timer.FAREWELL, max(margin, self.manners.farewell_s))

    def keep_the_call(self) -> None:
        """The caller spoke before the call was left: it goes on."""
        if isinstance(self.departure, Requested):
            self.history.tool_done(self.departure.number, _KEPT)
        self.departure = None

    def leave(
        self,
        last_sentence: str,
        error: str | None = None,
        reason: ev.EndReason = "longest_call",
    ) -> Commands:
        """Say one last sentence, then end the call.

        error: what the other end is told.
        reason: why the call ends, if there is no error.
        """
        self.departure = LastWord(error, reason)
        yield from self.say(last_sentence)

    def leave_in_failure(self) -> Commands:
        """A service is gone: apologise, then end the call."""
        yield from self.leave(self.manners.farewell, error=SERVICE_GONE)

    def close_call(self) -> Commands:
        """T44, T45: say a last sentence and end the call, if the call must end."""
        reason = self.patience.closing
        if reason is None or self.departure is not None:
            return
        self.patience.closing = None
        yield ev.CancelTimer(ev.Timer.CLOSING)
        yield from self.take_the_floor(STOPPED_MARK)
        # Who is cut off by this program deserves an apology; a limit is the operator's.
        sorry = reason == "shutdown"
        last = self.manners.farewell if sorry else self.manners.goodbye
        yield from self.leave(last, reason=reason)

    def end(self, error: str | None = None, *, hang_up: bool = True) -> Commands:
        """End the call now. hang_up: the phone call is still there to be ended."""
        yield from self.drop_draft()
        yield from self.give_up_held()
        yield from self.write_edge()
        self.state = State.ENDED
        for timer in ev.Timer:
            yield ev.CancelTimer(timer)
        yield ev.EndCall(error, hang_up, self._end_reason(error))

    def _end_reason(self, error: str | None) -> ev.EndReason:
        departure = self.departure
        if error is not None:
            return "failure"
        if isinstance(departure, LastWord):
            return departure.reason
        if isinstance(departure, Goodbye):
            return "silence"
        if isinstance(departure, Requested):
            return departure.request.end_reason
        return "audio_over" if self.audio.settled else "agent"
