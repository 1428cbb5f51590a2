"""Calls in which a server of voices speaks, not Speechmatics."""

from typing import Any

import pytest
from tests.calls.live_call import LiveCall, live_service
from tests.support import Serve

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.faults import Status

WELCOME = "Guten Tag, hier ist die Praxis."
ANSWER = "Wir haben von acht bis zwölf Uhr geöffnet."
HTTP, SPEECHMATICS = "/v1/audio/speech", "/generate/sarah"


def paths(call: LiveCall) -> set[str]:
    return {request.path for request in call.cloud.received.speech}


async def test_a_whole_call_in_german_never_asks_speechmatics_voice(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The sandbox hears English only; what it hears is scripted here.
    monkeypatch.setattr(stt_messages, "_check_language", lambda _: None, raising=False)
    changes: dict[str, Any] = {
        "tts": "http",
        "speechmatics_language": "de",
        "speechmatics_welcome_message": WELCOME,
    }
    async with live_service(serve, ANSWER, "Auf Wiederhören.", **changes) as rig:
        assert rig.server.health()["services"]["tts"] == f"{rig.cloud.openai_url} (gpt-4o-mini-tts)"
        assert not [text for text in rig.server.warnings if "English only" in text]
        async with rig.call() as call:
            await call.until_said(WELCOME)
            call.say("Wann haben Sie geöffnet?")
            heard = await call.until_said(f"{WELCOME} {ANSWER}")
            assert any(any(frame) for frame in heard.frames)
            call.say("Vielen Dank.")
            await call.until_said(f"{WELCOME} {ANSWER} Auf Wiederhören.")
            assert paths(call) == {HTTP}
            said = [request.body for request in call.cloud.received.speech]
            assert {WELCOME, ANSWER, "Auf Wiederhören."} <= {body["input"] for body in said}
            assert {body["voice"] for body in said} == {"nova"}


async def test_speechmatics_takes_over_in_mid_call_from_a_server_of_voices(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    changes: dict[str, Any] = {"tts": "http", "voice_fallback": "speechmatics"}
    async with live_service(serve, "At five.", "At nine.", **changes) as rig, rig.call() as call:
        call.say("When do you close?")
        await call.until_said("At five.")
        assert paths(call) == {HTTP}
        call.cloud.faults.add(Status(part="openai_tts", count=None))
        call.say("And when do you open?")
        await call.until_said("At five. At nine.")
        assert call.cloud.received.speech[-1].path == SPEECHMATICS
    assert "the second voice speaks instead" in caplog.text
