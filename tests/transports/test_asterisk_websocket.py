"""The chan_websocket transport, against an Asterisk that behaves as it was measured."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.asterisk_websocket import Asterisk, dial
from tests.nasty_json import NASTY
from tests.support import Serve, until, url_of
from tests.transports.test_asterisk_codec import loudness, tone

from avr_sts_speechmatics.admission.refusal import CallRefused, Refusal
from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import Played, PlayoutClock
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.websocket import accept
from avr_sts_speechmatics.sandbox.scripted_cloud import ScriptedTts, running_sandbox, scripted, turn
from avr_sts_speechmatics.transports import asterisk_websocket
from avr_sts_speechmatics.transports.asterisk_codec import ChannelCodec
from avr_sts_speechmatics.transports.asterisk_websocket import (
    EARLY_MAX_BYTES,
    accept_media,
    named_call,
)
from avr_sts_speechmatics.transports.reception import Reception

UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"
ADDRESS = f"/media?call={UUID}&from=2001"


class Agent:
    """What a call is to the transport: hears, and is told of keys and of the end."""

    def __init__(self, caller: Caller, line: Line) -> None:
        self.caller = caller
        self.line = line
        self.finished: list[Played] = []
        self.heard = bytearray()
        self.keys = ""
        self.left = asyncio.Event()
        self._changed = asyncio.Event()
        self.playout = line.open_playout(
            Pacing(PlayoutClock()),
            lambda played: self.finished.append(replace(played, first_sent=None)),
        )

    def hear(self, pcm: bytes) -> None:
        self.heard += pcm
        self._changed.set()

    def press(self, digit: str) -> None:
        self.keys += digit
        self._changed.set()

    def write(self, text: str) -> None: ...

    def audio_ended(self) -> None:
        raise AssertionError("chan_websocket has no such message")

    def leave(self) -> None:
        self.playout.close()
        self.left.set()

    def say(self, pcm: bytes, number: int = 1) -> None:
        utterance = self.playout.open(number)
        self.playout.write(utterance, pcm)
        self.playout.end(utterance)

    async def until_heard(self, size: int) -> bytes:
        async with asyncio.timeout(5):
            while len(self.heard) < size:
                self._changed.clear()
                await self._changed.wait()
        return bytes(self.heard)


class Transports:
    """A transport that opens calls with agents, in the order they come."""

    def __init__(self) -> None:
        self.url = ""
        self.agents: list[Agent] = []
        self.refuses = ""
        self.reception: Reception
        self.known: Mapping[str, str] | None = {}
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self._came = asyncio.Event()

    def open_call(self, caller: Caller, line: Line) -> CallerSide:
        if self.refuses:
            raise CallRefused(Refusal("full", self.refuses))
        agent = Agent(caller, line)
        self.agents.append(agent)
        self._came.set()
        return agent

    async def facts_for(self, uuid: str) -> Mapping[str, str] | None:
        self.asked.append(uuid)
        await self.answers.wait()
        return self.known

    async def agent(self, number: int = 0) -> Agent:
        async with asyncio.timeout(5):
            while len(self.agents) <= number:
                self._came.clear()
                await self._came.wait()
        return self.agents[number]


@asynccontextmanager
async def opened() -> AsyncIterator[Transports]:
    ports = Transports()
    ports.reception = reception = Reception(ports.open_call)
    server = await asyncio.get_running_loop().create_server(
        lambda: accept(lambda request: accept_media(request, reception, ports.facts_for)),
        "127.0.0.1",
        0,
    )
    ports.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield ports
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def talking(codec: str = "slin", address: str = ADDRESS) -> AsyncIterator[tuple[Any, ...]]:
    """An Asterisk and the agent it is connected with."""
    async with opened() as ports:
        frame = ChannelCodec(codec).frame_bytes
        async with dial(ports.url + address, frame_bytes=frame) as asterisk:
            await asterisk.start(codec)
            yield asterisk, await ports.agent()


def numbered(frames: int) -> bytes:
    return b"".join((n % 30_000).to_bytes(2, "little") for n in range(160 * frames))


# --- who calls ---------------------------------------------------------------------------------


async def test_a_call_has_its_uuid_and_facts_from_the_address_and_the_channel() -> None:
    async with talking() as (_, agent):
        assert agent.caller == Caller(
            UUID,
            "asterisk-websocket",
            {
                "call": UUID,
                "from": "2001",
                "channel": "WebSocket/avr/0x7ff3",
                "channel_id": "1795405367.31",
            },
        )


async def test_the_channel_named_by_the_dialplan_overrides_the_sockets_channel() -> None:
    async with talking(address="/media?channel=PJSIP%2F2000-00000013") as (_, agent):
        assert agent.caller.facts["channel"] == "PJSIP/2000-00000013"
        assert agent.caller.facts["channel_id"] == "1795405367.31"


@pytest.mark.parametrize(
    ("facts", "variables", "name"),
    [
        ({"call": "a", "uuid": "b", "channel_id": "c"}, {"UUID": "d"}, "a"),
        ({"uuid": "b", "channel_id": "c"}, {"UUID": "d"}, "b"),
        ({"channel_id": "c"}, {"UUID": "d"}, "d"),
        ({"channel_id": "c"}, {"__CALL": "e", "UUID": "d"}, "e"),
        ({"call": "", "channel_id": "c"}, {"UUID": "\n"}, "c"),
        ({"channel_id": "c"}, {"UUID": ["x" * 100] * 9}, "['" + "x" * 62),
        ({}, {}, ""),
    ],
)
def test_the_dialplan_can_name_the_call(
    facts: Mapping[str, str], variables: Mapping[str, Any], name: str
) -> None:
    assert named_call(facts, variables) == name


async def test_the_subprotocol_is_answered_only_where_it_is_asked_for() -> None:
    async with opened() as ports, dial(ports.url + "/media", media=False) as asterisk:
        await asterisk.start()
        await ports.agent()


async def test_a_call_that_cannot_be_taken_is_closed_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        ports.refuses = "the service has its 5 calls (MAX_CALLS)"
        await asterisk.start()
        assert await asterisk.until_closed() == 1013
        assert ports.refuses in caplog.text


# --- announced calls -----------------------------------------------------------------------------


async def test_what_a_caller_says_while_the_announcement_is_looked_up_is_heard() -> None:
    said = numbered(50)
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        ports.answers.clear()
        ports.known = {"from": "an older number", "agent": "sales"}
        await asterisk.start()
        await asterisk.start()  # a second one is ignored, in this phase as well
        await asterisk.speak(said[:8000])
        await asterisk.press("7")
        await until(lambda: ports.asked == [UUID])
        await asterisk.speak(said[8000:])
        assert not ports.agents
        ports.answers.set()
        agent = await ports.agent()
        assert await agent.until_heard(len(said)) == said
        assert agent.keys == "7"
        assert agent.caller.facts["agent"] == "sales"
        assert agent.caller.facts["from"] == "2001"  # the call's own fact
        assert len(ports.agents) == 1


async def test_a_call_that_was_not_announced_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        ports.known = None
        await asterisk.start()
        assert await asterisk.until_closed() == 1008
        assert "REQUIRE_CALL" in caplog.text
        assert ports.reception.refused == {"asterisk-websocket": 1}


async def test_a_caller_who_leaves_during_the_look_up_leaves_nothing_behind() -> None:
    async with opened() as ports:
        ports.answers.clear()
        before = len(asyncio.all_tasks())
        async with dial(ports.url + ADDRESS) as asterisk:
            await asterisk.start()
            await until(lambda: ports.asked == [UUID])
        await until(lambda: len(asyncio.all_tasks()) == before)
        ports.answers.set()
        async with dial(ports.url + ADDRESS) as asterisk:
            await asterisk.start()
            await ports.agent()
        assert len(ports.agents) == 1


async def test_a_call_that_a_fault_keeps_from_opening_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asterisk_websocket, "OPEN_WAIT_S", 0.1)
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        ports.answers.clear()
        await asterisk.start()
        assert await asterisk.until_closed() == 1008


# --- audio -------------------------------------------------------------------------------------


async def test_the_caller_is_heard_sample_by_sample() -> None:
    said = numbered(100)
    async with talking() as (asterisk, agent):
        await asterisk.speak(said)
        assert await agent.until_heard(len(said)) == said


async def test_the_agent_is_heard_sample_by_sample_and_the_end_is_reported() -> None:
    said = numbered(40)
    async with talking() as (asterisk, agent):
        agent.say(said)
        await asterisk.until(lambda: len(asterisk.voice) >= len(said))
        assert agent.finished == []
        await asterisk.until(lambda: agent.finished)
        assert asterisk.voice == said
        assert agent.finished == [Played(1, 6400, 6400)]


@pytest.mark.parametrize("codec", ["slin16", "slin48", "ulaw", "alaw"])
async def test_caller_and_agent_are_heard_in_every_codec(codec: str) -> None:
    async with talking(codec) as (asterisk, agent):
        other = ChannelCodec(codec)
        said = tone(8000)[: 320 * 30]
        await asterisk.speak(other.encode(said), other.frame_bytes)
        heard = await agent.until_heard(len(said))
        assert len(heard) == len(said)
        assert loudness(heard[1600:]) == pytest.approx(loudness(said), rel=0.02)
        agent.say(said)
        await asterisk.until(lambda: agent.finished)
        assert not any(len(frame or b"") % other.frame_bytes for frame in asterisk.heard)
        assert max(asterisk.message_sizes) <= max(8192, other.frame_bytes)
        back = other.decode(asterisk.voice)
        assert loudness(back[1600 : len(said)]) == pytest.approx(loudness(said), rel=0.02)


async def test_the_heard_position_is_known_to_a_few_frames_after_a_pause() -> None:
    async with talking() as (asterisk, agent):
        agent.say(numbered(100))
        await asterisk.until(lambda: len(asterisk.voice) >= 320 * 25)
        agent.playout.pause()
        await asterisk.until(lambda: asterisk.queue.paused)
        ticks = len(asterisk.heard)
        await asterisk.until(lambda: len(asterisk.heard) > ticks + 10)
        (dropped,) = agent.playout.flush()
        heard = len(asterisk.voice) // 2
        assert abs(dropped.samples - heard) <= 3 * 160
        agent.say(numbered(5), 2)
        await asterisk.until(lambda: agent.finished)
        assert asterisk.voice[2 * heard :] == numbered(5)
        assert agent.finished == [Played(2, 800, 800)]


async def test_an_odd_byte_does_not_turn_what_follows_into_noise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = numbered(4)
    async with talking() as (asterisk, agent):
        await asterisk.send(said[:320] + b"x")
        await asterisk.speak(said[320:])
        assert await agent.until_heard(len(said)) == said
        assert "within a sample" in caplog.text


# --- keys and the end --------------------------------------------------------------------------


async def test_keys_are_pressed_once_each() -> None:
    async with talking() as (asterisk, agent):
        for digit in ("5", "#", "a", "x", "", "12"):
            await asterisk.press(digit)
        await asterisk.speak(bytes(320))
        await agent.until_heard(320)
        assert agent.keys == "5#A"


async def test_the_callers_hangup_is_reported() -> None:
    async with talking() as (asterisk, agent):
        await asterisk.hang_up()
        async with asyncio.timeout(2):
            await agent.left.wait()


async def test_a_connection_lost_in_mid_speech_is_reported() -> None:
    async with talking() as (asterisk, agent):
        agent.say(numbered(100))
        await asterisk.until(lambda: asterisk.voice)
        asterisk.vanish()
        async with asyncio.timeout(2):
            await agent.left.wait()
        agent.line.hang_up()
        agent.line.close(failed=False)


async def test_a_hangup_does_not_cut_the_last_word() -> None:
    said = numbered(12)
    async with talking() as (asterisk, agent):
        agent.say(said)
        await asterisk.until(lambda: agent.finished)
        agent.line.hang_up()
        agent.line.hang_up()
        assert await asterisk.until_closed() == 1000
        assert asterisk.voice == said
        assert asterisk.queue.commands.count("HANGUP") == 1
        async with asyncio.timeout(2):
            await agent.left.wait()


async def test_the_socket_is_closed_if_asterisk_does_not_hang_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asterisk_websocket, "HANG_UP_S", 0.1)
    async with talking() as (asterisk, agent):
        asterisk.obedient = False
        agent.line.hang_up()
        assert await asterisk.until_closed() == 1000
        async with asyncio.timeout(2):
            await agent.left.wait()


@pytest.mark.parametrize(("failed", "code"), [(False, 1000), (True, 1011)])
async def test_a_closed_line_says_whether_something_broke(failed: bool, code: int) -> None:
    async with talking() as (asterisk, agent):
        asterisk.obedient = False
        agent.say(numbered(100))
        agent.line.close(failed=failed)
        assert await asterisk.until_closed() == code
        assert asterisk.queue.commands[-1] == "HANGUP"


# --- channels that cannot be talked with -------------------------------------------------------


async def refused(caplog: pytest.LogCaptureFixture, start: Mapping[str, Any] | str) -> str:
    """The one sentence in the log when a channel begins like this."""
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        if isinstance(start, str):
            await asterisk.send(start)
        else:
            await asterisk.start(**start)
        assert await asterisk.until_closed() == 1008
        assert ports.agents == []
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return record.getMessage()


async def test_plain_text_control_is_rejected_with_the_option_to_set(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = (
        "MEDIA_START connection_id:avr channel:WebSocket/avr/0x7f channel_id:1.1 format:slin "
        "optimal_frame_size:320 ptime:20"
    )
    sentence = await refused(caplog, plain)
    assert "f(json)" in sentence
    assert "control_message_format = json" in sentence


@pytest.mark.parametrize("codec", ["opus", "g722", ""])
async def test_an_unsupported_codec_is_rejected_with_the_option_to_set(
    caplog: pytest.LogCaptureFixture, codec: str
) -> None:
    assert "c(slin)" in await refused(caplog, {"codec": codec})


async def test_passthrough_is_rejected_when_asterisk_reports_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with talking() as (asterisk, agent):
        agent.say(numbered(1))
        await asterisk.send(
            {
                "event": "ERROR",
                "error_text": "START_MEDIA_BUFFERING not supported in passthrough mode",
            }
        )
        assert await asterisk.until_closed() == 1008
        assert "remove p from the options" in caplog.text


async def test_a_connection_without_media_start_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asterisk_websocket, "START_WAIT_S", 0.1)
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        await asterisk.speak(bytes(3200))
        assert await asterisk.until_closed() == 1008
        assert ports.agents == []


# --- what nobody should send -------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        "MEDIA_STARTLE",
        '"MEDIA_START"',
        "{}",
        '{"event": null}',
        '{"event": "MEDIA_START"}',
        '{"event": "DTMF_END"}',
        '{"event": "DTMF_END", "digit": 5}',
        '{"event": "MEDIA_MARK_PROCESSED", "correlation_id": "no number"}',
        '{"event": "MEDIA_MARK_PROCESSED", "correlation_id": "' + "9" * 9000 + '"}',
        '{"event": "MEDIA_MARK_PROCESSED", "correlation_id": "٣"}',
        '{"event": "MEDIA_XON"}',
        '{"event": "STATUS", "queue_length": 5}',
        '{"event": "NO_SUCH", "x": [1, {"y": null}]}',
        '{"event": "ERROR", "error_text": "Unable to parse JSON command"}',
        '{"event": "MEDIA_START", "format": "slin16"}',
        b"",
        b"x",
        "[" * 5000,
    ],
)
async def test_bad_input_in_mid_call_does_not_cost_the_caller_the_call(
    message: str | bytes,
) -> None:
    said = numbered(10)
    async with talking() as (asterisk, agent):
        await asterisk.send(message)
        await asterisk.speak(said)
        assert await agent.until_heard(len(said)) == said
        agent.say(said)
        await asterisk.until(lambda: agent.finished)
        assert asterisk.voice == said


async def test_nasty_messages_do_not_cost_the_call(caplog: pytest.LogCaptureFixture) -> None:
    said = numbered(10)
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        for text in NASTY:
            await asterisk.send_text(text)
        await asterisk.start(channel_variables={"call": [[]], "_uuid": 9**400})
        for text in NASTY:
            await asterisk.send_text(text)
        await asterisk.speak(said)
        agent = await ports.agent()
        assert await agent.until_heard(len(said)) == said
        assert asterisk.close_code is None
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("codec", ["slin", "slin16", "ulaw"])
async def test_audio_and_keys_before_media_start_are_not_lost(codec: str) -> None:
    pcm = numbered(50)
    encoded = {
        "slin": pcm,
        "slin16": ChannelCodec("slin16").encode(pcm),
        "ulaw": ChannelCodec("ulaw").encode(pcm),
    }[codec]
    expected = ChannelCodec(codec).decode(encoded)
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        await asterisk.speak(encoded[: len(encoded) // 2])
        await asterisk.press("5")
        await asterisk.send('{"event": "STATUS"}')
        await asterisk.speak(encoded[len(encoded) // 2 :])
        await asterisk.start(codec)
        agent = await ports.agent()
        heard = await agent.until_heard(len(expected))
        # Pieces of another size are rounded differently while they are resampled.
        apart = np.frombuffer(heard, "<i2").astype(int) - np.frombuffer(expected, "<i2")
        assert abs(apart).max() <= 1
        assert agent.keys == "5"


async def test_audio_before_media_start_is_bounded() -> None:
    async with opened() as ports, dial(ports.url + ADDRESS) as asterisk:
        for _ in range(20):
            await asterisk.send(bytes(60_000))
        await asterisk.start()
        agent = await ports.agent()
        await asterisk.send(b"\x01\x01" * 160)
        heard = await agent.until_heard(EARLY_MAX_BYTES + 320)
        assert len(heard) == EARLY_MAX_BYTES + 320
        assert heard[-320:] == b"\x01\x01" * 160


async def test_bad_input_is_logged_but_not_a_thousand_times(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with talking() as (asterisk, agent):
        for _ in range(1000):
            await asterisk.send("{")
        await asterisk.speak(bytes(320))
        await agent.until_heard(320)
        await asterisk.hang_up()
        await agent.left.wait()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 2
    assert "1000 messages" in warnings[-1].getMessage()


async def test_a_message_beyond_every_bound_ends_that_connection_only() -> None:
    async with opened() as ports:
        async with dial(ports.url + ADDRESS) as other, dial(ports.url + ADDRESS) as asterisk:
            await other.start()
            await asterisk.start()
            await ports.agent(1)
            await asterisk.send(bytes(2 << 20))
            assert await asterisk.until_closed() == 1009
            await other.speak(bytes(320))
            assert await ports.agents[0].until_heard(320)
            assert not ports.agents[0].left.is_set()


# --- through the whole service -----------------------------------------------------------------


def level(value: int, seconds: float) -> bytes:
    """A voice that says nothing but `value`, at the sandbox's 16 kHz."""
    return value.to_bytes(2, "little") * round(16_000 * seconds)


