"""The ledger: the raw record of a run, written by callers and synthetic services.

All times are `time.perf_counter()` of this process, so they can be subtracted from each other.
`figures` evaluates the ledger after the run, so that the measuring process stays fast during it.
"""

from dataclasses import dataclass, field

from bench.codewords import Turn
from bench.frames import Received


@dataclass(frozen=True, slots=True)
class Delays:
    """Delays of the synthetic services, s.

    settled: silence after which the STT repeats its last partial unchanged.
    speech_end: silence after which the STT sends SpeechEnded.
    stt: silence after which the STT ends the turn.
    llm: time to the first words of the model.
    voice: time to the first audio of the TTS.
    tokens_per_second: speed of the model; 0 for whole sentences, faster than they are spoken.
    first_words: length of the first sentence of each answer, words; 0 for a short sentence.
    """

    settled: float
    speech_end: float
    stt: float
    llm: float
    voice: float
    tokens_per_second: float = 0.0
    first_words: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the synthetic LLM or TTS.

    turn: the turn that the request names; None if it names none, such as a warm-up.
    text: the caller's question for the LLM, the text to speak for the TTS.
    came_at: arrival of the request.
    answered_at: start of the answer.
    """

    turn: Turn | None
    text: str
    came_at: float
    answered_at: float

    @property
    def took(self) -> float:
        """Time that the synthetic service took (s). It is not part of the added latency."""
        return self.answered_at - self.came_at


@dataclass(slots=True)
class Usage:
    """The size of one request to the model and of its answer, in characters.

    turn: the turn that the request names; None for half a question.
    read: length of the prompt, tools included.
    wrote: length of the answer until it was complete or the service disconnected.
    """

    turn: Turn | None
    read: int
    wrote: int = 0


@dataclass(slots=True)
class Session:
    """One session of the recogniser.

    started_at: time of StartRecognition.
    received: record of the caller's frames.
    speech_began: for each turn's number, arrival of the first speech frame.
    turn_ended: for each turn's number, when EndOfTurn was sent.
    """

    started_at: float
    received: Received = field(default_factory=Received)
    speech_began: dict[int, float] = field(default_factory=dict)
    turn_ended: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """The caller's record of one call.

    number: of the call, from 0.
    init_at: time of the `init` message.
    sent: number of frames sent.
    speech_ended: for each turn's number, time of the last speech frame.
    barged: numbers of the turns with which the caller interrupted the answer before.
    unanswered: number of questions without an answer.
    arrived: the service's messages: arrival time and JSON text.
    complaint: why the call failed; empty if it did not.
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
    """The record of a run.

    sessions: of the STT.
    llm: requests to the LLM that were answered.
    speaking: requests to the TTS that were answered.
    usage: all requests to the LLM.
    calls: of the callers.
    lags: lateness of each tick of the callers' clock, s.
    protocol_errors: violations of the vendors' protocols.
    first_words: length of the first sentence of each answer, see `Delays`.
    refusals: time until each refused caller knew it, s.
    """

    sessions: list[Session] = field(default_factory=list)
    llm: list[Request] = field(default_factory=list)
    speaking: list[Request] = field(default_factory=list)
    usage: list[Usage] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    protocol_errors: list[str] = field(default_factory=list)
    first_words: int = 0
    refusals: list[float] = field(default_factory=list)
