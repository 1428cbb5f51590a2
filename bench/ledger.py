"""What happened in a run, written down by everybody who took part; judged afterwards.

All times are `time.perf_counter()` of this one process, so they may be subtracted freely.
Nothing is computed while calls are up: whoever measures must not be what is slow.
"""

from dataclasses import dataclass, field

from bench.codewords import Turn
from bench.frames import Received


@dataclass(frozen=True, slots=True)
class Delays:
    """What the synthetic services take, in seconds: the recogniser to be sure of the words, that
    the sound is over, and that the turn is; the model to its first words, the voice to its first
    sound."""

    settled: float
    speech_end: float
    stt: float
    llm: float
    voice: float


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a synthetic service: what was asked, when, and when the answer began.

    turn: None for a request that names none, such as a warm-up.
    """

    turn: Turn | None
    text: str
    came_at: float
    answered_at: float

    @property
    def took(self) -> float:
        """What the service itself took: the time that is not the caller's to pay."""
        return self.answered_at - self.came_at


@dataclass(slots=True)
class Usage:
    """What one request to the model cost, in characters: what it read, and what it wrote until the
    service hung up or it was done.

    turn: None when the question was half a question.
    """

    turn: Turn | None
    read: int
    wrote: int = 0


@dataclass(slots=True)
class Session:
    """One session of the recogniser.

    speech_began, turn_ended: when the event was sent, by number of the turn.
    """

    started_at: float
    received: Received = field(default_factory=Received)
    speech_began: dict[int, float] = field(default_factory=dict)
    turn_ended: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One call as its caller lived it.

    arrived: every message of the service as it came: time and JSON text.
    barged: the turns in which this caller spoke into the answer before.
    complaint: why the call could not go on; empty when it could.
    """

    number: int
    init_at: float = 0.0
    sent: int = 0
    speech_ended: dict[int, float] = field(default_factory=dict)
    barged: set[int] = field(default_factory=set)
    unanswered: int = 0
    arrived: list[tuple[float, bytes]] = field(default_factory=list)
    complaint: str = ""


@dataclass(slots=True)
class Ledger:
    """A run. lags: how late each tick of the callers' clock was, in seconds."""

    sessions: list[Session] = field(default_factory=list)
    llm: list[Request] = field(default_factory=list)
    speaking: list[Request] = field(default_factory=list)
    usage: list[Usage] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    protocol_errors: list[str] = field(default_factory=list)
