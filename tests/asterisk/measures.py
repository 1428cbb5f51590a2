"""What a telephony engineer wants to know of a call, from the packets a phone has heard. Pure.

pace: how evenly they came. playback: what a patient phone makes of them. Tape: all that came,
whenever it came, and where in it a known sound lies. find: whether a sound arrived whole, sample by
sample. loud_until: when it became quiet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from tests.asterisk.g711 import Law
from tests.asterisk.rtp import FRAME_SAMPLES, RATE, Packet

LOUD = 300
"""Greatest sample of a frame from which it is no silence; G.711 alone makes 8 of it."""

_SEQUENCES, _TIMESTAMPS = 1 << 16, 1 << 32
_LONGEST_HOLE_S = 60
_WINDOW_S = 0.02
# At its ends a sound is bent by the filters it passed.
_EDGE_S = 0.01
# A delay through a filter is no whole number of samples, and an eighth of one matters at 3 kHz.
_STEPS = 16
_REACH = 8

Sound = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pace:
    """How packets came.

    gap_*_ms: between arrivals. jumps: RTP timestamps that do not follow on. lost: numbers missing.
    late: packets that a later one overtook.
    """

    packets: int
    per_second: float
    gap_p50_ms: float
    gap_p99_ms: float
    gap_max_ms: float
    jumps: int
    lost: int
    late: int


def pace(packets: Sequence[Packet]) -> Pace:
    """How evenly packets came. Raises ValueError when there are not even two."""
    if len(packets) < 2:
        raise ValueError(f"{len(packets)} packets have no pace")
    gaps = np.diff([packet.at for packet in packets]) * 1000
    numbers = _numbers(packets)
    jumps = 0
    for before, after in pairwise(packets):
        step = _signed(after.sequence - before.sequence, _SEQUENCES)
        samples = _signed(after.timestamp - before.timestamp, _TIMESTAMPS)
        jumps += step == 1 and samples != len(before.payload)
    newest = np.maximum.accumulate(numbers)
    p50, p99, most = np.percentile(gaps, [50, 99, 100])
    return Pace(
        packets=len(packets),
        per_second=round(1000 * len(gaps) / float(gaps.sum()), 2),
        gap_p50_ms=round(float(p50), 2),
        gap_p99_ms=round(float(p99), 2),
        gap_max_ms=round(float(most), 2),
        jumps=jumps,
        lost=max(numbers) - min(numbers) + 1 - len(set(numbers)),
        late=int((np.array(numbers) < newest).sum()),
    )


def playback(packets: Sequence[Packet], law: Law, begin: float) -> bytes:
    """What a phone with an endless jitter buffer plays from `begin` (monotonic s) on.

    The first packet when it came, the others where their timestamps put them, silence between.
    Returns s16le at 8 kHz.
    """
    played = bytearray()
    due: int | None = None
    for packet in packets:
        if due is None:
            hole = round((packet.at - begin) * RATE)
        else:
            hole = _signed(packet.timestamp - due, _TIMESTAMPS)
        played += bytes(2 * min(max(hole, 0), _LONGEST_HOLE_S * RATE))
        played += law.decode(packet.payload)
        due = packet.timestamp + len(packet.payload)
    return bytes(played)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a sound lies in what was heard.

    at: its beginning (s). correlation: over the whole of it, 1: the same but for loudness.
    worst: over the worst 20 ms of it; a click, a gap or a repeated frame shows here.
    """

    at: float
    correlation: float
    worst: float


