"""Rows of the state table about time: silence, long calls, lost STT, the end of the audio."""

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import STOPPED_MARK
from avr_sts_speechmatics.dialogue.notices import Notices
from avr_sts_speechmatics.dialogue.state import Goodbye, State, Stt, Warning
from avr_sts_speechmatics.dialogue.steps import SETTLE_S, Commands

SOUND_S = 2.0
"""How long a sound may last before its first word is recognised (s)."""

SENTENCE_S = 2.0
"""How long the agent may go on with its sentence when the call must end (s)."""

ANSWER_S = 8.0
"""How long an answer may take, and its first sentence, when the call has cost enough (s)."""

WARNING_S = 30.0
"""How long before its end a call that lasts too long is warned (s)."""


class SilenceAndLimits(Notices):
    """See the table in `turns`; the tag of a row begins its docstring."""

    def call_started(self, _: ev.CallStarted) -> Commands:
        manners = self.manners
        if manners.max_call_s:
            yield ev.SetTimer(ev.Timer.MAX_CALL, max(0.0, manners.max_call_s - WARNING_S))
        yield from self.open_the_call()

    # --- when STT or the caller's audio ends ---------------------------------------------------

    def stt_lost(self, _: ev.SttLost) -> Commands:
        if self.stt is Stt.HEARING:
            self.stt = Stt.LOST
        yield ev.SetTimer(ev.Timer.PATIENCE, self.manners.patience_s)

    def stt_is_missed(self) -> Commands:
        """T24: ask the caller for a moment, once nothing else is said."""
        if self.state is State.LISTENING and not self.caller.unanswered and self.held is None:
            yield from self.say(self.manners.wait)
        else:
            yield ev.SetTimer(ev.Timer.PATIENCE, self.manners.patience_s)

    def stt_restored(self, _: ev.SttRestored) -> Commands:
        if self.stt is Stt.LOST:
            self.stt = Stt.HEARING
        yield ev.CancelTimer(ev.Timer.PATIENCE)
        # A new session reports when sound begins, not that sound heard before it has ended.
        self.caller.speaking = False
        yield from self.await_input()

    def stt_failed(self, _: ev.SttFailed) -> Commands:
        """T25: nothing the caller says will be heard any more."""
        self.stt = Stt.GONE
        if not (self.must_end or self.pbx_is_at_work):
            yield from self.take_the_floor(STOPPED_MARK)
            yield from self.leave_in_failure()

    def audio_ended(self, _: ev.AudioEnded) -> Commands:
        """T26: the recogniser still has SETTLE_S to report speech."""
        self.audio.ended = True
        yield ev.SetTimer(ev.Timer.SETTLE, SETTLE_S)

    def audio_settled(self) -> Commands:
        """T26: everything was heard; the call ends once all is answered."""
        self.audio.settled = True
        yield from self.settle()

    # --- when this program ends, and when the call costs too much --------------------------------

    def service_ends(self, _: ev.ServiceEnds) -> Commands:
        """T44: apologise and end the call, once the agent's sentence is over."""
        yield from self._close_after_sentence("shutdown")

    def cost_reached(self, _: ev.CostReached) -> Commands:
        """T45: say goodbye and end the call, once the agent's sentence is over.

        A limit is mostly reached by the answer that is under way: its first sentence is heard.
        """
        if self.patience.closing is not None:
            return
        if self.state is State.THINKING and self.departure is None:
            self.patience.closing = "cost_limit"
            yield ev.SetTimer(ev.Timer.CLOSING, ANSWER_S)
        else:
            yield from self._close_after_sentence("cost_limit")

    def _close_after_sentence(self, reason: ev.EndReason) -> Commands:
        if self.departure is not None:
            return  # the call is about to end by itself
        self.patience.closing = reason
        if self.state in (State.SPEAKING, State.PAUSED):
            yield ev.SetTimer(ev.Timer.CLOSING, SENTENCE_S)
        else:
            yield from self.close_call()

    # --- patience ------------------------------------------------------------------------------

    def caller_is_silent(self) -> Commands:
        """T16, T17: prompt a silent caller, then say goodbye."""
        manners, patience = self.manners, self.patience
        patience.runs = False
        if self.stt is not Stt.HEARING:
            return  # the caller may be speaking; T24 speaks to them
        if self.caller.speaking and not patience.extended:
            patience.runs = patience.extended = True
            yield ev.SetTimer(ev.Timer.NO_INPUT, SOUND_S)
            return
        if patience.prompts >= manners.no_input_max:
            self.departure = Goodbye()
            yield from self.say(manners.goodbye)
        else:
            prompt = manners.prompts[patience.prompts % len(manners.prompts)]
            patience.prompts += 1
            yield from self.say(prompt)

    def call_is_long(self) -> Commands:
        """T19, T20: warn before the end of a long call, then end it."""
        if self.must_end or self.pbx_is_at_work:
            return
        if self.patience.warning is Warning.NOT_DUE:
            self.patience.warning = Warning.DUE
            yield ev.SetTimer(ev.Timer.MAX_CALL, WARNING_S)
            if self.state is State.LISTENING and not self.caller.is_open and self.held is None:
                yield from self.listen()
        else:
            yield from self.take_the_floor(STOPPED_MARK)
            yield from self.leave(self.manners.goodbye)
