"""The wire of Agent STT: what is sent, what is reported, and odd messages."""

import json

import pytest
from tests.nasty_json import NASTY
from tests.services.stt.collecting import listening, numbered

from avr_sts_speechmatics.sandbox.faults import (
    Malformed,
    Stall,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    running_sandbox,
    scripted,
    turn,
)
from avr_sts_speechmatics.services.stt import speechmatics_session


async def test_a_turn_is_reported_in_order_with_its_times() -> None:
    script = turn("Hello there.", start=0.2, end=0.8, partials=["Hello"])
    async with running_sandbox(scripted(script)) as cloud, listening(cloud) as ears:
        await ears.speak(bytes(32_000))
        await ears.notes.until("turn ended")
        assert [what for what, _, _ in ears.notes.heard] == [
            "speech started", "words", "segment", "speech ended", "turn ended",
        ]  # fmt: skip
        assert ears.notes.of("segment") == [("Hello there.", 0.8)]


async def test_the_end_of_a_call_sends_the_number_of_frames() -> None:
    async with running_sandbox() as cloud:
        async with listening(cloud) as ears:
            session = await cloud.received.session()
            await ears.speak(numbered(0.5))
            await cloud.received.until(lambda: len(session.audio) >= 8000 - 320)
        await cloud.received.until(lambda: not session.open)
        assert bytes(session.audio) == numbered(0.5)
        assert session.messages[-1] == {
            "message": "EndOfStream",
            "last_seq_no": session.frames,
        }
        assert session.close_code in (1000, 1005)


async def test_a_session_that_falls_silent_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speechmatics_session, "STALLED_S", 0.3)
    async with running_sandbox() as cloud:
        cloud.faults.add(Stall(part="stt", after=0.5))
        async with listening(cloud) as ears:
            await ears.speak(numbered(2), pause=0.01)
            await ears.notes.until("restored")


async def test_a_message_that_cannot_be_read_is_skipped() -> None:
    script = turn("Still here.", start=0.2, end=0.6)
    async with running_sandbox(scripted(script)) as cloud:
        cloud.faults.add(Malformed(part="stt", after=0.1))
        async with listening(cloud) as ears:
            await ears.speak(bytes(32_000))
            await ears.notes.until("turn ended")
            assert ears.notes.of("segment") == [("Still here.", 0.6)]


async def test_nasty_messages_harm_nothing(caplog: pytest.LogCaptureFixture) -> None:
    script = turn("Still here.", start=0.2, end=0.6)
    async with running_sandbox(scripted(script)) as cloud, listening(cloud) as ears:
        session = await cloud.received.session()
        for text in NASTY:
            session.say(text.decode("utf-8", "replace"))
        await ears.speak(bytes(32_000))
        await ears.notes.until("turn ended")
        assert ("Still here.", 0.6) in ears.notes.of("segment")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "message",
    [
        "[]",
        '"text"',
        json.dumps({"message": "NewInThisVersion", "with": {"fields": [1]}}),
        json.dumps({"message": "AddSegment"}),
        json.dumps({"message": "AddPartialSegment", "segment": {}, "metadata": {}}),
        json.dumps({"message": "Warning", "reason": "x"}),
        json.dumps({"no": "message"}),
    ],
)
async def test_an_odd_message_harms_nothing(message: str) -> None:
    script = turn("Still here.", start=0.2, end=0.6)
    async with running_sandbox(scripted(script)) as cloud, listening(cloud) as ears:
        session = await cloud.received.session()
        session.say(message)
        await ears.speak(bytes(32_000))
        await ears.notes.until("turn ended")
        assert ("Still here.", 0.6) in ears.notes.of("segment")
