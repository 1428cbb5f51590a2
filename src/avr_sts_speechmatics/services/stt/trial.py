"""A trial of a recogniser: a session is opened, and takes half a second of silence."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from avr_sts_speechmatics.audio.pcm import silence
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.services.stt.protocol import SessionListener, SttSession

TRY_OUT_S = 12.0
"""Longest wait for a session on trial to take audio (s): twice a session's own patience."""


class SessionOnTrial(SttSession, Protocol):
    """A session that can tell whether the recogniser has taken the audio."""

    def ask_for_confirmation(self) -> None:
        """Ask the recogniser to confirm the audio sent so far, if it does not do so unasked."""

    @property
    def has_confirmed_all(self) -> bool:
        """Whether the recogniser has confirmed all audio."""


async def try_once(open_session: Callable[[SessionListener], SessionOnTrial]) -> float:
    """Open a session and send silence; return how long the session took to start (s).

    open_session: makes the session, as `protocol.Recogniser.session` does.

    Raises ServiceError.
    """
    begun = running_time.now()
    trial = _Trial()
    session = trial.session = open_session(trial)
    running = asyncio.create_task(session.run())
    confirmed = asyncio.create_task(trial.confirmed())
    try:
        await running_time.wait(
            (running, confirmed), timeout=TRY_OUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        if running.done():
            await running
    finally:
        for task in (running, confirmed):
            task.cancel()
        await asyncio.wait((running, confirmed))
    if session.started_at is None or confirmed.cancelled():
        raise ServiceError("stt", "audio is not acknowledged", retryable=True)
    return session.started_at - begun


class _Trial:
    """Sends half a second of silence once the session takes audio, and waits for the receipt."""

    def __init__(self) -> None:
        self.session: SessionOnTrial | None = None
        self._started = asyncio.Event()

    def started(self) -> None:
        assert self.session is not None
        self.session.send(silence(0.5))
        self.session.ask_for_confirmation()
        self._started.set()

    async def confirmed(self) -> None:
        await self._started.wait()
        session = self.session
        assert session is not None
        while not session.has_confirmed_all:  # noqa: ASYNC110 - counted, not announced
            await asyncio.sleep(0.02)

    # Silence has no words, and half a second fits into any socket.
    def resume_sending(self) -> None: ...
    def closing(self) -> None: ...
    def speech_started(self, at: float) -> None: ...
    def speech_ended(self, at: float) -> None: ...
    def words_heard(self, text: str, end: float) -> None: ...
    def segment_heard(self, text: str, end: float) -> None: ...
    def turn_ended(self, end: float) -> None: ...
