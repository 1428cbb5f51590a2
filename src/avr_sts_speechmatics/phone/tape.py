"""The tape: the recording of a call, both sides on one time line as heard at the caller's phone.

Position 0 is the start of the caller's first frame. The caller's side grows with each frame that
is sent. The agent's side is modelled on a phone's loudspeaker: a frame that arrives while others
are queued is played after them; a frame that arrives too late leaves a gap. The time at which a
frame is played, not the time of its arrival, decides when the agent spoke.
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
# A recording with background noise ends in noise, not in silence: speech is louder than the
# quietest tenth of the recording's frames by this factor.
_ABOVE_NOISE = 2.0
# A phone's jitter buffer hides a frame that is no later than this.
_JITTER_BUFFER_SECONDS = 0.06
# The gap between two clauses is shorter than this (s); the gap between two answers is longer.
_UTTERANCE_GAP_SECONDS = 0.35


@dataclass(slots=True)
class Utterance:
    """Audible sound without a long gap.

    start: seconds on the tape.
    end: seconds on the tape.
    """

    start: float
    end: float


@dataclass(slots=True)
class Tape:
    """Both tracks so far, and when the agent could be heard.

    caller: s16le mono at 8 kHz.
    agent: s16le mono at 8 kHz.
    utterances: the agent's audible sounds, oldest first.
    """

    caller: bytearray = field(default_factory=bytearray)
    agent: bytearray = field(default_factory=bytearray)
    utterances: list[Utterance] = field(default_factory=list)

    def sent(self, pcm: bytes) -> None:
        """Add caller audio, s16le at 8 kHz."""
        self.caller += pcm

    def heard(self, pcm: bytes, at: float) -> None:
        """Add agent audio. It is played after the audio that is still queued.

        pcm: s16le at 8 kHz.
        at: arrival, seconds on the tape.
        """
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
        """Remove the agent's audio that would be played after `at`, because of an interruption."""
        del self.agent[_position(at) :]
        self.utterances = [spoken for spoken in self.utterances if spoken.start < at]
        if self.utterances:
            self.utterances[-1].end = min(self.utterances[-1].end, at)

    def quiet_since(self) -> float:
        """End of the agent's last audible sound, queued audio included; seconds on the tape."""
        return self.utterances[-1].end if self.utterances else 0.0

    def first_after(self, at: float) -> Utterance | None:
        """The agent's first utterance that began at `at` (s) or later; None if there is none."""
        return next((spoken for spoken in self.utterances if spoken.start >= at), None)


def seconds(pcm: bytes | bytearray) -> float:
    """Return the duration of s16le audio at 8 kHz (s)."""
    return len(pcm) / (2 * RATE)


def audible_span(pcm: bytes, threshold: float = _AUDIBLE) -> tuple[float, float] | None:
    """Return start and end of the audible part (s); None for silence.

    threshold: the smallest sample value that counts as audible, 0 to 32768.
    """
    loud = np.flatnonzero(np.abs(_samples(pcm)) >= threshold)
    return (float(loud[0]) / RATE, float(loud[-1] + 1) / RATE) if loud.size else None


def end_of_speech(pcm: bytes) -> float:
    """Return the end of the speech in a recording (s); the whole length if nothing is audible.

    The speech ends with the last sample that is louder than the recording's own noise.
    """
    frames = _samples(pcm[: len(pcm) - len(pcm) % len(FRAME)]).reshape(-1, len(FRAME) // 2)
    noise = float(np.percentile(np.abs(frames).max(axis=1), 10)) if frames.size else 0.0
    # A recording without quiet frames has no measurable noise, only speech: limit the threshold.
    loudest = float(np.abs(_samples(pcm)).max(initial=0))
    span = audible_span(pcm, min(max(_AUDIBLE, _ABOVE_NOISE * noise), max(_AUDIBLE, loudest / 4)))
    return span[1] if span else seconds(pcm)


def _samples(pcm: bytes) -> npt.NDArray[np.int32]:
    # 32 bits, because the magnitude of -32768 does not fit into 16.
    return np.frombuffer(pcm, dtype="<i2").astype(np.int32)


def _position(at: float) -> int:
    return 2 * max(0, round(at * RATE))
