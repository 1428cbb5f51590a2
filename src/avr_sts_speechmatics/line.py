"""The interface between a transport and a call.

A transport knows how audio arrives and leaves; a call knows what the audio is for. The transport
makes a `Caller` from what it received with the connection, opens a call for it and feeds the call
through `CallerSide`. The call answers through the transport's `Line`.
"""
# ruff: noqa: B027 - the methods of Line without a body are defaults: a transport that has no
# message for something inherits them.

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.dialogue.events import Role
from avr_sts_speechmatics.network.trace_context import TraceContext


def new_call_key() -> str:
    """Make the key of a call: 32 hexadecimal digits, unique, and in the order of time.

    The first 12 digits are the time (ms since 1970, UTC), the others are random.
    """
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def began_ms_of(key: str) -> int:
    """Return when a call began (ms since 1970, UTC), from its key."""
    return int(key[:12], 16)


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller, as far as the transport knows.

    uuid: name of the call in logs; not a key, because two calls may have one uuid.
    transport: name of the transport, such as "audiosocket".
    facts: everything else that came with the call; untrusted text.
    key: the key of the call in records, recordings and traces.
    trace: the trace that the call belongs to, if another program began the trace.
    """

    uuid: str
    transport: str
    facts: Mapping[str, str] = field(default_factory=dict)
    key: str = field(
        default_factory=new_call_key, compare=False, repr=False, metadata={"traced": False}
    )
    trace: TraceContext | None = field(
        default=None, compare=False, repr=False, metadata={"traced": False}
    )


class Line(ABC):
    """The agent's way to the caller. Implemented by each transport.

    can_hang_up: True if `hang_up` is known to end the phone call.
    rehearsed: True if there is no phone call behind the line, so that a hangup or a transfer only
        closes the line.

    No method blocks. Once the connection is gone, every method does nothing.
    """

    can_hang_up: bool = False
    rehearsed: bool = False

    @abstractmethod
    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> AgentAudio:
        """Make the playout of the call; called once, when the call is opened.

        pacing: makes a playout on this process's clock, for a line whose other end does not pace
            audio.
        finished: function that is called once for each utterance that was heard to its end, in
            order.
        """

    def send_interruption(self) -> None:
        """Ask the other end to drop agent audio that it has received but not played."""

    def send_transcript(self, role: Role, text: str) -> None:
        """Send a transcript: the words of the caller, or the agent's words that were heard."""

    def send_error(self, message: str) -> None:
        """Send the reason why the call cannot continue, in words."""

    def send_record(self, kind: str, fields: Mapping[str, object]) -> None:
        """Send a record of the call to a client that asked for records (`?watch=1`).

        kind: "turn" (times of a turn) or "tool" (a tool that ran).
        """

    def hang_up(self) -> None:
        """End the phone call itself, where the transport can."""

    @abstractmethod
    def close(self, *, failed: bool) -> None:
        """End the line.

        failed: True if the call ends because something broke.
        """


class CallerSide(Protocol):
    """The caller's way to the agent: what a transport reports to a call."""

    def hear(self, pcm: bytes) -> None:
        """Take caller audio.

        pcm: s16le mono at 8 kHz, any whole number of samples.
        """

    def press(self, digit: str) -> None:
        """Take a DTMF digit from the caller's phone.

        digit: one of 0-9 * # A-D.
        """

    def write(self, text: str) -> None:
        """Take a turn that the caller writes instead of saying it.

        text: not empty.
        """

    def audio_ended(self) -> None:
        """The caller sends no more audio but still listens to the answer."""

    def leave(self) -> None:
        """The caller has left. May be called more than once."""
