"""Callers whose every frame is signed, one call after the other, through a load balancer.

The callers and the synthetic clouds are those of the benchmark: a word that is missing, or one from
another call, is a fault of `bench.figures.judge`. A caller asks one question, hears the answer to
its end and hangs up; then the next call begins.
"""

import asyncio
import json
import time
import uuid
from base64 import b64decode, b64encode
from typing import Any, cast

import aiohttp
from bench.callers import Caller, Manners, Metronome
from bench.ledger import Call, Ledger
from picows import WSError, WSTransport

from avr_sts_speechmatics.transports.audiosocket_wire import AUDIO_8K, UUID, Splitter, message

MANNERS = Manners(barge_in=0.0, patience=10.0, goes_on=0.0, pause=0.0)

CALL_S = 30.0
"""Longest time of one call (s)."""


class _AudioSocket(asyncio.Protocol):
    """Asterisk's side of AudioSocket, with the interface of a WebSocket that carries AVR's JSON."""

    def __init__(self, caller: "AudioSocketCaller") -> None:
        self._caller = caller
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None
        self.is_disconnected = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(message(UUID, self._caller.uuid.bytes))

    def data_received(self, data: bytes) -> None:
        for kind, payload in self._splitter.feed(data):
            # Between answers the service sends silence.
            if kind == AUDIO_8K and any(payload):
                audio = b64encode(payload).decode()
                self._caller.take(b'{"type":"audio","audio":"%b"}' % audio.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_disconnected = True
        self._caller.on_ws_disconnected(cast(WSTransport, self))

    def send(self, _: object, text: bytes) -> None:
        assert self._transport is not None
        self._transport.write(message(AUDIO_8K, b64decode(json.loads(text)["audio"])))

    def send_close(self) -> None:
        """AudioSocket has no such message."""

    def disconnect(self) -> None:
        assert self._transport is not None
        self._transport.close()


class AudioSocketCaller(Caller):
    """A caller by AudioSocket. Before the call, its uuid is announced by `POST /call`.

    announce_url: where.
    announced: the status of each announcement is appended.
    """

    def __init__(self, call: Call, announce_url: str, announced: list[int]) -> None:
        super().__init__(call, MANNERS)
        self.uuid = uuid.uuid4()
        self._record = call
        self._announce_url = announce_url
        self._announced = announced

    async def dial(self, url: str) -> None:
        body = {"uuid": str(self.uuid), "payload": {"from": "2001"}}
        async with aiohttp.ClientSession() as http:
            async with http.post(self._announce_url, json=body) as response:
                self._announced.append(response.status)
        host, _, port = url.rpartition(":")
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: _AudioSocket(self), host, int(port))
        self._record.init_at = time.perf_counter()
        line: Any = protocol
        self._transport = line


class Crowd:
    """Callers who make one call after the other until `leave`.

    ledger: the record of all calls.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.announced: list[int] = []
        """The status of each announcement."""
        self._metronome = Metronome(ledger.lags)
        self._leaving = False

    def leave(self) -> None:
        """Begin no further call."""
        self._leaving = True

    async def talk(
        self, callers: int, by_audiosocket: int, websocket: int, audiosocket: int, http: int
    ) -> None:
        """Make calls until `leave` and the end of the last call.

        callers: how many call at a time.
        by_audiosocket: how many of them call by AudioSocket.
        websocket, audiosocket, http: ports of the balancer.
        """
        async with asyncio.TaskGroup() as crowd:
            ticking = crowd.create_task(self._metronome.run())
            async with asyncio.TaskGroup() as talking:
                for number in range(callers):
                    if number < by_audiosocket:
                        url = f"127.0.0.1:{audiosocket}"
                    else:
                        url = f"ws://127.0.0.1:{websocket}"
                    talking.create_task(self._call_again_and_again(number, url, http))
            ticking.cancel()

    async def _call_again_and_again(self, slot: int, url: str, http: int) -> None:
        await asyncio.sleep(slot * 0.05)
        announce_url = f"http://127.0.0.1:{http}/call"
        while not self._leaving:
            call = Call(len(self.ledger.calls))
            self.ledger.calls.append(call)
            caller: Caller
            if url.startswith("ws:"):
                caller = Caller(call, MANNERS)
            else:
                caller = AudioSocketCaller(call, announce_url, self.announced)
            try:
                await caller.dial(url)
            except (OSError, WSError, aiohttp.ClientError) as error:
                call.complaint = f"the call was not taken: {error!r}"
                continue
            self._metronome.add(caller.tick)
            caller.leave()  # after the first question
            try:
                async with asyncio.timeout(CALL_S):
                    await caller.done.wait()
            except TimeoutError:
                call.complaint = f"no answer within {CALL_S:.0f} s"
            await caller.hang_up()
