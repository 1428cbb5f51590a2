"""Requests for faults over HTTP."""

import aiohttp

from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox


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


async def test_an_invalid_fault_is_answered_with_the_reason(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        body = {"fault": "drop", "when": 2}
        async with http.post(f"{cloud.tts_url}/sandbox/faults", json=body) as response:
            assert response.status == 400
            assert "when" in (await response.json())["error"]
