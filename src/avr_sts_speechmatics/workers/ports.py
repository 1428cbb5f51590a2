"""The ports of the service: opened once, by whoever owns them, whatever processes accept on them.

One socket for all workers, instead of one socket each (SO_REUSEPORT): the kernel's queue of
connections belongs to the socket. With one queue each, connections that wait for a worker that is
killed or replaced are reset; with one queue for all, another worker takes them.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.network.listening import (
    cannot_listen,
    holder,
    listening_sockets,
    stop_listening,
)
from avr_sts_speechmatics.settings import DEFAULTS, Settings


@dataclass(frozen=True, slots=True)
class Port:
    """One open port.

    setting: name of the setting that gives the port.
    host: value of HOST.
    number: the port as it is set; 0 for any free port.
    sockets: the listening sockets, one for each address of the host.
    """

    setting: str
    host: str
    number: int
    sockets: Sequence[socket.socket]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each socket."""
        return [sock.getsockname()[:2] for sock in self.sockets]

    def close(self) -> None:
        """Close the sockets of this process."""
        for sock in self.sockets:
            sock.close()

    def stop_listening(self) -> None:
        """Refuse further connections, in every process."""
        stop_listening(self.sockets)


@dataclass(slots=True)
class Ports:
    """All open ports, PORT first.

    opened: the ports.
    warnings: one sentence for each port that could not be had and is not needed.
    """

    opened: list[Port] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def close(self) -> None:
        for port in self.opened:
            port.close()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [address for port in self.opened for address in port.addresses]

    def of(self, setting: str) -> tuple[str, int] | None:
        """Return the address of the first port of a setting; None if there is none."""
        return next((p.addresses[0] for p in self.opened if p.setting == setting), None)


async def open_ports(settings: Settings, kept: Ports | None = None) -> Ports:
    """Open the ports that the settings name.

    kept: ports that are open already; those that are still wanted are used again.

    Raises SettingsError when a port that is needed cannot be had. Nothing new is open then.
    """
    before = [] if kept is None else kept.opened
    ports = Ports()
    host = settings.host
    try:
        for setting, number, needed in _wanted(settings):
            same = (one for one in before if (one.host, one.number) == (host, number))
            if (port := next(same, None)) is not None:
                ports.opened.append(Port(setting, host, number, port.sockets))
                continue
            await _open(ports, setting, host, number, needed=needed)
    except SettingsError:
        close_others(ports, before)
        raise
    return ports


def close_others(ports: Ports, kept: Sequence[Port]) -> None:
    """Close the ports whose sockets are not among those of `kept`."""
    sockets = {sock for port in kept for sock in port.sockets}
    for port in ports.opened:
        if not sockets.issuperset(port.sockets):
            port.close()


async def _open(ports: Ports, setting: str, host: str, number: int, *, needed: bool) -> None:
    try:
        sockets = await listening_sockets(host, number)
    except OSError as error:
        reason = cannot_listen(host, number, error)
        for port in ports.opened:
            if any(taken == number for _, taken in port.addresses):
                reason += f": {port.setting} is the same port"
                break
        else:
            reason += await holder(host, number, error)
        if needed:
            raise SettingsError(f"{reason}; give another {setting} (or HOST).") from error
        ports.warnings.append(
            f"{setting}: {reason}; calls to that port will not reach this service."
        )
        return
    ports.opened.append(Port(setting, host, number, sockets))


def _wanted(settings: Settings) -> Iterator[tuple[str, int, bool]]:
    """Yield the setting, the number, and whether the service does not start without the port.

    Another program may use a default port, and this operator may not need what comes there.
    """
    yield "PORT", settings.port, True
    for port in settings.extra_ports:
        if port != settings.port:
            yield "EXTRA_PORTS", port, False
    if settings.audiosocket_port is not None:
        needed = settings.audiosocket_port != DEFAULTS.audiosocket_port
        yield "AUDIOSOCKET_PORT", settings.audiosocket_port, needed
    if settings.http_port is not None:
        yield "HTTP_PORT", settings.http_port, settings.http_port != DEFAULTS.http_port
