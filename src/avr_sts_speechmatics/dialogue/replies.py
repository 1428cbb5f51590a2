"""Rows of the state table about the agent's replies: voice, fillers, failures."""

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import LOST_MARK
from avr_sts_speechmatics.dialogue.notices import Notices
from avr_sts_speechmatics.dialogue.own_voice import ONSET_S
from avr_sts_speechmatics.dialogue.state import Requested, State
from avr_sts_speechmatics.dialogue.steps import Commands
from avr_sts_speechmatics.dialogue.tools_and_leaving import ToolsAndLeaving

FAILURES_MAX = 3
"""How many replies in a row may fail before the call is given up."""


class Replies(Notices, ToolsAndLeaving):
    """See the table in `turns`; the tag of a row begins its docstring."""

    # --- the agent's speech --------------------------------------------------------------------

    def sentence_ready(self, event: ev.SentenceReady) -> Commands:
        reply = self.reply
        if reply is not None and event.reply == reply.number:
            phrase = not reply.is_answer or event.text in self.manners.fillers
            self.history.agent_will_say(event.utterance, event.text, phrase=phrase)
        yield from ()

    def voice_started(self, event: ev.VoiceStarted) -> Commands:
        reply = self.reply
        if reply is None or event.reply != reply.number:
            return
        if not event.filler:
            reply.said_since_tools = True
            if not reply.has_spoken and reply.is_answer:
                self.caller.unanswered = bool(self.caller.late)
            reply.has_spoken = True
        if self.state is State.THINKING:
            yield ev.CancelTimer(ev.Timer.FILLER)
            self.state = State.SPEAKING
            own = self.own_voice
            if not own.agent_near:
                own.agent_near = own.agent_began = True
                yield ev.SetTimer(ev.Timer.ECHO, ONSET_S)
            yield from self._voice_over_a_sound()

    def _voice_over_a_sound(self) -> Commands:
        """T6: the caller makes a sound as the voice begins."""
        if self.caller.speaking and self.may_be_interrupted and not self.own_voice.is_likely:
            yield from self.pause()

    def utterance_played(self, event: ev.UtterancePlayed) -> Commands:
        if self.reply is not None and self.reply.is_answer:
            self.reply.heard += 1
            if self.reply.heard > 1:
                self.own_voice.in_a_row = 0
        yield from self._was_heard(event.utterance, 1.0)
        yield from self.close_call()

    def utterance_dropped(self, event: ev.UtteranceDropped) -> Commands:
        if self.reply is not None:
            self.reply.broken = True
        yield from self._was_heard(event.utterance, event.heard)

    def _was_heard(self, utterance: int, share: float) -> Commands:
        yield from self.write_heard(utterance, share, LOST_MARK)
        if self.state is State.PAUSED and not self.history.waiting:
            yield from self.resume()  # where another machine plays, a pause may come too late
        if self.state is State.SPEAKING and not self.history.waiting:
            self.state = State.THINKING  # until more comes, or the end is reported
            yield from self.await_voice()
        yield from self._farewell_was_heard()

    def voice_is_slow(self) -> Commands:
        """T15: a short phrase fills the silence before an answer."""
        reply = self.reply
        if self.state is not State.THINKING or reply is None or not reply.is_answer:
            return
        if self.caller.speaking:
            yield ev.SetTimer(ev.Timer.FILLER, self.manners.filler_s)
        else:
            yield ev.Fill(reply.number, next(self.patience.fillers))

    def reply_ended(self, event: ev.ReplyEnded) -> Commands:
        if self.reply is None or event.reply != self.reply.number:
            return
        if self.reply.is_answer:  # an apology that was heard is no answer
            self.own_voice.in_a_row = 0
            self.patience.failures = 0
            self.tools.owed = False
        yield from self.notice_is_over() if self.gives_notice else self.listen()

    # --- replies that fail ---------------------------------------------------------------------

    def reply_failed(self, event: ev.ReplyFailed) -> Commands:
        draft, reply = self.drafts.current, self.reply
        if draft is not None and event.reply == draft.number:
            self.drafts.current = None  # nobody waits for it yet; the turn's end asks again
        if reply is None or event.reply != reply.number:
            return
        if self.gives_notice:
            yield from self.notice_failed()
            return
        self.patience.failures += 1
        if reply.is_answer:
            self.caller.unanswered = bool(self.caller.late)  # the rest they are asked to say again
        if isinstance(self.departure, Requested):
            yield from self.listen()  # the caller is helped, if not spoken to
        elif reply.is_answer:
            yield from self._answer_failed()
        elif self.departure is not None or self.patience.failures > 1:
            yield from self._phrase_failed()
        else:
            yield from self.listen()

    def _answer_failed(self) -> Commands:
        """T21, T22: apologise; after FAILURES_MAX failures in a row, end the call."""
        if self.patience.failures >= FAILURES_MAX:
            yield from self.leave_in_failure()
        else:
            yield from self.say(self.manners.sorry)

    def _phrase_failed(self) -> Commands:
        """T23: not even an apology can be said."""
        yield from self.end("the agent has no voice")
