"""`/metrics` of several real workers: sums that never go back, and workers that hang."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from tests.workers.processes import PATIENCE_S, Service, running_service

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.telemetry import metrics as m

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(service: Service) -> Samples:
    """The samples of counters and histograms."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        async with http.get(service.http("/metrics")) as response:
            assert response.status == 200, await response.text()
            text = await response.text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram")
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(
        value
        for (found, has), value in samples.items()
        if found == name and labels.items() <= dict(has).items()
    )


def went_back(before: Samples, after: Samples) -> list[object]:
    return [key for key, value in before.items() if after.get(key, -1.0) < value]


async def calls(service: Service, count: int) -> None:
    """Calls of which each has one answer, side by side, so that all workers have some."""
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(service.caller()) for _ in range(count)]
        for caller in callers:
            caller.session.say(stt_messages.speech_ended(0.0))
            caller.asks()
        for caller in callers:
            await caller.answered()
    await service.until_calls(0)


async def test_no_counter_goes_back_when_workers_are_killed_or_replaced(tmp_path: Path) -> None:
    async with running_service(tmp_path, ready=2, WORKERS="2", DRAIN_S="0") as service:
        await calls(service, 4)
        before = await scraped(service)
        assert total(before, m.BEGUN.name, transport="avr-websocket", agent="default") == 4
        assert total(before, m.ENDED.name, reason="caller") == 4
        assert total(before, "avr_sts_voice_to_voice_seconds_count") == 4
        assert total(before, m.ANSWERS.name) == 4

        async with service.caller():
            killed = next(pid for pid, running in (await service.workers()).items() if running)
            os.kill(killed, signal.SIGKILL)
            await service.until_logged("was ended by SIGKILL")
        await service.until_logged("runs again")
        after_kill = await scraped(service)
        assert not went_back(before, after_kill)
        assert total(after_kill, m.BEGUN.name) == 5
        assert total(after_kill, m.DIED.name) == 1
        assert total(after_kill, m.ENDED.name, reason=m.LOST, agent="default") == 1

        await calls(service, 2)
        before = await scraped(service)
        second = await service.until_workers(2)
        service.signal(signal.SIGHUP)
        await service.until_logged("2 workers replaced")
        await service.until_workers(2, without=second)
        async with asyncio.timeout(PATIENCE_S):
            while second & set(await service.workers()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # other processes: nothing here could be awaited
        after = await scraped(service)
        assert not went_back(before, after)
        assert total(after, m.BEGUN.name) == 7
        assert total(after, m.ENDED.name) == 7
        await calls(service, 1)
        assert total(await scraped(service), m.BEGUN.name) == 8


async def test_a_worker_that_hangs_does_not_hang_the_scrape_and_is_not_missing(
    tmp_path: Path,
) -> None:
    async with running_service(tmp_path, ready=2, WORKERS="2") as service:
        pids = await service.until_workers(2)
        await calls(service, 4)
        before = await scraped(service)
        stopped = next(iter(pids))
        os.kill(stopped, signal.SIGSTOP)
        try:
            after = await scraped(service)
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert not went_back(before, after)
        assert total(after, m.BEGUN.name) == 4


async def test_gauges_are_those_of_running_workers(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, ready=2, WORKERS="2", MAX_CALLS="9") as service,
        AsyncExitStack() as stack,
    ):
        for _ in range(3):
            await stack.enter_async_context(service.caller())
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            openmetrics = {"Accept": "application/openmetrics-text;version=1.0.0"}
            async with http.get(service.http("/metrics"), headers=openmetrics) as response:
                assert response.content_type == "application/openmetrics-text"
                lines = (await response.text()).splitlines()
        assert lines[-1] == "# EOF"
        found = Counter(line for line in lines if not line.startswith("#"))
        assert found['avr_sts_calls{agent="default",transport="avr-websocket"} 3.0'] == 1
        assert found["avr_sts_calls_limit 9.0"] == 1
        assert found["avr_sts_workers 2.0"] == 1
        assert found["avr_sts_ready 1.0"] == 1


async def test_without_the_supervisor_there_is_no_page_rather_than_a_part_of_the_sums(
    tmp_path: Path,
) -> None:
    async with running_service(tmp_path, DRAIN_S="0") as service, service.caller() as caller:
        await scraped(service)
        service.process.send_signal(signal.SIGSTOP)
        try:
            timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
            async with aiohttp.ClientSession(timeout=timeout) as http:
                async with http.get(service.http("/metrics")) as response:
                    assert response.status == 503
                    assert "supervisor" in await response.text()
        finally:
            service.process.send_signal(signal.SIGCONT)
        caller.asks()
        await caller.answered()
