"""A service with few file descriptors and many callers: some are heard to the word, all are told.

The service runs in a process of its own under `ulimit -n`, as an operator's shell or a systemd unit
may set it.
"""

import asyncio
import json
import os
import time
import urllib.request
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import websockets
from tests.avr_core import AvrCore, dial
from tests.cli.commands import Started, serving
from tests.support import until, untraced_environment
from websockets.http11 import Response

from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ToneTts,
    running_sandbox,
    scripted,
    turn,
)

LIMIT = 64
CALLERS = 100
QUESTION = turn("When do you close?", start=0.2, end=0.8)
ANSWER = "We close at five every day of the week."


class Outcome:
    """What became of the callers."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.refused: list[float] = []
        self.responses: list[Response] = []
        self.answered = asyncio.Event()


def environment_of(cloud: RunningSandbox) -> dict[str, str]:
    return untraced_environment() | {
        "SPEECHMATICS_API_KEY": "a-key",
        "SPEECHMATICS_RT_URL": cloud.rt_url,
        "SPEECHMATICS_TTS_URL": cloud.tts_url,
        "OPENAI_API_KEY": "another-key",
        "OPENAI_BASE_URL": cloud.openai_url,
        "SPEECHMATICS_WELCOME_MESSAGE": "",
        "DISCLOSURE": "off",
        "TRY_SERVICES": "false",
        "OVERLOAD_LAG_MS": "0",
    }


def health_of(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as response:
        return dict(json.load(response))


def cpu_s(pid: int) -> float:
    """CPU time of a process so far (s)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def call(url: str, number: int, outcome: Outcome) -> None:
    """One caller: asks the question, and stays until the answer or the refusal."""
    begun = time.monotonic()
    try:
        async with dial(url) as core:
            await core.init(f"call-{number}")
            heard = await asked(core)
            if heard:
                outcome.heard.append(heard)
                # The room of a call that is in is not given away: it stays until all are told.
                await outcome.answered.wait()
                return
    except websockets.InvalidStatus as error:
        outcome.responses.append(error.response)
    outcome.refused.append(time.monotonic() - begun)


async def asked(core: AvrCore) -> str:
    """The answer to the question; empty if the call was refused."""
    talking = asyncio.create_task(talk(core))
    heard = await core.until(
        lambda heard: heard.close_code is not None or len(heard.said("agent")) >= len(ANSWER),
        timeout=40,
    )
    talking.cancel()
    await asyncio.wait((talking,))
    if heard.close_code is None:
        return heard.said("agent")
    assert heard.close_code == 1013
    assert "file descriptor" in heard.of("error")[0]["message"]
    return ""


async def talk(core: AvrCore) -> None:
    with suppress(websockets.ConnectionClosed):
        await core.stay(60)


@pytest.mark.timeout(180)
async def test_with_few_descriptors_some_calls_are_whole_and_the_rest_are_refused(
    tmp_path: Path,
) -> None:
    engines = scripted(
        *[QUESTION] * CALLERS, answers=[ANSWER], voice=ToneTts(seconds_per_character=0.01)
    )
    how = Started(under=("sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh"))
    async with running_sandbox(engines, max_calls=CALLERS) as cloud, AsyncExitStack() as stack:
        starting = serving(tmp_path, how, **environment_of(cloud))
        process, port = await asyncio.to_thread(starting.__enter__)
        stack.push(lambda *error: starting.__exit__(None, None, None))

        async def health(name: str = "", value: object = None) -> dict[str, Any]:
            """The health; the first one in which `name` has this value."""
            async with asyncio.timeout(20):
                while True:
                    found = await asyncio.to_thread(health_of, port)
                    if not name or found[name] == value:
                        return found
                    await asyncio.sleep(0.05)

        now = await health("phrases_missing", 0)
        assert any("64 files may be open" in warning for warning in now["warnings"])
        outcome = Outcome()
        url = f"ws://127.0.0.1:{port}/"
        callers = [asyncio.create_task(call(url, n, outcome)) for n in range(CALLERS)]
        await until(lambda: len(outcome.heard) + len(outcome.refused) == CALLERS, timeout=60)
        assert outcome.heard.count(ANSWER) == len(outcome.heard) >= 4
        assert {response.status_code for response in outcome.responses} <= {503}
        assert all("Retry-After" in response.headers for response in outcome.responses)
        print(f"{len(outcome.heard)} heard, refused after at most {max(outcome.refused):.2f} s")
        now = await health()
        assert now["calls"] == len(outcome.heard)
        assert now["calls_refused"] == len(outcome.refused)
        assert now["status"] == "no_descriptors"
        # Nothing spins while the service is full.
        before = cpu_s(process.pid)
        await asyncio.sleep(1.0)
        assert cpu_s(process.pid) - before < 0.5
        outcome.answered.set()
        await asyncio.gather(*callers)
        await health("status", "ok")
        async with dial(url) as core:
            await core.init()
            assert await asked(core) == ANSWER
        process.terminate()
        _, log = await asyncio.to_thread(process.communicate)
    assert "Traceback" not in log
    assert "Too many open files" not in log  # the reserve was kept
