"""Hanging up and transferring over Asterisk's manager interface."""

import asyncio
import logging
import socket

import pytest
from tests.pbx.fake_ami import RIGHTS, FakeAmi, running
from tests.support import until

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx import ami
from avr_sts_speechmatics.pbx.ami import Ami
from avr_sts_speechmatics.pbx.channels import Channel
from avr_sts_speechmatics.pbx.protocol import Pbx, PbxError
from avr_sts_speechmatics.values import Secret

UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"
PHONE = "PJSIP/2000-00000013"
CALLER = Caller(UUID, "avr")


def pbx(**changes: object) -> FakeAmi:
    """One caller in AudioSocket() beside another, and an extension 600."""
    return FakeAmi(
        channels=[
            Channel("PJSIP/2001-00000014", "AudioSocket", f"{UUID[::-1]},10.0.0.1:5001", ""),
            Channel(PHONE, "AudioSocket", f"{UUID},10.0.0.1:5001", ""),
        ],
        places={("from-sip", "600", 1)},
        **changes,  # type: ignore[arg-type]
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami, "DEED_S", 0.2)


async def test_the_caller_is_hung_up_and_nobody_else() -> None:
    async with running(pbx()) as there:
        done: Pbx = there.client()
        await done.hang_up(CALLER)
        assert there.ended == {PHONE: "16"}
        await done.close()


async def test_the_caller_is_sent_to_the_extension_and_nobody_else() -> None:
    async with running(pbx()) as there:
        await there.client().transfer(CALLER, "600", "from-sip", 1)
        assert there.moved == {PHONE: ("from-sip", "600", 1)}
        assert there.ended == {}


async def test_an_extension_that_does_not_exist_does_not_cost_the_caller_the_call() -> None:
    async with running(pbx()) as there:
        with pytest.raises(PbxError, match="no extension 601 in the context from-sip"):
            await there.client().transfer(CALLER, "601", "from-sip", 1)
        assert there.moved == {}


async def test_where_asterisk_cannot_say_whether_the_extension_exists_it_is_tried() -> None:
    async with running(pbx()) as there:
        there.places = None
        await there.client().transfer(CALLER, "601", "from-sip", 1)
        assert there.moved == {PHONE: ("from-sip", "601", 1)}


@pytest.mark.parametrize(
    ("extension", "context", "priority"),
    [
        ("600\r\nAction: Originate", "from-sip", 1),
        ("600,1)", "from-sip", 1),
        ("600", "from-sip\nExten: 700", 1),
        ("", "from-sip", 1),
        ("600", "", 1),
        ("600", "from-sip", 0),
    ],
)
async def test_what_is_no_place_in_a_dialplan_never_reaches_asterisk(
    extension: str, context: str, priority: int
) -> None:
    async with running(pbx()) as there:
        with pytest.raises(PbxError, match="was not transferred"):
            await there.client().transfer(CALLER, extension, context, priority)
        assert there.asked == []


async def test_an_end_of_line_in_a_users_name_is_no_second_request() -> None:
    async with running(pbx()) as there:
        with pytest.raises(ValueError, match="line break"):
            await Ami("127.0.0.1", there.port, "avr\r\nEvents: on", Secret("x")).check()
        assert there.asked == []


async def test_many_deeds_at_once_do_not_mix() -> None:
    uuids = [f"{n:08d}-8f8e-4c0e-9a77-51a4e8a3b1d2" for n in range(20)]
    there = FakeAmi([Channel(f"PJSIP/{u}", "AudioSocket", f"{u},h:1", "") for u in uuids])
    async with running(there):
        client = there.client()
        await asyncio.gather(*(client.hang_up(Caller(uuid, "avr")) for uuid in uuids[:10]))
        assert set(there.ended) == {f"PJSIP/{uuid}" for uuid in uuids[:10]}


async def test_no_event_of_the_exchange_is_asked_for() -> None:
    async with running(pbx()) as there:
        await there.client().hang_up(CALLER)
        assert there.asked[0]["Events"] == "off"
        assert there.actions == ["Login", "Status", "Hangup"]


