"""The figures of a run, from its ledger: latency, jitter, integrity of the audio, and tokens.

An answer belongs to the last turn that ended before the answer began. The added latency excludes
the times that the synthetic LLM and TTS took, as they measured themselves; it includes the lateness
of this process, which is reported beside the figures. If the model began an answer before the turn
ended, the answer has no added latency: part of the time of LLM and TTS lies before the end of the
turn, so excluding all of it would give a negative latency.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from bench.codewords import Turn, answer, letters
from bench.frames import FRAME_BYTES, FRAME_SECONDS
from bench.ledger import Call, Ledger, Request, Session, Usage
from bench.voiceprint import compare
from bench.web import CHARACTERS_PER_TOKEN

# A phone's jitter buffer hides shorter gaps (s); a longer gap is audible.
_GAP_SECONDS = 0.04


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles and maximum of a list of values; zeros for an empty list."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, values: Iterable[float], scale: float = 1.0) -> "Spread":
        """The spread of `values`, each multiplied by `scale`."""
        numbers = scale * np.fromiter(values, dtype=np.float64)
        if not numbers.size:
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        p50, p95, p99 = np.percentile(numbers, (50, 95, 99))
        return cls(numbers.size, float(p50), float(p95), float(p99), float(numbers.max()))


@dataclass(slots=True)
class Integrity:
    """Whether callers and recognisers received exactly the audio that was sent to them.

    answers: number of answers checked.
    caller_frames: number of caller frames that reached the recogniser intact.
    interruptions: number of interrupted answers.
    faults: descriptions of the errors.
    """

    answers: int = 0
    caller_frames: int = 0
    interruptions: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Integrity") -> None:
        """Add what was found of other calls."""
        self.answers += other.answers
        self.caller_frames += other.caller_frames
        self.interruptions += other.interruptions
        self.faults += other.faults


@dataclass(slots=True)
class Timings:
    """All measured times, in seconds.

    added: latency that the service added to a turn.
    voice_to_voice: from the caller's last word to the first frame of the answer.
    first_audio: from the end of the turn to the first frame of the answer.
    jitter: distance of each frame from the 20 ms grid.
    gaps: number of gaps in the agent's voice above 40 ms.
    barge_in: from the caller's speech to the last frame of the interrupted answer.
    session_open: from the start of the call to the start of the STT session.
    """

    added: list[float] = field(default_factory=list)
    voice_to_voice: list[float] = field(default_factory=list)
    first_audio: list[float] = field(default_factory=list)
    jitter: list[float] = field(default_factory=list)
    gaps: int = 0
    barge_in: list[float] = field(default_factory=list)
    session_open: list[float] = field(default_factory=list)

    def add(self, other: "Timings") -> None:
        """Add the times of other calls."""
        self.gaps += other.gaps
        for name in _LISTS:
            getattr(self, name).extend(getattr(other, name))


_LISTS = ("added", "voice_to_voice", "first_audio", "jitter", "barge_in", "session_open")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of requests to the model, estimated from characters."""

    requests: int
    prompt: float
    completion: float

    @classmethod
    def of(cls, usage: list[Usage]) -> "Tokens":
        return cls(
            len(usage),
            sum(each.read for each in usage) / CHARACTERS_PER_TOKEN,
            sum(each.wrote for each in usage) / CHARACTERS_PER_TOKEN,
        )


@dataclass(frozen=True, slots=True)
class Spending:
    """Tokens spent on the model in the whole run.

    turns: number of turns.
    kept: the last request of each turn.
    dropped: earlier requests, whose answers were dropped.
    """

    turns: int
    kept: Tokens
    dropped: Tokens

    @classmethod
    def of(cls, ledger: Ledger) -> "Spending":
        last = {usage.turn: usage for usage in ledger.usage if usage.turn is not None}
        kept = [usage for usage in ledger.usage if usage.turn and last[usage.turn] is usage]
        dropped = [
            usage for usage in ledger.usage if not usage.turn or last[usage.turn] is not usage
        ]
        turns = sum(len(session.turn_ended) for session in ledger.sessions)
        return cls(turns, Tokens.of(kept), Tokens.of(dropped))


@dataclass(slots=True)
class _Heard:
    """The decoded messages that a caller received.

    audio: arrival time and samples of each message.
    interruptions: arrival times.
    errors: texts.
    """

    audio: list[tuple[float, bytes]] = field(default_factory=list)
    interruptions: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def between(self, begin: float, end: float) -> list[tuple[float, bytes]]:
        return [(at, pcm) for at, pcm in self.audio if begin <= at < end]


