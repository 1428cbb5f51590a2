"""The tape of a call: both sides on one time line, as the caller's phone would play them.

Position 0 is where the caller's first frame begins. The caller's side grows by what was
sent. The agent's side is a phone's loudspeaker: a frame that arrives while others are still
queued is played after them, one that comes too late leaves a hole. What was played decides
when the agent spoke; that the service sent it sooner does not count.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from avr_sts_speechmatics.audio.wav import RATE

FRAME = bytes(320)
"""20 ms of silence, s16le at 8 kHz: what a phone line carries when nobody speaks."""

FRAME_SECONDS = 0.02

# About -42 dBFS: above the hiss of a G.711 line, below the quietest consonant that matters.
_AUDIBLE = 256
# A recording with traffic in it ends in traffic, not in silence: speech stands out of the
# quietest tenth of its own frames by this factor.
_ABOVE_NOISE = 2.0
# A phone's jitter buffer hides a frame that is no later than this.
_JITTER_BUFFER_SECONDS = 0.06
# The gap between two clauses is shorter than this, the one between two answers longer.
_UTTERANCE_GAP_SECONDS = 0.35


@dataclass(slots=True)
class Utterance:
    """Audible sound without a long gap in it; start and end in seconds on the tape."""

    start: float
    end: float


@dataclass(slots=True)
class Tape:
    """Both tracks so far, s16le at 8 kHz, and when the agent could be heard."""

    caller: bytearray = field(default_factory=bytearray)
    agent: bytearray = field(default_factory=bytearray)
    utterances: list[Utterance] = field(default_factory=list)

    def sent(self, pcm: bytes) -> None:
        """Add what the caller said."""
        self.caller += pcm

    def heard(self, pcm: bytes, at: float) -> None:
        """Add agent audio that arrived `at` seconds; it is played after what is still queued."""
        if at > seconds(self.agent) + _JITTER_BUFFER_SECONDS:
            self.agent += bytes(_position(at) - len(self.agent))
        start = seconds(self.agent)
        self.agent += pcm
        audible = audible_span(pcm)
        if audible is None:
            return
        first, last = start + audible[0], start + audible[1]
        if self.utterances and first - self.utterances[-1].end < _UTTERANCE_GAP_SECONDS:
            self.utterances[-1].end = last
        else:
            self.utterances.append(Utterance(first, last))

    def drop_queued(self, at: float) -> None:
        """Forget the agent's audio that would be played after `at`: the caller interrupted."""
        del self.agent[_position(at) :]
        self.utterances = [spoken for spoken in self.utterances if spoken.start < at]
        if self.utterances:
            self.utterances[-1].end = min(self.utterances[-1].end, at)

    def quiet_since(self) -> float:
        """When the agent was, or with what is queued will be, heard for the last time."""
        return self.utterances[-1].end if self.utterances else 0.0

    def first_after(self, at: float) -> Utterance | None:
        """The first utterance of the agent that began after `at`."""
        return next((spoken for spoken in self.utterances if spoken.start >= at), None)


def seconds(pcm: bytes | bytearray) -> float:
    """The length of s16le audio at 8 kHz."""
    return len(pcm) / (2 * RATE)


def audible_span(pcm: bytes, threshold: float = _AUDIBLE) -> tuple[float, float] | None:
    """From the first audible sample to behind the last one, in seconds; None for silence."""
    loud = np.flatnonzero(np.abs(_samples(pcm)) >= threshold)
    return (float(loud[0]) / RATE, float(loud[-1] + 1) / RATE) if loud.size else None


def end_of_speech(pcm: bytes) -> float:
    """Where the speech in a recording ends, in seconds; its whole length if nothing is audible.

    What counts is the last sample that stands out of the recording's own noise.
    """
    frames = _samples(pcm[: len(pcm) - len(pcm) % len(FRAME)]).reshape(-1, len(FRAME) // 2)
    noise = float(np.percentile(np.abs(frames).max(axis=1), 10)) if frames.size else 0.0
    # Where nothing is quiet there is no noise to stand out of, only speech.
    loudest = float(np.abs(_samples(pcm)).max(initial=0))
    span = audible_span(pcm, min(max(_AUDIBLE, _ABOVE_NOISE * noise), max(_AUDIBLE, loudest / 4)))
    return span[1] if span else seconds(pcm)


def _samples(pcm: bytes) -> npt.NDArray[np.int32]:
    # Wider than the samples: the magnitude of -32768 is no 16-bit number.
    return np.frombuffer(pcm, dtype="<i2").astype(np.int32)


def _position(at: float) -> int:
    return 2 * max(0, round(at * RATE))
