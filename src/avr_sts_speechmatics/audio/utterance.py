"""One piece of speech on its way to the caller, between TTS and the playout."""

import asyncio
import time
from dataclasses import dataclass

from avr_sts_speechmatics.audio.loudness import voiced_bytes
from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, FRAME_BYTES, SAMPLE_BYTES

MAX_CATCH_UP = 3
"""Most frames that are sent at once after a delay; a longer pause is heard."""

# TTS delivers audio faster than real time. The audio held per utterance is limited, to limit
# memory and the audio that a barge-in throws away; the rest waits in the TTS service's socket.
HIGH_WATER_BYTES = 8 * BYTES_PER_SECOND
LOW_WATER_BYTES = 6 * BYTES_PER_SECOND

# Played audio is removed in pieces: moving the rest of the buffer for each frame costs more.
_COMPACT_BYTES = 32 * FRAME_BYTES


@dataclass(frozen=True, slots=True)
class Played:
    """How much of an utterance was played.

    number: the call's number of the utterance.
    samples: samples sent to the caller (8 kHz).
    total: samples of the whole utterance up to its last voiced sample (all of its samples if none
        is voiced), or None if TTS never finished the utterance. May be less than `samples`: the
        silence behind the last word need not be heard.
    first_sent: time at which the first frame left (monotonic s), or None if no frame left.
    """

    number: int
    samples: int
    total: int | None
    first_sent: float | None = None


class Utterance:
    """One piece of speech on its way to the caller: written by TTS, played in order.

    number: the call's number of the utterance.

    ended: True if the utterance gets no more audio.
    over: True if, besides, all of its audio was taken.
    """

    __slots__ = (
        "_audio",
        "_position",
        "_room",
        "_whole",
        "ended",
        "first_sent",
        "missed",
        "missed_at",
        "number",
        "over",
        "played_bytes",
        "voiced_bytes",
        "written_bytes",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.ended = False
        self.over = False
        self.first_sent: float | None = None
        self._whole = False
        self.written_bytes = 0
        self.voiced_bytes = 0
        self.played_bytes = 0
        self._audio = bytearray()
        self._position = 0
        self._room: asyncio.Event | None = None
        self.missed = self.missed_at = 0

    @property
    def waiting_bytes(self) -> int:
        return len(self._audio) - self._position

    def played(self) -> Played:
        voiced = self.voiced_bytes or self.written_bytes
        total = voiced // SAMPLE_BYTES if self._whole else None
        return Played(self.number, self.played_bytes // SAMPLE_BYTES, total, self.first_sent)

    def write(self, pcm: bytes) -> None:
        self._audio += pcm
        if voiced := voiced_bytes(pcm):
            self.voiced_bytes = self.written_bytes + voiced
        self.written_bytes += len(pcm)

    def end(self, *, whole: bool) -> None:
        self.ended = True
        self._whole = whole
        self.over = not self.waiting_bytes
        if self._room is not None:
            self._room.set()

    async def room(self) -> None:
        """Wait until there is room for more audio.

        Returns at once if the utterance has ended or was flushed.
        """
        while self.waiting_bytes > HIGH_WATER_BYTES and not self.ended:
            self._room = asyncio.Event()
            await self._room.wait()

    def is_starving(self) -> bool:
        """Note that a frame of a continuous playout is missing.

        Returns True once in a pause within the utterance: when the pause has become too long.
        """
        if not self.played_bytes or self.ended:
            return False
        if self.missed_at != self.played_bytes:
            self.missed_at, self.missed = self.played_bytes, 0
        self.missed += 1
        return self.missed == MAX_CATCH_UP + 1

    def take(self) -> bytes | None:
        """Return the next frame, or None while the audio of a whole frame is missing.

        The last frame of an utterance is padded with silence. A kept part of a frame would be
        heard at the start of another answer.
        """
        start = self._position
        frame = bytes(self._audio[start : start + FRAME_BYTES])
        size = len(frame)
        if size < FRAME_BYTES:
            if not size or not self.ended:
                return None
            frame += bytes(FRAME_BYTES - size)
        if not self.played_bytes:
            self.first_sent = time.monotonic()
        position = self._position = start + size
        self.played_bytes += size
        if self.ended and position >= len(self._audio):
            self.over = True
        if position >= _COMPACT_BYTES:
            del self._audio[:position]
            self._position = 0
            if self._room is not None and self.waiting_bytes <= LOW_WATER_BYTES:
                self._room.set()
        return frame
