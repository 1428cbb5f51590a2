"""Finding the caller among all channels of the exchange."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.channels import Channel, NotFoundError, channel_of

UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"
HOST = "10.0.0.1:5001"
CALLER = Caller(UUID, "avr")


def by_application(uuid: str, n: int) -> list[Channel]:
    return [Channel(f"PJSIP/2000-{n:08x}", "AudioSocket", f"{uuid},{HOST}", "")]


def by_dial(uuid: str, n: int) -> list[Channel]:
    return [
        Channel(f"AudioSocket/{HOST}-{uuid}", "AppDial", "(Outgoing Line)", f"bridge-{n}"),
        Channel(
            f"PJSIP/2000-{n:08x}", "Dial", f"AudioSocket/{HOST}/{uuid}/c(slin),5", f"bridge-{n}"
        ),
    ]


def by_websocket(uuid: str, n: int) -> list[Channel]:
    return [
        Channel(f"WebSocket/avr/0x7f{n:04x}", "AppDial", "(Outgoing Line)", f"bridge-{n}"),
        Channel(
            f"PJSIP/2000-{n:08x}", "Dial", f"WebSocket/avr/c(slin)v(call={uuid})", f"bridge-{n}"
        ),
    ]


def behind_local(uuid: str, n: int) -> list[Channel]:
    """A ring group: the phone dials a Local channel, whose far half dials the service."""
    return [
        Channel(f"PJSIP/2000-{n:08x}", "Dial", "Local/5005@agents", f"near-{n}"),
        Channel(f"Local/5005@agents-{n:08x};1", "AppDial", "(Outgoing Line)", f"near-{n}"),
        Channel(f"Local/5005@agents-{n:08x};2", "Dial", f"AudioSocket/{HOST}/{uuid}", f"far-{n}"),
        Channel(f"AudioSocket/{HOST}-{uuid}", "AppDial", "(Outgoing Line)", f"far-{n}"),
    ]


def behind_local_by_application(uuid: str, n: int) -> list[Channel]:
    return [
        Channel(f"PJSIP/2000-{n:08x}", "Dial", "Local/5001@agents/n", f"near-{n}"),
        Channel(f"Local/5001@agents-{n:08x};1", "AppDial", "(Outgoing Line)", f"near-{n}"),
        Channel(f"Local/5001@agents-{n:08x};2", "AudioSocket", f"{uuid},{HOST}", ""),
    ]


def from_queue(uuid: str, n: int) -> list[Channel]:
    """The caller's own arguments say nothing; only the bridge leads there."""
    return [
        Channel(f"AudioSocket/{HOST}-{uuid}", "AppQueue", "(Outgoing Line)", f"bridge-{n}"),
        Channel(f"PJSIP/2000-{n:08x}", "Queue", "support", f"bridge-{n}"),
    ]


WAYS = [
    by_application,
    by_dial,
    by_websocket,
    behind_local,
    behind_local_by_application,
    from_queue,
]


@pytest.mark.parametrize("way", WAYS)
@given(others=st.lists(st.tuples(st.uuids(), st.sampled_from(WAYS)), max_size=6), data=st.data())
def test_the_caller_is_found_among_any_other_calls(way, others, data) -> None:  # type: ignore[no-untyped-def]
    channels = way(UUID, 0)
    for n, (uuid, other_way) in enumerate(others, start=1):
        channels += other_way(str(uuid), n)
    shuffled = data.draw(st.permutations(channels))
    assert channel_of(CALLER, shuffled) == "PJSIP/2000-00000000"
    assert channel_of(Caller(UUID.upper(), "avr"), shuffled) == "PJSIP/2000-00000000"


@given(others=st.lists(st.tuples(st.uuids(), st.sampled_from(WAYS)), max_size=4))
def test_a_call_that_is_not_there_is_never_another(others) -> None:  # type: ignore[no-untyped-def]
    channels = [c for n, (uuid, way) in enumerate(others) for c in way(str(uuid), n)]
    with pytest.raises(NotFoundError, match="no such call"):
        channel_of(CALLER, channels)


@pytest.mark.parametrize("way", [by_application, by_dial, from_queue])
def test_a_dialplan_may_write_the_uuid_in_capitals(
    way: Callable[[str, int], list[Channel]],
) -> None:
    assert channel_of(CALLER, way(UUID.upper(), 1)) == "PJSIP/2000-00000001"


def test_a_websocket_leg_that_asterisk_named_leads_to_its_caller() -> None:
    channels = by_websocket("a name of the dialplan's own", 1) + by_websocket("another", 2)
    caller = Caller("made up by us", "websocket", {"channel": "WebSocket/avr/0x7f0001"})
    assert channel_of(caller, channels) == "PJSIP/2000-00000001"


def test_a_leg_that_is_not_yet_bridged_leads_to_nobody_but_the_arguments_of_dial_do() -> None:
    leg, phone = by_dial(UUID, 1)
    channels = [
        Channel(leg.name, leg.application, leg.data, ""),
        Channel("PJSIP/9-1", "Wait", "9", ""),
        Channel(phone.name, phone.application, phone.data, ""),
    ]
    assert channel_of(CALLER, channels) == phone.name


def test_two_calls_of_one_uuid_are_not_guessed_between() -> None:
    channels = by_application(UUID, 1) + by_application(UUID, 2)
    with pytest.raises(NotFoundError, match="several"):
        channel_of(CALLER, channels)


def test_two_calls_of_one_uuid_are_told_apart_by_the_channel_the_dialplan_named() -> None:
    channels = by_application(UUID, 1) + by_application(UUID, 2)
    caller = Caller(UUID, "avr", {"channel": "PJSIP/2000-00000002"})
    assert channel_of(caller, channels) == "PJSIP/2000-00000002"


def test_the_name_of_somebody_elses_channel_alone_is_no_way_to_it() -> None:
    caller = Caller(UUID, "avr", {"channel": "PJSIP/2000-00000002"})
    channels = by_application("40325ec2-5efd-4bd3-805f-53576e581d13", 2)
    with pytest.raises(NotFoundError):
        channel_of(caller, channels)


@pytest.mark.parametrize("name", ["", "5", HOST, "AudioSocket"])
def test_a_name_that_is_no_uuid_matches_no_piece_of_an_argument(name: str) -> None:
    with pytest.raises(NotFoundError):
        channel_of(Caller(name, "avr"), by_dial(UUID, 1) + by_application(UUID, 2))


def test_a_transferred_caller_is_not_found_any_more() -> None:
    with pytest.raises(NotFoundError):
        channel_of(CALLER, [Channel("PJSIP/2000-00000001", "Echo", "", "")])


def test_local_halves_that_lead_in_a_circle_end_the_search() -> None:
    channels = [
        Channel("Local/a@x-1;1", "AudioSocket", f"{UUID},{HOST}", "one"),
        Channel("Local/a@x-1;2", "Dial", "", "two"),
        Channel("Local/b@x-2;1", "AppDial", "", "two"),
        Channel("Local/b@x-2;2", "AppDial", "", "one"),
    ]
    assert channel_of(CALLER, channels).startswith("Local/")
