"""The words of chan_websocket: Asterisk's events, our commands, as JSON text messages.

Only what this service uses. An event it does not know is no fault: Asterisk may get more of them.
A command longer than 128 characters would be ignored, and only Asterisk's own log would say so.
[chan_websocket: JSON since 20.18, 22.8, 23.2; older versions and the default send plain text]
"""

from collections.abc import Callable
from typing import Any

import msgspec

START_BUFFERING = b'{"command":"START_MEDIA_BUFFERING"}'
FLUSH = b'{"command":"FLUSH_MEDIA"}'
PAUSE = b'{"command":"PAUSE_MEDIA"}'
CONTINUE = b'{"command":"CONTINUE_MEDIA"}'
HANG_UP = b'{"command":"HANGUP"}'


def mark(number: int) -> bytes:
    """Ask to be told when all audio sent so far has been played."""
    return b'{"command":"MARK_MEDIA","correlation_id":"%d"}' % number


class MediaStarted(msgspec.Struct, tag_field="event", tag="MEDIA_START"):
    """The first event: what the channel is.

    format: the channel's codec, the same both ways. channel_variables: untrusted text.
    """

    format: str
    channel: str = ""
    channel_id: str = ""
    channel_variables: dict[str, Any] = {}


class KeyReleased(msgspec.Struct, tag_field="event", tag="DTMF_END"):
    digit: str


class MarkReached(msgspec.Struct, tag_field="event", tag="MEDIA_MARK_PROCESSED"):
    """All audio before the mark has been given to the channel, its last frame 20 ms ago."""

    correlation_id: str = ""


class QueueFull(msgspec.Struct, tag_field="event", tag="MEDIA_XOFF"):
    """18 s of audio wait at Asterisk; what comes beyond 20 s it drops without a word."""


class QueueHasRoom(msgspec.Struct, tag_field="event", tag="MEDIA_XON"):
    pass


class Complained(msgspec.Struct, tag_field="event", tag="ERROR"):
    error_text: str = ""


Event = MediaStarted | KeyReleased | MarkReached | QueueFull | QueueHasRoom | Complained


class _AnyEvent(msgspec.Struct):
    event: str


_decode: Callable[[bytes | memoryview], Event] = msgspec.json.Decoder(Event).decode
_decode_any = msgspec.json.Decoder(_AnyEvent).decode
_KNOWN = frozenset(kind.__struct_config__.tag for kind in Event.__args__)


def read(message: bytes | memoryview) -> Event | None:
    """An event out of a text message; None for one that is not used here.

    Raises ValueError with the reason when it is no event at all, or not as it should be.
    """
    try:
        return _decode(message)
    except msgspec.MsgspecError as error:
        try:
            kind = _decode_any(message).event
        except msgspec.MsgspecError:
            raise ValueError(f"a message is not an event in JSON ({error})") from error
        if kind in _KNOWN:
            raise ValueError(f"the event {kind} is not as it should be ({error})") from error
        return None


def is_plain_text(message: bytes | memoryview) -> bool:
    """Whether this first message comes from a channel that speaks plain text, not JSON."""
    return bytes(message[:11]) == b"MEDIA_START"
