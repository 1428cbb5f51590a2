"""Find the caller's channel among all channels of Asterisk.

A call reaches this service, or avr-core in front of this service, in one of two ways. In both, the
event `Status` shows the call's uuid [measured, Asterisk 22]:

    AudioSocket()    the caller's channel runs the application; the uuid is in its arguments
    Dial(AudioSocket/… or WebSocket/…)
                     our leg is a separate channel, bridged with the caller's channel; the uuid is
                     in the arguments of Dial, and in the name of an AudioSocket leg

Between the caller and our leg there may be Local channels (ring groups, queues, FreePBX). A Local
channel has two halves, `;1` and `;2`, each in the bridge of one side. The halves are followed to
the caller's phone.

So one list of all channels, fetched when needed, is enough: no state is kept, and the service
finds calls that are older than its own process. This module only reads the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from avr_sts_speechmatics.line import Caller

_LEGS = ("AudioSocket/", "WebSocket/")
_APPLICATIONS = ("audiosocket", "dial")


class NotFoundError(Exception):
    """No channel, or more than one, matches this caller. The text says which."""


@dataclass(frozen=True, slots=True)
class Channel:
    """The fields of a channel that are needed to find a caller.

    name: the channel's name, such as "PJSIP/alice-00000001".
    application: the dialplan application that the channel runs.
    data: arguments of that application.
    bridge: id of the bridge that the channel is in; empty if there is none.
    """

    name: str
    application: str
    data: str
    bridge: str

    @classmethod
    def of(cls, event: Mapping[str, str]) -> "Channel":
        """Read a channel from an event `Status`."""
        wanted = ("Channel", "Application", "Data", "BridgeID")
        return cls(*(event.get(name, "") for name in wanted))


def channel_of(caller: Caller, channels: Sequence[Channel]) -> str:
    """Return the name of the caller's channel. Raises NotFoundError.

    The fact `channel`, if Asterisk sent one, names our own leg and decides between several calls
    with one uuid. The fact alone is not trusted, because any client of this service can set it.
    """
    uuid, named = _uuid(caller.uuid), caller.facts.get("channel", "")
    found: set[str] = set()
    for channel in channels:
        if channel.name.startswith(_LEGS):
            if channel.name == named or (uuid and uuid in channel.name.lower()):
                found |= {peer.name for peer in _peers(channel, channels)}
        elif uuid and channel.application.lower() in _APPLICATIONS and uuid in channel.data.lower():
            found.add(channel.name)
    found = {_beyond_local(name, channels) for name in found}
    if named in found:
        return named
    if not found:
        raise NotFoundError("the phone system has no such call; the caller may have hung up")
    if len(found) > 1:
        raise NotFoundError("the phone system has several calls with the id of this call")
    return found.pop()


def _uuid(text: str) -> str:
    """Return the canonical form of a UUID; "" for other text, which could match any argument."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def _peers(channel: Channel, channels: Sequence[Channel]) -> list[Channel]:
    return [c for c in channels if c.bridge and c.bridge == channel.bridge and c is not channel]


def _beyond_local(name: str, channels: Sequence[Channel]) -> str:
    """Return the channel of the phone behind a Local channel.

    Returns `name` unchanged if it is not a Local channel or no phone is found behind it.
    """
    halves = {c.name: c for c in channels if c.name.startswith("Local/")}
    while (half := halves.pop(name, None)) is not None:
        other = halves.get(half.name[:-1] + ("2" if half.name.endswith(";1") else "1"))
        peers = _peers(other, channels) if other is not None else []
        if len(peers) != 1:
            break
        name = peers[0].name
    return name
