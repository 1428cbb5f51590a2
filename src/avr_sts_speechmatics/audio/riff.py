"""The WAV container: finding the format and the samples of a file.

The standard library's `wave` rejects WAVE_FORMAT_EXTENSIBLE before Python 3.12, although many
programs write 16-bit PCM in that form, and does not say what an unusual file contains. This module
reads the chunks itself, as tolerantly as players do: chunks of other kinds are skipped, a chunk may
lack the byte that pads an odd size, and a file written to a pipe, whose sizes were not known, is
read to its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass

PCM = 0x0001
EXTENSIBLE = 0xFFFE

_NAMES = {
    PCM: "PCM",
    0x0002: "ADPCM",
    0x0003: "floating point",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "ADPCM",
    0x0031: "GSM",
    0x0050: "MPEG",
    0x0055: "MP3",
}
# A subformat of WAVE_FORMAT_EXTENSIBLE is a format code followed by these bytes.
_SUBFORMAT_END = bytes.fromhex("000000001000800000aa00389b71")
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)


class NotWav(ValueError):
    """The data is not a WAV file. The message says why."""


@dataclass(frozen=True, slots=True)
class Wav:
    """The content of a file.

    code: format code. An extensible format has the code of the subformat, or EXTENSIBLE if there
        is no subformat.
    channels: number of channels.
    rate: sample rate (Hz).
    bits: size of one sample (bits).
    samples: the data, possibly cut within a sample.
    """

    code: int
    channels: int
    rate: int
    bits: int
    samples: bytes

    @property
    def format(self) -> str:
        """Name of the format for a person, such as "PCM"."""
        return name_of(self.code)


def name_of(code: int) -> str:
    """Name of a format code for a person, such as "PCM"."""
    return _NAMES.get(code, f"format 0x{code:04x}")


def parse(data: bytes) -> Wav:
    """Read a whole file. Raises NotWav."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NotWav("it does not begin as a WAV file")
    piped = int.from_bytes(data[4:8], "little") in _UNKNOWN_SIZES
    found: tuple[int, int, int, int] | None = None
    for name, begin, size in _chunks(data):
        if name == b"fmt ":
            found = read_format(data[begin : begin + size])
        elif name == b"data":
            if found is None:
                break
            unknown = size == 0xFFFFFFFF or (size == 0 and piped)
            return Wav(*found, data[begin:] if unknown else data[begin : begin + size])
    raise NotWav("it has no sound" if found else "it does not name its format")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the first byte's place and the size of each chunk (bytes)."""
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        yield name, at + 8, size
        at += 8 + size
        if size % 2 and not (_is_name(data[at : at + 4]) and data[at : at + 1] != b"\0"):
            at += 1


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and name.isascii() and name.decode("ascii").isprintable()


def read_format(chunk: bytes) -> tuple[int, int, int, int]:
    """Read the content of a `fmt ` chunk: format code, channels, rate (Hz), bits per sample.

    Raises NotWav.
    """
    if len(chunk) < 16:
        raise NotWav("its format is cut")
    code = int.from_bytes(chunk[0:2], "little")
    channels = int.from_bytes(chunk[2:4], "little")
    rate = int.from_bytes(chunk[4:8], "little")
    bits = int.from_bytes(chunk[14:16], "little")
    if code == EXTENSIBLE and chunk[26:40] == _SUBFORMAT_END:
        code = int.from_bytes(chunk[24:26], "little")
    return code, channels, rate, bits
