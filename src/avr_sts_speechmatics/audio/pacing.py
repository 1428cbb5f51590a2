"""Pacing: makes the playout of a transport, on the clock of this process.

The transport knows whether its peer wants a frame every 20 ms, and how to send a frame. The
service knows the clock and the ambience. `Pacing` brings both together, so that the transport need
not know the clock or the ambience.
"""

from collections.abc import Callable
from dataclasses import dataclass

from avr_sts_speechmatics.audio.ambient import Ambience, quiet
from avr_sts_speechmatics.audio.playout import Played, Playout, PlayoutClock
from avr_sts_speechmatics.audio.tap import AgentTap


@dataclass(frozen=True, slots=True)
class Pacing:
    """What a playout needs besides the line.

    clock: the clock of this process.
    ambience: the sound of a room behind every agent, or None.
    tap: takes the agent's audio of this call, or None.
    """

    clock: PlayoutClock
    ambience: Ambience | None = None
    tap: AgentTap | None = None

    def playout(
        self,
        send: Callable[[bytes], object],
        finished: Callable[[Played], None],
        *,
        continuous: bool = False,
    ) -> Playout:
        """Make the playout of one call.

        send: called with each frame (320 bytes) when the frame is due; must not block. Returns
            False if the caller will never hear the frame.
        finished: called once for each utterance that was heard to its end, in order.
        continuous: True if the peer wants a frame every 20 ms, also in pauses. With an ambience
            every playout is continuous, because the room is heard in pauses too.
        """
        background: Callable[[bytes | None], bytes] | None = quiet if continuous else None
        if self.ambience is not None:
            background = self.ambience.background()
        tap = None if self.tap is None else self.tap.agent
        return Playout(self.clock, send, finished, background=background, tap=tap)
