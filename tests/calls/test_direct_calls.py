"""Calls without avr-core, through the whole service: announced, answered, told of, refused."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from tests.support import Serve, until
from tests.webhook_target import replies, webhook_target

from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    running_sandbox,
    scripted,
    turn,
)
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.transports.audiosocket_wire import (
    AUDIO_8K,
    HANGUP,
    KEY,
    UUID,
    Splitter,
    message,
)
from avr_sts_speechmatics.values import Secret

NAME = "c0ffee00-1234-4abc-8def-0123456789ab"
QUESTION = turn("When do you close?", start=0.2, end=0.8)
LATER = turn("When do you close?", start=3.0, end=3.4)  # when the welcome has been heard
SILENCE = bytes(320)


class Asterisk:
    """One AudioSocket connection, which sends silence as a quiet caller's phone does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.heard = bytearray()
        self.hung_up = False

    async def talk(self) -> None:
        while not self.hung_up:
            self._writer.write(message(AUDIO_8K, SILENCE))
            await asyncio.sleep(0.02)  # a telephone's pace

    async def listen(self) -> None:
        splitter = Splitter()
        while data := await self._reader.read(4096):
            for kind, payload in splitter.feed(data):
                self.hung_up = self.hung_up or kind == HANGUP
                self.heard += payload if kind == AUDIO_8K else b""
        self.hung_up = True

    def press(self, digit: str) -> None:
        self._writer.write(message(KEY, digit.encode()))


@asynccontextmanager
async def calling(server: Server, name: str = NAME) -> AsyncIterator[Asterisk]:
    """A call by AudioSocket, answered and quiet until the caller goes."""
    reader, writer = await asyncio.open_connection(*server.ports["AUDIOSOCKET_PORT"])
    asterisk = Asterisk(reader, writer)
    writer.write(message(UUID, uuid.UUID(name).bytes))
    try:
        async with asyncio.TaskGroup() as line:
            tasks = [line.create_task(asterisk.talk()), line.create_task(asterisk.listen())]
            yield asterisk
            for task in tasks:
                task.cancel()
    finally:
        writer.close()


async def announce(server: Server, payload: Mapping[str, object]) -> dict[str, object]:
    url = "http://{}:{}/call".format(*server.ports["HTTP_PORT"])
    async with aiohttp.ClientSession() as http:
        async with http.post(url, json={"uuid": NAME, "payload": payload}) as answer:
            assert answer.status == 200
            told: dict[str, object] = await answer.json()
            return told


@asynccontextmanager
async def direct(serve: Serve, cloud: RunningSandbox, **changes: object) -> AsyncIterator[Server]:
    """The service with free ports for Asterisk and its dialplan."""
    ports: dict[str, object] = {"audiosocket_port": 0, "http_port": 0}
    async with serve(cloud, **(ports | changes)) as server:
        yield server


def asked(cloud: RunningSandbox) -> str:
    """The instructions the model was last given."""
    return str(cloud.received.chats[-1].body["messages"][0]["content"])


async def test_an_announced_call_is_answered_and_its_webhooks_arrive_in_order(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(LATER, answers=["At five."])) as cloud,
        webhook_target() as target,
        direct(
            serve,
            cloud,
            webhook_url=target.url,
            webhook_secret=Secret("a-secret"),
            speechmatics_welcome_message="Hello {from}.",
            speechmatics_instructions="Be brief.",
        ) as server,
    ):
        told = await announce(server, {"from": "2001", "to": "5001"})
        assert told["override"] is False
        assert "from=2001" in str(told["sts_url"])
        async with calling(server) as asterisk:
            await until(lambda: bool(cloud.received.chats), timeout=5)
            await until(lambda: "At five." in str(target.events), timeout=5)
            asterisk.press("5")
            await until(lambda: "dtmf_digit" in str(target.events), timeout=5)
        await until(lambda: "call_ended" in str(target.events), timeout=5)
        assert '"from": "2001"' in asked(cloud)
        kinds = [event["type"] for event in target.of(NAME)]
        assert kinds[:2] == ["call_initiated", "call_started"]
        assert kinds[-1] == "call_ended"
        assert target.of(NAME)[0]["payload"] == {"from": "2001", "to": "5001"}
        said = [e["payload"] for e in target.of(NAME) if e["type"] == "transcription"]
        assert said[:3] == [
            {"role": "agent", "text": "Hello 2001."},
            {"role": "user", "text": "When do you close?"},
            {"role": "agent", "text": "At five."},
        ]
        assert {r.headers["X-AVR-WEBHOOK-SECRET"] for r in target.requests} == {"a-secret"}


