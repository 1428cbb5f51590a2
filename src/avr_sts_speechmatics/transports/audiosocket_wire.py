"""AudioSocket's messages: bytes in, messages out, and back. No socket, no time.

A message is a kind (1 byte), the length of its payload (2 bytes, big endian) and the payload; a
stream brings them cut anywhere. [Asterisk media, 1]
"""

import uuid
from collections.abc import Mapping
from types import MappingProxyType

from avr_sts_speechmatics.audio.pcm import FRAME_BYTES

HANGUP = 0x00
UUID = 0x01
KEY = 0x03
AUDIO_8K = 0x10

AUDIO_RATES: Mapping[int, int] = MappingProxyType(
    {
        AUDIO_8K: 8000,
        0x11: 12000,
        0x12: 16000,
        0x13: 24000,
        0x14: 32000,
        0x15: 44100,
        0x16: 48000,
        0x17: 96000,
        0x18: 192000,
    }
)
"""Sample rate of each kind of audio (Hz)."""

_HEAD_BYTES = 3


def message(kind: int, payload: bytes = b"") -> bytes:
    """One message. The payload is shorter than 64 KiB."""
    return kind.to_bytes(1, "big") + len(payload).to_bytes(2, "big") + payload


FRAME_HEAD = message(AUDIO_8K, bytes(FRAME_BYTES))[:_HEAD_BYTES]
"""What stands before each frame of the agent's: 20 ms of s16le at 8 kHz."""

HANG_UP = message(HANGUP)


def call_uuid(payload: bytes) -> str:
    """The call's name out of a UUID message, in small letters with dashes.

    Raises ValueError if it is none.
    """
    return str(uuid.UUID(bytes=payload))


class Splitter:
    """Messages out of a stream. Keeps no more than one message that is not whole yet."""

    __slots__ = ("_needed", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _HEAD_BYTES  # bytes with which there is something to do again

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take what was received; return the messages that are whole now: kind and payload."""
        rest = self._rest
        if rest:
            rest += data
            if len(rest) < self._needed:
                return []
            data = bytes(rest)
            rest.clear()
        messages = []
        at, known = 0, len(data)
        while (begin := at + _HEAD_BYTES) <= known:
            end = begin + (data[at + 1] << 8 | data[at + 2])
            if end > known:
                break
            messages.append((data[at], data[begin:end]))
            at = end
        if at < known:
            rest += data[at:]
            self._needed = end - at if begin <= known else _HEAD_BYTES
        return messages
