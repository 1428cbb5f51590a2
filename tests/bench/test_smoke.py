"""The benchmark's callers and synthetic services, with a minimal service between them."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import numpy as np
import pytest
from bench.callers import Caller, Manners, Metronome
from bench.figures import judge
from bench.ledger import Call, Delays, Ledger
from bench.load import cloud
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

from bench import voiceprint

DELAYS = Delays(settled=0.04, speech_end=0.1, stt=0.1, llm=0.05, voice=0.05)


class Reference(WSListener):
    """One call of a minimal service.

    deaf_to: number of the caller's frame that the service loses.
    """

    def __init__(self, ports: tuple[int, int], tasks: asyncio.TaskGroup, deaf_to: int) -> None:
        self.stt, self.web = (f"127.0.0.1:{port}" for port in ports)
        self.tasks = tasks
        self.deaf_to = deaf_to
        self.frames = 0
        self.early: list[bytes] = []
        self.ears: SttCollector | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.tasks.create_task(self.open_stt_of())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            return
        message = json.loads(frame.get_payload_as_bytes())
        if message["type"] == "audio":
            self.frames += 1
            if self.frames == self.deaf_to:
                return
            self.early.append(base64.b64decode(message["audio"]))
            if self.ears and self.ears.started:
                self.flush(self.ears.transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.ears:
            self.ears.transport.disconnect()

    def flush(self, ears: WSTransport) -> None:
        for pcm in self.early:
            ears.send(WSMsgType.BINARY, pcm)
        self.early.clear()

    async def open_stt_of(self) -> None:
        ears = SttCollector(self)
        await ws_connect(lambda: ears, f"ws://{self.stt}/v2/agent")
        self.ears = ears

    async def answer(self, question: str) -> None:
        frames: list[bytes] = []
        async with aiohttp.ClientSession() as http:
            asked = {"messages": [{"role": "user", "content": question}], "stream": True}
            async with http.post(f"http://{self.web}/v1/chat/completions", json=asked) as reply:
                lines = [line async for line in reply.content if line.startswith(b"data: {")]
            deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in lines]
            text = "".join(delta.get("content", "") for delta in deltas)
            for sentence in text.strip().removesuffix(".").split(". "):
                url = f"http://{self.web}/generate/sarah?output_format=pcm_16000"
                async with http.post(url, json={"text": f"{sentence}."}) as voice:
                    samples = np.frombuffer(await voice.read(), dtype="<i2").astype(float)
                smooth = np.convolve(samples, 0.47 * np.sinc(0.47 * np.arange(-16, 17)))[::2]
                pcm = smooth.astype("<i2").tobytes()
                frames += [pcm[at : at + 320].ljust(320, b"\0") for at in range(0, len(pcm), 320)]
        began = asyncio.get_running_loop().time()
        for number, frame in enumerate(frames):
            wait = began + 0.02 * number - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, wait))
            audio = base64.b64encode(frame).decode()
            self.transport.send(WSMsgType.TEXT, json.dumps({"type": "audio", "audio": audio}))


class SttCollector(WSListener):
    def __init__(self, call: Reference) -> None:
        self.call = call
        self.started = False
        self.text = ""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        audio = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000}
        start = {"message": "StartRecognition", "audio_format": audio}
        transport.send(WSMsgType.TEXT, json.dumps(start))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        message = json.loads(frame.get_payload_as_bytes())
        if message["message"] == "RecognitionStarted":
            self.started = True
            self.call.flush(transport)
        elif message["message"] == "AddSegment":
            self.text = message["segment"]["transcript"]
        elif message["message"] == "EndOfTurn":
            self.call.tasks.create_task(self.call.answer(self.text))


@contextlib.asynccontextmanager
async def reference(ports: tuple[int, int], deaf_to: int = 0) -> AsyncIterator[str]:
    async with asyncio.TaskGroup() as tasks:
        server = await ws_create_server(
            lambda request: Reference(ports, tasks, deaf_to), "127.0.0.1", 0
        )
        try:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()


async def test_a_complete_call_has_no_faults_and_a_lost_frame_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(voiceprint, "SECONDS_PER_CHARACTER", 0.01)
    ledger = Ledger(calls=[Call(0), Call(1)])
    metronome = Metronome(ledger.lags)
    async with cloud(ledger, DELAYS) as ports, asyncio.TaskGroup() as tasks:
        ticking = tasks.create_task(metronome.run())
        async with reference(ports) as healthy, reference(ports, deaf_to=30) as lossy:
            manners = Manners(barge_in=0, patience=3, goes_on=1, pause=0.08)
            callers = [Caller(call, manners) for call in ledger.calls]
            for caller, url in zip(callers, (healthy, lossy), strict=True):
                await caller.dial(url)
                metronome.add(caller.tick)
                caller.leave()
            for caller in callers:
                await caller.done.wait()
                await caller.hang_up()
        ticking.cancel()

    timings, integrity = judge(ledger, 0, float("inf"))
    assert integrity.faults == ["call 1: frames to the recogniser: 1 lost"]
    assert integrity.answers == 2
    assert len(timings.added) == 2
    # This service sends an answer only when it is complete, which adds latency.
    assert all(0.1 < added < 2 for added in timings.added)
    assert timings.gaps == 0
