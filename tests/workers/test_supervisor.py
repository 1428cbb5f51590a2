"""The service of several processes: restarts, deaths, and what the processes share."""

import asyncio
import json
import os
import pty
import signal
import socket
import termios
import time
from contextlib import AsyncExitStack
from fcntl import ioctl
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from tests.avr_core import dial, refused_upgrade
from tests.cli.commands import CLOUDS, COMMAND, free_port, run
from tests.support import until
from tests.workers.processes import PATIENCE_S, Caller, Service, running_service

from avr_sts_speechmatics.server import FAREWELL_S
from avr_sts_speechmatics.transports import audiosocket_wire
from avr_sts_speechmatics.values import counted

UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1{:02x}"


async def test_sighup_replaces_all_workers_and_no_running_call_notices(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, ready=2, character_s=0.05, WORKERS="2", DRAIN_S="0") as service,
        AsyncExitStack() as stack,
    ):
        old = await service.until_workers(2)
        callers = [await stack.enter_async_context(service.caller()) for _ in range(4)]
        for caller in callers:
            caller.asks()
        service.signal(signal.SIGHUP)
        service.signal(signal.SIGHUP)  # while that is under way: one more round, no more
        service.signal(signal.SIGHUP)
        await service.until_logged("2 workers replaced")
        async with service.caller() as new:
            new.asks()
            await new.answered()
        for caller in callers:
            await caller.answered()
            caller.asks()
        for caller in callers:
            await caller.answered(2)
            assert caller.core.heard.close_code is None
        await service.until_workers(2, without=old)
        assert old <= set(await service.workers())  # they still have their calls
        await stack.aclose()
        async with asyncio.timeout(PATIENCE_S):
            while old & set(await service.workers()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # other processes: nothing here could be awaited
        rounds = sum("2 workers replaced" in line for line in service.log)
        assert 1 <= rounds <= 2
        service.signal(signal.SIGTERM)
        assert await service.ended() == 0


async def test_calls_that_begin_during_a_restart_are_all_taken(tmp_path: Path) -> None:
    async with running_service(tmp_path, WORKERS="1") as service:
        service.signal(signal.SIGHUP)
        replaced = asyncio.create_task(service.until_logged("1 worker replaced"))
        calls = 0
        while not replaced.done() or calls < 5:
            async with dial(service.url) as core:
                await core.init(UUID.format(calls % 256))
                await service.cloud.received.session(calls, timeout=PATIENCE_S)
            calls += 1
        assert (await service.health())["calls_refused"] == 0


async def test_a_killed_worker_takes_only_its_own_calls_with_it(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, ready=2, WORKERS="2") as service,
        AsyncExitStack() as stack,
    ):
        begun = time.monotonic()
        callers = await on_both_workers(service, stack)
        usual_s = (time.monotonic() - begun) / len(callers)  # on this machine, as busy as it is
        calls = await service.workers()
        killed = next(iter(calls))
        os.kill(killed, signal.SIGKILL)
        begun = time.monotonic()
        async with service.caller() as next_one:
            assert time.monotonic() - begun < 1.0 + 2 * usual_s
            next_one.asks()
            await next_one.answered()
        await service.until_logged("was ended by SIGKILL")
        await until(lambda: closed(callers) == calls[killed], timeout=PATIENCE_S)
        survivors = [one for one in callers if one.core.heard.close_code is None]
        for survivor in survivors:
            survivor.asks()
        for survivor in survivors:
            await survivor.answered()
        assert closed(callers) == calls[killed]
        await service.until_workers(2, without={killed})
        assert (await service.health())["workers_died"] == 1
        line = await service.until_logged("was ended by SIGKILL")
        assert f"process {killed}" in line
        assert f"{counted(calls[killed], 'call')} with it" in line
        await service.until_logged("runs again")


async def test_workers_share_the_calls_and_their_limit(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, ready=2, WORKERS="2", MAX_CALLS="6") as service,
        AsyncExitStack() as stack,
    ):
        for _ in range(5):
            await stack.enter_async_context(service.caller())
        async with service.caller():
            assert min((await service.workers()).values()) > 0
            for _ in range(4):  # whichever worker is asked
                status, headers, body = await refused_upgrade(service.url)
                assert status == 503
                assert int(headers["retry-after"]) > 0
                assert "6 calls (MAX_CALLS)" in body
                assert (await service.get("/ready"))[0] == 503
            health = await service.health()
            assert health["calls"] == 6
            assert health["calls_refused"] == 4
            assert health["status"] == "full"
        await service.until_calls(5)
        async with service.caller():
            assert (await service.health())["calls"] == 6


