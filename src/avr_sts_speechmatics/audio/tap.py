"""The tap of a call: takes the audio of both sides, with times, for a recording.

Called 50 times a second for each side, on the event loop: a tap keeps the audio and does the work
elsewhere. No method blocks or raises an exception.
"""

from typing import Protocol


class AgentTap(Protocol):
    """Takes the agent's audio as the caller hears it. Times are monotonic seconds."""

    def agent(self, at: float, pcm: bytes) -> None:
        """Take audio of the agent, in the order in which it is heard.

        at: when the audio begins to be heard. A playout that the other end paces reports audio
            before its time.
        pcm: s16le mono at 8 kHz, whole samples.
        """

    def agent_paused(self, at: float) -> None:
        """Audio that was reported and not heard at this time waits."""

    def agent_resumed(self, at: float) -> None:
        """The audio that waits is heard from this time on."""

    def agent_flushed(self, at: float) -> None:
        """Audio that was reported and not heard at this time will never be heard."""


class Tap(AgentTap, Protocol):
    """Takes the audio of both sides of one call."""

    def caller(self, at: float, pcm: bytes) -> None:
        """Take audio of the caller.

        at: when the audio arrived, monotonic seconds.
        pcm: s16le mono at 8 kHz, whole samples.
        """

    def end(self) -> None:
        """The call is over."""
