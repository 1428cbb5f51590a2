"""What sessions with all recognisers share: how they begin, and how they end."""

import pytest
from tests.services.stt.collecting import listening

from avr_sts_speechmatics.sandbox.faults import Stall
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn
from avr_sts_speechmatics.services.stt import websocket_session


async def test_a_session_that_does_not_start_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_session, "CONNECT_S", 0.3)
    async with running_sandbox() as cloud:
        cloud.faults.add(Stall(part="stt", after=None))
        async with listening(cloud) as ears:
            await ears.notes.until("restored")


async def test_an_error_of_this_service_is_not_taken_for_a_bad_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(text: str, end: float) -> None:
        raise ValueError("a fault of this service")

    script = turn("Hello there.", start=0.2, end=0.8)
    async with running_sandbox(scripted(script)) as cloud, listening(cloud) as ears:
        monkeypatch.setattr(ears.notes, "segment_heard", broken)
        await ears.speak(bytes(32_000))
        await ears.notes.until("lost")
    assert "could not be read" not in caplog.text
    assert "a fault of this service" in caplog.text
