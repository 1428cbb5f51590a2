"""The memory of a dialogue: small values, each with its invariant.

The rules that change these values are in `turns` and `steps`. A value here knows only itself, so
that a combination that makes no sense cannot be written down: there is one departure at a time, a
welcome is a kind of reply, and an error belongs to the last word of a call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count, cycle
from typing import TypeAlias

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners, Notice


class State(Enum):
    """Who has the floor."""

    LISTENING = auto()
    """The caller has the floor; no reply is under way."""
    THINKING = auto()
    """A reply is under way and nothing of it is audible now."""
    SPEAKING = auto()
    """A reply is being heard."""
    PAUSED = auto()
    """A reply is held at a sample because the caller made a sound."""
    DEPARTING = auto()
    """The agent's last word is on its way to the caller's ear, or the PBX is ending the call."""
    ENDED = auto()
    """The call is over; every event is ignored."""


@dataclass(slots=True)
class CallerTurn:
    """The caller's words that have not been answered yet.

    segments: settled pieces of the turn in progress.
    guess: the recogniser's latest guess at what follows them; empty once it is settled.
    late: words that came too late for their turn; they are answered after the present reply.
    ended_at: end of the last turn on the call's audio clock (s); segments up to there are late.
    settled: the last segment, text and end on the call's audio clock (s). The recogniser may
        report a segment twice.
    held_open: how long the turn stays open (s) though the recogniser ended it, because the caller
        is in the middle of a number or a sentence; 0 if the turn is not held open.
    speaking: the recogniser hears sound.
    at_onset: the sound began right after the agent had begun to speak.
    over_agent: the sound began while the agent was audible: it may be the agent's voice, returned
        by the line.
    at_edge: few words over the agent, such as "yeah". They are an answer if the agent has finished
        a moment later, and nothing but a sign of attention if the agent goes on.
    unanswered: no voice has begun to answer the caller's last words.
    keys: digits typed on the phone so far.
    """

    segments: list[str] = field(default_factory=list)
    guess: str = ""
    late: list[str] = field(default_factory=list)
    ended_at: float = 0.0
    settled: tuple[str, float] = ("", 0.0)
    held_open: float = 0.0
    speaking: bool = False
    at_onset: bool = False
    over_agent: bool = False
    at_edge: str = ""
    unanswered: bool = False
    keys: str = ""

    @property
    def text(self) -> str:
        """The settled words of the turn in progress."""
        return " ".join(self.segments)

    @property
    def is_open(self) -> bool:
        """Whether the caller is saying something, or has and their turn has not ended."""
        return bool(self.speaking or self.guess or self.segments)

    def take_text(self) -> str:
        """Return the settled words and begin a new turn."""
        text, self.segments = self.text, []
        self.held_open = 0.0
        return text

    def take_late(self) -> Sequence[str]:
        late, self.late = self.late, []
        return late

    def take_edge(self) -> str:
        text, self.at_edge = self.at_edge, ""
        return text

    def answer_later(self, text: str) -> None:
        """Keep words that are to be answered after the present reply."""
        self.late.append(text)
        self.unanswered = True


class Kind(Enum):
    """The kinds of replies."""

    ANSWER = auto()
    """Written by the model."""
    NOTICE = auto()
    """A sentence that the caller must hear first: a machine speaks, the call is recorded."""
    WELCOME = auto()
    """The phrase that opens the call."""
    PHRASE = auto()
    """Another fixed phrase: a prompt, an apology, a warning, a goodbye."""


@dataclass(slots=True)
class Reply:
    """The reply under way.

    number: names the reply in events and commands.
    kind: see Kind.
    has_spoken: its voice has begun, even if it is silent at the moment.
    said_since_tools: its voice has begun since the model's last tool calls.
    waits_for_tools: the model is asked again when the tools have ended. Answers only.
    rounds: how often the model asked for tools in this answer.
    heard: how many of its utterances were heard to their end.
    broken: the voice broke off in one of its utterances.
    notices: of a notice: that one, and those that follow it.
    """

    number: int
    kind: Kind
    has_spoken: bool = False
    said_since_tools: bool = False
    waits_for_tools: bool = False
    rounds: int = 0
    heard: int = 0
    broken: bool = False
    notices: Sequence[Notice] = ()

    @property
    def is_answer(self) -> bool:
        return self.kind is Kind.ANSWER


@dataclass(slots=True)
class Held:
    """A reply that was interrupted by words, or a sound, that may still come to nothing.

    reply: the reply; the agent goes on with it if the words come to nothing.
    asked: the agent was asking a question.
    news: what was reported of the reply since, in order.
    """

    reply: Reply
    asked: bool
    news: list[ev.Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer begun before the caller's turn was surely over.

    number: of the reply.
    answers: the words that the draft answers, as `words.plain` gives them.
    """

    number: int
    answers: str