def judge(ledger: Ledger, begin: float, end: float) -> tuple[Timings, Integrity]:
    """Evaluate a run.

    begin: start of the measurement, on the ledger's clock.
    end: end of the measurement, on the ledger's clock.

    Timings cover the turns that ended from `begin` to `end`, integrity covers the whole run.
    """
    timings, integrity = Timings(), Integrity(faults=list(ledger.protocol_errors))
    integrity.faults += _spoken_too_soon(ledger.speaking)
    sessions: dict[int | None, list[Session]] = defaultdict(list)
    for session in ledger.sessions:
        sessions[session.received.call].append(session)
    llm, speaking = _by_turn(ledger.llm), _by_turn(ledger.speaking)
    for call in ledger.calls:
        heard = _understand(call)
        own = sessions[call.number]
        integrity.faults += [
            f"call {call.number}: {fault}" for fault in _line_faults(call, own, heard)
        ]
        if len(own) != 1:
            continue
        (session,) = own
        integrity.caller_frames += session.received.whole
        timings.session_open.append(session.started_at - call.init_at)
        ends = sorted(session.turn_ended.items(), key=lambda turn: turn[1])
        for (number, ended), (following, until) in pairwise([*ends, (-1, float("inf"))]):
            turn, place = Turn(call.number, number), f"call {call.number}, turn {number}"
            frames = heard.between(ended, until)
            asked, voiced = llm[turn], speaking[turn]
            integrity.answers += 1
            interrupted = following in call.barged
            integrity.faults += [
                f"{place}: {fault}"
                for fault in _answer_faults(
                    answer(turn, ledger.first_words), frames, voiced, interrupted
                )
            ]
            if interrupted:
                integrity.interruptions += 1
                began = session.speech_began[following]
                stopped = [at for at in heard.interruptions if began <= at < until]
                integrity.faults += [
                    f"{place}: {fault}" for fault in _interruption_faults(stopped, frames)
                ]
            if frames and asked and voiced and begin <= ended <= end:
                first = frames[0][0]
                # If the service asked several times before the turn was confirmed, the last
                # request was used.
                thought = max((r for r in asked if r.came_at < first), key=lambda r: r.came_at)
                if thought.came_at >= ended:
                    timings.added.append(first - ended - thought.took - voiced[0].took)
                timings.first_audio.append(first - ended)
                timings.voice_to_voice.append(first - call.speech_ended[number])
                _even(frames, timings)
                if interrupted:
                    timings.barge_in.append(max(0.0, frames[-1][0] - began))
    return timings, integrity


def _spoken_too_soon(speaking: list[Request]) -> list[str]:
    """Faults for answers to half a question that reached the TTS; they must be dropped before."""
    dropped = f" {letters(' '.join(answer(None)))} "
    texts = [request.text for request in speaking if request.turn is None]
    return [
        f"an answer to half a question was sent to the TTS: {text}"
        for text in texts
        if letters(text) and f" {letters(text)} " in dropped
    ]


def _by_turn(requests: list[Request]) -> dict[Turn | None, list[Request]]:
    by_turn: dict[Turn | None, list[Request]] = defaultdict(list)
    for request in sorted(requests, key=lambda request: request.came_at):
        by_turn[request.turn].append(request)
    return by_turn


def _understand(call: Call) -> _Heard:
    heard = _Heard()
    for at, text in call.arrived:
        message = json.loads(text)
        if message["type"] == "audio":
            heard.audio.append((at, base64.b64decode(message["audio"])))
        elif message["type"] == "interruption":
            heard.interruptions.append(at)
        elif message["type"] == "error":
            heard.errors.append(message["message"])
    return heard


def _line_faults(call: Call, sessions: list[Session], heard: _Heard) -> list[str]:
    faults = [*heard.errors]
    if call.complaint:
        faults.append(call.complaint)
    if call.unanswered:
        faults.append(f"{call.unanswered} questions were not answered")
    if len(sessions) != 1:
        faults.append(f"the call had {len(sessions)} recogniser sessions instead of one")
    for session in sessions:
        if session.received.damage:
            faults.append(f"frames to the recogniser: {session.received.damage}")
        elif session.received.whole != call.sent and not call.complaint:
            never = call.sent - session.received.whole
            faults.append(f"frames to the recogniser: {never} did not arrive")
    return faults


def _answer_faults(
    sentences: list[str],
    frames: list[tuple[float, bytes]],
    voiced: list[Request],
    interrupted: bool,
) -> list[str]:
    # A sentence may be requested twice (a retry), or before an earlier sentence (parallel requests
    # overtake each other): the caller must hear it once, in its place.
    whole = letters(" ".join(sentences))
    texts = sorted({request.text for request in voiced}, key=lambda text: whole.find(letters(text)))
    if not interrupted and letters(" ".join(texts)) != whole:
        return [f"the TTS got {texts}"]
    return compare(b"".join(pcm for _, pcm in frames), texts, interrupted=interrupted)


def _interruption_faults(stopped: list[float], frames: list[tuple[float, bytes]]) -> list[str]:
    if not stopped:
        return ["the caller spoke, and the agent was not interrupted"]
    late = sum(at > stopped[0] for at, _ in frames)
    return [f"{late} frames of an interrupted answer came after `interruption`"] if late else []


def _even(frames: list[tuple[float, bytes]], timings: Timings) -> None:
    """Compare the frames' arrival with a 20 ms grid that starts with the first frame.

    After a gap a new grid starts, so that a gap counts once and the frames after it are not late.
    """
    due = previous = frames[0][0]
    for at, pcm in frames:
        if at - previous > _GAP_SECONDS:
            timings.gaps += 1
            due = at
        timings.jitter.append(abs(at - due))
        due += len(pcm) / FRAME_BYTES * FRAME_SECONDS
        previous = at
