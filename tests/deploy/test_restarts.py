"""Two instances behind HAProxy are restarted one after the other, and no caller notices."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest
from bench.figures import judge
from bench.ledger import Delays, Ledger
from bench.load import cloud
from tests.avr_core import dial
from tests.deploy.instances import Balancer, Instance, balancer, instances
from tests.deploy.signed_callers import Crowd
from tests.real_servers.servers import redis_server
from tests.support import until

from bench import callers, voiceprint

DELAYS = Delays(settled=0.1, speech_end=0.3, stt=0.3, llm=0.1, voice=0.05)
CALLERS, BY_AUDIOSOCKET = 40, 10
DRAIN_S = 25
PAUSE_S = 2.0
"""Pause between the drain at HAProxy and SIGTERM (s): a connection of AudioSocket becomes a call
half a second after it came. docs/scaling.md asks for it."""


def environment(stt_url: str, web_url: str, **more: str) -> dict[str, str]:
    return {
        "SPEECHMATICS_API_KEY": "bench-key",
        "SPEECHMATICS_RT_URL": stt_url,
        "SPEECHMATICS_TTS_URL": web_url,
        "OPENAI_API_KEY": "bench-key",
        "OPENAI_BASE_URL": f"{web_url}/v1",
        "SPEECHMATICS_WELCOME_MESSAGE": "",
        "DISCLOSURE": "off",
        "NO_INPUT_S": "0",
        "FILLER_AFTER_MS": "0",
        "TRY_SERVICES": "false",
        "ON_BUSY": "refuse",
        # The machine of the tests is busy with callers and clouds.
        "OVERLOAD_LAG_MS": "0",
        "DRAIN_S": str(DRAIN_S),
        **more,
    }


async def restart(instance: Instance, name: str, haproxy: Balancer) -> None:
    """As docs/scaling.md says: drain at the balancer, restart, send calls again."""
    await haproxy.set_state(name, "drain")
    await asyncio.sleep(PAUSE_S)
    assert await instance.drain(DRAIN_S + 15) == 0
    await instance.start()
    await haproxy.set_state(name, "ready")


@pytest.mark.timeout(200)
async def test_forty_callers_notice_nothing_of_restarts_and_of_redis_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A quick speaker: a call takes 7 s instead of 14, and so does the drain of an instance.
    monkeypatch.setattr(voiceprint, "SECONDS_PER_CHARACTER", 0.025)
    # A busy machine makes pauses; they are not the end of an answer.
    monkeypatch.setattr(callers, "_ANSWER_OVER_SECONDS", 1.5)
    ledger = Ledger()
    crowd = Crowd(ledger)
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(redis_server())
        stt, web = await stack.enter_async_context(cloud(ledger, DELAYS))
        urls = f"ws://127.0.0.1:{stt}/v2", f"http://127.0.0.1:{web}"
        chosen = environment(*urls, REDIS_URL=redis.url)
        one, other = await stack.enter_async_context(instances(chosen))
        haproxy = stack.enter_context(balancer(one, other))
        begun = time.perf_counter()
        ports = haproxy.port, haproxy.audiosocket, haproxy.http
        talking = asyncio.create_task(crowd.talk(CALLERS, BY_AUDIOSOCKET, *ports))
        await until(lambda: sum(call.sent > 0 for call in ledger.calls) >= CALLERS, timeout=30)
        await restart(one, "a", haproxy)
        redis.stop()
        await restart(other, "b", haproxy)
        redis.start()
        crowd.leave()
        async with asyncio.timeout(60):
            await talking
        # After a hangup an instance sends the recogniser the frame that it has not sent yet.
        sent = sum(call.sent for call in ledger.calls)
        with suppress(TimeoutError):  # the judge says what is missing
            await until(lambda: sum(one.received.whole for one in ledger.sessions) >= sent)
    _, integrity = judge(ledger, begun, time.perf_counter())
    print(one.log, other.log)  # shown if the test fails
    assert integrity.faults == []
    assert integrity.answers == len(ledger.calls) > CALLERS
    # While Redis was away, the dialplan was told; its calls were answered all the same.
    assert set(crowd.announced) == {200, 503}


@pytest.mark.timeout(120)
async def test_an_instance_that_ends_without_a_warning_to_haproxy_costs_no_websocket() -> None:
    async with AsyncExitStack() as stack:
        stt, web = await stack.enter_async_context(cloud(Ledger(), DELAYS))
        chosen = environment(f"ws://127.0.0.1:{stt}/v2", f"http://127.0.0.1:{web}")
        one, other = await stack.enter_async_context(instances(chosen))
        haproxy = stack.enter_context(balancer(one, other))
        url = f"ws://127.0.0.1:{haproxy.port}/"
        calls = [await stack.enter_async_context(dial(url)) for _ in range(4)]
        for number, call in enumerate(calls):
            await call.init(f"call-{number}")
        async with aiohttp.ClientSession() as http:
            await until_calls(http, one, 2)
            await until_calls(http, other, 2)
            await one.begin_to_drain()
            # At once: no check of HAProxy's has seen the instance end.
            for number in range(6):
                late = await stack.enter_async_context(dial(url))
                await late.init(f"late-{number}")
            await until_calls(http, other, 8)
            body = {"uuid": "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"}
            for _ in range(4):
                post = http.post(f"http://127.0.0.1:{haproxy.http}/call", json=body)
                async with post as response:
                    assert response.status == 200
        assert all(call.heard.close_code is None for call in calls)
        for call in calls:
            await call.hang_up()
        assert await one.ended(DRAIN_S + 15) == 0


async def until_calls(http: aiohttp.ClientSession, instance: Instance, number: int) -> None:
    """Wait until an instance has this many calls."""
    async with asyncio.timeout(15):
        while True:
            async with http.get(f"http://127.0.0.1:{instance.port}/health") as response:
                if (await response.json())["calls"] == number:
                    return
            await asyncio.sleep(0.05)