async def test_a_caller_who_is_gone_is_said_to_be() -> None:
    async with running(FakeAmi()) as there:
        with pytest.raises(PbxError, match=r"was not hung up: .* may have hung up"):
            await there.client().hang_up(CALLER)


async def test_a_caller_who_goes_between_question_and_deed_is_said_to_be() -> None:
    there = pbx()

    def gone(request: dict[str, str], tag: str) -> str:
        there.channels = []
        return FakeAmi._redirect(there, request, tag)

    there._redirect = gone  # type: ignore[method-assign]
    async with running(there):
        with pytest.raises(PbxError, match="Channel does not exist"):
            await there.client().transfer(CALLER, "600", "from-sip", 1)


async def test_a_wrong_password_is_the_operators_and_not_told_to_the_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(pbx()) as there:
        with pytest.raises(PbxError, match="cannot be used; the call goes on") as told:
            await there.client("guessed").hang_up(CALLER)
        assert "PASSWORD" not in str(told.value)
        assert "AMI_USERNAME and AMI_PASSWORD" in caplog.text
        assert "guessed" not in caplog.text


async def test_a_closed_port_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:  # bound, not listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(PbxError, match="the call goes on"):
            await Ami("127.0.0.1", taken.getsockname()[1], "avr", Secret("x")).hang_up(CALLER)
    assert "check AMI_HOST and AMI_PORT" in caplog.text


@pytest.mark.usefixtures("impatient")
async def test_a_deed_without_an_answer_ends_and_nobody_claims_to_know() -> None:
    async with running(pbx(silent_at="Redirect")) as there:
        with pytest.raises(PbxError, match="not known whether the call was transferred"):
            await there.client().transfer(CALLER, "600", "from-sip", 1)


async def test_a_connection_lost_at_the_deed_leaves_it_open_whether_it_was_done() -> None:
    async with running(pbx(broken_at="Hangup")) as there:
        with pytest.raises(PbxError, match="not known whether the call was hung up"):
            await there.client().hang_up(CALLER)


@pytest.mark.usefixtures("impatient")
async def test_before_the_login_nothing_can_have_been_done() -> None:
    async with running(pbx(silent_at="Login")) as there:
        with pytest.raises(PbxError, match="the call goes on"):
            await there.client().hang_up(CALLER)
    async with running(pbx(broken_at="Login")) as there:
        with pytest.raises(PbxError, match="the call goes on"):
            await there.client().hang_up(CALLER)


async def test_cancelling_a_deed_leaves_no_connection() -> None:
    async with running(pbx(silent_at="Status")) as there:
        deed = asyncio.create_task(there.client().hang_up(CALLER))
        await until(lambda: "Status" in there.actions)
        deed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deed


async def test_the_check_says_that_all_is_well() -> None:
    async with running(pbx()) as there:
        said = await there.client().check()
        assert "lets avr hang up and transfer" in said
        assert "func_dialplan" not in said


async def test_the_check_names_what_would_throw_callers_out() -> None:
    async with running(pbx()) as there:
        there.places = None
        assert "load func_dialplan.so" in await there.client().check()


async def test_the_check_names_a_missing_right_and_the_line_that_gives_it() -> None:
    rights = {name: right for name, right in RIGHTS.items() if name != "Redirect"}
    async with running(pbx(rights=rights)) as there:
        with pytest.raises(PbxError, match=r"may not use Redirect: .* write = call"):
            await there.client().check()


async def test_the_check_names_a_wrong_password() -> None:
    async with running(pbx()) as there:
        with pytest.raises(PbxError, match="AMI_USERNAME and AMI_PASSWORD"):
            await there.client("guessed").check()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("banner", "said"),
    [("SSH-2.0-other\r\n", "not Asterisk's"), ("", "no answer"), ("x" * 70_000, "broke off")],
)
async def test_the_check_tells_what_is_not_a_manager_interface(banner: str, said: str) -> None:
    async with running(pbx(banner=banner)) as there:
        with pytest.raises(PbxError, match=said):
            await there.client().check()


async def test_a_deed_that_failed_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(FakeAmi()) as there:
        with pytest.raises(PbxError):
            await there.client().hang_up(CALLER)
    assert len(caplog.records) == 1
