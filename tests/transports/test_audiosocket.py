"""The AudioSocket transport as Asterisk meets it: real connections, and a call that takes notes."""

import asyncio
import logging
import random
import socket
import struct
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import numpy as np
import pytest
from tests.g711 import encode
from tests.support import until

from avr_sts_speechmatics.audio.g711 import decode
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.transports import audiosocket
from avr_sts_speechmatics.transports.audiosocket import (
    EARLY_S,
    MUTE_S,
    SETTLE_S,
    AudioSocketConnection,
)
from avr_sts_speechmatics.transports.audiosocket_wire import (
    AUDIO_8K,
    AUDIO_RATES,
    FRAME_HEAD,
    HANG_UP,
    HANGUP,
    KEY,
    UUID,
    Splitter,
    message,
)
from avr_sts_speechmatics.transports.early_media import KEYS_MAX
from avr_sts_speechmatics.transports.reception import Reception

NAME = "c0ffee00-1234-4abc-8def-0123456789ab"
HELLO = message(UUID, uuid.UUID(NAME).bytes)
RST_ON_CLOSE = struct.pack("ii", 1, 0)


def numbered(frames: int) -> bytes:
    """Audio in which every sample is its own number: a lost or repeated one shows."""
    return b"".join((n % 30_000).to_bytes(2, "little") for n in range(160 * frames))


def in_frames(pcm: bytes, size: int = 320, kind: int = AUDIO_8K) -> bytes:
    return b"".join(message(kind, pcm[at : at + size]) for at in range(0, len(pcm), size))


class Agent:
    """A call, as the transport sees it: notes what the caller does, and speaks when told to."""

    def __init__(self, caller: Caller, line: Line) -> None:
        self.caller = caller
        self.line = line
        self.begun = time.monotonic()
        self.audio = bytearray()
        self.events: list[bytes | str] = []
        self.left = asyncio.Event()
        self.continuous = False
        pacing: Any = self
        line.open_playout(pacing, lambda _: None)

    def playout(
        self, send: Callable[[bytes], None], finished: object, *, continuous: bool = False
    ) -> None:
        """Stand in for `Pacing.playout`: frames are sent when a test says so."""
        self.send_frame = send
        self.continuous = continuous

    @property
    def keys(self) -> str:
        return "".join(event for event in self.events if isinstance(event, str))

    def hear(self, pcm: bytes) -> None:
        assert len(pcm) % 2 == 0
        assert pcm
        self.audio += pcm
        self.events.append(pcm)

    def press(self, digit: str) -> None:
        self.events.append(digit)

    def write(self, text: str) -> None: ...

    def audio_ended(self) -> None:
        raise AssertionError("AudioSocket has no message for it")

    def leave(self) -> None:
        self.left.set()


class Service:
    """The transport on a port, and its calls."""

    def __init__(self) -> None:
        self.calls: list[Agent] = []
        self.connections: list[AudioSocketConnection] = []
        self.full = False
        self.known: Mapping[str, str] | None = {}
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.law: Literal["auto", "ulaw", "alaw"] = "auto"
        self.port = 0

    def connection(self) -> AudioSocketConnection:
        made = AudioSocketConnection(Reception(self._open), law=self.law, facts_for=self._facts_for)
        self.connections.append(made)
        return made

    async def _facts_for(self, uuid: str) -> Mapping[str, str] | None:
        self.asked.append(uuid)
        await self.answers.wait()
        return self.known

    def _open(self, caller: Caller, line: Line) -> Agent:
        if self.full:
            raise CallerError("the service has its 1 calls (MAX_CALLS)")
        self.calls.append(Agent(caller, line))
        return self.calls[-1]

    async def call(self) -> Agent:
        await until(lambda: bool(self.calls))
        return self.calls[-1]


