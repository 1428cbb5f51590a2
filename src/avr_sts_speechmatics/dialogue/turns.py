"""The state table of a call: an event goes in, commands come out.

Theory of operation. The recogniser says when sound begins, which words it hears, and when the
caller's turn is over. The end of a turn with words starts a reply; its first audio makes the
agent SPEAKING. Sound from the caller while the agent speaks only *pauses* the agent; words take
the floor from it. All that is played comes back as "played", all that is thrown away as "dropped":
the history is written from those two and from nothing else.

  while     | when                      | then                             | because
 -----------+---------------------------+----------------------------------+------------------------
  any       | a turn ends with words    | write them down, start a reply   | it is the agent's turn
  any       | a turn ends without words | nothing; go on if paused         | a cough asks nothing
  LISTENING | settled words, then       | answer them after TURN_OVERDUE_S | a lost "end of turn"
            | nothing                   |                                  | must not be silence
  THINKING  | the caller speaks on      | drop the unheard reply, listen   | they had not finished
  LISTENING | that came to nothing      | ask for the reply again          | the question stands
  THINKING  | sound as the voice begins | begin paused; wait confirm_s     | do not talk into a word
  SPEAKING  | sound                     | pause; wait confirm_s            | it may be a cough
  SPEAKING  | min_words of a new turn   | flush, cancel, listen            | they want the floor
  PAUSED    | min_words                 | flush, cancel, listen            | they want the floor
  SPEAKING, | a turn of backchannels    | write it down, go on             | "mhm" means: go on
  PAUSED    |                           |                                  |
  SPEAKING  | anything, barge_in is off | say it all, then answer          | the operator wants it
            | or the welcome is sacred  |                                  | heard
  PAUSED    | time is up, no words      | resume at the very sample        | silence after a cough
            |                           |                                  | sounds broken
  any       | a segment older than the  | write it down; answer only if    | a late final belongs to
            | turn's end                | nobody answers yet               | the turn before it
  any       | a key                     | flush, collect; "#" or a pause   | who types wants to be
            |                           | ends the number, "*" clears it   | served, not talked over
  THINKING  | no voice for filler_s     | a short phrase, another each time| silence sounds like a
            |                           |                                  | broken line
  LISTENING | nothing for no_input_s    | ask, differently each time       | they may wait for us
  LISTENING | asked no_input_max times  | say goodbye, then end the call   | nobody is there
  any       | words over that goodbye   | keep the call                    | somebody is
  any       | WARNING_S before the end  | say that the call will end       | nobody likes to be cut
  any       | max_call_s                | say goodbye, then end the call   | the operator's limit
  any       | a reply fails             | say so; the caller may ask again | a person would not go
            |                           |                                  | silent
  any       | FAILURES_MAX in a row     | say so, then end the call        | nor promise in vain
  any       | an apology fails too      | end the call                     | a mute agent is silence
  LISTENING | nobody hears, patience_s  | ask for a moment                 | what they say is heard
            |                           |                                  | later; they shall know
  any       | hearing fails for good    | say so, then end the call        | a deaf agent must not
            |                           |                                  | keep a caller
  any       | no more audio will come   | answer what was asked, then end  | a file was piped in

Late news of a reply that was cancelled is ignored by its number.
"""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from itertools import count, cycle

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import History
from avr_sts_speechmatics.dialogue.manners import Manners

TURN_OVERDUE_S = 3.0
"""How long settled words wait for the end of their turn (s). Above the pause that recognisers wait
for (below 1 s) plus the time their text needs to settle (below 1 s)."""

_GONE = "a service this call needs is not available"

SETTLE_S = 2.5
"""How long after the last audio a recogniser may still report speech in it (s)."""

FAILURES_MAX = 3
"""How many replies in a row may fail before the call is given up."""

SETTLE_TRIES = 6
"""How often SETTLE_S is granted to a turn that has begun and does not end."""

WARNING_S = 30.0
"""How long before its end a call that lasted too long is told so (s)."""


class State(Enum):
    LISTENING = auto()
    THINKING = auto()
    SPEAKING = auto()
    PAUSED = auto()
    ENDED = auto()


