"""The words of chan_websocket: commands short enough, events read or rejected with a reason."""

import pytest

from avr_sts_speechmatics.transports import asterisk_control


def test_no_command_is_longer_than_asterisk_reads() -> None:
    commands = [
        asterisk_control.START_BUFFERING,
        asterisk_control.FLUSH,
        asterisk_control.PAUSE,
        asterisk_control.CONTINUE,
        asterisk_control.HANG_UP,
        asterisk_control.mark(10**18),
    ]
    assert max(map(len, commands)) < 128


def test_an_event_that_is_not_used_is_no_fault() -> None:
    assert asterisk_control.read(b'{"event": "STATUS", "queue_length": 5}') is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"MEDIA_START", "not an event in JSON"),
        (b'{"no": "event"}', "not an event in JSON"),
        (b'{"event": "MEDIA_START"}', "MEDIA_START is not as it should be"),
    ],
)
def test_a_message_that_cannot_be_read_says_why(message: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        asterisk_control.read(message)


def test_a_mark_comes_back_with_its_number() -> None:
    assert b'"correlation_id":"17"' in asterisk_control.mark(17)
    reached = asterisk_control.read(b'{"event":"MEDIA_MARK_PROCESSED","correlation_id":"17"}')
    assert reached == asterisk_control.MarkReached("17")
