"""Early media: audio and DTMF digits that arrive before the call is open.

A transport opens a call when it knows the call's uuid, and the caller may speak before that. Audio
and digits are buffered here until then, bounded and in the order of their arrival, and delivered to
the call as soon as the call is open.
"""

from collections.abc import Callable
from typing import Literal, Protocol

from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND

KEYS_MAX = 32
"""Most DTMF digits that are buffered; later digits are dropped."""


class Hearer(Protocol):
    """Takes early media: a call, or something in front of it."""

    @property
    def hear(self) -> Callable[[bytes], None]: ...

    @property
    def press(self) -> Callable[[str], None]: ...


class EarlyMedia:
    """The early media of one caller.

    limit_s: longest audio that is buffered (s).
    keep: "first" buffers the beginning of longer audio, "last" the end.
    """

    def __init__(self, limit_s: float, keep: Literal["first", "last"]) -> None:
        self._limit = int(limit_s * BYTES_PER_SECOND)
        self._keeps_last = keep == "last"
        self._pieces: list[bytearray | str] = []  # audio and keys in the order of their arrival
        self._audio_bytes = 0
        self._keys = 0

    def hear(self, pcm: bytes) -> None:
        """Buffer caller audio.

        pcm: s16le mono at 8 kHz, any whole number of samples.
        """
        if not self._keeps_last:
            pcm = pcm[: self._limit - self._audio_bytes]
        if self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += pcm
        else:
            self._pieces.append(bytearray(pcm))
        self._audio_bytes += len(pcm)
        self._drop_oldest(self._audio_bytes - self._limit)

    def press(self, key: str) -> None:
        """Buffer a DTMF digit, 0-9, *, # or A-D."""
        if self._keys < KEYS_MAX:
            self._keys += 1
            self._pieces.append(key)

    def deliver(self, call: Hearer) -> None:
        """Pass everything to the call, in order, and keep nothing."""
        pieces, self._pieces = self._pieces, []
        self._audio_bytes = self._keys = 0
        for piece in pieces:
            if isinstance(piece, str):
                call.press(piece)
            elif piece:
                call.hear(bytes(piece))

    def _drop_oldest(self, size: int) -> None:
        """Drop audio from the beginning.

        size: number of bytes; nothing is dropped if it is 0 or less.
        """
        for piece in self._pieces:
            if size <= 0:
                return
            if isinstance(piece, bytearray):
                dropped = min(size, len(piece))
                del piece[:dropped]
                self._audio_bytes -= dropped
                size -= dropped
