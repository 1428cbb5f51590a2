"""A run's ledger, judged: how late, how even, how whole, how dear.

An answer belongs to the turn whose end came last before it. What the model and the voice took
for it, as they measured themselves, is not the service's doing and is taken away; what this
process was late by remains in the figures, and is reported beside them. An answer that the model
began before the turn's end has no added latency: part of what the clouds took lies before the end,
and taking all of it away would leave less than nothing.
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

# A phone's jitter buffer hides less than this; more is a hole in a word.
_GAP_SECONDS = 0.04
# The rule of thumb for English; what counts is the ratio of two such figures.
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread; zeros when there are none."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, values: Iterable[float], scale: float = 1.0) -> "Spread":
        """Of values, each multiplied by `scale`."""
        numbers = scale * np.fromiter(values, dtype=np.float64)
        if not numbers.size:
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        p50, p95, p99 = np.percentile(numbers, (50, 95, 99))
        return cls(numbers.size, float(p50), float(p95), float(p99), float(numbers.max()))


@dataclass(slots=True)
class Integrity:
    """Whether everybody heard exactly what was meant for them. faults: in words."""

    answers: int = 0
    caller_frames: int = 0
    interruptions: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Timings:
    """Every time that was measured, in seconds."""

    added: list[float] = field(default_factory=list)
    voice_to_voice: list[float] = field(default_factory=list)
    jitter: list[float] = field(default_factory=list)
    gaps: int = 0
    barge_in: list[float] = field(default_factory=list)
    session_open: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What requests to the model cost, in tokens, estimated from characters."""

    requests: int
    prompt: float
    completion: float

    @classmethod
    def of(cls, usage: list[Usage]) -> "Tokens":
        return cls(
            len(usage),
            sum(each.read for each in usage) / _CHARACTERS_PER_TOKEN,
            sum(each.wrote for each in usage) / _CHARACTERS_PER_TOKEN,
        )


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent on the model in the whole run: on the last request of each turn, and on
    requests before it, whose answers were dropped."""

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
    """What a caller got: audio with its times, and the times of `interruption`."""

    audio: list[tuple[float, bytes]] = field(default_factory=list)
    interruptions: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def between(self, begin: float, end: float) -> list[tuple[float, bytes]]:
        return [(at, pcm) for at, pcm in self.audio if begin <= at < end]


def judge(ledger: Ledger, begin: float, end: float) -> tuple[Timings, Integrity]:
    """Judge a run: its timings where a turn ended from `begin` to `end`, its integrity always."""
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
                f"{place}: {fault}" for fault in _answer_faults(turn, frames, voiced, interrupted)
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
                # Of several requests, made before the turn was sure to be over, the last was used.
                thought = max((r for r in asked if r.came_at < first), key=lambda r: r.came_at)
                if thought.came_at >= ended:
                    timings.added.append(first - ended - thought.took - voiced[0].took)
                timings.voice_to_voice.append(first - call.speech_ended[number])
                _even(frames, timings)
                if interrupted:
                    timings.barge_in.append(max(0.0, frames[-1][0] - began))
    return timings, integrity


def _spoken_too_soon(speaking: list[Request]) -> list[str]:
    """An answer to half a question must be dropped without costing a voice."""
    dropped = f" {letters(' '.join(answer(None)))} "
    texts = [request.text for request in speaking if request.turn is None]
    return [
        f"an answer to half a question was given to the voice: {text}"
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
        faults.append(f"{len(sessions)} recogniser sessions heard it")
    for session in sessions:
        if session.received.damage:
            faults.append(f"frames to the recogniser: {session.received.damage}")
        elif session.received.whole != call.sent and not call.complaint:
            never = call.sent - session.received.whole
            faults.append(f"frames to the recogniser: {never} never came")
    return faults


def _answer_faults(
    turn: Turn, frames: list[tuple[float, bytes]], voiced: list[Request], interrupted: bool
) -> list[str]:
    # A sentence may be asked for twice (a retry), or before another that comes first (both are
    # asked for at once, and overtake each other on the way): it must be heard once, in its place.
    whole = letters(" ".join(answer(turn)))
    texts = sorted({request.text for request in voiced}, key=lambda text: whole.find(letters(text)))
    if not interrupted and letters(" ".join(texts)) != whole:
        return [f"the voice was asked for {texts}"]
    return compare(b"".join(pcm for _, pcm in frames), texts, interrupted=interrupted)


def _interruption_faults(stopped: list[float], frames: list[tuple[float, bytes]]) -> list[str]:
    if not stopped:
        return ["the caller spoke, and the agent was not interrupted"]
    late = sum(at > stopped[0] for at, _ in frames)
    return [f"{late} frames of an interrupted answer came after `interruption`"] if late else []


def _even(frames: list[tuple[float, bytes]], timings: Timings) -> None:
    """Compare the frames' arrival with the 20 ms grid that the first one sets.

    After a gap a new grid begins: one hole is one fault, not a whole answer that is late.
    """
    due = previous = frames[0][0]
    for at, pcm in frames:
        if at - previous > _GAP_SECONDS:
            timings.gaps += 1
            due = at
        timings.jitter.append(abs(at - due))
        due += len(pcm) / FRAME_BYTES * FRAME_SECONDS
        previous = at
