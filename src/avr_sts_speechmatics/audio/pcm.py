"""The PCM format of all calls: s16le, mono, 8000 Hz, frames of 20 ms. [AVR protocol, 2.4]"""

RATE = 8000
"""Sample rate of a call (Hz)."""

SAMPLE_BYTES = 2
FRAME_MS = 20
FRAME_SAMPLES = RATE * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES
BYTES_PER_SECOND = RATE * SAMPLE_BYTES


def seconds(size: int, rate: int = RATE) -> float:
    """Return the duration of `size` bytes of s16le mono at `rate` Hz (s)."""
    return size / (rate * SAMPLE_BYTES)


def silence(duration: float, rate: int = RATE) -> bytes:
    """Return `duration` seconds of digital silence: s16le at `rate` Hz, whole samples."""
    return bytes(round(duration * rate) * SAMPLE_BYTES)


class SampleAligner:
    """Turns chunks that are cut anywhere into whole samples; an odd byte waits for the next chunk.

    A shift by one byte would turn the rest of a stream into noise. So every stream whose chunks
    may end within a sample, such as an HTTP body, passes through an aligner.
    """

    __slots__ = ("_odd",)

    def __init__(self) -> None:
        self._odd = b""

    def feed(self, chunk: bytes) -> bytes:
        """Add a chunk; returns the samples that are complete now, possibly none."""
        if self._odd:
            chunk = self._odd + chunk
        cut = len(chunk) & ~1
        self._odd = chunk[cut:]
        return chunk if not self._odd else chunk[:cut]
