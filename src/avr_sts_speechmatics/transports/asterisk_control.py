"""chan_websocket's control messages: Asterisk's events and our commands, as JSON text messages.

Only the messages that this service uses are here. Unknown events are ignored, because later
versions of Asterisk may send more. Asterisk ignores a command longer than 128 characters and notes
that only in its own log.
[chan_websocket: JSON since 20.18, 22.8, 23.2; older versions and the default send plain text]
"""

from collections.abc import Callable
from typing import Any

import msgspec

from avr_sts_speechmatics.network.untrusted_json import BadJson, decoder

START_BUFFERING = b'{"command":"START_MEDIA_BUFFERING"}'
FLUSH = b'{"command":"FLUSH_MEDIA"}'
PAUSE = b'{"command":"PAUSE_MEDIA"}'
CONTINUE = b'{"command":"CONTINUE_MEDIA"}'
HANG_UP = b'{"command":"HANGUP"}'


def mark(number: int) -> bytes:
    """The command for a mark: Asterisk reports when all audio sent before it has been played."""
    return b'{"command":"MARK_MEDIA","correlation_id":"%d"}' % number


class MediaStarted(msgspec.Struct, tag_field="event", tag="MEDIA_START"):
    """The first event: describes the channel.

    format: the channel's codec, for both directions.
    channel: name of the channel.
    channel_id: Asterisk's unique id of the channel.
    channel_variables: variables of the channel; untrusted text.
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
    """18 s of audio wait at Asterisk. Asterisk silently drops audio beyond 20 s."""


class QueueHasRoom(msgspec.Struct, tag_field="event", tag="MEDIA_XON"):
    pass


class Complained(msgspec.Struct, tag_field="event", tag="ERROR"):
    error_text: str = ""


Event = MediaStarted | KeyReleased | MarkReached | QueueFull | QueueHasRoom | Complained


class _AnyEvent(msgspec.Struct):
    event: str


_decode: Callable[[bytes | memoryview], Event] = decoder(Event)  # type: ignore[arg-type]
_decode_any = decoder(_AnyEvent)
_KNOWN = frozenset(kind.__struct_config__.tag for kind in Event.__args__)


def read(message: bytes | memoryview) -> Event | None:
    """Read an event from a text message; None if this service does not use the event.

    Raises ValueError with the reason if the message is not an event or the event is malformed.
    """
    try:
        return _decode(message)
    except BadJson as error:
        try:
            kind = _decode_any(message).event
        except BadJson:
            raise ValueError(f"a message is not an event in JSON ({error})") from error
        if kind in _KNOWN:
            raise ValueError(f"the event {kind} is malformed ({error})") from error
        return None


def is_plain_text(message: bytes | memoryview) -> bool:
    """Whether a first message comes from a channel with plain-text control, not JSON."""
    return bytes(message[:11]) == b"MEDIA_START"