async def test_a_call_may_be_announced_to_another_worker_than_the_one_that_takes_it(
    tmp_path: Path,
) -> None:
    async with (
        running_service(tmp_path, ready=2, WORKERS="2", REQUIRE_CALL="true") as service,
        aiohttp.ClientSession() as http,
        AsyncExitStack() as stack,
    ):
        names = [UUID.format(number) for number in range(8)]
        for name in names:
            call = {"uuid": name, "payload": {"from": "2001"}}
            async with http.post(service.http("/call", "HTTP_PORT"), json=call) as response:
                assert response.status == 200
        for number, name in enumerate(names):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", service.ports["AUDIOSOCKET_PORT"]
            )
            stack.callback(writer.close)
            writer.write(b"\x01\x00\x10" + bytes.fromhex(name.replace("-", "")))
            await service.cloud.received.session(number, timeout=PATIENCE_S)
        assert min((await service.workers()).values()) > 0
        for name in names[:3]:  # an announcement is good for one call
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", service.ports["AUDIOSOCKET_PORT"]
            )
            writer.write(b"\x01\x00\x10" + bytes.fromhex(name.replace("-", "")))
            async with asyncio.timeout(PATIENCE_S):
                await reader.read()
            writer.close()
        assert (await service.health())["calls_refused"] == 3


async def test_a_restart_with_a_mistake_in_the_settings_changes_nothing(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    async with running_service(tmp_path) as service, service.caller() as caller:
        old = await service.until_workers(1)
        for mistake, says in (
            ("SPEECHMATICS_REGION=mars", "SPEECHMATICS_REGION=mars"),
            ("AGENTS_DIR=.", "agent.yaml"),
        ):
            (tmp_path / "agent.yaml").write_text("voice: {engine: none}\n")
            env.write_text(mistake)
            service.signal(signal.SIGHUP)
            line = await service.until_logged(says)
            assert "The service goes on as it was" in line
            assert await service.until_workers(1) == old
        env.write_text("MAX_CALLS=1\n")
        service.signal(signal.SIGHUP)
        await service.until_logged("1 worker replaced")
        await service.until_workers(0)  # the call of the old worker counts against the new limit
        assert (await service.health())["status"] == "full"
        caller.asks()
        await caller.answered()


async def test_a_port_that_changes_is_opened_and_the_old_one_closed(tmp_path: Path) -> None:
    async with running_service(tmp_path, HTTP_PORT="") as service:
        port = free_port()
        (tmp_path / ".env").write_text(f"HTTP_PORT={port}\nWORKERS=2\n")
        service.signal(signal.SIGHUP)
        await service.until_logged("2 workers replaced")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S):
            pass
        await service.until_workers(2)


async def test_a_drain_ends_with_a_sentence_and_not_in_a_word(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, character_s=0.02, DRAIN_S="0.3") as service,
        service.caller() as caller,
    ):
        caller.asks()
        await caller.core.until(lambda heard: bool(heard.frames), timeout=PATIENCE_S)
        service.signal(signal.SIGTERM)
        await caller.gone()
        said = caller.core.heard.said("agent")
        assert said.endswith("I'm sorry, I have a technical problem. Please call again later.")
        assert await service.ended() == 0
        assert any("this service ends" in line for line in service.log)


async def test_a_service_whose_calls_do_not_end_has_ended_before_docker_kills_it(
    tmp_path: Path,
) -> None:
    # The image has DRAIN_S=4: with the farewell, 9 s of Docker's 10.
    voice = 0.2  # an apology of 12 s
    async with (
        running_service(tmp_path, character_s=voice, DRAIN_S="1") as service,
        service.caller(),
    ):
        begun = time.monotonic()
        service.signal(signal.SIGTERM)
        assert await service.ended() == 0
        assert 5 < time.monotonic() - begun < 1 + FAREWELL_S + 3


async def test_while_the_service_drains_new_calls_are_refused_before_they_begin(
    tmp_path: Path,
) -> None:
    async with running_service(tmp_path, DRAIN_S="0") as service, service.caller() as caller:
        service.signal(signal.SIGTERM)
        await service.until_logged("may go on to their ends")
        status, headers, _ = await refused_upgrade(service.url)
        assert (status, "retry-after" in headers) == (503, True)
        assert (await service.get("/ready"))[0] == 503
        assert (await service.health())["status"] == "draining"
        async with aiohttp.ClientSession() as http:
            call = {"uuid": UUID.format(1), "payload": {}}
            async with http.post(service.http("/call", "HTTP_PORT"), json=call) as response:
                assert response.status == 503
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", service.ports["AUDIOSOCKET_PORT"])
        caller.asks()
        await caller.answered()
        await caller.core.hang_up()
        assert await service.ended() == 0


