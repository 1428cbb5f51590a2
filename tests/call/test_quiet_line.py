"""A line that brings no audio is given silence; one that brings audio is left alone."""

import asyncio
import time

from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND
from avr_sts_speechmatics.call.quiet_line import fill_quiet_line


class Heard:
    """Silence that was given, and the time of the last audio."""

    def __init__(self) -> None:
        self.audio_at = time.monotonic()
        self.began = self.audio_at
        self.silence = bytearray()
        self.enough = asyncio.Event()

    def hear(self, pcm: bytes) -> None:
        assert not any(pcm)
        self.silence += pcm
        if len(self.silence) >= 0.1 * BYTES_PER_SECOND:
            self.enough.set()


async def test_a_quiet_line_is_given_as_much_silence_as_time_has_passed() -> None:
    heard = Heard()
    filling = asyncio.create_task(
        fill_quiet_line(lambda: heard.audio_at, heard.hear, quiet_s=0.03, fill_s=0.01)
    )
    await asyncio.wait_for(heard.enough.wait(), 2)
    passed = time.monotonic() - heard.began
    filling.cancel()
    # Each piece is rounded to whole samples.
    assert 0.1 <= len(heard.silence) / BYTES_PER_SECOND <= passed + 0.01
    assert len(heard.silence) % 2 == 0


async def test_a_line_with_audio_is_given_no_silence() -> None:
    heard = Heard()
    filling = asyncio.create_task(
        fill_quiet_line(lambda: heard.audio_at, heard.hear, quiet_s=0.2, fill_s=0.01)
    )
    for _ in range(10):
        await asyncio.sleep(0.03)
        heard.audio_at = time.monotonic()
    assert not heard.silence
    await asyncio.wait_for(heard.enough.wait(), 2)
    assert len(heard.silence) / BYTES_PER_SECOND <= time.monotonic() - heard.audio_at + 0.01
    filling.cancel()
