"""The bare service: the yardstick for what the service costs.

It does the whole chain of a call on the same libraries, in as little code as possible: AVR
WebSocket in, Agent STT over a WebSocket, the model and the voice over HTTP, resampling, and paced
frames of 20 ms out. It passes the same checks of the benchmark as the service does.

It leaves out everything that makes a service usable: no dialogue (each turn that ends is answered),
no answering ahead, no sessions that are resumed, no retries, no time limits, no error handling, no
prepared connections, no log, no metrics, no second transport, no settings beyond these addresses.

    SPEECHMATICS_RT_URL=... SPEECHMATICS_TTS_URL=... OPENAI_BASE_URL=... PORT=6040 python bare.py
"""

import asyncio
import os
import re
import ssl
from binascii import b2a_base64
from collections import deque
from collections.abc import Coroutine

import aiohttp
import msgspec
import numpy as np
import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_connect,
    ws_create_server,
)

STT_URL = os.environ["SPEECHMATICS_RT_URL"] + "/agent"
TTS_URL = os.environ["SPEECHMATICS_TTS_URL"] + "/generate/sarah?output_format=pcm_16000"
LLM_URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
TLS = ssl.create_default_context() if STT_URL.startswith("wss:") else None
START = b"""{"message":"StartRecognition","audio_format":{"type":"raw","encoding":"pcm_s16le",
"sample_rate":8000},"transcription_config":{"language":"en","model":"linden-1",
"enable_partials":true}}"""
INSTRUCTIONS = {"role": "system", "content": "You answer the telephone. Be brief."}
FRAME = 320
FRAME_S = 0.02
SENTENCE = re.compile(r"(?<=[.!?]) +(?=\S)")

# From 16 to 8 kHz: a windowed sinc of 64 taps, 3.6 kHz pass, flat to 3.4 kHz.
TAPS = np.sinc(0.47 * (np.arange(64) - 31.5)) * np.kaiser(64, 8.0)
TAPS = (TAPS / TAPS.sum()).astype(np.float32)


class FromAvr(msgspec.Struct):
    type: str
    audio: bytes = b""


class Segment(msgspec.Struct):
    transcript: str = ""


class FromStt(msgspec.Struct):
    message: str
    segment: Segment | None = None


