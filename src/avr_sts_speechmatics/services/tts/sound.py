"""From the body of an HTTP answer to samples: raw PCM, or a WAV file, at whatever rate.

A server with OpenAI's `/audio/speech` is asked for raw PCM at 24 kHz. Not every server does that:

    the answer is                            | then
    -----------------------------------------+----------------------------------------------------
    raw PCM, `audio/pcm`                     | its samples, at the rate that is usual
    raw PCM, `audio/pcm;rate=22050`          | its samples, resampled (openedai-speech with Piper)
    a WAV file, whatever its type            | its samples, resampled from the rate in its header
                                             | (LocalAI always; speaches and others if asked)
    compressed: MP3, Opus, AAC, FLAC         | refused
    text, whatever its type                  | refused: as samples it would be loud noise

Raw PCM of another rate without a word about it (speaches with Piper) cannot be told from speech
that is too slow or too fast. Such a server has to be asked for WAV.
[openedai-speech speech.py; speaches routers/speech.py, audio.py; LocalAI endpoints/localai/tts.go;
Kokoro-FastAPI routers/openai_compatible.py]
"""

import re

import numpy as np

from avr_sts_speechmatics.audio import riff
from avr_sts_speechmatics.audio.pcm import SampleAligner
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import ServiceError

RATES = range(4000, 192_001)
"""Sample rates that are played (Hz)."""

_TEXT_BYTES = 16
"""So many printable characters at the beginning are text: as samples they would be eight samples
that are all louder than a quarter of full scale, with which no speech begins."""

_HEADER_BYTES = 65_536
"""Longest chunk of a WAV file that describes the format or is skipped in one piece (bytes)."""

_ENDLESS = 0x7FFF_0000
"""A size of data from here on is the mark of a file whose size was not known (bytes)."""

