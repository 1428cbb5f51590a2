"""Fixtures for the sandbox: a minimal client, and the real engines, loaded once."""

import json
import wave
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.sandbox.agent_wire import KEY, AgentClient, Clip, Connect
from tests.support import CLIPS

from avr_sts_speechmatics.receptionist import Receptionist, load_faq
from avr_sts_speechmatics.sandbox.engines import Engines
from avr_sts_speechmatics.sandbox.local_engines import LocalLlm
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox

if TYPE_CHECKING:
    from avr_sts_speechmatics.sandbox.piper import Piper
    from avr_sts_speechmatics.sandbox.whisper import Whisper


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def connect(http: aiohttp.ClientSession) -> Connect:
    """Opens connections to /v2/agent, with a key."""

    async def open_one(cloud: RunningSandbox) -> AgentClient:
        return AgentClient(await http.ws_connect(f"{cloud.rt_url}/agent", headers=KEY))

    return open_one


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """The recordings with their words."""
    found = []
    for entry in json.loads((CLIPS / "manifest.json").read_text(encoding="utf-8")):
        with wave.open(str(CLIPS / entry["file"])) as file:
            found.append(Clip(entry["file"], entry["text"], file.readframes(file.getnframes())))
    return found


@pytest.fixture(scope="session")
def whisper() -> "Whisper":
    from avr_sts_speechmatics.sandbox.whisper import Whisper

    return Whisper()


@pytest.fixture(scope="session")
def piper() -> "Piper":
    from avr_sts_speechmatics.sandbox.piper import Piper

    return Piper()


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
async def real_cloud(
    whisper: "Whisper", piper: "Piper", worker: ThreadPoolExecutor
) -> AsyncIterator[RunningSandbox]:
    """The sandbox with its real engines, in this process."""
    from avr_sts_speechmatics.sandbox.local_stt import LocalStt
    from avr_sts_speechmatics.sandbox.piper import LocalTts

    engines = Engines(
        LocalStt(lambda samples, rate: whisper.recognise(samples, rate).text, worker),
        LocalTts(piper, worker),
        LocalLlm(Receptionist(load_faq(None))),
    )
    async with running_sandbox(engines) as cloud:
        yield cloud
