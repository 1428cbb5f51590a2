"""Pacing: how a transport gets a playout on this process's clock.

The transport knows whether the other end wants a frame every 20 ms and where a frame is written.
The call knows the clock and the ambience of the service. Both meet here, so that neither has to
know the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

from avr_sts_speechmatics.audio.ambient import Ambience, quiet
from avr_sts_speechmatics.audio.playout import Played, Playout, PlayoutClock


@dataclass(frozen=True, slots=True)
class Pacing:
    """The clock and the ambience that paced playouts share.

    clock: the clock of this process.
    ambience: the sound of a room behind every agent, or None.
    """

    clock: PlayoutClock
    ambience: Ambience | None = None

    def playout(
        self,
        send: Callable[[bytes], None],
        finished: Callable[[Played], None],
        *,
        continuous: bool = False,
    ) -> Playout:
        """Make the playout of one call.

        send: called with each frame (320 bytes) when the frame is due; must not block.
        finished: called once for each utterance that was heard to its end, in order.
        continuous: True if the other end wants a frame every 20 ms, also in pauses. With an
            ambience every playout is continuous: the room is heard in pauses too.
        """
        if self.ambience is not None:
            background = self.ambience.background()
            return Playout(self.clock, send, finished, background=background)
        return Playout(self.clock, send, finished, background=quiet if continuous else None)