async def test_a_question_is_answered(serve: Serve) -> None:
    question = turn("What are your opening hours?", start=0.2, end=1.0)
    answer = "Until five."
    voice = ScriptedTts({answer: [level(3000, 0.6)]})
    async with (
        running_sandbox(scripted(question, answers=[answer], voice=voice)) as cloud,
        serve(cloud) as server,
        dial(url_of(server, ADDRESS)) as asterisk,
    ):
        await asterisk.start()
        await asterisk.speak(bytes(32_000))
        await asterisk.until(lambda: len(asterisk.voice) >= 9600)
        assert loudness(asterisk.voice[1600:8000]) == pytest.approx(3000, rel=0.01)


async def test_words_over_the_answer_flush_it_and_history_is_what_was_heard(serve: Serve) -> None:
    first, second = "A long answer that would take a while to be heard.", "Yes?"
    voice = ScriptedTts({first: [level(3000, 4.0)], second: [level(9000, 0.2)]})
    script = [
        *turn("What are your opening hours?", start=0.2, end=1.0),
        *turn("Stop, please!", start=6.2, end=7.0, partials=["Stop"]),
    ]
    async with (
        running_sandbox(scripted(script, answers=[first, second], voice=voice)) as cloud,
        serve(cloud) as server,
        dial(url_of(server, ADDRESS)) as asterisk,
    ):
        await asterisk.start()
        await asterisk.speak(bytes(32_000))
        await asterisk.until(lambda: len(asterisk.voice) > 320 * 40)
        await asterisk.speak(bytes(16_000 * 6))
        await asterisk.until(lambda: len(cloud.received.chats) == 2)
        await asterisk.until(lambda: max(memoryview(asterisk.voice).cast("h")) > 8500)
        assert "FLUSH_MEDIA" in asterisk.queue.commands
        peaks = [max(memoryview(frame).cast("h")) for frame in asterisk.heard if frame]
        heard = sum(2500 < peak < 3500 for peak in peaks)
        assert 40 < heard < 100
        assert not any(2500 < peak < 3500 for peak in peaks[heard + 1 :])
        remembered = cloud.received.chats[1].body["messages"][-2]["content"].split("…")[0]
        assert first.startswith(remembered)
        share = heard * 0.02 / 4.0
        assert len(remembered) == pytest.approx(share * len(first), abs=math.ceil(len(first) / 5))


