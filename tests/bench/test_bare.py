"""The bare service passes the checks of the service: a yardstick must do the whole work."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from bench.callers import Caller, Manners, Metronome
from bench.figures import judge
from bench.ledger import Call, Delays, Ledger
from bench.load import cloud
from bench.run import BARE_COMMAND

from bench import voiceprint

DELAYS = Delays(settled=0.04, speech_end=0.1, stt=0.1, llm=0.05, voice=0.05)


class Barged(set[int]):
    """Numbers of interrupting turns; `begun` is set with the first."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    def add(self, number: int) -> None:
        super().add(number)
        self.begun.set()


@dataclass(slots=True)
class BargingCall(Call):
    barged: Barged = field(default_factory=Barged)


@asynccontextmanager
async def bare_service(stt_port: int, web_port: int) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        "PORT": str(port),
        "SPEECHMATICS_RT_URL": f"ws://127.0.0.1:{stt_port}/v2",
        "SPEECHMATICS_TTS_URL": f"http://127.0.0.1:{web_port}",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{web_port}/v1",
    }
    program = await asyncio.create_subprocess_exec(*BARE_COMMAND, env=os.environ | environment)
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    assert program.returncode is None
                    await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()
        yield f"ws://127.0.0.1:{port}"
    finally:
        program.terminate()
        await program.wait()


@pytest.mark.parametrize("barge_in", [0.0, 1.0])
async def test_every_word_of_every_call_is_whole(
    barge_in: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voiceprint, "SECONDS_PER_CHARACTER", 0.02)
    barging = [BargingCall(number) for number in range(3)]
    ledger = Ledger(calls=[*barging])
    metronome = Metronome(ledger.lags)
    async with cloud(ledger, DELAYS) as ports, asyncio.TaskGroup() as tasks:
        ticking = tasks.create_task(metronome.run())
        async with bare_service(*ports) as url:
            manners = Manners(barge_in=barge_in, patience=5, goes_on=1, pause=0.08)
            callers = [Caller(call, manners) for call in ledger.calls]
            for caller in callers:
                await caller.dial(url)
                metronome.add(caller.tick)
            if barge_in:
                async with asyncio.timeout(20):
                    await asyncio.gather(*(call.barged.begun.wait() for call in barging))
            for caller in callers:
                caller.leave()
            for caller in callers:
                await caller.done.wait()
                await caller.hang_up()
        ticking.cancel()

    timings, integrity = judge(ledger, 0, float("inf"))
    assert integrity.faults == []
    assert integrity.answers >= 3
    assert (integrity.interruptions > 0) == bool(barge_in)
    assert len(timings.voice_to_voice) == integrity.answers