async def test_a_key_before_the_first_frame_waits_for_the_end_of_the_notices(serve: Serve) -> None:
    recorded, machine = "This call is recorded.", "I am an automated assistant."
    async with (
        running_sandbox(scripted((), answers=["That was five."])) as cloud,
        webhook_target() as target,
        direct(
            serve,
            cloud,
            webhook_url=target.url,
            disclosure="on",
            recording_notice="on",
            speechmatics_welcome_message="Hello there.",
        ) as server,
    ):
        async with calling(server) as asterisk:
            asterisk.press("5")
            asterisk.press("#")
            await until(lambda: "That was five." in str(target.events))
        await until(lambda: "call_ended" in str(target.events))
        events = [(event["type"], event["payload"]) for event in target.events]
    said = [payload["text"] for kind, payload in events if kind == "transcription"]
    assert said == [recorded, machine, "[keys: 5]", "That was five."]
    assert not [kind for kind, _ in events if kind == "interruption"]
    assert [one["text"] for one in events[-1][1]["notices"]] == [recorded, machine]


async def test_the_webhooks_reply_picks_the_agent(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "sales.yaml").write_text("instructions: You sell.\nwelcome: ''\n")
    (tmp_path / "default.yaml").write_text("instructions: You help.\nwelcome: ''\n")
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five."])) as cloud,
        webhook_target(replies(200, '{"agent": "sales"}')) as target,
        direct(serve, cloud, webhook_url=target.url, agents_dir=tmp_path) as server,
    ):
        assert (await announce(server, {"from": "2001"}))["override"] is True
        async with calling(server):
            await until(lambda: bool(cloud.received.chats), timeout=5)
    assert asked(cloud).startswith("You sell.")


async def test_with_require_call_each_announcement_admits_one_call(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        running_sandbox() as cloud,
        direct(serve, cloud, require_call=True) as server,
    ):
        async with calling(server) as asterisk:
            await until(lambda: asterisk.hung_up)
        assert server.health()["calls"] == 0
        assert "REQUIRE_CALL" in caplog.text
        await announce(server, {})
        async with calling(server):
            await until(lambda: server.health()["calls"] == 1)
        async with calling(server) as again:
            await until(lambda: again.hung_up)


async def test_background_noise_is_heard_before_under_and_after_the_agent(
    serve: Serve, tmp_path: Path
) -> None:
    room = np.random.default_rng(1).integers(-3000, 3000, 16_000).astype("<i2")
    (tmp_path / "room.raw").write_bytes(room.tobytes())
    async with (
        running_sandbox() as cloud,
        direct(
            serve,
            cloud,
            ambient_noise_file=tmp_path / "room.raw",
            ambient_noise_level=0.5,
            speechmatics_welcome_message="Hello there.",
        ) as server,
        calling(server) as asterisk,
    ):
        await until(lambda: len(asterisk.heard) > 3 * 16_000, timeout=8)
    levels = np.frombuffer(bytes(asterisk.heard), "<i2").astype(float).reshape(-1, 160).std(axis=1)
    assert levels.min() > 300, "a frame without the room"
    assert levels.max() > 2000, "and the agent was not heard over it"


async def test_a_quiet_call_gets_a_frame_every_20_ms_and_silence_in_it(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        direct(serve, cloud) as server,
        calling(server) as asterisk,
    ):
        await until(lambda: len(asterisk.heard) >= 50 * 320, timeout=5)
        assert not any(asterisk.heard)
