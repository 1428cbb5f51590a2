"""Which of the exchange's channels is the caller's.

A call comes to this service, or to avr-core before it, in one of two ways, and both say which call
it is where `Status` shows it [measured, Asterisk 22]:

    AudioSocket()    the caller's own channel runs it; the call's uuid is in its arguments
    Dial(AudioSocket/… or WebSocket/…)
                     our leg is a channel of its own, in a bridge with the caller's; the uuid is in
                     the arguments of Dial, and in the name of an AudioSocket leg

Between the caller and either there may be Local channels (ring groups, queues, FreePBX): two halves
`;1` and `;2`, each in the bridge of its own side. They are followed to the phone.

So one list of all channels, asked for when it is needed, tells it all: nothing is remembered, and a
call is found by a service that was started after it. This module only reads the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from avr_sts_speechmatics.line import Caller

_LEGS = ("AudioSocket/", "WebSocket/")
_APPLICATIONS = ("audiosocket", "dial")


class NotFoundError(Exception):
    """There is no one channel that is this caller's. The text says why."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, as far as finding a caller goes. data: arguments of the application it runs;
    bridge: "" outside of any."""

    name: str
    application: str
    data: str
    bridge: str

    @classmethod
    def of(cls, event: Mapping[str, str]) -> "Channel":
        """From an event `Status`."""
        wanted = ("Channel", "Application", "Data", "BridgeID")
        return cls(*(event.get(name, "") for name in wanted))


def channel_of(caller: Caller, channels: Sequence[Channel]) -> str:
    """Name of the caller's channel. Raises NotFoundError.

    The fact `channel` names our own leg where Asterisk itself told us, and decides between calls
    of one uuid. Alone it is no evidence: whoever connects to this service could write any.
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
        raise NotFoundError("the exchange has no such call; the caller may have hung up")
    if len(found) > 1:
        raise NotFoundError("the exchange has several calls with the id of this one")
    return found.pop()


def _uuid(text: str) -> str:
    """The canonical form; "" for other names, which could stand anywhere in an argument."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def _peers(channel: Channel, channels: Sequence[Channel]) -> list[Channel]:
    return [c for c in channels if c.bridge and c.bridge == channel.bridge and c is not channel]


def _beyond_local(name: str, channels: Sequence[Channel]) -> str:
    """The phone behind a Local channel; the name itself where it is a phone or none is seen."""
    halves = {c.name: c for c in channels if c.name.startswith("Local/")}
    while (half := halves.pop(name, None)) is not None:
        other = halves.get(half.name[:-1] + ("2" if half.name.endswith(";1") else "1"))
        peers = _peers(other, channels) if other is not None else []
        if len(peers) != 1:
            break
        name = peers[0].name
    return name
