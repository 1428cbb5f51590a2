"""A line that brings no audio: the recogniser is given silence instead.

Recognisers need audio to find the end of a turn, and some telephones stop sending when nobody
speaks.
"""

import asyncio
import time
from collections.abc import Callable

from avr_sts_speechmatics.audio.pcm import silence

QUIET_LINE_S = 0.5
"""A line without audio for this long is given silence (s). Longer than any hiccup of a network,
whose frames come late but come."""

FILL_S = 0.1
"""Then silence is given in pieces of this length (s)."""


async def fill_quiet_line(
    audio_at: Callable[[], float],
    hear: Callable[[bytes], None],
    *,
    quiet_s: float = QUIET_LINE_S,
    fill_s: float = FILL_S,
) -> None:
    """Give silence while the line brings nothing at all. Runs until it is cancelled.

    audio_at: returns when the line last brought audio, monotonic seconds.
    hear: takes the silence, s16le 8 kHz mono.
    quiet_s: how long the line must have been without audio, seconds.
    fill_s: time between two pieces of silence, seconds.
    """
    filled_to = 0.0
    while True:
        now = time.monotonic()
        lively_for = audio_at() + quiet_s - now
        if lively_for > 0:
            # Woken no more often than needed: this runs beside every call.
            await asyncio.sleep(lively_for)
            continue
        hear(silence(now - max(filled_to, audio_at())))
        filled_to = now
        await asyncio.sleep(fill_s)