async def test_a_call_by_audiosocket_that_came_just_before_sigterm_is_taken(
    tmp_path: Path,
) -> None:
    async with running_service(tmp_path, DRAIN_S="0") as service:
        port = service.ports["AUDIOSOCKET_PORT"]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(audiosocket_wire.message(audiosocket_wire.UUID, uuid4().bytes))
        await asyncio.sleep(0.1)  # another process: that it has accepted cannot be awaited
        service.signal(signal.SIGTERM)
        await service.until_logged("may go on to their ends")
        assert (await service.health())["calls"] == 1
        writer.close()
        await writer.wait_closed()
        assert await service.ended() == 0


async def test_workers_whose_supervisor_is_killed_end_with_their_calls(tmp_path: Path) -> None:
    async with running_service(tmp_path, DRAIN_S="0") as service, service.caller() as caller:
        (worker,) = await service.workers()
        service.process.kill()
        await service.until_logged("the supervisor has ended")
        caller.asks()
        await caller.answered()
        await caller.core.hang_up()
        await until(lambda: not running(worker), timeout=PATIENCE_S)


async def test_a_worker_that_is_sent_sigterm_finishes_its_calls_and_is_replaced(
    tmp_path: Path,
) -> None:
    async with running_service(tmp_path, DRAIN_S="0") as service, service.caller() as caller:
        (worker,) = await service.workers()
        os.kill(worker, signal.SIGTERM)
        await service.until_workers(1, without={worker})
        caller.asks()
        await caller.answered()
        await caller.core.hang_up()
        await until(lambda: not running(worker), timeout=PATIENCE_S)
        assert (await service.health())["workers_died"] == 0


def test_a_terminal_that_closes_lets_the_service_drain(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    port = str(free_port())
    environment = {
        "PORT": port,
        "EXTRA_PORTS": "",
        "AUDIOSOCKET_PORT": "0",
        "HTTP_PORT": "0",
        **CLOUDS,
    }
    log = tmp_path / "log"
    pid = os.fork()
    if pid == 0:  # a session of its own with the terminal as its controlling terminal
        os.setsid()
        ioctl(theirs, termios.TIOCSCTTY, 0)
        writing = os.open(log, os.O_CREAT | os.O_WRONLY)
        for number in (1, 2):
            os.dup2(writing, number)
        os.chdir(tmp_path)
        os.execve(COMMAND[0], [*COMMAND, "serve"], os.environ | environment)
    os.close(theirs)

    async def ends() -> int:
        await until(lambda: log.exists() and "ready; listening" in log.read_text(), timeout=30)
        os.close(ours)  # the terminal is gone
        async with asyncio.timeout(PATIENCE_S):
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        return status

    status = asyncio.run(ends())
    assert os.waitstatus_to_exitcode(status) == 0
    assert "because the terminal is gone: the service ends" in log.read_text()


def running(pid: int) -> bool:
    """Whether a process is there. One that nobody has waited for is not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


async def test_log_lines_of_several_workers_name_the_worker(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, ready=2, WORKERS="2", LOG_FORMAT="json") as service,
        AsyncExitStack() as stack,
    ):
        await on_both_workers(service, stack)
        for number in (1, 2):
            line = await service.until_logged(f'"worker":{number}')
            assert json.loads(line)["worker"] == number


async def on_both_workers(service: Service, stack: AsyncExitStack) -> list[Caller]:
    """Callers, so many that each worker has one."""
    callers: list[Caller] = []
    while len(callers) < 2 or not all((await service.workers()).values()):
        callers.append(await stack.enter_async_context(service.caller()))
    return callers


def closed(callers: list[Caller]) -> int:
    """Number of calls that have ended."""
    return sum(one.core.heard.close_code is not None for one in callers)


async def test_a_worker_that_cannot_start_again_is_tried_again(tmp_path: Path) -> None:
    async with running_service(tmp_path) as service:
        (worker,) = await service.workers()
        env = tmp_path / ".env"
        env.write_text("SPEECHMATICS_REGION=mars")
        os.kill(worker, signal.SIGKILL)
        line = await service.until_logged("cannot be started again")
        assert "SPEECHMATICS_REGION=mars" in line
        env.unlink()
        await service.until_logged("runs again")
        await service.until_workers(1, without={worker})


async def test_a_first_worker_that_cannot_start_ends_the_service_with_its_reason(
    tmp_path: Path,
) -> None:
    (tmp_path / "agent.yaml").write_text("voice: {engine: none}\n")
    done = await asyncio.to_thread(run, "serve", cwd=tmp_path, AGENTS_DIR=".", WORKERS="2")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "agent.yaml" in done.stderr
