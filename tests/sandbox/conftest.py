"""Fixtures for the sandbox: a bare client of its wire, and the real engines, loaded once."""

import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from avr_sts_speechmatics.sandbox.engines import Engines
from avr_sts_speechmatics.sandbox.local import LocalThinking
from avr_sts_speechmatics.sandbox.scripted import RunningSandbox, running_sandbox
from avr_sts_speechmatics.services.receptionist import Receptionist, load_faq

if TYPE_CHECKING:
    from avr_sts_speechmatics.sandbox.piper import Piper
    from avr_sts_speechmatics.sandbox.whisper import Whisper

CLIPS = Path(__file__).parents[1] / "clips"
FRAME = bytes(320)
KEY = {"Authorization": "Bearer a-key"}

START: dict[str, Any] = {
    "message": "StartRecognition",
    "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
    "transcription_config": {"language": "en", "model": "linden-1", "enable_partials": True},
}


@dataclass(frozen=True)
class Clip:
    """A telephone recording. pcm: s16le at 8 kHz."""

    file: str
    text: str
    pcm: bytes


class AgentClient:
    """Agent STT by hand: nothing between a test and the wire."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, message: dict[str, Any] | str) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def audio(self, pcm: bytes, *, frame: int = 320) -> int:
        """Send audio in frames; how many there were."""
        pieces = [pcm[start : start + frame] for start in range(0, len(pcm), frame)]
        for piece in pieces:
            await self.socket.send_bytes(piece)
        return len(pieces)

    async def next(self) -> dict[str, Any]:
        """The next message that is not AudioAdded."""
        while True:
            message = await self.socket.receive_json(timeout=5)
            if message["message"] != "AudioAdded":
                return dict(message)

    async def until(self, name: str) -> list[dict[str, Any]]:
        """All messages up to the first of that name, AudioAdded left out."""
        messages = [await self.next()]
        while messages[-1]["message"] != name:
            messages.append(await self.next())
        return messages

    async def started(self, **changes: Any) -> dict[str, Any]:
        """Start a session; the server's answer."""
        await self.send(START | changes)
        return await self.next()

    async def finish(self, frames: int) -> list[dict[str, Any]]:
        """End the stream; all that was still to come, the end included."""
        await self.send({"message": "EndOfStream", "last_seq_no": frames})
        return await self.until("EndOfTranscript")

    async def close_code(self) -> int | None:
        """Read to the end; the code it ended with, None if it just broke."""
        async for _ in self.socket:
            pass
        return self.socket.close_code


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


Connect = Callable[[RunningSandbox], Awaitable[AgentClient]]


@pytest.fixture
async def connect(http: aiohttp.ClientSession) -> Connect:
    """Opens connections to /v2/agent, with a key."""

    async def open_one(cloud: RunningSandbox) -> AgentClient:
        return AgentClient(await http.ws_connect(f"{cloud.rt_url}/agent", headers=KEY))

    return open_one


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """The recordings, with what they say."""
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
    """The sandbox as it is in earnest, in this process."""
    from avr_sts_speechmatics.sandbox.listening import LocalHearing
    from avr_sts_speechmatics.sandbox.piper import LocalVoice

    engines = Engines(
        LocalHearing(lambda samples, rate: whisper.recognise(samples, rate).text, worker),
        LocalVoice(piper, worker),
        LocalThinking(Receptionist(load_faq(None))),
    )
    async with running_sandbox(engines) as cloud:
        yield cloud
