"""Rows of the state table about barge-in: sounds and words of the caller over the agent."""

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.echo import Compared, without_echo
from avr_sts_speechmatics.dialogue.own_voice import (
    ECHO_KNOWN,
    ECHO_NOTE,
    IN_A_ROW_MAX,
    IN_A_ROW_NOTE,
)
from avr_sts_speechmatics.dialogue.state import Requested, State
from avr_sts_speechmatics.dialogue.steps import TURN_OVERDUE_S, Commands, Steps
from avr_sts_speechmatics.dialogue.words import has_words, plain


class BargeIn(Steps):
    """See the table in `turns`; the tag of a row begins its docstring."""

    # --- the caller's sound --------------------------------------------------------------------

    def speech_started(self, _: ev.CallerSpeechStarted) -> Commands:
        self.caller.speaking = True
        self.caller.over_agent = self.own_voice.agent_near
        self.caller.at_onset = self.own_voice.agent_began
        if self.caller.segments:
            # The sound may be a noise that never ends: the words before it are answered in time.
            yield ev.CancelTimer(ev.Timer.DICTATION)
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        if self.state is State.SPEAKING and self.may_be_interrupted:
            yield from self._sound_over_the_agent()
        elif self.state is State.DEPARTING and not (self.must_end or self.pbx_is_at_work):
            yield from self._sound_over_the_farewell()

    def _sound_over_the_agent(self) -> Commands:
        """T7, T8: a sound pauses the agent, or takes the floor where the operator wants that."""
        if self.own_voice.is_likely:
            return
        if self.manners.barge_in == "speech":
            yield from self.take_the_floor(certain=False)
        else:
            yield from self.pause()

    def _sound_over_the_farewell(self) -> Commands:
        """T36: the sound may be a word that keeps the call."""
        yield ev.SetTimer(ev.Timer.FAREWELL, self.manners.confirm_s)

    def sound_confirmed(self) -> Commands:
        """T12: the sound had no words, the agent goes on."""
        if self.state is State.PAUSED:
            yield from self.resume()

    def speech_ended(self, _: ev.CallerSpeechEnded) -> Commands:
        caller = self.caller
        caller.speaking = False
        if caller.held_open:
            yield ev.SetTimer(ev.Timer.DICTATION, caller.held_open)
        elif caller.segments:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        elif self.held is not None and not caller.guess:
            yield ev.SetTimer(ev.Timer.OVERDUE, self.manners.confirm_s)
        if caller.guess:
            yield from self.think_ahead(caller.guess, settled=True)
        yield from self.await_input()

    # --- the caller's words --------------------------------------------------------------------

    def words_heard(self, event: ev.WordsHeard) -> Commands:
        caller = self.caller
        if event.end <= caller.ended_at or not has_words(event.text):
            return
        compared = self._without_echo(event.text, settled=False)
        if not self.own_voice.is_known:
            yield from self._note_echo(compared.evidence)
        if not has_words(text := compared.text):
            if compared.evidence:
                yield from self._echo_came()
            return
        before, caller.guess = caller.guess, text
        caller.held_open = 0.0
        yield ev.CancelTimer(ev.Timer.DICTATION)
        yield from self._hear(text)
        if caller.segments or self.held is not None:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        yield from self._guess_came(text, twice=plain(text) == plain(before))
        yield from self.await_input()

    def _without_echo(self, text: str, *, settled: bool) -> Compared:
        """Tell the caller's words from the agent's own, returned by the line."""
        own, caller = self.own_voice, self.caller
        caller.over_agent = caller.over_agent or own.agent_near
        if not (caller.over_agent and self.manners.ignores_echo):
            return Compared(text)
        return without_echo(
            text,
            self.history.recently_said(),
            settled=settled,
            known=own.is_known,
            suspected=own.evidence > 0 or caller.at_onset,
        )

    def _note_echo(self, evidence: int) -> Commands:
        """Remember that the line may return the agent's voice; log it once when that is sure."""
        own = self.own_voice
        before, own.evidence = own.evidence, own.evidence + evidence
        if before < ECHO_KNOWN <= own.evidence:
            yield ev.Note(ECHO_NOTE)

    def _echo_came(self) -> Commands:
        """T43: the agent's own words take no floor and ask nothing."""
        if self.state is State.PAUSED:
            yield from self.resume()
        elif self.held is not None and not self.caller.segments:
            yield from self.go_on()

    def echo_is_over(self) -> Commands:
        self.own_voice.agent_began = False
        if self.state not in (State.SPEAKING, State.PAUSED):
            self.own_voice.agent_near = False
        yield from ()

    def go_on(self) -> Commands:
        """T41: the words that interrupted the agent came to nothing."""
        held, self.held = self.held, None
        assert held is not None
        text = self.caller.take_text()
        yield from self.drop_draft()
        yield ev.CancelTimer(ev.Timer.OVERDUE)
        self.caller.guess = ""
        self.reply, self.state = held.reply, State.THINKING
        yield ev.GoOnWithReply(held.reply.number)
        if text:
            yield from self.write_down(text)
        yield from self.await_voice()

    def _guess_came(self, guess: str, *, twice: bool) -> Commands:
        """T27, T28: a guess heard twice, or in silence, is answered ahead; a new one drops that."""
        yield from self.think_ahead(guess, settled=twice or not self.caller.speaking)

    def segment_heard(self, event: ev.SegmentHeard) -> Commands:
        caller = self.caller
        if not has_words(event.text) or caller.settled == (event.text, event.end):
            return
        caller.settled = event.text, event.end
        caller.guess = ""
        compared = self._without_echo(event.text, settled=True)
        yield from self._note_echo(compared.evidence)
        if not has_words(text := compared.text):
            yield from self._echo_came()
            return
        if compared.doubtful and self.held is not None:
            return  # if nothing else was said, the agent goes on
        if compared.doubtful and self.holds_the_floor:
            yield from self._echo_came()
            yield from self._few_words(text)
            return
        held_open = caller.held_open > 0 and self.state is State.LISTENING
        if event.end <= caller.ended_at and not held_open:
            yield from self._late_segment(text)
            return
        caller.segments.append(text)
        yield from self._hear()
        if not caller.held_open:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        yield from self.think_ahead(settled=True)

    def _hear(self, guess: str = "") -> Commands:
        """T4, T9, T18, T37: words take the floor, if they may and are enough."""
        caller = self.caller
        self.patience.prompts = 0
        yield from self.stop_patience()
        if self.pbx_is_at_work:
            return  # too late; if the PBX fails, the words are answered
        if self.held is not None:
            if self.counted(*caller.segments) >= self.enough:
                yield from self.give_up_held()
        elif not self.holds_the_floor:
            yield from self.take_the_floor()
        elif self.may_be_interrupted:
            enough = self.manners.min_words + self.own_voice.more_words
            certain = self.counted(*caller.segments) >= enough
            # A word of a guess may be one of the agent's, misheard.
            doubt = 1 if self.own_voice.is_known else 0
            if certain or self.counted(*caller.segments, guess) >= enough + doubt:
                self.own_voice.in_a_row += 1
                if self.own_voice.in_a_row == IN_A_ROW_MAX:
                    yield ev.Note(IN_A_ROW_NOTE)
                yield from self.take_the_floor(certain=certain)

    def _late_segment(self, text: str) -> Commands:
        """T13: a segment of a turn that is over."""
        fixed = self.reply is not None and not self.reply.is_answer
        if self.state in (State.LISTENING, State.THINKING) and not self.gives_notice:
            yield from self.answer(text)
        elif self.state is State.DEPARTING:
            yield from self._turn_over_the_agent(text)
        elif fixed and not self.must_end:
            self.caller.answer_later(text)  # a welcome answers nothing
        else:
            yield from self.write_down(text)

    def _turn_over_the_agent(self, text: str) -> Commands:
        """T10, T11: a whole turn was said while the agent has the floor, and did not take it."""
        yield ev.CancelTimer(ev.Timer.OVERDUE)
        text = f"{self.caller.take_edge()} {text}".strip()
        if self.counted(text) >= self.enough and not self.must_end:
            self.caller.answer_later(text)
        elif self.state is State.DEPARTING or self.departure is not None:
            yield from self.write_down(text)
        else:
            yield from self._few_words(text)

    def _few_words(self, text: str) -> Commands:
        """T40: few words are an answer if they came over the end of what the agent says."""
        self.caller.at_edge = f"{self.caller.at_edge} {text}".strip()
        if self.state is not State.PAUSED:  # else `resume` starts the timer
            yield from self.time_the_edge()

    def edge_is_over(self) -> Commands:
        """T10: the agent says more: the words were a sign of attention."""
        yield from self.write_edge()

    @property
    def enough(self) -> int:
        """How many words over the agent ask for something.

        Fewer are not meant to stop an answer; a question of ours is answered by one.
        """
        return 1 if self._says_a_phrase else self.manners.min_words

    @property
    def _says_a_phrase(self) -> bool:
        """Whether the agent's present or last words are a fixed text."""
        reply = self.reply if self.held is None else self.held.reply
        if reply is not None:
            return not reply.is_answer
        if isinstance(self.departure, Requested):
            return self.departure.by_phrase
        return self.departure is not None