def find(sound: Sound, heard: bytes) -> Found:
    """Find a sound (samples at 8 kHz) in what was heard (s16le at 8 kHz)."""
    samples = np.frombuffer(heard, "<i2").astype(np.float64)
    # The beginning may be cut off: it is looked for there too.
    before = sound.size
    samples = np.concatenate((np.zeros(before), samples, np.zeros(sound.size)))
    start = int(np.argmax(_correlate(samples, sound)[: samples.size - sound.size]))
    moved = _fraction(samples[start : start + sound.size], sound)
    start += round(moved)
    there = samples[start : start + sound.size]
    expected = _shifted(sound, moved - round(moved))
    edge, window = round(_EDGE_S * RATE), round(_WINDOW_S * RATE)
    count = max(1, (sound.size - 2 * edge) // window)
    inner = slice(edge, edge + count * window)
    return Found(
        at=round((start - before) / RATE, 4),
        correlation=round(_likeness(there, expected), 5),
        worst=round(
            min(
                _likeness(heard_part, expected_part)
                for heard_part, expected_part in zip(
                    np.array_split(there[inner], count),
                    np.array_split(expected[inner], count),
                    strict=True,
                )
            ),
            5,
        ),
    )


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound that was heard. begin, end: when its first and last packet came (monotonic s)."""

    begin: float
    end: float
    found: Found


class Tape:
    """What came, one packet after the other in the order of their numbers, whenever they came.

    So a pause that a busy machine makes in a sentence does not count, and a sample that is missing,
    is there twice or is somebody else's does.

    pcm: all of it, s16le at 8 kHz.
    """

    def __init__(self, packets: Sequence[Packet], law: Law) -> None:
        by_number = dict(zip(_numbers(packets), packets, strict=True))
        self._packets = [by_number[number] for number in sorted(by_number)]
        self._starts = np.cumsum([0, *(len(packet.payload) for packet in self._packets)])
        self.pcm = b"".join(law.decode(packet.payload) for packet in self._packets)

    def find(self, sound: Sound) -> Heard:
        """Find a sound (samples at 8 kHz), the likeliest place for it."""
        found = find(sound, self.pcm)
        first = round(found.at * RATE)
        return Heard(self._came(first), self._came(first + sound.size - 1), found)

    def _came(self, sample: int) -> float:
        place = int(np.searchsorted(self._starts, sample, side="right")) - 1
        return self._packets[min(max(place, 0), len(self._packets) - 1)].at


def during(packets: Sequence[Packet], begin: float, end: float) -> list[Packet]:
    """Those that arrived between two moments (monotonic s)."""
    return [packet for packet in packets if begin <= packet.at <= end]


def is_loud(packet: Packet, law: Law) -> bool:
    """Whether a packet holds more than silence."""
    samples = np.frombuffer(law.decode(packet.payload), "<i2").astype(np.int32)
    return bool(np.abs(samples).max(initial=0) > LOUD)


def loud_until(packets: Sequence[Packet], law: Law, begin: float = 0.0) -> float | None:
    """When the last sound ended that was heard from `begin` on (monotonic s); None: no sound."""
    loud = [packet for packet in packets if packet.at >= begin and is_loud(packet, law)]
    return loud[-1].at + len(loud[-1].payload) / RATE if loud else None


def loud_from(packets: Sequence[Packet], law: Law, begin: float = 0.0) -> float | None:
    """When the first sound came after `begin` (monotonic s); None: no sound."""
    return next((p.at for p in packets if p.at >= begin and is_loud(p, law)), None)


def quiet_from(packets: Sequence[Packet], law: Law, begin: float, *, least: float = 0.2) -> float:
    """When the sound that was heard at `begin` ended, by `least` seconds without any (monotonic s).

    `begin` itself where it had ended by then.
    """
    end = begin
    for packet in packets:
        if packet.at < begin or not is_loud(packet, law):
            continue
        if packet.at - end >= least:
            break
        end = packet.at + len(packet.payload) / RATE
    return end


def tones(heard: bytes) -> set[int]:
    """The frequencies (Hz, to the next 10) of the tones that a stretch of sound is made of."""
    samples = np.frombuffer(heard, "<i2").astype(np.float64)
    if samples.size < FRAME_SAMPLES:
        return set()
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    strong = np.flatnonzero(spectrum > spectrum.max() / 4) * RATE / samples.size
    return {round(float(hertz) / 10) * 10 for hertz in strong}


def _numbers(packets: Sequence[Packet]) -> list[int]:
    """The packets' numbers, from 0 for the first of them, without wrapping."""
    numbers = [0] if packets else []
    for before, after in pairwise(packets):
        numbers.append(numbers[-1] + _signed(after.sequence - before.sequence, _SEQUENCES))
    return numbers


def _signed(difference: int, modulus: int) -> int:
    """A difference of numbers that wrap, the short way round."""
    return (difference + modulus // 2) % modulus - modulus // 2


def _correlate(samples: Sound, sound: Sound) -> Sound:
    size = 1 << (samples.size + sound.size).bit_length()
    product = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(sound, size))
    result: Sound = np.fft.irfft(product, size)[: samples.size]
    return result


def _fraction(there: Sound, sound: Sound) -> float:
    """How many samples, and parts of one, `sound` must be moved to lie on what is there."""
    # More samples of the correlation between those there are: a longer spectrum, filled with zeros.
    # High tones half a sample off look less alike than a whole period off: hence a few periods.
    product = np.fft.rfft(there) * np.conj(np.fft.rfft(sound))
    finely = np.fft.irfft(product, _STEPS * sound.size)
    steps = np.arange(-_STEPS * _REACH, _STEPS * _REACH + 1)
    return float(steps[int(np.argmax(finely[steps]))]) / _STEPS


def _shifted(sound: Sound, samples: float) -> Sound:
    turns = 2j * np.pi * np.fft.rfftfreq(sound.size)
    moved: Sound = np.fft.irfft(np.fft.rfft(sound) * np.exp(-turns * samples), sound.size)
    return moved


def _likeness(one: Sound, other: Sound) -> float:
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norm if norm else 0.0
