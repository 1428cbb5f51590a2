"""The phone's packets are numbered and its keys pressed as RFC 3550 and RFC 4733 want it."""

from tests.asterisk.rtp import KEY_TYPE, Packet, Stream, parse

FRAME = bytes(160)


def sent(stream: Stream, ticks: int) -> list[Packet]:
    datagrams = [datagram for _ in range(ticks) for datagram in stream.next(FRAME)]
    packets = [parse(datagram, 0.0) for datagram in datagrams]
    assert None not in packets
    return [packet for packet in packets if packet is not None]


def test_audio_counts_on_and_only_the_first_is_marked() -> None:
    packets = sent(Stream(0, 1), 5)
    assert [packet.sequence for packet in packets] == [0, 1, 2, 3, 4]
    assert [packet.timestamp for packet in packets] == [0, 160, 320, 480, 640]
    assert [packet.marker for packet in packets] == [True, False, False, False, False]
    assert all(packet.payload == FRAME for packet in packets)


def test_a_key_lasts_100_ms_and_its_end_is_said_three_times() -> None:
    stream = Stream(0, 1)
    sent(stream, 3)
    stream.press("#")
    packets = sent(stream, 10)
    key = [packet for packet in packets if packet.payload_type == KEY_TYPE]
    assert [packet.payload[0] for packet in key] == [11] * 8
    assert [bool(packet.payload[1] & 0x80) for packet in key] == [False] * 5 + [True] * 3
    assert [int.from_bytes(packet.payload[2:]) for packet in key] == [
        160, 320, 480, 640, 800, 800, 800, 800,
    ]  # fmt: skip
    assert {packet.timestamp for packet in key} == {3 * 160}
    assert key[0].marker
    assert not any(packet.marker for packet in key[1:])


def test_after_a_key_audio_goes_on_where_time_is() -> None:
    stream = Stream(0, 1)
    stream.press("1")
    packets = sent(stream, 10)
    audio = [packet for packet in packets if packet.payload_type == 0]
    assert audio[0].timestamp == 6 * 160
    assert [packet.sequence for packet in packets] == list(range(len(packets)))


def test_a_phone_on_hold_sends_nothing_while_time_goes_on() -> None:
    stream = Stream(0, 1)
    assert stream.next(None) == []
    assert sent(stream, 1)[0].timestamp == 160


def test_what_is_no_rtp_is_none() -> None:
    assert parse(b"\x80\x00", 0.0) is None
    assert parse(bytes(40), 0.0) is None
