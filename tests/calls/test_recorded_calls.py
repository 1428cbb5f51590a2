"""Recordings of whole calls: over each transport, as the caller heard them, and after a SIGKILL."""

import asyncio
import os
import signal
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from tests import asterisk_websocket, avr_core
from tests.cli.commands import serving
from tests.records.recordings.sounds import Samples, decoded
from tests.support import Serve, until, url_of

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedTts,
    running_sandbox,
    scripted,
)
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.transports.audiosocket_wire import AUDIO_8K, UUID, Splitter, message

NAME = "c0ffee00-1234-4abc-8def-0123456789ab"
WELCOME = "Hello."
VOICE = (8000 * np.sin(np.arange(16_000) / 16_000 * 2 * np.pi * 700)).astype("<i2").tobytes()
SILENCE = bytes(320)
CLICK = np.tile(np.array([16_000, -16_000], "<i2"), 80).tobytes()

FRAME_S = 0.02
ACCURACY_S = 0.25
"""Deviation of times that a busy machine may cause (s)."""


class Phone:
    """A caller: sends a frame every 20 ms, keeps what is heard and when (monotonic s)."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.clicked = 0.0
        self._to_say: list[bytes] = []

    async def stay(self, send: Callable[[bytes], object]) -> None:
        """Talk at a telephone's pace until cancelled."""
        due = time.monotonic()
        while True:
            frame = self._to_say.pop(0) if self._to_say else SILENCE
            if frame is CLICK:
                self.clicked = time.monotonic()
            sending = send(frame)
            if asyncio.iscoroutine(sending):
                await sending
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def click(self) -> None:
        self._to_say.append(CLICK)

    @property
    def voice(self) -> tuple[float, Samples]:
        """When the agent began to be heard, and the sound without what is silent around it."""
        times = [at for at, frame in self.heard if any(frame)]
        sound = np.frombuffer(b"".join(frame for _, frame in self.heard), "<i2")
        return times[0], trimmed(sound)


def trimmed(sound: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(sound.astype(np.int32)) > 500)
    return sound[loud[0] : loud[-1] + 1]


def without_pauses(sound: Samples) -> Samples:
    """Return the sound without the pauses in which this process stood still and sent nothing."""
    loud = np.flatnonzero(sound)
    gaps = np.flatnonzero(np.diff(loud) > 80)
    cuts = np.concatenate([np.arange(loud[at] + 1, loud[at + 1]) for at in gaps] or [gaps])
    return np.delete(sound, cuts)


async def by_avr_core(server: Server, phone: Phone, stack: AsyncExitStack) -> None:
    core = await stack.enter_async_context(avr_core.dial(url_of(server)))
    await core.init(NAME)

    async def listen() -> None:
        while True:
            found = [(at, one) for at, one in core.heard.messages if one["type"] == "audio"]
            frames = core.heard.frames
            phone.heard = [(at, frame) for (at, _), frame in zip(found, frames, strict=True)]
            await asyncio.sleep(0.05)

    await gathered(stack, phone.stay(core.speak), listen())


async def by_audiosocket(server: Server, phone: Phone, stack: AsyncExitStack) -> None:
    reader, writer = await asyncio.open_connection(*server.ports["AUDIOSOCKET_PORT"])
    stack.callback(writer.close)
    writer.write(message(UUID, uuid.UUID(NAME).bytes))

    async def listen() -> None:
        splitter = Splitter()
        while data := await reader.read(4096):
            for kind, payload in splitter.feed(data):
                if kind == AUDIO_8K:
                    phone.heard.append((time.monotonic(), payload))

    await gathered(stack, phone.stay(lambda one: writer.write(message(AUDIO_8K, one))), listen())


async def by_asterisk(server: Server, phone: Phone, stack: AsyncExitStack) -> None:
    asterisk = await stack.enter_async_context(
        asterisk_websocket.dial(url_of(server, f"/media?call={NAME}"))
    )
    begun = time.monotonic()
    await asterisk.start()

    async def listen() -> None:
        while True:
            ticks = enumerate(asterisk.heard)
            phone.heard = [(begun + (n + 1) * FRAME_S, one or SILENCE) for n, one in ticks]
            await asyncio.sleep(0.05)

    await gathered(stack, phone.stay(asterisk.send), listen())


async def by_http(server: Server, phone: Phone, stack: AsyncExitStack) -> None:
    http = await stack.enter_async_context(aiohttp.ClientSession())
    waiting: asyncio.Queue[bytes] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield await waiting.get()

    url = "http://{}:{}/speech-to-speech-stream".format(*server.addresses[0])
    sending = asyncio.create_task(phone.stay(waiting.put))
    stack.callback(sending.cancel)
    response = await stack.enter_async_context(
        http.post(url, data=body(), headers={"X-UUID": NAME})
    )

    async def listen() -> None:
        while True:
            phone.heard.append((time.monotonic(), await response.content.readexactly(320)))

    await gathered(stack, listen())


async def gathered(stack: AsyncExitStack, *works: object) -> None:
    """Run coroutines until the call is over."""
    for work in works:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        stack.callback(task.cancel)


def recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.flac*") if path.is_file())


