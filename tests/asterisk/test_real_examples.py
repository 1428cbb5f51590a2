"""The shipped example configuration, run by a real Asterisk: what arrives is what it promises."""

import asyncio
import re
import uuid

import pytest
from bench.voiceprint import pcm, sound
from tests.asterisk.callers import WHOLE, WHOLE_PART
from tests.asterisk.etc import AMI_PASSWORD, AMI_USER
from tests.asterisk.measures import Tape, during, loud_from, pace, playback, tones
from tests.asterisk.phone import NoAnswer, Phone, call
from tests.asterisk.report import Report
from tests.asterisk.rig import Rig
from tests.asterisk.rtp import RATE
from tests.asterisk.stand_in import StandIn, stand_in

GREETING = "This is what the caller hears, every word of it."
# Whole frames: a shorter one at the end has a timestamp of its own.
SPOKEN = pcm(GREETING, RATE).ljust(320 * 160, b"\0")
EXPECTED = sound(GREETING, RATE)


async def hear_greeting(phone: Phone) -> None:
    await phone.stay(len(SPOKEN) / 2 / RATE + 0.6)


def is_whole(phone: Phone, report: Report, way: str) -> None:
    """What was heard is the greeting, every sample of it; how even it came is reported."""
    heard = Tape(phone.heard, phone.law).find(EXPECTED)
    even = pace(during(phone.heard, heard.begin, heard.end))
    report.add(
        "examples: a known sound, said by a stand-in for the service",
        way,
        every_sample=heard.found.correlation,
        worst_20ms=heard.found.worst,
        per_second=even.per_second,
        gap_max_ms=even.gap_max_ms,
        jumps=even.jumps,
    )
    assert heard.found.correlation > WHOLE
    assert heard.found.worst > WHOLE_PART
    assert even.lost == 0


@pytest.mark.parametrize(
    ("extension", "kind", "size"),
    [("5001", 0x10, 320), ("5002", 0x10, 320), ("5003", 0x12, 640), ("5005", 0x10, 160)],
)
async def test_audiosocket_brings_a_uuid_and_the_promised_format(
    rig: Rig, report: Report, extension: str, kind: int, size: int
) -> None:
    async with (
        stand_in(rig.ports, SPOKEN) as service,
        call(rig.sip, extension) as phone,
    ):
        await hear_greeting(phone)
    (taken,) = service.taken
    assert uuid.UUID(taken.call).version == 4
    assert taken.kinds.keys() == {(kind, size)}
    is_whole(phone, report, extension)


async def test_websocket_brings_json_and_who_calls(rig: Rig, report: Report) -> None:
    async with (
        stand_in(rig.ports, SPOKEN) as service,
        call(rig.sip, "5004", user="1000") as phone,
    ):
        await hear_greeting(phone)
    (taken,) = service.taken
    assert uuid.UUID(taken.facts.pop("call")).version == 4
    assert taken.facts == {"from": "1000", "to": "5004"}
    assert taken.started["event"] == "MEDIA_START"
    assert taken.started["format"] == "slin"
    assert taken.kinds.keys() == {(320,)}
    is_whole(phone, report, "5004")


async def test_a_call_is_announced_with_its_uuid_before_it_comes(rig: Rig) -> None:
    def arrived(service: StandIn) -> bool:
        return bool(service.taken and service.taken[0].kinds)

    async with (
        stand_in(rig.ports, SPOKEN) as service,
        call(rig.sip, "5010") as phone,
    ):
        await phone.until(lambda: arrived(service))
    (taken,) = service.taken
    assert service.announced == [
        ("application/json", {"uuid": taken.call, "payload": {"from": "1000", "to": "5010"}})
    ]


async def test_the_extension_to_transfer_to_plays_tones_and_echoes(rig: Rig) -> None:
    async with call(rig.sip, "600") as phone:
        await phone.stay(1.2)
        phone.say(SPOKEN)
        await hear_greeting(phone)
    begin = loud_from(phone.heard, phone.law)
    assert begin is not None
    first = playback(during(phone.heard, begin, begin + 0.4), phone.law, begin)
    assert tones(first) <= {430, 440, 450}
    assert Tape(phone.heard, phone.law).find(EXPECTED).found.correlation > WHOLE


async def test_a_phone_without_the_password_is_not_let_in(rig: Rig) -> None:
    with pytest.raises(NoAnswer, match="401"):
        async with call(rig.sip, "600", password="guessed"):
            pass


async def test_the_manager_knows_its_user(rig: Rig) -> None:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.ports.manager)
        login = f"Action: Login\r\nUsername: {AMI_USER}\r\nSecret: {AMI_PASSWORD}\r\n\r\n"
        writer.write(login.encode())
        await reader.readline()
        assert await reader.readline() == b"Response: Success\r\n"
        writer.close()
        await writer.wait_closed()


async def test_asterisk_has_nothing_to_complain_about(rig: Rig) -> None:
    # As it should be: what wrong passwords leave, and what AudioSocket() may say of any hangup.
    usual = re.compile(r"authenticate|app_audiosocket\.c: Failed to (receive|forward) frame")
    assert "\n".join(line for line in rig.complaints() if not usual.search(line)) == ""
