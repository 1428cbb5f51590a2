"""Asterisk's events are read, unknown ones passed over, and nonsense is explained."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.transports.asterisk_control import (
    CONTINUE,
    FLUSH,
    HANG_UP,
    PAUSE,
    START_BUFFERING,
    Complained,
    Event,
    KeyReleased,
    MarkReached,
    MediaStarted,
    QueueFull,
    QueueHasRoom,
    is_plain_text,
    mark,
    read,
)

COMMAND_MAX = 128
"""Longest command that Asterisk reads (characters)."""


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (
            {"event": "MEDIA_START", "format": "ulaw", "channel_variables": {"from": "2001"}},
            MediaStarted("ulaw", channel_variables={"from": "2001"}),
        ),
        ({"event": "DTMF_END", "digit": "#", "duration_ms": 80}, KeyReleased("#")),
        ({"event": "MEDIA_MARK_PROCESSED", "correlation_id": "7"}, MarkReached("7")),
        ({"event": "MEDIA_XOFF"}, QueueFull()),
        ({"event": "MEDIA_XON"}, QueueHasRoom()),
        ({"event": "ERROR", "error_text": "no such command"}, Complained("no such command")),
        ({"event": "MEDIA_BUFFERING_COMPLETED"}, None),
    ],
)
def test_an_event_is_read_and_an_unknown_one_is_none(
    message: dict[str, object], event: Event | None
) -> None:
    text = json.dumps(message).encode()
    assert read(text) == event
    assert read(memoryview(text)) == event


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"MEDIA_START connection_id:1", "not an event in JSON"),
        (b"[]", "not an event in JSON"),
        (b'{"command": "HANGUP"}', "not an event in JSON"),
        (b'{"event": "MEDIA_START"}', "the event MEDIA_START is malformed"),
        (b'{"event": "DTMF_END", "digit": 5}', "the event DTMF_END is malformed"),
    ],
)
def test_an_unreadable_message_is_explained(message: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(message)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_none_or_a_value_error(message: bytes) -> None:
    try:
        event = read(message)
    except ValueError:
        return
    assert event is None or isinstance(event, Event)


@given(st.integers(0, 10**18))
def test_a_mark_comes_back_with_its_number(number: int) -> None:
    asked = json.loads(mark(number))
    answer = {"event": "MEDIA_MARK_PROCESSED", "correlation_id": asked["correlation_id"]}
    assert read(json.dumps(answer).encode()) == MarkReached(str(number))


def test_every_command_is_json_that_asterisk_reads_whole() -> None:
    for command in (START_BUFFERING, FLUSH, PAUSE, CONTINUE, HANG_UP, mark(10**18)):
        assert len(command) <= COMMAND_MAX
        assert json.loads(command)["command"]


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        (b"MEDIA_START connection_id:1 format:ulaw", True),
        (b'{"event":"MEDIA_START","format":"ulaw"}', False),
        (b"", False),
    ],
)
def test_plain_text_control_is_distinguished_from_json(message: bytes, plain: bool) -> None:
    assert is_plain_text(message) is plain
    assert is_plain_text(memoryview(message)) is plain