_COMPRESSED = re.compile(
    r"(audio|video|application)/(x-)?(mpeg|mp3|mp4|m4a|ogg|opus|aac|flac|webm)(-\w+)?"
)
_RATE = re.compile(r";\s*rate\s*=\s*\"?(\d{4,6})\b")
_MAGIC = {b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC"}


def refuse_type(content_type: str, remedy: str) -> None:
    """Raise ServiceError if an answer of this type holds no samples.

    content_type: the header `Content-Type`.
    remedy: what the operator can do about compressed audio.
    """
    kind = content_type.partition(";")[0].strip().lower()
    # Some gateways report errors with status 200. Played as samples, the text would be loud noise.
    if kind.startswith("text/") or kind.endswith("json"):
        raise _text(kind)
    if _COMPRESSED.fullmatch(kind):
        raise _compressed(kind, remedy)


class Sound:
    """The samples of one answer: s16le mono at `rate`, whole samples.

    content_type: the header `Content-Type`.
    rate: rate of the samples that are returned, and of raw samples of which the type says no rate.
    remedy: what the operator can do about audio that cannot be played.
    """

    def __init__(self, content_type: str, rate: int, remedy: str) -> None:
        self._rate = rate
        self._remedy = remedy
        declared = _RATE.search(content_type.lower())
        self._raw_rate = int(declared[1]) if declared else rate
        # Near silence may look like the mark of MP3; a server that says PCM is believed.
        self._says_pcm = content_type.lower().startswith(("audio/pcm", "audio/l16"))
        self._head: bytes | None = b""
        self._heard = False
        self._aligner = SampleAligner()
        self._wav: _Wav | None = None
        self._resampler = self._resampler_from(self._raw_rate)

    def feed(self, chunk: bytes) -> bytes:
        """Add a piece of the body, cut anywhere; returns the samples that are complete now.

        Raises ServiceError.
        """
        if self._head is not None:
            chunk = self._head + chunk
            if self._may_still_be_other(chunk):
                self._head = chunk
                return b""
            self._begin(chunk)
        if self._wav is None:
            return self._at_rate(self._aligner.feed(chunk))
        return self._of_wav(self._wav.feed(chunk))

    def flush(self) -> bytes:
        """Return what is left at the end of the body. Raises ServiceError."""
        rest = b""
        if self._head:
            # Shorter than any sign of another format.
            rest, self._head = self._head, None
            rest = self._at_rate(self._aligner.feed(rest))
        return rest + self._tail()

    def _at_rate(self, pcm: bytes) -> bytes:
        if self._resampler is None:
            return pcm
        self._heard = self._heard or bool(pcm)
        return self._resampler.feed(pcm)

    def _tail(self) -> bytes:
        return self._resampler.flush() if self._resampler is not None and self._heard else b""

    def _may_still_be_other(self, head: bytes) -> bool:
        """Whether the beginning is too short to tell samples from anything else."""
        if head[:1] == b"\xff" and not self._says_pcm:
            return len(head) < 4
        return len(head) < _TEXT_BYTES and _is_text(head)

    def _begin(self, head: bytes) -> None:
        self._head = None
        if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
            self._wav = _Wav(self._remedy)
            return
        for magic, name in _MAGIC.items():
            if head.startswith(magic):
                raise _compressed(name, self._remedy)
        if not self._says_pcm and _is_mpeg(head):
            raise _compressed("MP3", self._remedy)
        if _is_text(head[:_TEXT_BYTES]):
            raise _text("text")
        if self._raw_rate not in RATES:
            raise _unplayable(f"samples at {self._raw_rate} Hz", self._remedy)

    def _of_wav(self, found: list[tuple[int, bytes]]) -> bytes:
        pcm = b""
        for rate, samples in found:
            if rate != self._raw_rate:
                pcm += self._tail()
                self._raw_rate, self._resampler = rate, self._resampler_from(rate)
            pcm += self._at_rate(samples)
        return pcm

    def _resampler_from(self, rate: int) -> Resampler | None:
        return Resampler(rate, self._rate) if rate != self._rate and rate in RATES else None


class _Wav:
    """Reads a WAV file as it arrives. Files may follow one another, each with its header.

    remedy: what the operator can do about a file that cannot be played.
    """

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy
        self._held = b""
        self._skip = 0  # bytes of a chunk that is not wanted
        self._left: int | None = None  # bytes of samples to come; None: not within samples
        self._channels = self._rate = 0

    def feed(self, piece: bytes) -> list[tuple[int, bytes]]:
        """Return the samples that are complete now (s16le mono), each with its rate (Hz).

        Raises ServiceError.
        """
        self._held += piece
        found = []
        while True:
            if self._left is not None:
                if samples := self._samples(self._left):
                    found.append((self._rate, samples))
                if self._left is not None:
                    return found
            elif self._skip:
                dropped = min(self._skip, len(self._held))
                self._held, self._skip = self._held[dropped:], self._skip - dropped
                if self._skip:
                    return found
            elif not self._next_chunk():
                return found

    def _samples(self, left: int) -> bytes:
        """Take samples of the data chunk, of which so many bytes are left."""
        frame = 2 * self._channels
        size = min(left, len(self._held))
        whole = size - size % frame
        pcm, self._held = self._held[:whole], self._held[whole:]
        if left < _ENDLESS:
            left -= whole
            if left < frame and len(self._held) >= left:
                self._skip, self._left = left, None
            else:
                self._left = left
        if self._channels == 1:
            return pcm
        both = np.frombuffer(pcm, "<i2").reshape(-1, 2)
        mono: bytes = both.mean(axis=1).astype("<i2").tobytes()
        return mono

    def _next_chunk(self) -> bool:
        """Read the header of a chunk; False if more bytes are needed."""
        held = self._held
        if held[:4] == b"RIFF"[: len(held)]:
            if len(held) < 12:
                return False
            self._held = held[12:]
            return True
        if len(held) < 8:
            return False
        name, size = held[:4], int.from_bytes(held[4:8], "little")
        if name == b"data":
            if not self._channels:
                raise _unplayable("a WAV file without a format", self._remedy)
            self._held, self._left = held[8:], size or _ENDLESS
            return True
        if name != b"fmt ":
            if name in (b"RIFX", b"RF64"):
                raise _unplayable(f"a WAV file of the kind {name.decode()}", self._remedy)
            self._held, self._skip = held[8:], size + size % 2
            return True
        if size > _HEADER_BYTES:
            raise _unplayable("a damaged WAV file", self._remedy)
        if len(held) < 8 + size:
            return False
        self._held = held[8 + size :]
        try:
            code, channels, rate, bits = riff.read_format(held[8 : 8 + size])
        except riff.NotWav as error:
            raise _unplayable(f"a WAV file, but {error}", self._remedy) from error
        if code != riff.PCM or bits != 16 or channels not in (1, 2) or rate not in RATES:
            form = f"{channels} channel(s) of {bits}-bit {riff.name_of(code)} at {rate} Hz"
            raise _unplayable(f"a WAV file with {form}", self._remedy)
        self._channels, self._rate = channels, rate
        return True


def _is_text(head: bytes) -> bool:
    """Whether a body begins with text. Words have various characters; a steady level has not."""
    various = len(set(head)) >= min(5, len(head) // 2)
    return various and all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head)


def _is_mpeg(head: bytes) -> bool:
    """Whether a body begins with a frame of MPEG audio, layer III, or of AAC."""
    if len(head) < 4 or head[0] != 0xFF:
        return False
    layer_3 = head[1] & 0xE6 == 0xE2 and head[2] >> 4 not in (0, 15) and head[2] & 0x0C != 0x0C
    return layer_3 or head[1] & 0xF6 == 0xF0


def _text(kind: str) -> ServiceError:
    return ServiceError("tts", f"{kind} came back instead of audio", retryable=True, kind="broken")


def _compressed(kind: str, remedy: str) -> ServiceError:
    return _unplayable(f"compressed audio ({kind})", remedy)


def _unplayable(what: str, remedy: str) -> ServiceError:
    return ServiceError(
        "tts", f"{what} came back instead of PCM; {remedy}", retryable=False, kind="broken"
    )
