"""Requests for faults over HTTP."""

import aiohttp
import pytest
from tests.nasty_json import NASTY

from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox

PATHS = (
    "/generate/sarah",
    "/v1/audio/speech",
    "/v1/chat/completions",
    "/sandbox/faults",
)


async def test_faults_are_added_listed_and_cleared_over_http(
    http: aiohttp.ClientSession,
) -> None:
    async with running_sandbox() as cloud:
        desk = f"{cloud.tts_url}/sandbox/faults"
        fault = {"fault": "drop", "after": 2, "close": 1011, "count": None}
        async with http.post(desk, json=fault) as response:
            assert (await response.json())["waiting"] == [{**fault, "part": "stt"}]
        async with http.get(desk) as response:
            assert len((await response.json())["waiting"]) == 1
        async with http.delete(desk) as response:
            assert (await response.json())["waiting"] == []
        assert cloud.faults.peek("stt") is None


@pytest.mark.parametrize("path", PATHS)
async def test_a_nasty_body_is_answered(
    http: aiohttp.ClientSession, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": "Bearer key", "Content-Type": "application/json"}
    async with running_sandbox() as cloud:
        for body in NASTY:
            url = f"{cloud.tts_url}{path}"
            async with http.post(url, data=body, headers=headers) as response:
                assert response.status < 500
    assert "Traceback" not in caplog.text


async def test_nasty_messages_are_refused_by_the_stt_server(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": "Bearer key"}
    async with running_sandbox() as cloud:
        for text in NASTY:
            url = f"{cloud.tts_url}/v2/agent"
            async with http.ws_connect(url, headers=headers) as socket:
                await socket.send_frame(text, aiohttp.WSMsgType.TEXT)
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
    assert "Traceback" not in caplog.text


async def test_an_invalid_fault_is_answered_with_the_reason(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        body = {"fault": "drop", "when": 2}
        async with http.post(f"{cloud.tts_url}/sandbox/faults", json=body) as response:
            assert response.status == 400
            assert "when" in (await response.json())["error"]
