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
  LISTENING | words seem settled        | ask the model, unheard           | the answer comes sooner
  LISTENING | they change               | drop that answer                 | it answers other words
  LISTENING | the turn ends with them   | that answer is the reply         |
  LISTENING | a turn ends in the middle | keep it open for dictation_s     | people pause in numbers
            | of a number, an address   |                                  |
  any       | the model asks for tools  | run each once; write down calls  | what is done is done,
            |                           | and results, interrupted or not  | whoever speaks
  THINKING, | all have ended            | ask the model again              | it answers with them
  SPEAKING  |                           |                                  |
  THINKING  | a turn ends while one     | hold the reply until it has ended| a model must know what
            | still runs                |                                  | was done
  any       | tool_rounds are used up   | ask again without tools          | a loop is silence
  SPEAKING  | it asks to hang up or     | say all of it, or a goodbye; wait| the farewell is heard
            | transfer                  | farewell_s; then do it           | to its end
  DEPARTING | sound                     | wait confirm_s longer            | it may be a word
  any       | words before it is done   | keep the call, tell the model    | "oh, one more thing"
  DEPARTING | it could not be done      | tell the model, which answers    | they are still here
  DEPARTING | it was done               | end the call when GONE_S is over | the exchange ends it

Late news of a reply that was cancelled is ignored by its number.
"""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from itertools import count, cycle

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.dictation import asks_for_dictation, is_dictation
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

GONE_S = 3.0
"""How long the exchange may take to end a call it said it would end (s)."""

DRAFTS_MAX = 3
"""How many answers may be begun ahead in one turn: each that is dropped costs its tokens."""

_KEPT = "Not done: the caller spoke before it happened, and is still on the line."
_TOO_OFTEN = "Not done: too many tools in a row. Answer with what is known."
_ONE_END = "Not done: the call is already being ended or transferred."


class State(Enum):
    LISTENING = auto()
    THINKING = auto()
    SPEAKING = auto()
    PAUSED = auto()
    DEPARTING = auto()
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
        self._deaf_for_good = False
        self._prompted = 0
        self._fillers = cycle(manners.fillers)
        self._welcoming = False
        self._warned = False
        self._warning_due = False
        self._parting = False  # goodbye is being said; a word keeps the call
        self._leaving = False  # the last sentence is being said, whatever the caller does
        self._error: str | None = None
        self._draft: int | None = None  # a reply begun ahead
        self._draft_answers = ""
        self._drafts = 0  # begun in this turn
        self._guess = ""
        self._held = False  # a turn is kept open though its end was told
        self._tool_numbers: Iterator[int] = count(1)
        self._running: set[int] = set()  # tools that have not ended
        self._rounds = 0
        self._waits_for_tools = False  # the reply goes on when they have ended
        self._owes_results = False  # the model has not answered all its tools told it
        self._has_spoken = False  # the reply has, be it silent now
        self._said_since_tools = False  # the reply has, since its last tools if it had any
        self._farewell_said = False
        self._departure: tuple[int, ev.ToolRequest] | None = None  # asked for, not yet done
        self._departs = False  # it is being done
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
            ev.ToolsCalled: self._tools_called,
            ev.ToolDone: self._tool_done,
            ev.UtterancePlayed: self._utterance_played,
            ev.UtteranceDropped: self._utterance_dropped,
            ev.ReplyEnded: self._reply_ended,
            ev.ReplyFailed: self._reply_failed,
            ev.SttLost: self._stt_lost,
            ev.SttRestored: self._stt_restored,
            ev.SttFailed: self._stt_failed,
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
            yield ev.CancelTimer(ev.Timer.DICTATION)
        if self.state is State.SPEAKING and self._may_interrupt:
            if self._manners.barge_in == "speech":
                yield from self._take_the_floor()
            else:
                yield from self._pause()
        elif self.state is State.DEPARTING and not (self._leaving or self._departs):
            yield ev.SetTimer(ev.Timer.FAREWELL, self._manners.confirm_s)

    def _speech_ended(self, _: ev.CallerSpeechEnded) -> Iterator[ev.Command]:
        self._caller_speaks = False
        if self._held:
            yield ev.SetTimer(ev.Timer.DICTATION, self._manners.dictation_s)
        elif self._turn:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        if self._guess:
            yield from self._think_ahead(self._guess, settled=True)
        yield from self._await_input()

    def _words_heard(self, event: ev.WordsHeard) -> Iterator[ev.Command]:
        if event.end <= self._turn_end or not _has_words(event.text):
            return
        self._words_open = True
        self._held = False
        yield ev.CancelTimer(ev.Timer.DICTATION)
        yield from self._hear(event.text)
        if self._turn:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        again = _plain(event.text) == _plain(self._guess)
        self._guess = event.text
        # Nothing more is being said, or twice the same was heard.
        yield from self._think_ahead(event.text, settled=again or not self._caller_speaks)
        yield from self._await_input()

    def _segment_heard(self, event: ev.SegmentHeard) -> Iterator[ev.Command]:
        if not _has_words(event.text):
            return
        self._words_open = False
        self._guess = ""
        held = self._held and self.state is State.LISTENING
        if event.end <= self._turn_end and not held:
            yield from self._late_words(event.text)
            return
        self._turn.append(event.text)
        yield from self._hear()
        if not self._held:
            yield ev.SetTimer(ev.Timer.OVERDUE, TURN_OVERDUE_S)
        yield from self._think_ahead(settled=True)

    def _turn_ended(self, event: ev.TurnEnded) -> Iterator[ev.Command]:
        self._turn_end = max(self._turn_end, event.end)
        self._caller_speaks = False
        self._words_open = False
        self._guess = ""
        text = " ".join(self._turn)
        if text and self.state is State.LISTENING and self._is_dictated(text):
            self._held = True
            yield ev.CancelTimer(ev.Timer.OVERDUE)
            yield ev.SetTimer(ev.Timer.DICTATION, self._manners.dictation_s)
            return
        yield from self._turn_over()

    def _is_dictated(self, text: str) -> bool:
        if not self._manners.dictation_s:
            return False
        return is_dictation(text, asked=asks_for_dictation(self.history.last_heard))

    def _turn_over(self) -> Iterator[ev.Command]:
        self._held = False
        text, self._turn = " ".join(self._turn), []
        if text and self._is_talking:
            yield from self._heard_over(text)
        elif text:
            yield from self._answer(text)
        elif self.state is State.LISTENING and self._unanswered and not self._keys:
            yield from self._answer()
        else:
            yield from self._drop_draft()
        self._drafts = 0
        if self.state is State.PAUSED:
            yield from self._resume()
        yield from self._await_input()

    # --- answering ahead -----------------------------------------------------------------------

    def _think_ahead(self, guess: str = "", *, settled: bool) -> Iterator[ev.Command]:
        """Begin an answer to the turn as far as it is known, unless that one is begun."""
        asked = " ".join((*self._late, *self._turn, guess)).strip()
        if self._draft is not None and _plain(asked) == self._draft_answers:
            return
        yield from self._drop_draft()
        may = self._manners.preemptive and settled and self._drafts < DRAFTS_MAX
        idle = self.state is State.LISTENING and not (self._keys or self._running)
        if may and idle and not self._leaving:
            self._drafts += 1
            self._draft, self._draft_answers = next(self._numbers), _plain(asked)
            yield ev.StartReply(self._draft, self.history.messages(asked), tentative=True)

    def _drop_draft(self) -> Iterator[ev.Command]:
        if self._draft is not None:
            draft, self._draft = self._draft, None
            yield ev.CancelReply(draft)

    def _hear(self, guess: str = "") -> Iterator[ev.Command]:
        """Words of a turn: they take the floor, if they may."""
        self._prompted = 0
        yield ev.CancelTimer(ev.Timer.NO_INPUT)
        if self._departs:
            return  # too late; should it fail, the words are answered
        if not self._is_talking or (
            self._may_interrupt
            and self._words_that_count(*self._turn, guess) >= self._manners.min_words
        ):
            yield from self._take_the_floor()

    @property
    def _is_talking(self) -> bool:
        """The agent has the floor, be it silent for a moment between two sentences."""
        between = self.state is State.THINKING and self._has_spoken
        return between or self.state in (State.SPEAKING, State.PAUSED, State.DEPARTING)

    def _heard_over(self, text: str) -> Iterator[ev.Command]:
        """A whole turn was said while the agent talks, and did not take the floor."""
        yield ev.CancelTimer(ev.Timer.OVERDUE)
        # Few words over an answer are not meant to stop it; over a question of ours they reply.
        enough = 1 if self._reply_is_fixed else self._manners.min_words
        if self._words_that_count(text) < enough or self._leaving:
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
        elif self.state is State.DEPARTING:
            yield from self._heard_over(text)
        elif self._reply_is_fixed and not self._leaving:
            self._late.append(text)  # a welcome answers nothing: they are answered after it
            self._unanswered = True
        else:
            yield from self._write_down(text)

    def _key_pressed(self, event: ev.KeyPressed) -> Iterator[ev.Command]:
        if self._departs:
            return
        self._prompted = 0
        yield ev.CancelTimer(ev.Timer.NO_INPUT)
        yield from self._drop_draft()
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
            if self._departs:  # too late; should it fail, they are answered
                self._late.append(typed)
                self._unanswered = True
                return
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
        self._said_since_tools = self._said_since_tools or not event.filler
        if not event.filler and not self._has_spoken:
            self._has_spoken = True
            if not self._reply_is_fixed:
                self._unanswered = bool(self._late)
        if self.state is not State.THINKING:
            return
        yield ev.CancelTimer(ev.Timer.FILLER)
        self.state = State.SPEAKING
        if self._caller_speaks and self._may_interrupt:
            yield from self._pause()

    def _utterance_played(self, event: ev.UtterancePlayed) -> Iterator[ev.Command]:
        yield from self._was_heard(event.utterance, 1.0)

    def _utterance_dropped(self, event: ev.UtteranceDropped) -> Iterator[ev.Command]:
        yield from self._was_heard(event.utterance, event.heard)

    def _was_heard(self, utterance: int, share: float) -> Iterator[ev.Command]:
        words = self.history.heard(utterance, share)
        if words:
            yield ev.SendTranscript("agent", words)
        if self.state is State.PAUSED and not self.history.waiting:
            yield from self._resume()  # where another plays, a pause may come too late
        if self.state is State.SPEAKING and not self.history.waiting:
            self.state = State.THINKING  # until more comes, or the end is told
            yield from self._await_voice()
        yield from self._depart_when_heard()

    def _await_voice(self) -> Iterator[ev.Command]:
        if self._manners.filler_s and self._manners.fillers and not self._reply_is_fixed:
            yield ev.SetTimer(ev.Timer.FILLER, self._manners.filler_s)

    def _reply_ended(self, event: ev.ReplyEnded) -> Iterator[ev.Command]:
        if event.reply != self._reply:
            return
        if not self._reply_is_fixed:  # an apology heard is not an answer
            self._failures = 0
            self._owes_results = False
        yield from self._listen()

    def _reply_failed(self, event: ev.ReplyFailed) -> Iterator[ev.Command]:
        if event.reply == self._draft:
            self._draft = None  # nobody waits for it yet; the turn's end asks again
        if event.reply != self._reply:
            return
        self._failures += 1
        if not self._reply_is_fixed:
            self._unanswered = bool(self._late)  # the rest they are asked to say again
        if self._departure is not None:
            yield from self._listen()  # they are told nothing, but helped
        elif self._reply_is_fixed and (self._leaving or self._parting or self._failures > 1):
            yield from self._end("the agent has no voice")
        elif self._reply_is_fixed:
            yield from self._listen()
        elif self._failures >= FAILURES_MAX:
            yield from self._leave(self._manners.farewell, error=_GONE)
        else:
            yield from self._say(self._manners.sorry)

    # --- tools ---------------------------------------------------------------------------------

    def _tools_called(self, event: ev.ToolsCalled) -> Iterator[ev.Command]:
        if event.reply != self._reply:
            return
        self._rounds += 1
        self._owes_results = True
        requests = {next(self._tool_numbers): request for request in event.requests}
        self.history.tools_called({n: request.call for n, request in requests.items()})
        self._waits_for_tools = True
        for number, request in requests.items():
            if request.refused:
                self.history.tool_done(number, request.refused)
            elif self._rounds > self._manners.tool_rounds:
                self.history.tool_done(number, _TOO_OFTEN)
            elif request.leaves and self._departure is not None:
                self.history.tool_done(number, _ONE_END)
            elif request.leaves:
                self._departure = number, request
                self._farewell_said = self.history.waiting or self._said_since_tools
            else:
                self._running.add(number)
                yield ev.RunTool(number, request)
        yield from self._go_on()
        yield from self._depart_when_heard()

    def _tool_done(self, event: ev.ToolDone) -> Iterator[ev.Command]:
        self._running.discard(event.number)
        if self._departs and self._departure is not None and event.number == self._departure[0]:
            yield from self._departed(event)
            return
        self.history.tool_done(event.number, event.result)
        yield from self._go_on()
        yield from self._depart_when_heard()

    def _go_on(self) -> Iterator[ev.Command]:
        """The reply's tools have ended: the model goes on."""
        if self._reply is None or not self._waits_for_tools:
            return
        if self._running or self._departure is not None:
            return
        self._waits_for_tools = self._said_since_tools = False
        may_ask = self._rounds < self._manners.tool_rounds
        yield ev.ContinueReply(self._reply, self.history.messages(expected=True), may_ask)

    # --- leaving -------------------------------------------------------------------------------

    def _depart_when_heard(self) -> Iterator[ev.Command]:
        """Hang up or transfer, once other tools have ended and the farewell was heard."""
        if self._departure is None or self._running or self.state is not State.THINKING:
            return
        if self.history.waiting or self._reply is None or self._reply_is_fixed:
            return
        reply, self._reply = self._reply, None
        yield ev.CancelTimer(ev.Timer.FILLER)
        yield ev.CancelReply(reply)  # nothing more of it is wanted
        if self._farewell_said:
            yield from self._depart()
        else:
            _, request = self._departure
            leaving_for = self._manners.transferring if request.leaves == "transfer" else None
            yield from self._say(leaving_for or self._manners.goodbye)

    def _depart(self) -> Iterator[ev.Command]:
        """The last word has been sent: wait until it is heard, and whether they say something."""
        self.state = State.DEPARTING
        speaking = self._caller_speaks and not self._leaving
        margin = self._manners.confirm_s if speaking else 0.0
        yield ev.SetTimer(ev.Timer.FAREWELL, max(margin, self._manners.farewell_s))

    def _farewell_heard(self) -> Iterator[ev.Command]:
        if self._departs:
            yield from self._end(hang_up=False)
        elif self._leaving:
            yield from self._end(self._error)
        elif self._late:  # they spoke over it, and nothing may interrupt
            self._keep_the_call()
            self.state = State.LISTENING
            yield from self._answer()
        elif self._departure is None:
            yield from self._end()
        else:
            self._departs = True
            number, request = self._departure
            yield ev.RunTool(number, request)

    def _departed(self, event: ev.ToolDone) -> Iterator[ev.Command]:
        self.history.tool_done(event.number, event.result)
        if event.failed:
            self._departure, self._departs = None, False
            self.state = State.LISTENING
            if self._deaf_for_good:
                yield from self._leave(self._manners.farewell, error=_GONE)
            else:
                yield from self._answer()
        else:
            yield ev.SetTimer(ev.Timer.FAREWELL, GONE_S)

    def _keep_the_call(self) -> None:
        self._parting = False
        if self._departure is not None:
            self.history.tool_done(self._departure[0], _KEPT)
            self._departure = None

    # --- when it cannot go on ------------------------------------------------------------------

    def _stt_lost(self, _: ev.SttLost) -> Iterator[ev.Command]:
        self._deaf = True
        yield ev.SetTimer(ev.Timer.PATIENCE, self._manners.patience_s)

    def _stt_restored(self, _: ev.SttRestored) -> Iterator[ev.Command]:
        self._deaf = False
        yield ev.CancelTimer(ev.Timer.PATIENCE)
        # Whoever hears now tells when sound begins, not that sound heard before has ended.
        self._caller_speaks = False
        yield from self._await_input()

    def _stt_failed(self, _: ev.SttFailed) -> Iterator[ev.Command]:
        self._deaf_for_good = True
        if not (self._leaving or self._departs):
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
            yield from self._end(hang_up=False)

    def _timer_fired(self, event: ev.TimerFired) -> Iterator[ev.Command]:
        match event.timer:
            case ev.Timer.CONFIRM:
                if self.state is State.PAUSED:
                    yield from self._resume()
            case ev.Timer.OVERDUE:
                yield from self._turn_over()
            case ev.Timer.DICTATION:
                yield from self._turn_over()
            case ev.Timer.FAREWELL:
                yield from self._farewell_heard()
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
        if self._leaving or self._departs:
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
        if self._held:
            self._held = False
            texts, self._turn = (" ".join(self._turn), *texts), []
            yield ev.CancelTimer(ev.Timer.DICTATION)
        asked = _plain(" ".join((*self._late, *texts)))
        draft = self._draft if asked and asked == self._draft_answers else None
        if draft is None:
            yield from self._drop_draft()
        self._draft = None
        self._unanswered = self._owes_results = False
        yield ev.CancelTimer(ev.Timer.NO_INPUT)
        if not self._turn:
            yield ev.CancelTimer(ev.Timer.OVERDUE)
        yield from self._take_the_floor()
        late, self._late = self._late, []
        for text in (*late, *texts):
            yield from self._write_down(text)
        if self._leaving:
            return
        self._unanswered = True
        self._rounds = 0
        reply = self._begin(fixed=False, number=draft)
        if draft is not None:
            yield ev.ConfirmReply(reply)
        elif self._running:
            self._waits_for_tools = True
            yield ev.StartReply(reply, None)
        else:
            yield ev.StartReply(reply, self.history.messages())
        yield from self._await_voice()

    def _write_down(self, text: str) -> Iterator[ev.Command]:
        self.history.caller_said(text)
        yield ev.SendTranscript("user", text)

    @property
    def _turn_is_open(self) -> bool:
        return bool(self._caller_speaks or self._words_open or self._turn)

    def _await_input(self) -> Iterator[ev.Command]:
        """It is the caller's turn: wait for them, but not for ever."""
        # A guess may come to nothing without a word; patience is longer than settling takes.
        speaks = self._caller_speaks or self._turn
        idle = self.state is State.LISTENING and not (
            speaks or self._unanswered or self._keys or self._audio_ended or self._deaf
        )
        if idle and self._manners.no_input_s:
            yield ev.SetTimer(ev.Timer.NO_INPUT, self._manners.no_input_s)

    def _say(self, text: str) -> Iterator[ev.Command]:
        yield ev.CancelTimer(ev.Timer.NO_INPUT)
        yield from self._drop_draft()
        yield ev.Say(self._begin(fixed=True), text)

    def _begin(self, *, fixed: bool, number: int | None = None) -> int:
        self._reply = next(self._numbers) if number is None else number
        self._reply_is_fixed = fixed
        self._has_spoken = self._said_since_tools = self._waits_for_tools = False
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
        audible = self.state in (State.SPEAKING, State.PAUSED)
        if self.state is State.DEPARTING:
            yield ev.CancelTimer(ev.Timer.FAREWELL)
        self.state = State.LISTENING
        if audible:
            yield ev.CancelTimer(ev.Timer.CONFIRM)
            yield ev.Flush()
        if self._reply is not None:
            yield ev.CancelReply(self._reply)
            yield ev.CancelTimer(ev.Timer.FILLER)
            self._reply = None
        self._keep_the_call()
        self._welcoming = self._waits_for_tools = False
        self.history.forget_unheard()
        if self._owes_results:
            self._unanswered, self._owes_results = True, False
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

    def _listen(self) -> Iterator[ev.Command]:
        self._reply = None
        self._welcoming = False
        self.state = State.LISTENING
        yield ev.CancelTimer(ev.Timer.FILLER)
        if self._leaving or self._parting or self._departure is not None:
            yield from self._depart()
        elif self._unanswered and not self._keys:
            yield from self._answer()
        elif self._warning_due:
            self._warning_due = False
            yield from self._say(self._manners.warning)
        elif self._settled:
            yield from self._settle()
        else:
            yield from self._await_input()

    def _end(self, error: str | None = None, *, hang_up: bool = True) -> Iterator[ev.Command]:
        yield from self._drop_draft()
        self.state = State.ENDED
        for timer in ev.Timer:
            yield ev.CancelTimer(timer)
        yield ev.EndCall(error, hang_up)


def _plain(text: str) -> str:
    """Words as they are compared: punctuation and capitals settle later than they do."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _has_words(text: str) -> bool:
    return any(c.isalnum() for c in text)
