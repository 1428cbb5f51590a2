"""avr-core's side of a call: what is read, how long it is heard, how it ends."""

import asyncio
import base64
import json

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.avr_service import noise, running, speech

from avr_sts_speechmatics.conformance.core import LOUD, is_loud, opened, read


def text(content: str) -> aiohttp.WSMessage:
    return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, content, None)


def audio(pcm: bytes) -> aiohttp.WSMessage:
    return text(json.dumps({"type": "audio", "audio": base64.b64encode(pcm).decode()}))


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (aiohttp.WSMessage(aiohttp.WSMsgType.BINARY, b"x", None), "binary"),
        (text("{"), "no JSON"),
        (text("[]"), "no object"),
        (text('{"type": 1}'), "no object"),
        (text('{"type": "audio", "audio": "%"}'), "no base64"),
        (audio(b""), "0 bytes"),
        (audio(b"abc"), "3 bytes"),
    ],
)
def test_a_message_of_wrong_form_has_its_fault(message: aiohttp.WSMessage, fault: str) -> None:
    assert fault in read(message, 1.0).fault


@given(st.binary(min_size=1, max_size=200).map(lambda half: half * 2))
def test_audio_is_read_whole(pcm: bytes) -> None:
    received = read(audio(pcm), 1.0)
    assert (received.fault, received.pcm, received.type) == ("", pcm, "audio")


@given(st.text(max_size=60))
def test_any_text_is_a_message_or_has_a_fault(content: str) -> None:
    received = read(text(content), 1.0)
    assert received.type or received.fault


def test_silence_and_the_noise_of_a_line_are_not_loud() -> None:
    quiet = (LOUD - 1).to_bytes(2, "little", signed=True) * 160
    assert not is_loud(bytes(320))
    assert not is_loud(quiet)
    assert is_loud(bytes(318) + LOUD.to_bytes(2, "little", signed=True))
    assert is_loud((-LOUD).to_bytes(2, "little", signed=True))


async def test_a_welcome_is_heard_to_its_end_and_the_call_is_closed_in_order() -> None:
    async with running() as address, opened(f"ws://{address}", "a-uuid") as core:
        await core.init()
        assert await core.until(lambda: any(one.audible for one in core.received), 5)
        assert not core.quiet
        assert await core.until(lambda: core.quiet, 5)
        heard = b"".join(one.pcm for one in core.received)
        assert heard == noise(7, 10)
        assert await core.close()
        assert core.closed_by_service is None


async def test_speech_is_sent_in_its_time_and_answered() -> None:
    async with running() as address, opened(f"ws://{address}", "a-uuid") as core:
        await core.init()
        begun = asyncio.get_running_loop().time()
        core.say(speech(0.4))
        assert core.speaks
        assert await core.until(lambda: not core.speaks, 5)
        assert asyncio.get_running_loop().time() - begun > 0.35
        assert await core.until(lambda: any(one.type == "transcript" for one in core.received), 5)


async def test_a_connection_that_the_service_closes_says_so() -> None:
    async with running("init") as address, opened(f"ws://{address}", "a-uuid") as core:
        await core.init()
        assert not await core.for_a_while(5)
        assert core.closed_by_service == "code 1000"


async def test_a_vanished_caller_leaves_nothing() -> None:
    async with running() as address, opened(f"ws://{address}", "a-uuid") as core:
        await core.init()
        await core.vanish()
        assert not await core.until(lambda: False, 0.1)
