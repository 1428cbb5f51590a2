"""Parallel TTS requests for one sentence: the caller hears the request that speaks first.

A late voice may still speak a moment later, so its request is not ended when another request is
sent. Only one request is ever heard: the others are ended, and their connections closed, before the
audio is passed on. The users of a race, `pcm_over_http` and `fallback`, decide when to send a
further request and how long to wait.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Generic, TypeVar

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.runtime.tracebacks import drop_traceback

Who = TypeVar("Who")


@dataclass(frozen=True, slots=True, eq=False)
class Spoke(Generic[Who]):
    """A request delivered its first audio.

    who: name of the request, as given to `Race.add`.
    audio: the rest of the audio.
    piece: the first piece of the audio.
    """

    who: Who
    audio: AsyncGenerator[bytes, None]
    piece: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Failed(Generic[Who]):
    """A request failed before its first audio.

    who: name of the request, as given to `Race.add`.
    """

    who: Who
    error: ServiceError


class Race(Generic[Who]):
    """The requests for one sentence. The user must call `close` at the end, also when cancelled."""

    def __init__(self) -> None:
        self._audio: dict[asyncio.Task[bytes], tuple[Who, AsyncGenerator[bytes, None]]] = {}

    @property
    def running(self) -> list[Who]:
        """Return the requests that have neither spoken nor failed, oldest first."""
        return [who for who, _ in self._audio.values()]

    def add(self, who: Who, audio: AsyncGenerator[bytes, None]) -> None:
        """Begin a request.

        who: names the request in its outcome.
        audio: the request, which begins with the first iteration.
        """
        self._audio[asyncio.create_task(_first_piece(audio))] = who, audio

    async def next(self, within: float) -> Spoke[Who] | Failed[Who] | None:
        """Wait for the next outcome, the oldest request's first. Returns None after `within` s.

        within: longest wait (s), in running time, so that a standstill of this process does not
            count as silence of a voice.
        """
        if self._audio:
            await running_time.wait(
                self._audio, timeout=within, return_when=asyncio.FIRST_COMPLETED
            )
        else:
            await running_time.sleep(within)
        for task in self._audio:
            if task.done():
                break
        else:
            return None
        who, audio = self._audio.pop(task)
        try:
            return Spoke(who, audio, task.result())
        except ServiceError as error:
            drop_traceback(error)
            return Failed(who, error)

    async def close(self) -> None:
        """End all requests that have not had an outcome."""
        losers, self._audio = self._audio, {}
        for task in losers:
            task.cancel()
        if losers:
            await asyncio.wait(losers)
        for task, (_, audio) in losers.items():
            if not task.cancelled():
                task.exception()  # retrieved, so that asyncio does not log it
            await audio.aclose()


async def _first_piece(audio: AsyncGenerator[bytes, None]) -> bytes:
    async for piece in audio:
        return piece
    raise ServiceError("tts", "a sentence came back without audio", retryable=True, kind="broken")
