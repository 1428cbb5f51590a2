"""AudioSocket's messages: parsing and building, without sockets or clocks.

A message is a kind (1 byte), the length of the payload (2 bytes, big endian) and the payload. TCP
may cut the stream of messages anywhere. [Asterisk media, 1]
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
    """Build a message.

    payload: shorter than 64 KiB.
    """
    return kind.to_bytes(1, "big") + len(payload).to_bytes(2, "big") + payload


FRAME_HEAD = message(AUDIO_8K, bytes(FRAME_BYTES))[:_HEAD_BYTES]
"""Head of a message with one frame of agent audio: 20 ms of s16le at 8 kHz."""

HANG_UP = message(HANGUP)


def call_uuid(payload: bytes) -> str:
    """Read the uuid of the call from the payload of a UUID message.

    Returns small letters with dashes. Raises ValueError if the payload is not a uuid.
    """
    return str(uuid.UUID(bytes=payload))


class Splitter:
    """Splits a stream into messages. Keeps at most one incomplete message."""

    __slots__ = ("_needed", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _HEAD_BYTES  # bytes until the next head or message is complete

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take received bytes; return the messages that are complete now: kind and payload."""
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