class Dialogue:
    """One call's turns.

    `handle` takes an event and gives the commands it causes, in order. Whoever owns the call
    carries them out and feeds back what comes of them. After EndCall nothing is asked for again.
    """

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._numbers: Iterator[int] = count(1)
        self.history = History()
        self.state = State.LISTENING
        self._reply: int | None = None  # the one that thinks or speaks now
        self._reply_is_fixed = False
        self._turn: list[str] = []  # settled pieces of the caller's turn
        self._late: list[str] = []  # heard too late, to be answered after what is said now
        self._unanswered = False  # no voice has begun to answer what the caller said last
        self._caller_speaks = False
        self._words_open = False  # a guess was heard that has not been settled
        self._turn_end = 0.0
        self._keys = ""
        self._audio_ended = False
        self._settled = False  # the last audio has been heard, as far as waiting can tell
        self._settle_tries = 0
        self._failures = 0
        self._deaf = False
        self._prompted = 0
        self._fillers = cycle(manners.fillers)
        self._welcoming = False
        self._warned = False
        self._warning_due = False
        self._parting = False  # goodbye is being said; a word keeps the call
        self._leaving = False  # the last sentence is being said, whatever the caller does
        self._error: str | None = None
        self._rows: dict[type[ev.Event], Callable[..., Iterator[ev.Command]]] = {
            ev.CallStarted: self._call_started,
            ev.CallerSpeechStarted: self._speech_started,
            ev.CallerSpeechEnded: self._speech_ended,
            ev.WordsHeard: self._words_heard,
            ev.SegmentHeard: self._segment_heard,
            ev.TurnEnded: self._turn_ended,
            ev.KeyPressed: self._key_pressed,
            ev.SentenceReady: self._sentence_ready,
            ev.VoiceStarted: self._voice_started,
            ev.UtterancePlayed: self._utterance_played,
            ev.UtteranceDropped: self._utterance_dropped,
            ev.ReplyEnded: self._reply_ended,
            ev.ReplyFailed: self._reply_failed,
            ev.HearingLost: self._hearing_lost,
            ev.HearingRestored: self._hearing_restored,
            ev.HearingFailed: self._hearing_failed,
            ev.AudioEnded: self._audio_ended_,
            ev.TimerFired: self._timer_fired,
        }

    def handle(self, event: ev.Event) -> Iterator[ev.Command]:
        """Take one event; give what is to be done, in order.

        Each command is to be carried out before the next is taken, and all must be taken: what a
        Flush drops is written into the history before what the caller said over it.
        """
        if self.state is State.ENDED:
            return iter(())
        return self._rows[type(event)](event)

    # --- the caller's side ---------------------------------------------------------------------

    def _call_started(self, _: ev.CallStarted) -> Iterator[ev.Command]:
        if self._manners.max_call_s:
            yield ev.SetTimer(ev.Timer.MAX_CALL, max(0.0, self._manners.max_call_s - WARNING_S))
        if self._manners.welcome:
            self._welcoming = True
            yield from self._say(self._manners.welcome)
        else:
            yield from self._await_input()

    def _speech_started(self, _: ev.CallerSpeechStarted) -> Iterator[ev.Command]:
        self._caller_speaks = True
        yield ev.CancelTimer(ev.Timer.NO_INPUT)
        if self._turn:
            yield ev.CancelTimer(ev.Timer.OVERDUE)
        if self.state is State.SPEAKING and self._may_interrupt:
            if self._manners.barge_in == "speech":
                yield from self._take_the_floor()
            else:
                yield from self._pause()

    def _speech_ended(self, _: ev.CallerSpeechEnded) -> Iterator[ev.Command]:
        self._caller_speaks = False
        if self._turn:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        yield from self._await_input()

    def _words_heard(self, event: ev.WordsHeard) -> Iterator[ev.Command]:
        if event.end <= self._turn_end or not _has_words(event.text):
            return
        self._words_open = True
        yield from self._hear(event.text)
        if self._turn:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)

    def _segment_heard(self, event: ev.SegmentHeard) -> Iterator[ev.Command]:
        if not _has_words(event.text):
            return
        self._words_open = False
        if event.end <= self._turn_end:
            yield from self._late_words(event.text)
            return
        self._turn.append(event.text)
        yield from self._hear()
        yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)

    def _turn_ended(self, event: ev.TurnEnded) -> Iterator[ev.Command]:
        self._turn_end = max(self._turn_end, event.end)
        self._caller_speaks = False
        self._words_open = False
        text, self._turn = " ".join(self._turn), []
        if text and self.state in (State.SPEAKING, State.PAUSED):
            yield from self._heard_over(text)
        elif text:
            yield from self._answer(text)
        elif self.state is State.LISTENING and self._unanswered and not self._keys:
            yield from self._answer()
        if self.state is State.PAUSED:
            yield from self._resume()
        yield from self._await_input()

    def _hear(self, guess: str = "") -> Iterator[ev.Command]:
        """Words of a turn: they take the floor, if they may."""
        self._prompted = 0
        yield ev.CancelTimer(ev.Timer.NO_INPUT)
        talking = self.state in (State.SPEAKING, State.PAUSED)
        if not talking or (
            self._may_interrupt
            and self._words_that_count(*self._turn, guess) >= self._manners.min_words
        ):
            yield from self._take_the_floor()

    def _heard_over(self, text: str) -> Iterator[ev.Command]:
        """A whole turn was said while the agent talks, and did not take the floor."""
        yield ev.CancelTimer(ev.Timer.OVERDUE)
        if self._words_that_count(text) < self._manners.min_words or self._leaving:
            yield from self._write_down(text)
        else:
            self._late.append(text)
            self._unanswered = True

    @property
    def _may_interrupt(self) -> bool:
        sacred = self._welcoming and self._manners.welcome_is_sacred
        return not (self._leaving or sacred or self._manners.barge_in == "off")

    def _words_that_count(self, *texts: str) -> int:
        kept = (c if c.isalnum() else " " for c in " ".join(texts).lower().replace("'", ""))
        plain = f" {' '.join(''.join(kept).split())} "
        for backchannel in self._manners.backchannels:
            while f" {backchannel} " in plain:
                plain = plain.replace(f" {backchannel} ", " ")
        return len(plain.split())

    def _late_words(self, text: str) -> Iterator[ev.Command]:
        if self.state in (State.LISTENING, State.THINKING):
            yield from self._answer(text)
        elif self._reply_is_fixed and not self._leaving:
            self._late.append(text)  # a welcome answers nothing: they are answered after it
            self._unanswered = True
        else:
            yield from self._write_down(text)

    def _key_pressed(self, event: ev.KeyPressed) -> Iterator[ev.Command]:
        self._prompted = 0
        yield ev.CancelTimer(ev.Timer.NO_INPUT)
        yield from self._take_the_floor()
        if event.digit == "*":
            self._keys = ""
            yield ev.CancelTimer(ev.Timer.KEYS)
            yield from self._await_input()
        elif event.digit == "#":
            yield from self._keys_complete()
        else:
            self._keys += event.digit
            yield ev.SetTimer(ev.Timer.KEYS, self._manners.keys_s)

    def _keys_complete(self) -> Iterator[ev.Command]:
        yield ev.CancelTimer(ev.Timer.KEYS)
        if self._keys:
            typed, self._keys = f"[keys: {' '.join(self._keys)}]", ""
            yield from self._answer(typed)
        yield from self._await_input()

    # --- the agent's side ----------------------------------------------------------------------

    def _sentence_ready(self, event: ev.SentenceReady) -> Iterator[ev.Command]:
        if event.reply == self._reply:
            self.history.agent_will_say(event.utterance, event.text)
        yield from ()

    def _voice_started(self, event: ev.VoiceStarted) -> Iterator[ev.Command]:
        if event.reply != self._reply:
            return
        if not self._reply_is_fixed and not event.filler:
            self._unanswered = False
        if self.state is not State.THINKING:
            return
        yield ev.CancelTimer(ev.Timer.FILLER)
        self.state = State.SPEAKING
        if self._caller_speaks and self._may_interrupt:
            yield from self._pause()

    def _utterance_played(self, event: ev.UtterancePlayed) -> Iterator[ev.Command]:
        words = self.history.heard(event.utterance)
        if words:
            yield ev.SendTranscript("agent", words)

    def _utterance_dropped(self, event: ev.UtteranceDropped) -> Iterator[ev.Command]:
        words = self.history.heard(event.utterance, event.heard)
        if words:
            yield ev.SendTranscript("agent", words)

    def _reply_ended(self, event: ev.ReplyEnded) -> Iterator[ev.Command]:
        if event.reply != self._reply:
            return
        if not self._reply_is_fixed:  # an apology heard is not an answer
            self._failures = 0
        yield from self._unpause()
        yield from self._listen()

    def _reply_failed(self, event: ev.ReplyFailed) -> Iterator[ev.Command]:
        if event.reply != self._reply:
            return
        self._failures += 1
        if not self._reply_is_fixed:
            self._unanswered = False  # they are asked to say it again
        yield from self._unpause()
        if self._reply_is_fixed and (self._leaving or self._parting or self._failures > 1):
            yield from self._end("the agent has no voice")
        elif self._reply_is_fixed:
            yield from self._listen()
        elif self._failures >= FAILURES_MAX:
            yield from self._leave(self._manners.farewell, error=_GONE)
        else:
            yield from self._say(self._manners.sorry)

    # --- when it cannot go on ------------------------------------------------------------------

    def _hearing_lost(self, _: ev.HearingLost) -> Iterator[ev.Command]:
        self._deaf = True
        yield ev.SetTimer(ev.Timer.PATIENCE, self._manners.patience_s)

    def _hearing_restored(self, _: ev.HearingRestored) -> Iterator[ev.Command]:
        self._deaf = False
        yield ev.CancelTimer(ev.Timer.PATIENCE)

    def _hearing_failed(self, _: ev.HearingFailed) -> Iterator[ev.Command]:
        if not self._leaving:
            yield from self._take_the_floor()
            yield from self._leave(self._manners.farewell, error=_GONE)

    def _audio_ended_(self, _: ev.AudioEnded) -> Iterator[ev.Command]:
        self._audio_ended = True
        yield ev.SetTimer(ev.Timer.SETTLE, SETTLE_S)

    def _settle(self) -> Iterator[ev.Command]:
        self._settled = True
        if self.state is not State.LISTENING or self._keys:
            return  # the end of the reply looks again
        if (
            self._turn_is_open or self._unanswered or self._deaf
        ) and self._settle_tries < SETTLE_TRIES:
            self._settle_tries += 1
            yield ev.SetTimer(ev.Timer.SETTLE, SETTLE_S)
        else:
            yield from self._end()

    def _timer_fired(self, event: ev.TimerFired) -> Iterator[ev.Command]:
        match event.timer:
            case ev.Timer.CONFIRM:
                if self.state is State.PAUSED:
                    yield from self._resume()
            case ev.Timer.OVERDUE:
                yield from self._turn_ended(ev.TurnEnded(self._turn_end))
            case ev.Timer.FILLER:
                yield from self._fill()
            case ev.Timer.NO_INPUT:
                yield from self._no_input()
            case ev.Timer.MAX_CALL:
                yield from self._too_long()
            case ev.Timer.PATIENCE:
                if self.state is State.LISTENING and not self._unanswered:
                    yield from self._say(self._manners.wait)
                else:  # they are not waiting to be heard yet
                    yield ev.SetTimer(ev.Timer.PATIENCE, self._manners.patience_s)
            case ev.Timer.KEYS:
                yield from self._keys_complete()
            case ev.Timer.SETTLE:
                yield from self._settle()

    def _fill(self) -> Iterator[ev.Command]:
        if self.state is not State.THINKING or self._reply_is_fixed or self._reply is None:
            return
        if self._caller_speaks:
            yield ev.SetTimer(ev.Timer.FILLER, self._manners.filler_s)
        else:
            yield ev.Fill(self._reply, next(self._fillers))

    def _no_input(self) -> Iterator[ev.Command]:
        if self._prompted >= self._manners.no_input_max:
            self._parting = True
            yield from self._say(self._manners.goodbye)
        else:
            prompts = self._manners.prompts
            text = prompts[self._prompted % len(prompts)]
            self._prompted += 1
            yield from self._say(text)

    def _too_long(self) -> Iterator[ev.Command]:
        if self._leaving:
            return
        if not self._warned:
            self._warned = self._warning_due = True
            yield ev.SetTimer(ev.Timer.MAX_CALL, WARNING_S)
            if self.state is State.LISTENING and not self._turn_is_open:
                yield from self._listen()
        else:
            yield from self._take_the_floor()
            yield from self._leave(self._manners.goodbye)

    # --- steps the rows share ------------------------------------------------------------------

    def _answer(self, *texts: str) -> Iterator[ev.Command]:
        """Ask for a reply to `texts`, and to what was not answered before them."""
        self._unanswered = False
        if not self._turn:
            yield ev.CancelTimer(ev.Timer.OVERDUE)
        yield from self._take_the_floor()
        late, self._late = self._late, []
        for text in (*late, *texts):
            yield from self._write_down(text)
        if not self._leaving:
            self._unanswered = True
            yield ev.StartReply(self._begin(fixed=False), self.history.messages())
            if self._manners.filler_s and self._manners.fillers:
                yield ev.SetTimer(ev.Timer.FILLER, self._manners.filler_s)

    def _write_down(self, text: str) -> Iterator[ev.Command]:
        self.history.caller_said(text)
        yield ev.SendTranscript("user", text)

    @property
    def _turn_is_open(self) -> bool:
        return bool(self._caller_speaks or self._words_open or self._turn)

    def _await_input(self) -> Iterator[ev.Command]:
        """It is the caller's turn: wait for them, but not for ever."""
        idle = self.state is State.LISTENING and not (
            self._turn_is_open or self._unanswered or self._keys or self._audio_ended or self._deaf
        )
        if idle and self._manners.no_input_s:
            yield ev.SetTimer(ev.Timer.NO_INPUT, self._manners.no_input_s)

    def _say(self, text: str) -> Iterator[ev.Command]:
        yield ev.CancelTimer(ev.Timer.NO_INPUT)
        yield ev.Say(self._begin(fixed=True), text)

    def _begin(self, *, fixed: bool) -> int:
        self._reply = next(self._numbers)
        self._reply_is_fixed = fixed
        self.state = State.THINKING
        return self._reply

    def _leave(self, text: str, error: str | None = None) -> Iterator[ev.Command]:
        self._leaving = True
        self._error = error
        yield from self._say(text)

    def _take_the_floor(self) -> Iterator[ev.Command]:
        """The caller has it now: whatever the agent was about to say is not said."""
        if self._leaving:
            return
        if self.state in (State.SPEAKING, State.PAUSED):
            yield ev.CancelTimer(ev.Timer.CONFIRM)
            yield ev.Flush()
        if self._reply is not None:
            yield ev.CancelReply(self._reply)
            yield ev.CancelTimer(ev.Timer.FILLER)
            self._reply = None
        self._parting = self._welcoming = False
        self.history.forget_unheard()
        self.state = State.LISTENING
        if self._unanswered:  # should their words come to nothing, the answer is still owed
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        if self._settled:
            yield ev.SetTimer(ev.Timer.SETTLE, SETTLE_S)

    def _pause(self) -> Iterator[ev.Command]:
        self.state = State.PAUSED
        yield ev.Pause()
        yield ev.SetTimer(ev.Timer.CONFIRM, self._manners.confirm_s)

    def _resume(self) -> Iterator[ev.Command]:
        self.state = State.SPEAKING
        yield ev.CancelTimer(ev.Timer.CONFIRM)
        yield ev.Resume()

    def _unpause(self) -> Iterator[ev.Command]:
        """A reply that is over leaves no pause behind: the next would never be heard."""
        if self.state is State.PAUSED:
            yield from self._resume()

    def _listen(self) -> Iterator[ev.Command]:
        self._reply = None
        self._welcoming = False
        self.state = State.LISTENING
        yield ev.CancelTimer(ev.Timer.FILLER)
        if self._leaving or self._parting:
            yield from self._end(self._error)
        elif self._unanswered and not self._keys:
            yield from self._answer()
        elif self._warning_due:
            self._warning_due = False
            yield from self._say(self._manners.warning)
        elif self._settled:
            yield from self._settle()
        else:
            yield from self._await_input()

    def _end(self, error: str | None = None) -> Iterator[ev.Command]:
        self.state = State.ENDED
        for timer in ev.Timer:
            yield ev.CancelTimer(timer)
        yield ev.EndCall(error)


def _has_words(text: str) -> bool:
    return any(c.isalnum() for c in text)
