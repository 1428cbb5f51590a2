"""Trials: a recogniser that takes no audio fails its trial in time."""

import asyncio

import pytest

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.services.stt import trial
from avr_sts_speechmatics.services.stt.protocol import SessionListener
from avr_sts_speechmatics.services.stt.trial import try_once
from avr_sts_speechmatics.services.stt.websocket_session import QUOTA_WAIT_S


class Deaf:
    """A session that starts, and confirms audio or not."""

    writable = True
    started_at: float | None = None

    def __init__(self, listener: SessionListener, *, confirms: bool) -> None:
        self._listener = listener
        self._confirms = confirms
        self.heard = 0
        self.asked = False

    async def run(self) -> None:
        self.started_at = running_time.now()
        self._listener.started()
        await asyncio.sleep(QUOTA_WAIT_S)

    def send(self, pcm: bytes) -> None:
        self.heard += len(pcm)

    def ask_for_confirmation(self) -> None:
        self.asked = self.heard > 0

    @property
    def has_confirmed_all(self) -> bool:
        return self._confirms and self.asked


async def test_a_session_that_confirms_half_a_second_passes() -> None:
    opened: list[Deaf] = []

    def open_session(listener: SessionListener) -> Deaf:
        opened.append(Deaf(listener, confirms=True))
        return opened[-1]

    assert await try_once(open_session) < 5
    assert opened[0].heard == 8000


async def test_a_session_that_confirms_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRY_OUT_S", 0.2)
    with pytest.raises(ServiceError, match="not acknowledged") as failed:
        await try_once(lambda listener: Deaf(listener, confirms=False))
    assert failed.value.retryable
