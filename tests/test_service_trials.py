"""Trials of the services: when they are made, and when they are not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from tests.support import Serve, until

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import RefuseKey, Status
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.service_trials import ServiceTrials, TriedService
from avr_sts_speechmatics.telemetry.service_states import ServiceState


class Service:
    """A service that fails while `error` is set, and answers when `may_answer` is."""

    def __init__(self) -> None:
        self.state = ServiceState("stt")
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.tried: list[float] = []
        self.cancelled = 0

    async def trial(self) -> float:
        self.tried.append(asyncio.get_running_loop().time())
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return 0.1


@asynccontextmanager
async def trials_of(
    service: Service,
    calls: Callable[[], int] = lambda: 0,
    *,
    needs_idle: bool = False,
    first_s: float = 0.01,
) -> AsyncIterator[ServiceTrials]:
    tried = TriedService(service.state, service.trial, needs_idle)
    trials = ServiceTrials((tried,), calls, first_s=first_s, last_s=8 * first_s)
    running = asyncio.create_task(trials.run())
    try:
        yield trials
    finally:
        running.cancel()
        await asyncio.wait((running,))


def refused() -> ServiceError:
    return ServiceError("stt", "the key is not accepted", retryable=False)


async def test_a_service_that_works_is_tried_once() -> None:
    service = Service()
    async with trials_of(service):
        await until(lambda: bool(service.state.works))
        await asyncio.sleep(0.1)
        assert len(service.tried) == 1


async def test_a_service_that_another_process_has_tried_is_tried_after_a_failure() -> None:
    service = Service()
    tried = TriedService(service.state, service.trial)
    trials = ServiceTrials((tried,), lambda: 0, at_once=False, first_s=0.01)
    running = asyncio.create_task(trials.run())
    await asyncio.sleep(0.05)
    assert service.tried == []
    service.state.failed("it failed in a call")
    service.state.failed_again.set()
    await until(lambda: bool(service.state.works))
    assert len(service.tried) == 1
    running.cancel()
    await asyncio.wait((running,))


async def test_a_service_that_fails_is_tried_with_growing_pauses_until_it_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    service = Service()
    service.error = refused()
    async with trials_of(service, first_s=0.02):
        await until(lambda: len(service.tried) >= 5)
        service.error = None
        await until(lambda: bool(service.state.works))
    pauses = [after - before for before, after in pairwise(service.tried)]
    assert all(0.6 * 0.02 * 2**n < pause for n, pause in enumerate(pauses[:4]))
    first, second = caplog.messages
    assert first == "stt: the key is not accepted"
    assert second.startswith("stt ok 100 ms, again after")


async def test_a_failure_of_a_call_causes_a_trial() -> None:
    service = Service()
    async with trials_of(service):
        await until(lambda: bool(service.state.works))
        service.state.failed("stt: gone")
        service.state.failed_again.set()
        await until(lambda: bool(service.state.works))
        assert len(service.tried) == 2


async def test_a_failure_that_calls_disproved_causes_no_trial() -> None:
    service = Service()
    async with trials_of(service):
        await until(lambda: bool(service.state.works))
        service.state.failed("stt: gone")
        service.state.failed_again.set()
        service.state.worked()
        await asyncio.sleep(0.1)
        assert len(service.tried) == 1


async def test_while_calls_run_no_session_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avr_sts_speechmatics.service_trials.IDLE_S", 0.01)
    service, calls = Service(), 1
    async with trials_of(service, lambda: calls, needs_idle=True):
        await asyncio.sleep(0.1)
        assert service.tried == []
        calls = 0
        await until(lambda: bool(service.state.works))


async def test_a_call_that_begins_ends_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avr_sts_speechmatics.service_trials.IDLE_S", 0.01)
    service, calls = Service(), 0
    service.may_answer.clear()
    async with trials_of(service, lambda: calls, needs_idle=True) as trials:
        await until(lambda: len(service.tried) == 1)
        calls = 1
        trials.call_begins()
        await until(lambda: service.cancelled == 1)
        assert service.state.works is None  # nothing was found out
        calls = 0
        service.may_answer.set()
        await until(lambda: bool(service.state.works))


async def test_a_service_that_says_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avr_sts_speechmatics.service_trials.TRIAL_S", 0.05)
    service = Service()
    service.may_answer.clear()
    async with trials_of(service):
        await until(lambda: service.state.works is False)
    assert service.cancelled >= 1


async def test_a_bug_in_a_trial_is_loud_and_does_not_end_the_trials(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Service()
    service.error = ZeroDivisionError("one over zero")
    async with trials_of(service):
        await until(lambda: service.state.works is False)
        service.error = None
        await until(lambda: bool(service.state.works))
    assert "please report it" in caplog.text


# --- the service -------------------------------------------------------------------------------


async def test_each_service_is_tried_with_one_small_request(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        spoken = len(cloud.received.speech)
        assert {state["state"] for state in server.health()["service_states"].values()} == {
            "not tried yet"
        }
        server.try_services()
        await until(
            lambda: all(
                state["state"] == "ok" for state in server.health()["service_states"].values()
            )
        )
        assert server.health()["status"] == "ok"
        assert len(cloud.received.speech) == spoken + 1
        assert len(cloud.received.chats) == 1
        assert len(cloud.received.sessions) == 1
        await cloud.received.until(lambda: not cloud.received.sessions_open)


@pytest.mark.parametrize(
    ("fault", "service", "said"),
    [
        (RefuseKey(part="stt", count=None), "stt", "check SPEECHMATICS_API_KEY"),
        (Status(part="llm", status=404, count=None), "llm", "404"),
        (Status(part="tts", status=401, count=None), "tts", "check SPEECHMATICS_API_KEY"),
    ],
)
async def test_health_is_degraded_while_a_service_fails_and_names_the_error(
    serve: Serve, fault: RefuseKey | Status, service: str, said: str
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        async with serve(cloud, prepared=False, ready_needs_clouds=False) as server:
            server.try_services()
            await until(lambda: server.health()["status"] == "degraded")
            states = server.health()["service_states"]
            assert states[service]["state"] == "failed"
            assert said in states[service]["last_error"]["message"]
            assert server.ready  # a call is taken all the same
