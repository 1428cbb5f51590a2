"""RTP packets and the keys in them: bytes and values, no sockets. [RFC 3550, 5.1; RFC 4733, 2.3]"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

RATE = 8000
FRAME_S = 0.02
FRAME_SAMPLES = 160

KEYS = "0123456789*#ABCD"
KEY_TYPE = 101
"""Payload type under which we offer telephone-event."""

_KEY_FRAMES = 5
_KEY_LEVEL = 10

_HEADER = struct.Struct("!BBHII")


@dataclass(frozen=True, slots=True)
class Packet:
    """An RTP packet as it came.

    at: when (monotonic s). sequence, timestamp: as they stand in it, 16 and 32 bits that wrap.
    """

    at: float
    payload_type: int
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes


def parse(datagram: bytes, at: float) -> Packet | None:
    """The packet in a datagram; None where it is none we understand."""
    if len(datagram) < _HEADER.size or datagram[0] & 0xF0 != 0x80:
        return None
    first, second, sequence, timestamp, _ = _HEADER.unpack_from(datagram)
    begin = _HEADER.size + 4 * (first & 0x0F)
    return Packet(
        at, second & 0x7F, sequence, timestamp, bool(second & 0x80), bytes(datagram[begin:])
    )


class Stream:
    """Numbers the packets of one stream we send: call `audio` or `key` once every 20 ms."""

    def __init__(self, payload_type: int, source: int) -> None:
        self._payload_type = payload_type
        self._source = source
        self._sequence = 0
        self._timestamp = 0
        self._key: Iterator[list[bytes]] | None = None

    @property
    def pressing(self) -> bool:
        """Whether a key is down: its packets take the place of audio."""
        return self._key is not None

    def press(self, key: str) -> None:
        """Press a key for 100 ms, from the next 20 ms on."""
        self._key = self._key_packets(KEYS.index(key), self._timestamp)

    def next(self, audio: bytes | None) -> list[bytes]:
        """The datagrams of the next 20 ms. audio: a frame's payload, or None to send nothing."""
        datagrams: list[bytes] = []
        if self._key is not None:
            datagrams = next(self._key, [])
            if not datagrams:
                self._key = None
        if self._key is None and audio is not None:
            marker = self._sequence == 0
            datagrams = [self._datagram(self._payload_type, self._timestamp, audio, marker)]
        self._timestamp += FRAME_SAMPLES
        return datagrams

    def _key_packets(self, code: int, begin: int) -> Iterator[list[bytes]]:
        # The timestamp is that of the key's beginning; the end is sent three times.
        for frame in range(1, _KEY_FRAMES + 1):
            lasted = frame * FRAME_SAMPLES
            event = struct.pack("!BBH", code, _KEY_LEVEL, lasted)
            yield [self._datagram(KEY_TYPE, begin, event, frame == 1)]
        event = struct.pack("!BBH", code, 0x80 | _KEY_LEVEL, _KEY_FRAMES * FRAME_SAMPLES)
        yield [self._datagram(KEY_TYPE, begin, event, False) for _ in range(3)]

    def _datagram(self, kind: int, timestamp: int, payload: bytes, marker: bool) -> bytes:
        header = _HEADER.pack(
            0x80,
            kind | (0x80 if marker else 0),
            self._sequence & 0xFFFF,
            timestamp & 0xFFFF_FFFF,
            self._source,
        )
        self._sequence += 1
        return header + payload