@dataclass(slots=True)
class Drafts:
    """Answers begun ahead in the caller's turn in progress.

    current: the one that may still become the reply.
    begun: how many were begun in this turn.
    """

    current: Draft | None = None
    begun: int = 0


@dataclass(slots=True)
class Goodbye:
    """The caller was silent for too long: the agent says goodbye. A word keeps the call."""


@dataclass(slots=True)
class Requested:
    """The model asked to hang up or to transfer, or the operator did.

    number: of the tool call.
    request: what was asked for.
    farewell_said: the model's own words before the request take leave of the caller.
    by_phrase: the agent takes leave with a phrase of its manners.
    under_way: the PBX is carrying out the request. Until then a word of the caller keeps the call,
        unless the operator asked.
    """

    number: int
    request: ev.ToolRequest
    farewell_said: bool
    by_phrase: bool = False
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class LastWord:
    """The call must end. The agent says one last sentence, whatever the caller does.

    error: what the other end is told; None when the call ends as planned.
    reason: why the call ends; "failure" if there is an error.
    """

    error: str | None = None
    reason: ev.EndReason = "longest_call"


Departure: TypeAlias = Goodbye | Requested | LastWord
"""Why the call is about to end. A call has at most one departure at a time."""


class Stt(Enum):
    """Whether the recogniser hears the caller."""

    HEARING = auto()
    LOST = auto()
    """Nobody hears at the moment; the audio is kept and will be heard."""
    GONE = auto()
    """Nobody will hear any more."""


class Warning(Enum):
    """The warning before the end of a call that lasts too long."""

    NOT_DUE = auto()
    DUE = auto()
    """To be said as soon as the agent may speak."""
    SAID = auto()


@dataclass(slots=True)
class Patience:
    """How often the agent has put up with what.

    fillers: phrases for slow answers, in turn.
    prompts: how often a silent caller has been prompted in a row.
    runs: the timer NO_INPUT runs. A sound does not start it anew: patience counts time without
        words.
    extended: a sound without words so far has extended the timer. Once is enough for words to
        be recognised; a steady noise must not keep a call for ever.
    failures: how many replies in a row have failed.
    warning: see Warning.
    closing: why the call must end once the agent's sentence is over; None if it need not.
    """

    fillers: Iterator[str]
    prompts: int = 0
    runs: bool = False
    extended: bool = False
    failures: int = 0
    warning: Warning = Warning.NOT_DUE
    closing: ev.EndReason | None = None

    @classmethod
    def of(cls, manners: Manners) -> "Patience":
        return cls(cycle(manners.fillers))


@dataclass(slots=True)
class ToolRuns:
    """Tools that the model asked for.

    numbers: names for tool calls.
    running: numbers of the tools that have not ended.
    owed: the model has not answered yet with all results.
    """

    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    running: set[int] = field(default_factory=set)
    owed: bool = False


@dataclass(slots=True)
class CallerAudio:
    """The end of the caller's audio, where the line goes on without it.

    ended: no more audio will come.
    settled: the recogniser has had time to report all of the audio.
    tries: how often that time was granted.
    """

    ended: bool = False
    settled: bool = False
    tries: int = 0
