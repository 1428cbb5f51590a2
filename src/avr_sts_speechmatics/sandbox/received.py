"""Record of the requests to the sandbox, for tests that check what the service sent.

The record is kept only if the app was given a `Received`: a sandbox that runs for a day must not
keep a day of audio.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from avr_sts_speechmatics.sandbox.engines import Send


@dataclass(slots=True)
class Request:
    """An HTTP request to a TTS server or to the LLM server.

    path: path of the URL.
    query: query parameters of the URL.
    headers: headers of the request.
    body: decoded JSON, or the text if it was not JSON.
    status: HTTP status of the answer; None until the status is sent.
    done: the answer was sent completely; stays False if the client disconnected.
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

    path: path of the URL.
    query: query parameters of the URL.
    headers: headers of the request.
    say: function that sends a message to the client of this session immediately.
    start: StartRecognition as received; None before it arrived.
    messages: all text messages, in order.
    audio: the bytes of all AddAudio frames.
    frames: number of AddAudio frames.
    close_code: of the connection; None while it is open; 1006 if it ended without a close frame.
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
    """All requests, oldest first, and a way to wait for further ones.

    sessions: connections to /v2/agent.
    speech: requests to both TTS servers.
    chats: requests to the LLM server.
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
        """Wake the tasks that wait in `until`: a request arrived, changed or ended."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[], bool], *, timeout: float = 5) -> None:
        """Return once `holds()` is true. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not holds():
                await self._changed.wait()

    async def session(self, number: int = 0, *, timeout: float = 5) -> SttSession:
        """Wait for the StartRecognition of a session and return the session.

        number: of the session, from 0.
        timeout: s; raises TimeoutError afterwards.
        """
        await self.until(
            lambda: len(self.sessions) > number and self.sessions[number].start is not None,
            timeout=timeout,
        )
        return self.sessions[number]