async def test_the_callers_hangup_leaves_nothing(serve: Serve) -> None:
    question = turn("What are your opening hours?", start=0.2, end=1.0)
    async with (
        running_sandbox(scripted(question, answers=["A long answer. " * 20])) as cloud,
        serve(cloud) as server,
        dial(url_of(server, ADDRESS)) as asterisk,
    ):
        await asterisk.start()
        await asterisk.speak(bytes(32_000))
        await asterisk.until(lambda: bool(asterisk.voice))
        await asterisk.hang_up()
        await cloud.received.until(lambda: not cloud.received.sessions_open, timeout=1)


async def test_two_calls_of_one_asterisk_do_not_mix() -> None:
    async with opened() as ports:
        async with dial(ports.url + ADDRESS) as one, dial(ports.url + ADDRESS) as two:
            pairs: list[tuple[Asterisk, Agent]] = []
            for number, asterisk in enumerate((one, two)):
                await asterisk.start()
                pairs.append((asterisk, await ports.agent(number)))
            for number, (asterisk, agent) in enumerate(pairs, 1):
                await asterisk.speak(number.to_bytes(2, "little") * 160)
                agent.say((100 * number).to_bytes(2, "little") * 1600)
            for number, (asterisk, agent) in enumerate(pairs, 1):
                assert await agent.until_heard(320) == number.to_bytes(2, "little") * 160
                await asterisk.until(lambda agent=agent: agent.finished)  # type: ignore[misc]
                assert asterisk.voice == (100 * number).to_bytes(2, "little") * 1600
