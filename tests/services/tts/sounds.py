"""Sounds and WAV files for tests of voices."""

import struct

import numpy as np

HUM_HZ = 440
HUM_S = 0.5


def hum(rate: int, seconds: float = HUM_S) -> bytes:
    """A tone of HUM_HZ: s16le mono."""
    at = np.arange(round(rate * seconds)) / rate
    pcm: bytes = (8000 * np.sin(2 * np.pi * HUM_HZ * at)).astype("<i2").tobytes()
    return pcm


def pitch(pcm: bytes, rate: int) -> float:
    """The strongest frequency (Hz)."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(np.argmax(spectrum)) * rate / (8 * len(samples))


def wav(
    pcm: bytes,
    rate: int,
    *,
    size: int | None = None,
    channels: int = 1,
    bits: int = 16,
    code: int = 1,
    info: bool = False,
) -> bytes:
    """A WAV file.

    size: what the header says of the length; None for the length itself.
    info: whether a chunk of another kind stands before the samples, as ffmpeg writes one.
    """
    size = len(pcm) if size is None else size
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    if info:
        text = b"INFOISFT\x0d\x00\x00\x00Lavf60.16.100\x00"
        chunks += b"LIST" + struct.pack("<I", len(text)) + text
    return (
        b"RIFF"
        + struct.pack("<I", size)
        + b"WAVE"
        + chunks
        + b"data"
        + struct.pack("<I", size)
        + pcm
    )
