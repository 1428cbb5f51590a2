"""Opening ports, and the sentence about one that cannot be opened."""

import errno
import socket

import pytest

from avr_sts_speechmatics.network.listening import (
    RECEIVE_BUFFER_BYTES,
    cannot_listen,
    holder,
    listen_at,
    listening_sockets,
    stop_listening,
)


async def test_a_host_is_listened_to_at_all_its_addresses() -> None:
    sockets = await listening_sockets("127.0.0.1", 0)
    (sock,) = sockets
    with socket.create_connection(sock.getsockname(), 5):
        connection, _ = sock.accept()
        # The kernel doubles what it is asked for.
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= (
            2 * RECEIVE_BUFFER_BYTES
        )
        connection.close()
    stop_listening(sockets)
    stop_listening(sockets)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(sock.getsockname(), 5)
    sock.close()


def test_if_one_address_cannot_be_had_no_other_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = ("127.0.0.1", 0)
        with pytest.raises(OSError, match="in use"):
            listen_at([(socket.AF_INET, free), (socket.AF_INET, taken.getsockname())])


async def test_another_program_at_a_port_is_not_named() -> None:
    busy = OSError(errno.EADDRINUSE, "busy")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        taken.close()
        assert await holder(host, port, busy) == ""
    assert await holder(host, port, OSError(errno.EACCES, "no")) == ""
    assert cannot_listen(host, 80, OSError(errno.EACCES, "no")) == (
        "Cannot listen on 127.0.0.1:80 (permission denied)"
    )
