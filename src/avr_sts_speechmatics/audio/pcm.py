"""PCM as telephones carry it here: s16le, mono, 8000 Hz, 20 ms a frame. [AVR protocol, 2.4]"""

RATE = 8000
"""Samples a second on the telephone line (Hz)."""

SAMPLE_BYTES = 2
FRAME_MS = 20
FRAME_SAMPLES = RATE * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES
BYTES_PER_SECOND = RATE * SAMPLE_BYTES


def seconds(size: int, rate: int = RATE) -> float:
    """How long `size` bytes of s16le mono last (s)."""
    return size / (rate * SAMPLE_BYTES)


def silence(duration: float, rate: int = RATE) -> bytes:
    """`duration` seconds of digital silence, a whole number of samples."""
    return bytes(round(duration * rate) * SAMPLE_BYTES)


class SampleAligner:
    """Whole samples out of chunks cut anywhere: the odd byte waits for its other half.

    One byte of slip turns all that follows into noise, so every stream whose chunk boundaries
    are not ours (HTTP bodies) passes through here.
    """

    __slots__ = ("_odd",)

    def __init__(self) -> None:
        self._odd = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the whole samples known so far; possibly empty."""
        if self._odd:
            chunk = self._odd + chunk
        cut = len(chunk) & ~1
        self._odd = chunk[cut:]
        return chunk if not self._odd else chunk[:cut]
