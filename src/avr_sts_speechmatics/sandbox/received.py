"""What reached the sandbox, for tests that ask what the service really sent.

Kept only when somebody gave the app a `Received`: a sandbox that runs for a day must not
hold a day of audio.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from avr_sts_speechmatics.sandbox.engines import Send


@dataclass(slots=True)
class Request:
    """An HTTP request to a voice or to the thinker.

    body: as parsed, or the text where it was not JSON. status: of the answer, None until sent.
    done: the answer went out whole; False while it does, and for ever if the client left.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    status: int | None = None
    done: bool = False


@dataclass(slots=True)
class SttSession:
    """One connection to /v2/agent.

    start: StartRecognition as sent, None before it came. messages: every text message, in
    order. audio: the bytes of all AddAudio frames. frames: how many there were.
    close_code: what ended it, None while it is open; 1006 for a connection that just broke.
    say: sends the client a message at this moment, in the session's name.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    say: Send
    start: dict[str, Any] | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    frames: int = 0
    close_code: int | None = None

    @property
    def open(self) -> bool:
        return self.close_code is None


class Received:
    """Everything that came, oldest first, and a way to wait for more.

    sessions: connections to /v2/agent. speech: requests to either voice. chats: to the thinker.
    """

    def __init__(self) -> None:
        self.sessions: list[SttSession] = []
        self.speech: list[Request] = []
        self.chats: list[Request] = []
        self._changed = asyncio.Event()

    @property
    def sessions_open(self) -> int:
        return sum(session.open for session in self.sessions)

    def notify(self) -> None:
        """Something came or ended: whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[], bool], *, timeout: float = 5) -> None:
        """Return once `holds()` is true; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not holds():
                await self._changed.wait()

    async def session(self, number: int = 0, *, timeout: float = 5) -> SttSession:
        """The session of that number (from 0), once its StartRecognition has come."""
        await self.until(
            lambda: len(self.sessions) > number and self.sessions[number].start is not None,
            timeout=timeout,
        )
        return self.sessions[number]
