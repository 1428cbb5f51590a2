"""The ports: opened once, kept over a restart, and given up when they are not wanted."""

import socket
from contextlib import closing

import pytest
from tests.cli.commands import free_port

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.workers.ports import close_others, open_ports


def settings(**ports: object) -> Settings:
    chosen = {"port": 0, "extra_ports": (), "audiosocket_port": None, "http_port": None}
    return Settings(**(chosen | ports))  # type: ignore[arg-type]


async def test_a_port_that_stays_keeps_its_socket() -> None:
    first, second = free_port(), free_port()
    before = await open_ports(settings(port=first, http_port=second))
    after = await open_ports(settings(port=first, audiosocket_port=free_port()), before)
    assert after.opened[0].sockets == before.opened[0].sockets
    close_others(before, after.opened)
    with closing(socket.create_connection(("127.0.0.1", first), 5)):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", second), 5)
    after.close()


async def test_a_port_that_cannot_be_had_leaves_the_others_as_they_were() -> None:
    first, new = free_port(), free_port()
    before = await open_ports(settings(port=first))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"{busy}.*give another HTTP_PORT"):
            await open_ports(settings(port=first, audiosocket_port=new, http_port=busy), before)
    with closing(socket.create_connection(("127.0.0.1", first), 5)):
        pass
    with socket.create_server(("127.0.0.1", new)):
        pass  # it is free again
    before.close()


async def test_a_setting_moves_to_the_port_of_another() -> None:
    port = free_port()
    before = await open_ports(settings(port=free_port(), http_port=port))
    after = await open_ports(settings(port=free_port(), audiosocket_port=port), before)
    assert after.of("AUDIOSOCKET_PORT") == ("127.0.0.1", port)
    assert after.of("HTTP_PORT") is None
    close_others(before, after.opened)
    after.close()


async def test_a_port_may_be_closed_for_all_who_have_it_and_opened_again() -> None:
    ports = await open_ports(settings(port=free_port()))
    (port,) = ports.opened
    port.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(port.addresses[0], 5)
    port.sockets[0].listen()
    with closing(socket.create_connection(port.addresses[0], 5)):
        pass
    ports.close()
