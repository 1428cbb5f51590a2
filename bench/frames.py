"""The caller's frames: 20 ms that say whose they are, and the ledger of those that arrived.

A frame is a square wave whose signs spell 80 bits, two samples for each: call, turn, number of
the frame in its call, checksum. Signs survive gain, and noise below the wave; its level says
whether the caller is speaking. Encoding and decoding cost about 2 us each: they happen a
hundred times a second for each call, in the process that also measures.
"""

import struct
import zlib
from dataclasses import dataclass, field

from bench.codewords import Turn

FRAME_BYTES = 320
FRAME_SECONDS = 0.02
SPEECH_FRAMES = 30
"""A question takes so many of them."""

_LOUD, _QUIET = 8000, 300
_LOUD_FROM = 2000
_BODY = struct.Struct(">HHI")
_CHECKED = struct.Struct(">HHIH")


def _patterns(level: int) -> list[bytes]:
    sample = {bit: struct.pack("<h", level if bit == "1" else -level) for bit in "01"}
    return [b"".join(2 * sample[bit] for bit in f"{byte:08b}") for byte in range(256)]


_SPEECH, _SILENCE = _patterns(_LOUD), _patterns(_QUIET)
# The high byte of a sample tells its sign: 0-127 is a one, the rest a nought.
_SIGN = bytes(ord("1") if byte < 128 else ord("0") for byte in range(256))


@dataclass(frozen=True, slots=True)
class Mark:
    """What a frame says of itself. number: counted from 0 over the whole call."""

    turn: Turn
    number: int
    speaking: bool


def encode(mark: Mark) -> bytes:
    """The frame that carries `mark`: 320 bytes, s16le at 8 kHz."""
    body = _BODY.pack(mark.turn.call, mark.turn.number, mark.number)
    spelt = body + (zlib.crc32(body) & 0xFFFF).to_bytes(2, "big")
    patterns = _SPEECH if mark.speaking else _SILENCE
    return b"".join([patterns[byte] for byte in spelt])


def decode(frame: bytes) -> Mark | None:
    """What a frame says of itself; None when it is damaged, or nothing of ours."""
    if len(frame) != FRAME_BYTES:
        return None
    spelt = int(frame[1::4].translate(_SIGN), 2).to_bytes(_CHECKED.size, "big")
    call, turn, number, checksum = _CHECKED.unpack(spelt)
    if zlib.crc32(spelt[: _BODY.size]) & 0xFFFF != checksum:
        return None
    level = abs(int.from_bytes(frame[:2], "little", signed=True))
    return Mark(Turn(call, turn), number, level >= _LOUD_FROM)


@dataclass(slots=True)
class Received:
    """What one recogniser session got of the call it serves.

    All counts are of frames. A frame is lost when a later one of the call came in its place.
    """

    call: int | None = None
    whole: int = 0
    lost: int = 0
    repeated: int = 0
    foreign: int = 0
    damaged: int = 0
    invented: int = 0
    next_number: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def take(self, audio: bytes) -> list[Mark]:
        """Take the next piece of the stream, cut anywhere; give the call's own new frames."""
        if self._rest or len(audio) != FRAME_BYTES:
            audio = self._rest + audio
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._rest = audio[whole:]
        pieces = (audio[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES))
        return [mark for piece in pieces if (mark := self._check(piece))]

    @property
    def damage(self) -> str:
        """What went wrong, in words; empty when nothing did."""
        wrong = {
            "lost": self.lost,
            "repeated": self.repeated,
            "of another call": self.foreign,
            "of silence put in": self.invented,
            "damaged": self.damaged + bool(self._rest),
        }
        return ", ".join(f"{count} {what}" for what, count in wrong.items() if count)

    def _check(self, piece: bytes) -> Mark | None:
        mark = decode(piece)
        if mark is None:
            if any(piece):
                self.damaged += 1
            else:
                self.invented += 1
            return None
        if self.call is None:
            self.call = mark.turn.call
        if mark.turn.call != self.call:
            self.foreign += 1
            return None
        if mark.number < self.next_number:
            self.repeated += 1
            return None
        self.lost += mark.number - self.next_number
        self.next_number = mark.number + 1
        self.whole += 1
        return mark