@pytest.mark.parametrize("call", [by_avr_core, by_audiosocket, by_asterisk, by_http])
async def test_both_sides_are_in_the_recording_as_the_caller_heard_them(
    call: Callable[[Server, Phone, AsyncExitStack], object], serve: Serve, tmp_path: Path
) -> None:
    engines = scripted(voice=ScriptedTts({WELCOME: [VOICE]}))
    async with (
        running_sandbox(engines) as cloud,
        serve(
            cloud,
            history="recordings",
            data_dir=tmp_path,
            audiosocket_port=0,
            speechmatics_welcome_message=WELCOME,
        ) as server,
    ):
        phone = Phone()
        async with AsyncExitStack() as stack:
            await call(server, phone, stack)  # type: ignore[misc]
            await until(lambda: sum(any(frame) for _, frame in phone.heard) >= 49)
            phone.click()
            await until(lambda: bool(phone.clicked))
            await asyncio.sleep(0.5)
        await until(lambda: [one.suffix for one in recordings(tmp_path)] == [".flac"])
    sound = decoded(recordings(tmp_path)[0])
    began, voice = phone.voice
    recorded = without_pauses(trimmed(sound[:, 1]))
    assert abs(len(recorded) - len(voice)) <= 2
    size = min(len(recorded), len(voice))
    assert np.abs(recorded[:size].astype(np.int32) - voice[:size]).max() < 1500
    clicked = trimmed(sound[:, 0])
    assert len(clicked) == 160
    between = np.flatnonzero(sound[:, 0])[0] - np.flatnonzero(np.abs(sound[:, 1]) > 500)[0]
    assert between / RATE == pytest.approx(phone.clicked - began, abs=ACCURACY_S)


async def test_speech_that_the_caller_interrupted_is_in_the_recording_as_far_as_it_was_heard(
    serve: Serve, tmp_path: Path
) -> None:
    long = VOICE * 8
    engines = scripted(voice=ScriptedTts({WELCOME: [long]}))
    async with (
        running_sandbox(engines) as cloud,
        serve(
            cloud,
            history="recordings",
            data_dir=tmp_path,
            speechmatics_welcome_message=WELCOME,
        ) as server,
    ):
        async with asterisk_websocket.dial(url_of(server, f"/media?call={NAME}")) as asterisk:
            await asterisk.start()
            await asterisk.until(lambda: len(asterisk.voice) >= 320 * 60)
            heard_s = len(asterisk.voice) / 2 / RATE
            await asterisk.hang_up()  # two more seconds have been sent ahead
        await until(lambda: [one.suffix for one in recordings(tmp_path)] == [".flac"])
    recorded_s = len(trimmed(decoded(recordings(tmp_path)[0])[:, 1])) / RATE
    assert recorded_s == pytest.approx(heard_s, abs=ACCURACY_S)


async def test_without_recordings_nothing_is_written(serve: Serve, tmp_path: Path) -> None:
    async with (
        running_sandbox(scripted()) as cloud,
        serve(cloud, history="off", data_dir=tmp_path) as server,
        avr_core.dial(url_of(server)) as core,
    ):
        await core.init()
        await core.stay(0.3)
    assert not recordings(tmp_path)


# --- a process that is killed --------------------------------------------------------------------

TALK_S = 4.0
LOST_S = 1.6
"""Most sound that a killed process takes along (s): a second, and what a busy machine needs."""


async def talk(port: int, process: subprocess.Popen[str]) -> float:
    """Be on the line until the service is killed. Returns how much was sent (s)."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{port}/health") as answer:
            worker = (await answer.json())["workers"][0]["pid"]
    async with avr_core.dial(f"ws://127.0.0.1:{port}/") as core:
        await core.init(NAME)
        begun = time.monotonic()
        while time.monotonic() - begun < TALK_S:
            await core.speak(CLICK)
            await asyncio.sleep(FRAME_S - (time.monotonic() - begun) % FRAME_S)
        process.kill()  # the supervisor, which would start another worker
        os.kill(worker, signal.SIGKILL)
        await core.until_closed()
    return time.monotonic() - begun


def killed_while_it_recorded(cloud: RunningSandbox, folder: Path) -> None:
    environment = {
        "HISTORY": "recordings",
        "DATA_DIR": str(folder / "data"),
        "SPEECHMATICS_API_KEY": "a-key-of-mine",
        "SPEECHMATICS_RT_URL": cloud.rt_url,
        "SPEECHMATICS_TTS_URL": cloud.tts_url,
        "OPENAI_API_KEY": "another-key",
        "OPENAI_BASE_URL": cloud.openai_url,
    }
    with serving(folder, **environment) as (process, port):
        sent_s = asyncio.run(talk(port, process))
    (left,) = recordings(folder)
    assert left.name.endswith(".flac.part")
    playable = left.rename(left.with_suffix(""))
    assert len(decoded(playable)) / RATE > sent_s - LOST_S
    assert np.abs(decoded(playable)[:, 0].astype(np.int32)).max() > 15_000
    playable.rename(left)
    with serving(folder, **environment):  # the next start gives the recording its name
        until_named = time.monotonic() + 10
        while [one.suffix for one in recordings(folder)] != [".flac"]:
            assert time.monotonic() < until_named
            time.sleep(0.05)
    assert len(decoded(recordings(folder)[0])) / RATE > sent_s - LOST_S


async def test_a_process_that_is_killed_leaves_a_recording_that_plays(tmp_path: Path) -> None:
    async with running_sandbox(scripted()) as cloud:
        await asyncio.to_thread(killed_while_it_recorded, cloud, tmp_path)
