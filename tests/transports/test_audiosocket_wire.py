"""AudioSocket's messages, whole again however the stream was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.transports.audiosocket_wire import (
    AUDIO_8K,
    FRAME_HEAD,
    HANG_UP,
    KEY,
    UUID,
    Splitter,
    call_uuid,
    message,
)

MESSAGES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=700)), max_size=12)


@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 900), min_size=1))
def test_messages_are_whole_however_the_stream_is_cut(
    messages: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(message(kind, payload) for kind, payload in messages)
    splitter, found, at, turn = Splitter(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += splitter.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == messages


def test_a_message_is_returned_with_its_last_byte_and_not_before() -> None:
    splitter = Splitter()
    longest = message(AUDIO_8K, bytes(65535))
    assert [splitter.feed(longest[n : n + 1]) for n in range(len(longest) - 1)] == [[]] * 65537
    assert splitter.feed(longest[-1:]) == [(AUDIO_8K, bytes(65535))]


def test_messages_look_as_asterisk_sends_and_wants_them() -> None:
    assert bytes.fromhex("10 01 40") == FRAME_HEAD
    assert message(KEY, b"5") == bytes.fromhex("03 00 01 35")
    assert message(UUID, bytes(16))[:3] == bytes.fromhex("01 00 10")
    assert bytes(3) == HANG_UP


def test_a_uuid_is_written_in_small_letters_with_dashes() -> None:
    payload = bytes.fromhex("C0FFEE0012344ABC8DEF0123456789AB")
    assert call_uuid(payload) == "c0ffee00-1234-4abc-8def-0123456789ab"


@pytest.mark.parametrize("size", [0, 15, 17, 36])
def test_a_payload_of_another_size_is_no_uuid(size: int) -> None:
    with pytest.raises(ValueError):
        call_uuid(bytes(size))