class Delta(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Delta


class FromLlm(msgspec.Struct):
    choices: list[Choice]


read_avr = msgspec.json.Decoder(FromAvr).decode
read_stt = msgspec.json.Decoder(FromStt).decode
read_llm = msgspec.json.Decoder(FromLlm).decode


class Call(WSListener):
    """One call: the caller's connection and all that hangs on it."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.loop = asyncio.get_running_loop()
        self.stt = Stt(self)
        self.tasks: set[asyncio.Task[None]] = set()
        self.history = [INSTRUCTIONS]
        self.frames: deque[bytes] = deque()
        self.due = 0.0

    def start(self, work: Coroutine[None, None, None]) -> None:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # --- the caller ------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            message = read_avr(frame.get_payload_as_memoryview())
            if message.type == "audio":
                self.stt.hear(message.audio)
            elif message.type == "init":
                self.start(self.stt.open())
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.stop()
        self.stt.close()

    def stop(self) -> bool:
        """Drop the answer. Returns False if there was none."""
        busy = bool(self.tasks or self.frames)
        for task in self.tasks:
            task.cancel()
        self.frames.clear()
        return busy

    # --- the answer ------------------------------------------------------------------------------

    def caller_speaks(self) -> None:
        if self.stop():
            self.transport.send(WSMsgType.TEXT, b'{"type":"interruption"}')

    def turn_ended(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})
        sentences: asyncio.Queue[str | None] = asyncio.Queue()
        self.start(self.think(sentences))
        self.start(self.speak(sentences))

    async def think(self, sentences: asyncio.Queue[str | None]) -> None:
        asked = {"model": "bench", "stream": True, "messages": self.history}
        said = text = ""
        async with self.http.post(LLM_URL, data=msgspec.json.encode(asked)) as reply:
            async for line in reply.content:
                if not line.startswith(b"data: {"):
                    continue
                text += read_llm(line[6:]).choices[0].delta.content or ""
                if mark := SENTENCE.search(text):
                    sentences.put_nowait(text[: mark.start()])
                    said, text = said + text[: mark.end()], text[mark.end() :]
        sentences.put_nowait(text.strip())
        sentences.put_nowait(None)
        self.history.append({"role": "assistant", "content": said + text})

    async def speak(self, sentences: asyncio.Queue[str | None]) -> None:
        while sentence := await sentences.get():
            past, rest, line = np.zeros(63, np.float32), b"", b""
            body = msgspec.json.encode({"text": sentence})
            async with self.http.post(TTS_URL, data=body) as voice:
                async for piece in voice.content.iter_any():
                    even = len(rest + piece) & ~3
                    wide = np.frombuffer((rest + piece)[:even], "<i2").astype(np.float32)
                    rest = (rest + piece)[even:]
                    wide = np.concatenate((past, wide))
                    past = wide[-63:]
                    narrow = np.convolve(wide, TAPS, "valid")[::2].clip(-32768, 32767)
                    line = self.play(line + narrow.astype("<i2").tobytes())
            self.play(line.ljust(-len(line) % FRAME + len(line), b"\0"))

    def play(self, pcm: bytes) -> bytes:
        """Queue whole frames. Returns the rest."""
        whole = len(pcm) - len(pcm) % FRAME
        for at in range(0, whole, FRAME):
            audio = b2a_base64(pcm[at : at + FRAME], newline=False)
            self.frames.append(b'{"type":"audio","audio":"%b"}' % audio)
        if whole and not self.due:
            self.due = self.loop.time()
            self.send_frame()
        return pcm[whole:]

    def send_frame(self) -> None:
        if not self.frames:
            self.due = 0.0
            return
        self.transport.send(WSMsgType.TEXT, self.frames.popleft())
        self.due += FRAME_S
        self.loop.call_at(self.due, self.send_frame)


class Stt(WSListener):
    """The recogniser's session of a call."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.early: list[bytes] = []
        self.started = False
        self.sent = 0
        self.text = ""
        self.transport: WSTransport | None = None

    async def open(self) -> None:
        headers = {"Authorization": f"Bearer {os.environ.get('SPEECHMATICS_API_KEY', '')}"}
        await ws_connect(lambda: self, STT_URL, ssl_context=TLS, extra_headers=headers)

    def close(self) -> None:
        if self.transport:
            last = b'{"message":"EndOfStream","last_seq_no":%d}' % self.sent
            self.transport.send(WSMsgType.TEXT, last)
            self.transport.disconnect()

    def hear(self, pcm: bytes) -> None:
        if self.started and self.transport:
            self.transport.send(WSMsgType.BINARY, pcm)
            self.sent += 1
        else:
            self.early.append(pcm)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.TEXT, START)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            return
        event = read_stt(frame.get_payload_as_memoryview())
        if event.message == "AddSegment" and event.segment:
            self.text = f"{self.text} {event.segment.transcript}".strip()
        elif event.message == "SpeechStarted":
            self.call.caller_speaks()
        elif event.message == "EndOfTurn" and self.text:
            self.call.turn_ended(self.text)
            self.text = ""
        elif event.message == "RecognitionStarted":
            self.started = True
            for pcm in self.early:
                self.hear(pcm)
            self.early.clear()


async def main() -> None:
    # Each call has connections of its own, and a plain client has no limit for a turn.
    connector = aiohttp.TCPConnector(limit=0, ssl=TLS or True)
    timeout = aiohttp.ClientTimeout(total=None)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as http:

        def accept(request: WSUpgradeRequest) -> Call:
            return Call(http)

        server = await ws_create_server(accept, "127.0.0.1", int(os.environ["PORT"]))
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
