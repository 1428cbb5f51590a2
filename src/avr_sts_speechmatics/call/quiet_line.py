"""A quiet line: while no audio arrives from the caller, the recogniser receives silence instead.

Recognisers need audio to detect the end of a turn, and some telephones stop sending while the
caller is silent.
"""

import time
from collections.abc import Callable

from avr_sts_speechmatics.audio.pcm import silence
from avr_sts_speechmatics.network import running_time

QUIET_LINE_S = 0.5
"""Time without audio after which silence is sent (s). Longer than network delays, whose frames
arrive late but arrive."""

FILL_S = 0.1
"""Length of the pieces of silence (s)."""


async def fill_quiet_line(
    audio_at: Callable[[], float],
    hear: Callable[[bytes], None],
    *,
    quiet_s: float = QUIET_LINE_S,
    fill_s: float = FILL_S,
) -> None:
    """Send silence while no audio arrives. Runs until cancelled.

    audio_at: function that returns when audio last arrived, monotonic seconds.
    hear: function that takes the silence, s16le mono at 8 kHz.
    quiet_s: time without audio after which silence is sent, seconds.
    fill_s: time between two pieces of silence, seconds.
    """
    filled_to = 0.0
    while True:
        now = time.monotonic()
        lively_for = audio_at() + quiet_s - now
        if lively_for > 0:
            # Sleep as long as possible: this task runs in every call.
            await running_time.sleep(lively_for)
            continue
        hear(silence(now - max(filled_to, audio_at())))
        filled_to = now
        await running_time.sleep(fill_s)
