"""G.711, from the tables of ITU-T G.711, on whole arrays: the telephone's ear, for the tests alone.

Decoding is by the formula of each law. Encoding takes, of the 256 values that can be decoded, the
nearest one: no formula of its own that could be wrong in the same way as another's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Law:
    """One of the two laws. payload_type, name: as RTP and SDP know it. [RFC 3551, 6]"""

    payload_type: int
    name: str
    values: Samples
    codes: NDArray[np.uint8]

    def encode(self, pcm: bytes) -> bytes:
        """pcm: s16le, whole samples. Half as many bytes come back."""
        return self.codes[np.frombuffer(pcm, "<i2").astype(np.uint16)].tobytes()

    def decode(self, payload: bytes) -> bytes:
        """The s16le samples of a payload."""
        return self.values[np.frombuffer(payload, np.uint8)].astype("<i2").tobytes()


def _law(payload_type: int, name: str, values: list[int]) -> Law:
    table = np.array(values, np.int16)
    order = np.argsort(table, kind="stable")
    rising = table[order].astype(np.int32)
    samples = np.arange(65_536).astype(np.uint16).astype(np.int16).astype(np.int32)
    middles = (rising[1:] + rising[:-1]) / 2
    nearest = order[np.searchsorted(middles, samples)]
    return Law(payload_type, name, table, nearest.astype(np.uint8))


def _mu(code: int) -> int:
    code = ~code & 0xFF
    size = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return -size if code & 0x80 else size


def _a(code: int) -> int:
    code ^= 0x55
    segment, size = (code & 0x70) >> 4, (code & 0x0F) << 4
    size = size + 8 if segment == 0 else (size + 0x108) << (segment - 1)
    return size if code & 0x80 else -size


MU_LAW = _law(0, "PCMU", [_mu(code) for code in range(256)])
A_LAW = _law(8, "PCMA", [_a(code) for code in range(256)])
