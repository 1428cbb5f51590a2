"""A call without sound, in virtual time: does what a dialogue asks for, tells it what comes of it.

The agent speaks a word in WORD_S seconds; `passes` lets time go by, and with it speech is played
and timers fire. Whatever a test is about, every command is checked when it is given: what makes
no sense on a real line (a pause within a pause, a flush of silence, a reply beside another) fails.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count, groupby

from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import CUT_MARK
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.turns import Dialogue

WORD_S = 0.5

PATIENT = Manners(no_input_s=0.0, filler_s=0.0)
"""For tests that are about something else: nothing is said only because time passes."""

_SAME = 1e-9  # two times nearer than this are one (s)


@dataclass(slots=True)
class Speech:
    """An utterance in the playout. All of its audio is there as soon as any is."""

    number: int
    reply: int
    text: str
    played: float = 0.0

    @property
    def duration(self) -> float:
        return WORD_S * len(self.text.split())


@dataclass(slots=True)
class Reply:
    """A reply under way. text: what a fixed one says."""

    number: int
    text: str | None
    history: tuple[Message, ...] = ()
    started: bool = False
    complete: bool = False
    failed: bool = False
    cancelled: bool = False
    over: bool = False


class SimulatedCall:
    """Holds a Dialogue, its line, its playout and its timers."""

    def __init__(self, manners: Manners | None = None) -> None:
        self.manners = manners or PATIENT
        self.dialogue = Dialogue(self.manners)
        self.now = 0.0
        self.commands: list[ev.Command] = []
        self.transcript: list[tuple[str, str]] = []
        self.timers: dict[ev.Timer, float] = {}
        self.replies: list[Reply] = []
        self.playout: deque[Speech] = deque()
        self.paused = False
        self.fillers: list[str] = []
        self.filling = False  # the voice of the reply under way is only a filler's so far
        self.ended: ev.EndCall | None = None
        self.events = 0
        self.said: list[str] = []
        """Segments told to the dialogue while the call went on."""
        self.owed = False
        """Whether the caller's last words still wait for an answer (or an apology) to begin."""
        self._spoken: list[str] = []  # what of the agent was heard, independently of its history
        self._utterances = count(1)
        self._audio_s = 0.0
        self._turn_end = 0.0
        self._depth = 0

    # --- what is seen --------------------------------------------------------------------------

    @property
    def reply(self) -> Reply | None:
        """The reply that thinks or speaks now."""
        last = self.replies[-1] if self.replies else None
        return None if last is None or last.cancelled or last.over else last

    @property
    def speaking(self) -> bool:
        """A reply's voice has begun and is not over, be it paused."""
        return self.reply is not None and (self.reply.started or self.filling)

    @property
    def questions(self) -> list[str]:
        """What the model was asked last, one text for each question."""
        return [r.history[-1].content for r in self.replies if r.text is None]

    @property
    def fixed(self) -> list[str]:
        """The fixed texts the agent was told to say."""
        return [reply.text for reply in self.replies if reply.text is not None]

    @property
    def waiting(self) -> list[str]:
        """Settled words that have not been written down yet."""
        written = " ".join(text for role, text in self.transcript if role == "user")
        return list((Counter(" ".join(self.said).split()) - Counter(written.split())).elements())

    @property
    def conversation(self) -> list[tuple[str, str]]:
        return [(m.role, m.content) for m in self.dialogue.history.messages()]

    def asked_for(self, kind: type[ev.Command]) -> int:
        return sum(isinstance(command, kind) for command in self.commands)

    # --- what the caller does ------------------------------------------------------------------

    def starts(self) -> None:
        self.tell(ev.CallStarted())

    def sound(self) -> None:
        self.tell(ev.CallerSpeechStarted())

    def quiet(self) -> None:
        self.tell(ev.CallerSpeechEnded())

    def guess(self, text: str, *, late: bool = False) -> None:
        self.tell(ev.WordsHeard(text, self._until(late)))

    def segment(self, text: str, *, late: bool = False) -> None:
        if self.ended is None and any(c.isalnum() for c in text):
            self.said.append(text)
        flushes = self.asked_for(ev.Flush)
        self.tell(ev.SegmentHeard(text, self._until(late)))
        assert not late or self.asked_for(ev.Flush) == flushes, "a late final flushed the agent"

    def turn_ends(self) -> None:
        self._turn_end = self._until(False)
        self.tell(ev.TurnEnded(self._turn_end))

    def says(self, text: str) -> None:
        """A whole turn: sound, a guess, the settled words, the end."""
        self.sound()
        self.guess(text)
        self.segment(text)
        self.quiet()
        self.turn_ends()

    def types(self, keys: str) -> None:
        for key in keys:
            self.tell(ev.KeyPressed(key))

    # --- what the agent's services do ----------------------------------------------------------

    def agent_prepares(self, text: str) -> int:
        """A sentence goes to the voice; no audio has come yet. Returns the utterance's number."""
        reply, number = self._current(), next(self._utterances)
        self.tell(ev.SentenceReady(reply.number, number, text))
        return number

    def agent_says(self, *sentences: str, complete: bool = True) -> None:
        """Sentences of the current reply (or its fixed text) with their audio.

        complete: no more text follows.
        """
        reply = self._current()
        for text in sentences or (reply.text,):
            assert text is not None, "say what the model answers"
            number = self.agent_prepares(text)
            if not reply.started:
                reply.started = True
                self.owed = self.owed and reply.text is not None
                self.tell(ev.VoiceStarted(reply.number))
            self.playout.append(Speech(number, reply.number, text))
        reply.complete = complete

    def agent_has_said_all(self) -> None:
        """The model's answer is complete."""
        self._current().complete = True

    def agent_fails(self) -> None:
        """The model or the voice gives up; what is there is still played."""
        reply = self._current()
        reply.failed = reply.complete = True

    # --- time ----------------------------------------------------------------------------------

    def passes(self, seconds: float, *, settle: bool = True) -> None:
        """Let time go by: speech is played, timers fire. settle: replies report their end."""
        until = self.now + seconds
        while self.ended is None:
            if settle:
                self.settle()
            speech = self.playout[0] if self.playout and not self.paused else None
            timer = min(self.timers, key=self.timers.__getitem__, default=None)
            due = until if timer is None else self.timers[timer]
            done = until if speech is None else self.now + speech.duration - speech.played
            step = max(0.0, min(until, due, done) - self.now)
            self.now += step
            if speech is not None:
                speech.played += step
            if speech is not None and done <= self.now + _SAME:
                self.playout.popleft()
                self._spoken.append(speech.text)
                self.tell(ev.UtterancePlayed(speech.number))
            elif timer is not None and due <= self.now + _SAME:
                del self.timers[timer]
                self.tell(ev.TimerFired(timer))
            else:
                break
        if settle:
            self.settle()

    def settle(self) -> None:
        """A reply that is complete and was heard tells so."""
        while (reply := self.reply) is not None and reply.complete and self.ended is None:
            if any(speech.reply == reply.number for speech in self.playout):
                return
            reply.over = True
            self.owed = self.owed and reply.text is not None
            news = ev.ReplyFailed if reply.failed or not reply.started else ev.ReplyEnded
            self.tell(news(reply.number))

    # --- the wire between ----------------------------------------------------------------------

    def tell(self, event: ev.Event) -> None:
        self.events += 1
        self._depth += 1
        for command in self.dialogue.handle(event):
            self._do(command)
        self._depth -= 1
        if not self._depth and self.paused:
            assert ev.Timer.CONFIRM in self.timers, "paused, and nothing will make it go on"
        if not self._depth and ev.Timer.OVERDUE in self.timers:
            assert self.owed or self.waiting, "nothing is overdue"

    def _do(self, command: ev.Command) -> None:
        assert self.ended is None, f"{command} after the end of the call"
        self.commands.append(command)
        match command:
            case ev.StartReply(number, history):
                # A filler may have been heard after the question it was no answer to.
                assert history[-1].role == "user" or self.fillers, "nobody asked anything"
                self._begin(Reply(number, None, tuple(history)))
            case ev.Say(number, text):
                self._begin(Reply(number, text))
            case ev.Fill(number, text):
                reply = self._current()
                assert reply.number == number, "a filler for a reply that does not run"
                assert not reply.started, "a filler in the middle of an answer"
                self.fillers.append(text)
                utterance = next(self._utterances)
                self.tell(ev.SentenceReady(number, utterance, text))
                self.tell(ev.VoiceStarted(number, filler=True))
                self.filling = True
                self.playout.append(Speech(utterance, number, text))
            case ev.CancelReply(number):
                reply = self._current()
                assert reply.number == number, "a reply that does not run was cancelled"
                assert not self.playout, "a cancelled reply would still be heard"
                reply.cancelled = True
            case ev.Pause():
                assert not self.paused, "paused twice"
                assert self.speaking, "nothing to pause"
                self.paused = True
            case ev.Resume():
                assert self.paused, "resumed without a pause"
                self.paused = False
            case ev.Flush():
                assert self.speaking, "flushed while the agent did not speak"
                self._flush()
            case ev.SendTranscript(role, text):
                self.transcript.append((role, text))
                if role == "user":  # late words join the answer that is being heard
                    answering = self.speaking and self._current().text is None
                    self.owed = self.owed or not answering
            case ev.SetTimer(timer, after):
                self.timers[timer] = self.now + after
            case ev.CancelTimer(timer):
                self.timers.pop(timer, None)
            case ev.EndCall():
                assert not self.timers, "a timer outlives the call"
                self.ended = command

    def _begin(self, reply: Reply) -> None:
        assert self.reply is None, "a second reply beside the first"
        assert not self.playout, "an older reply is still being heard"
        assert all(reply.number > other.number for other in self.replies), "a number used twice"
        self.replies.append(reply)
        self.filling = False

    def _flush(self) -> None:
        dropped, self.paused = list(self.playout), False
        self.playout.clear()
        for speech in dropped:
            share = speech.played / speech.duration
            words = _within(speech.text, share)
            if words:
                self._spoken.append(words)
            self.tell(ev.UtteranceDropped(speech.number, share))

    def _until(self, late: bool) -> float:
        if late:
            return self._turn_end
        self._audio_s += 0.1
        return self._audio_s

    def _current(self) -> Reply:
        assert self.reply is not None, "no reply is under way"
        return self.reply

    # --- promises that hold at any time --------------------------------------------------------

    def assert_history_is_what_was_heard(self) -> None:
        """Transcript and history have every word that was heard, no other, in the same order."""
        assert [text for role, text in self.transcript if role == "agent"] == self._spoken
        written = [
            (role, " ".join(content.replace(CUT_MARK, "").split()))
            for role, content in self.conversation
        ]
        assert written == list(_merged(self.transcript))


def _within(text: str, share: float) -> str:
    """The longest run of whole words from the beginning within `share` of the letters."""
    words = text.split()
    while words and len(" ".join(words)) > share * len(text):
        words.pop()
    return " ".join(words)


def _merged(transcript: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for role, lines in groupby(transcript, key=lambda line: line[0]):
        yield "user" if role == "user" else "assistant", " ".join(text for _, text in lines)
