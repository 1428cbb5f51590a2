"""Acceptance and refusal of Agent STT sessions."""

import aiohttp
import pytest
from tests.sandbox.agent_wire import KEY, Connect

from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic x"}]
)
async def test_a_session_needs_an_api_key(
    http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with running_sandbox() as cloud:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(f"{cloud.rt_url}/agent", headers=headers)
        assert caught.value.status == 401
        assert cloud.received.sessions == []


async def test_a_key_in_the_url_is_accepted(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        async with http.ws_connect(f"{cloud.rt_url}/agent?jwt=temporary&sm-app=x"):
            pass
        assert cloud.received.sessions[0].query == {"jwt": "temporary", "sm-app": "x"}


async def test_a_call_beyond_the_limit_gets_quota_exceeded(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_sandbox(max_calls=1) as cloud:
        first, second = await connect(cloud), await connect(cloud)
        await first.started()
        error = await second.started()
        assert error["type"] == "quota_exceeded"
        assert "1 calls" in error["reason"]
        assert await second.close_code() == 4005
        assert "turned away" in caplog.text
        await first.finish(0)
        assert await first.close_code() == 1000
        third = await connect(cloud)
        assert (await third.started())["message"] == "RecognitionStarted"


async def test_a_request_that_is_not_a_websocket_is_refused(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        url = f"{cloud.tts_url}/v2/agent"
        assert (await http.get(url, headers=KEY)).status == 400
        assert (await http.post(url, headers=KEY)).status == 405
