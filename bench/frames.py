"""The caller's frames, each with a signature, and the record of the frames that arrived.

A frame of 20 ms is a square wave whose signs encode 80 bits, two samples a bit: call, turn, number
of the frame in the call, checksum. The signs survive gain, and noise below the level of the wave.
The level says whether the caller is speaking. Encoding and the check of an expected frame take
about 1 us each, because they happen a hundred times a second for each call, in the process that
also measures.
"""

import struct
import zlib
from dataclasses import dataclass, field

from bench.codewords import Turn

FRAME_BYTES = 320
FRAME_SECONDS = 0.02
SPEECH_FRAMES = 30
"""Number of frames in a question."""

_LOUD, _QUIET = 8000, 300
_LOUD_FROM = 2000
_BODY = struct.Struct(">HHI")
_CHECKED = struct.Struct(">HHIH")
_PAIRS = struct.Struct(">4H")
# Number of bits of the checksum.
_SUM_BITS = 16


def _patterns(level: int) -> list[bytes]:
    sample = {bit: struct.pack("<h", level if bit == "1" else -level) for bit in "01"}
    return [b"".join(2 * sample[bit] for bit in f"{byte:08b}") for byte in range(256)]


_SPEECH, _SILENCE = _patterns(_LOUD), _patterns(_QUIET)
# Audio of every pair of bytes, made when needed: calls and turns need few, numbers use all.
_SPEECH_PAIRS: dict[int, bytes] = {}
_SILENCE_PAIRS: dict[int, bytes] = {}
# The high byte of a sample gives the sign: 0-127 is a one, 128-255 a zero.
_SIGN = bytes(ord("1") if byte < 128 else ord("0") for byte in range(256))
# The same byte of the first sample gives the level.
_IS_LOUD = [min(byte, 255 - byte) >= _LOUD_FROM >> 8 for byte in range(256)]


@dataclass(frozen=True, slots=True)
class Mark:
    """The signature of a frame.

    turn: the turn to which the frame belongs.
    number: of the frame, counted from 0 over the whole call.
    speaking: the frame is speech, not silence.
    """

    turn: Turn
    number: int
    speaking: bool


def encode(mark: Mark) -> bytes:
    """The frame that carries `mark`: 320 bytes, s16le at 8 kHz."""
    body = _BODY.pack(mark.turn.call, mark.turn.number, mark.number)
    spelt = body + (zlib.crc32(body) & 0xFFFF).to_bytes(2, "big")
    patterns = _SPEECH if mark.speaking else _SILENCE
    return b"".join([patterns[byte] for byte in spelt])


class Signer:
    """Makes the frames of one call, one after another, cheaply.

    call: number of the call.
    """

    def __init__(self, call: int) -> None:
        self._call = call
        self.number = 0
        """Number of the next frame."""

    def frame(self, turn: int, speaking: bool) -> bytes:
        """The next frame: the same bytes as `encode` of its mark."""
        body = _BODY.pack(self._call, turn, self.number)
        self.number += 1
        spelt = (*_PAIRS.unpack(body), zlib.crc32(body) & 0xFFFF)
        pairs = _SPEECH_PAIRS if speaking else _SILENCE_PAIRS
        try:
            return b"".join([pairs[pair] for pair in spelt])
        except KeyError:
            patterns = _SPEECH if speaking else _SILENCE
            for pair in spelt:
                pairs[pair] = patterns[pair >> 8] + patterns[pair & 0xFF]
            return b"".join([pairs[pair] for pair in spelt])


def decode(frame: bytes) -> Mark | None:
    """The signature of a frame; None if the frame is damaged or not from this benchmark."""
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
    """Record of the frames that one recogniser session received. All counts are frames.

    call: number of the call; None before the first frame.
    whole: new frames of the call.
    lost: frames of the call that were missing when a later frame arrived.
    repeated: frames of the call that had arrived before.
    foreign: frames of another call.
    damaged: frames without a valid signature.
    invented: frames of digital silence, which no caller sends.
    next_number: expected number of the next frame.
    turn: number of the turn of the last frame.
    """

    call: int | None = None
    whole: int = 0
    lost: int = 0
    repeated: int = 0
    foreign: int = 0
    damaged: int = 0
    invented: int = 0
    next_number: int = 0
    turn: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def expected(self, audio: bytes) -> bool | None:
        """Count the call's next frame, if `audio` is that frame and of the same turn as before.

        Returns whether the frame is speech; None if it is anything else: `take` must check it.
        """
        if len(audio) != FRAME_BYTES or self._rest or self.call is None:
            return None
        spelt = int(audio[1::4].translate(_SIGN), 2)
        body = (self.call << 16 | self.turn) << 32 | self.next_number
        if spelt >> _SUM_BITS != body:
            return None
        if zlib.crc32(body.to_bytes(_BODY.size, "big")) & 0xFFFF != spelt & 0xFFFF:
            return None
        self.next_number += 1
        self.whole += 1
        return _IS_LOUD[audio[1]]

    def take(self, audio: bytes) -> list[Mark]:
        """Check the next piece of the stream. Returns the signatures of the call's new frames.

        audio: s16le at 8 kHz, cut anywhere.
        """
        if self._rest or len(audio) != FRAME_BYTES:
            audio = self._rest + audio
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._rest = audio[whole:]
        pieces = (audio[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES))
        return [mark for piece in pieces if (mark := self._check(piece))]

    @property
    def damage(self) -> str:
        """Description of the errors; empty if there are none."""
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
        self.turn = mark.turn.number
        self.whole += 1
        return mark
