"""The small interface between a transport and a call.

A transport knows how audio arrives and leaves, and nothing of what is done with it; a call knows
nothing of sockets. A transport makes a `Caller` from what it was told, gets a call for it, and
feeds it through `CallerSide`; the call speaks back through the `Line` the transport gave it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.dialogue.events import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as far as the transport was told.

    uuid: names the call in logs; not a key, two calls may carry the same.
    transport: how the call came in. facts: whatever else came with it; untrusted text.
    """

    uuid: str
    transport: str
    facts: Mapping[str, str] = field(default_factory=dict)


class Line(Protocol):
    """The agent's way to the caller. No method blocks; after the line is gone all do nothing.

    continuous: whether it wants a frame every 20 ms, speech or not.
    can_hang_up: whether closing it is known to end the phone call.
    rehearsed: there is no phone call; to hang up or transfer is to close the line.
    """

    continuous: bool
    can_hang_up: bool
    rehearsed: bool

    def send_audio(self, frame: bytes) -> None:
        """One frame: 20 ms of s16le 8 kHz mono, 320 bytes, at its time."""

    def send_interruption(self) -> None:
        """Whatever was sent and has not been heard shall not be heard."""

    def send_transcript(self, role: Role, text: str) -> None: ...

    def send_error(self, message: str) -> None:
        """Tell the other end, in words, what cannot be mended."""

    def send_record(self, kind: str, fields: Mapping[str, object]) -> None:
        """Tell whoever watches the call what happened in it: a turn's times, a tool that ran."""

    def own_playout(self, finished: Callable[[Played], None]) -> AgentAudio | None:
        """Where the other end keeps the playout's time: what plays there. None: we keep it.

        finished: called once for each utterance that was heard to its end, in order.
        """

    def hang_up(self) -> None:
        """End the phone call itself, where it can."""

    def close(self, *, failed: bool) -> None:
        """End the line. failed: whether it ends because something broke."""


class CallerSide(Protocol):
    """The caller's way to the agent: what a transport may tell a call."""

    def hear(self, pcm: bytes) -> None:
        """Caller audio: s16le 8 kHz mono, any whole number of samples."""

    def press(self, digit: str) -> None:
        """A key: one of 0-9 * # A-D."""

    def audio_ended(self) -> None:
        """No more audio will come, but answers are still listened to."""

    def leave(self) -> None:
        """The caller is gone. May be told more than once."""