class Asterisk:
    """The other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.socket: socket.socket = writer.get_extra_info("socket")
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self, size: int = 1 << 16) -> bytes:
        return await asyncio.wait_for(self._reader.read(size), 5)

    async def until_closed(self) -> bytes:
        """All that still comes; fails on a reset."""
        return await asyncio.wait_for(self._reader.read(), 5)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):  # the service was the first
            await self._writer.wait_closed()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls begin sooner, where when they begin does not matter."""
    monkeypatch.setattr(audiosocket, "SETTLE_S", 0.02)
    monkeypatch.setattr(audiosocket, "MUTE_S", 0.05)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    faults: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context["message"]))
    server = await loop.create_server(service.connection, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    yield service
    server.close()
    assert not faults


@asynccontextmanager
async def dial(service: Service, first: bytes = HELLO) -> AsyncIterator[Asterisk]:
    asterisk = Asterisk(*await asyncio.open_connection("127.0.0.1", service.port))
    asterisk.send(first)
    try:
        yield asterisk
    finally:
        await asterisk.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


# --- how a call begins ----------------------------------------------------------------------------


@pytest.mark.usefixtures("hurried")
async def test_a_call_has_the_uuid_of_the_dialplan_and_the_announced_facts(
    service: Service,
) -> None:
    service.known = {"from": "2001"}
    async with dial(service):
        call = await service.call()
        assert call.caller == Caller(NAME, "audiosocket", {"from": "2001"})


@pytest.mark.usefixtures("hurried")
async def test_asterisk_receives_a_frame_every_20_ms_even_in_pauses(service: Service) -> None:
    async with dial(service):
        assert (await service.call()).continuous


async def test_a_call_begins_a_little_after_the_callers_first_audio(service: Service) -> None:
    async with dial(service) as asterisk:
        begun = time.monotonic()
        asterisk.send(in_frames(numbered(1)))
        call = await service.call()
        assert SETTLE_S - 0.01 <= call.begun - begun < MUTE_S


async def test_a_mute_caller_is_not_waited_for_longer_than_asterisk_waits(
    service: Service,
) -> None:
    begun = time.monotonic()
    async with dial(service):
        call = await service.call()
        assert MUTE_S - 0.01 <= call.begun - begun < 1.5


async def test_early_media_is_delivered_first_and_in_order(
    service: Service,
) -> None:
    said = numbered(4)
    async with dial(service) as asterisk:
        asterisk.send(message(KEY, b"1") + in_frames(said[:640]) + message(KEY, b"#"))
        asterisk.send(in_frames(said[640:960]))
        call = await service.call()
        asterisk.send(in_frames(said[960:]) + message(KEY, b"2"))
        await until(lambda: call.keys.endswith("2"))
        assert call.events == ["1", said[:640], "#", said[640:960], said[960:], "2"]


async def test_early_media_is_bounded(service: Service) -> None:
    async with dial(service) as asterisk:
        asterisk.send(in_frames(numbered(1000)) + message(KEY, b"7") * 1000)
        call = await service.call()
        await until(lambda: len(call.keys) > 0)
        assert call.keys == "7" * KEYS_MAX
        assert bytes(call.audio) == numbered(1000)[: round(EARLY_S * 16000)]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "first",
    [
        message(KEY, b"1"),
        in_frames(bytes(320)),
        message(UUID, bytes(15)),
        message(UUID),
        b"\x00\x00\x00",
        b"\xff\xff\xff" + bytes(65535),
    ],
)
async def test_a_connection_whose_first_message_is_not_a_uuid_is_closed(
    service: Service, first: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with dial(service, first + HELLO) as asterisk:
        assert await asterisk.until_closed() == HANG_UP
    assert service.calls == []
    (warning,) = warnings(caplog)
    assert "not a uuid" in warning


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("first", [b"", HELLO[:-1], b"GET / HTTP/1.1\r\nHost: pbx\r\n\r\n"])
async def test_a_connection_without_a_uuid_is_closed(
    service: Service,
    first: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(audiosocket, "UUID_WAIT_S", 0.1)
    async with dial(service, first) as asterisk:
        assert await asterisk.until_closed() == HANG_UP
    assert service.calls == []
    (warning,) = warnings(caplog)
    assert "127.0.0.1" in warning


@pytest.mark.usefixtures("hurried")
async def test_a_call_that_was_not_announced_is_refused(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.known = None
    async with dial(service) as asterisk:
        assert await asterisk.until_closed() == HANG_UP
    assert service.calls == []
    (warning,) = warnings(caplog)
    assert NAME in warning
    assert "REQUIRE_CALL" in warning


@pytest.mark.usefixtures("hurried")
async def test_what_a_caller_says_while_the_announcement_is_looked_up_is_heard(
    service: Service,
) -> None:
    service.answers.clear()
    service.known = {"from": "2001"}
    said = numbered(20)
    async with dial(service) as asterisk, dial(service, b"") as other:
        asterisk.send(in_frames(said[:3200]) + message(KEY, b"1"))
        await until(lambda: service.asked == [NAME])
        (connection,) = [c for c in service.connections if c._uuid]
        await until(lambda: connection._settled)
        assert not service.calls
        asterisk.send(in_frames(said[3200:]))
        # Another caller is not held up by a store that thinks.
        other.send(message(KEY, b"1"))
        assert await other.until_closed() == HANG_UP
        service.answers.set()
        call = await service.call()
        await until(lambda: len(call.audio) == len(said))
        assert bytes(call.audio) == said
        assert call.keys == "1"
        assert call.caller.facts == {"from": "2001"}
        assert len(service.calls) == 1


async def test_an_answer_before_the_call_has_settled_opens_no_call_early(service: Service) -> None:
    begun = time.monotonic()
    async with dial(service) as asterisk:
        await until(lambda: service.asked == [NAME])
        asterisk.send(in_frames(numbered(1)))
        call = await service.call()
        assert call.begun - begun >= SETTLE_S - 0.01


@pytest.mark.usefixtures("hurried")
async def test_a_caller_who_leaves_during_the_look_up_leaves_nothing_behind(
    service: Service,
) -> None:
    service.answers.clear()
    async with dial(service) as asterisk:
        asterisk.send(in_frames(bytes(320)))
        await until(lambda: service.asked == [NAME])
        assert len(asyncio.all_tasks()) == 2
        await asterisk.close()
        await until(lambda: len(asyncio.all_tasks()) == 1)
    service.answers.set()
    async with dial(service):
        await service.call()
    assert len(service.calls) == 1


@pytest.mark.usefixtures("hurried")
async def test_a_call_too_many_is_hung_up_with_the_reason_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.full = True
    async with dial(service) as asterisk:
        asterisk.send(in_frames(bytes(640)))
        assert await asterisk.until_closed() == HANG_UP
    (warning,) = warnings(caplog)
    assert "MAX_CALLS" in warning


@pytest.mark.usefixtures("hurried")
async def test_a_caller_who_leaves_before_the_call_began_is_no_call(service: Service) -> None:
    async with dial(service) as asterisk:
        asterisk.send(in_frames(bytes(320)))
        await asterisk.close()
    async with dial(service):
        await service.call()
    assert len(service.calls) == 1


# --- what the caller says and does ----------------------------------------------------------------


@pytest.mark.usefixtures("hurried")
async def test_a_stream_in_single_bytes_is_heard_as_it_was_said(service: Service) -> None:
    said = numbered(3)
    async with dial(service, b"") as asterisk:
        for byte in HELLO + in_frames(said) + message(KEY, b"5"):
            asterisk.send(bytes([byte]))
            await asyncio.sleep(0)
        call = await service.call()
        await until(lambda: call.keys == "5")
        assert bytes(call.audio) == said


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("size", [1, 2, 276, 321, 1001, 65535])
async def test_payloads_of_any_size_are_heard_without_a_slip(service: Service, size: int) -> None:
    said = numbered(1)
    longer = numbered(210)[: 2 * max(480, size)]
    async with dial(service) as asterisk:
        asterisk.send(in_frames(said))  # linear, as the first frame says
        call = await service.call()
        asterisk.send(in_frames(longer, size))
        await until(lambda: len(call.audio) >= len(said + longer))
        assert bytes(call.audio) == said + longer


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("kind", AUDIO_RATES)
async def test_every_rate_is_heard_as_8_khz(service: Service, kind: int) -> None:
    rate = AUDIO_RATES[kind]
    at = np.arange(rate) / rate
    tone = (8000 * np.sin(2 * np.pi * 440 * at)).astype("<i2").tobytes()
    async with dial(service) as asterisk:
        asterisk.send(in_frames(tone, 2 * (rate // 50), kind))
        call = await service.call()
        await until(lambda: len(call.audio) >= 15990)
        heard = np.frombuffer(call.audio, "<i2")
    assert abs(len(heard) - 8000) <= 1
    steady = heard[400:7600].astype(np.float64)
    ideal = np.exp(2j * np.pi * 440 * np.arange(len(steady)) / 8000)
    amplitude = 2 * abs((steady * ideal).mean())
    assert amplitude == pytest.approx(8000, rel=0.01)
    assert np.sqrt(2) * steady.std() == pytest.approx(8000, rel=0.01)  # and nothing else


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("law", "called"), [("ulaw", "mu-law"), ("alaw", "A-law")])
async def test_g711_under_the_kind_of_linear_samples_is_heard_right(
    service: Service,
    law: Literal["ulaw", "alaw"],
    called: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    spoken = np.sin(np.arange(8000) ** 1.4 / 400) * np.linspace(0, 9000, 8000)
    codes = encode(spoken.astype("<i2").tobytes(), law)
    async with dial(service) as asterisk:
        asterisk.send(in_frames(codes, 160))
        call = await service.call()
        await until(lambda: len(call.audio) >= 2 * len(codes))
        assert bytes(call.audio) == decode(codes, law)
    (line,) = [r.getMessage() for r in caplog.records if "G.711" in r.getMessage()]
    assert called in line
    assert NAME in line


@pytest.mark.usefixtures("hurried")
async def test_a_law_that_was_set_is_used_from_the_first_packet(service: Service) -> None:
    service.law = "alaw"
    codes = bytes(range(160))
    async with dial(service) as asterisk:
        asterisk.send(in_frames(codes, 160))
        call = await service.call()
        await until(lambda: len(call.audio) > 0)
        assert bytes(call.audio) == decode(codes, "alaw")


@pytest.mark.usefixtures("hurried")
async def test_keys_are_reported_and_other_characters_are_not(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async with dial(service) as asterisk:
        for payload in (b"0", b"9", b"*", b"#", b"A", b"d", b"E", b"", b"12", b"\xff", b" ", b"5"):
            asterisk.send(message(KEY, payload))
        call = await service.call()
        await until(lambda: call.keys.endswith("5"))
        assert call.keys == "09*#AD5"
    assert len(warnings(caplog)) == 1


@pytest.mark.usefixtures("hurried")
async def test_unknown_kinds_are_skipped_by_their_length_and_named_once(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    said = numbered(2)
    async with dial(service) as asterisk:
        for kind in (0x02, 0x04, 0x0F, 0x19, 0xFF, 0xFF):
            asterisk.send(message(kind, HANG_UP * 100) + message(kind))
        asterisk.send(HELLO + message(UUID, bytes(16)) + message(UUID) + in_frames(said))
        call = await service.call()
        await until(lambda: bytes(call.audio) == said)
        assert call.caller.uuid == NAME
    assert len(warnings(caplog)) == 1


@pytest.mark.usefixtures("hurried")
async def test_garbage_does_not_harm_the_service(service: Service) -> None:
    chance = random.Random(11)
    for _ in range(30):
        kinds = [chance.randrange(256), *AUDIO_RATES, KEY, UUID]
        messages = (
            message(chance.choice(kinds), chance.randbytes(chance.choice((0, 1, 160, 3001))))
            for _ in range(20)
        )
        async with dial(service, HELLO + b"".join(messages) + chance.randbytes(500)):
            pass
    async with dial(service) as asterisk:
        asterisk.send(in_frames(numbered(1)))
        # Calls of the garbage may still be opened meanwhile.
        await until(lambda: any(bytes(call.audio) == numbered(1) for call in service.calls))


# --- how it ends ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("hurried")
async def test_the_end_of_the_stream_is_the_callers_hangup(service: Service) -> None:
    async with dial(service) as asterisk:
        call = await service.call()
        asterisk.send(message(AUDIO_8K, bytes(320))[:100])
    await asyncio.wait_for(call.left.wait(), 2)


@pytest.mark.usefixtures("hurried")
async def test_a_reset_is_the_callers_hangup(service: Service) -> None:
    async with dial(service) as asterisk:
        call = await service.call()
        asterisk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
    await asyncio.wait_for(call.left.wait(), 2)


@pytest.mark.usefixtures("hurried")
async def test_a_hangup_message_is_a_hangup(service: Service) -> None:
    async with dial(service) as asterisk:
        call = await service.call()
        asterisk.send(message(HANGUP) + in_frames(numbered(1)))
        await asyncio.wait_for(call.left.wait(), 2)
        assert not call.audio


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("how", ["hang_up", "close", "both"])
async def test_the_farewell_goes_out_whole_then_the_hangup_and_nothing_after_it(
    service: Service, how: str
) -> None:
    async with dial(service) as asterisk:
        call = await service.call()
        for frame in (numbered(3)[at : at + 320] for at in range(0, 960, 320)):
            call.send_frame(frame)
        if how != "close":
            assert call.line.can_hang_up
            call.line.hang_up()
        if how != "hang_up":
            call.line.close(failed=False)
        call.send_frame(bytes(320))
        assert await asterisk.until_closed() == in_frames(numbered(3)) + HANG_UP
    await asyncio.wait_for(call.left.wait(), 2)


@pytest.mark.usefixtures("hurried")
async def test_a_caller_who_talks_into_the_hangup_does_not_turn_it_into_a_failure(
    service: Service,
) -> None:
    async with dial(service) as asterisk:
        call = await service.call()
        call.line.hang_up()
        # Frames under way meanwhile: had we closed, each would be answered by a reset.
        for _ in range(5):
            asterisk.send(in_frames(numbered(1)))
            await asyncio.sleep(0.01)
        assert await asterisk.until_closed() == HANG_UP
        assert not call.left.is_set()
    await asyncio.wait_for(call.left.wait(), 2)
    assert not call.audio


@pytest.mark.usefixtures("hurried")
async def test_a_connection_that_asterisk_does_not_close_is_aborted(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiosocket, "_LINGER_S", 0.1)
    async with dial(service):
        call = await service.call()
        call.line.hang_up()
        await asyncio.wait_for(call.left.wait(), 2)


@pytest.mark.usefixtures("hurried")
async def test_actions_of_the_call_after_the_connection_is_lost_do_nothing(
    service: Service,
) -> None:
    async with dial(service):
        call = await service.call()
    await asyncio.wait_for(call.left.wait(), 2)
    call.send_frame(bytes(320))
    call.line.send_interruption()
    call.line.send_transcript("agent", "Hello?")
    call.line.hang_up()
    call.line.close(failed=True)


# --- what the agent says --------------------------------------------------------------------------


@pytest.mark.usefixtures("hurried")
async def test_a_frame_is_one_write(service: Service) -> None:
    async with dial(service) as asterisk:
        call = await service.call()
        for number in range(20):
            frame = bytes([number]) * 320
            call.send_frame(frame)
            # All that one read brings: a head without its payload would come alone.
            assert await asterisk.receive() == FRAME_HEAD + frame


@pytest.mark.usefixtures("hurried")
async def test_errors_and_transcripts_are_not_sent(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async with dial(service) as asterisk:
        call = await service.call()
        call.line.send_interruption()
        call.line.send_transcript("agent", "Hello?")
        call.line.send_error("the recogniser is lost")
        call.line.close(failed=True)
        assert await asterisk.until_closed() == HANG_UP
    (warning,) = warnings(caplog)
    assert "the recogniser is lost" in warning


@asynccontextmanager
async def narrow_line(service: Service) -> AsyncIterator[socket.socket]:
    """A connection whose other end holds little; plain, so that nothing reads behind our back."""
    with socket.socket() as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.sock_connect(end, ("127.0.0.1", service.port)), 5)
        await loop.sock_sendall(end, HELLO)
        yield end


@pytest.mark.usefixtures("hurried")
async def test_a_line_that_takes_nothing_is_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audiosocket, "STALLED_S", 0.2)
    async with narrow_line(service):
        call = await service.call()
        for _ in range(5000):
            call.send_frame(bytes(320))
        await asyncio.wait_for(call.left.wait(), 2)
    assert "took no audio" in caplog.text


@pytest.mark.usefixtures("hurried")
async def test_audio_of_a_standstill_is_dropped_instead_of_played_in_a_burst(
    service: Service,
) -> None:
    late, now = (AUDIO_8K, bytes(320)), (AUDIO_8K, b"\1" * 320)
    async with narrow_line(service) as end:
        call = await service.call()
        for _ in range(5000):
            call.send_frame(late[1])
        splitter = Splitter()
        heard: list[tuple[int, bytes]] = []
        loop = asyncio.get_running_loop()
        while now not in heard:
            heard += splitter.feed(await asyncio.wait_for(loop.sock_recv(end, 65536), 5))
            call.send_frame(now[1])
        call.line.close(failed=False)
        while data := await asyncio.wait_for(loop.sock_recv(end, 65536), 5):
            heard += splitter.feed(data)
    await asyncio.wait_for(call.left.wait(), 2)
    # The frame that was cut by the standstill is whole, or all after it would be another kind.
    stale = heard.count(late)
    assert heard == [late] * stale + [now] * (len(heard) - stale - 1) + [(HANGUP, b"")]
    assert stale < 3 * 50


async def test_the_end_of_a_stall_does_not_end_the_wait_for_the_uuid(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiosocket, "UUID_WAIT_S", 0.3)
    async with dial(service, b"") as asterisk:
        await until(lambda: bool(service.connections))
        service.connections[0].pause_writing()
        service.connections[0].resume_writing()
        assert await asterisk.until_closed() == HANG_UP
