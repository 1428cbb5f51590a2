"""The acceptor of a port: it spares descriptors, never spins, and can close and open its port."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
import uvloop
from tests.support import until

from avr_sts_speechmatics.admission.descriptors import Descriptors
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.listening import listening_sockets
from avr_sts_speechmatics.transports import acceptor as module
from avr_sts_speechmatics.transports.acceptor import Acceptor
from avr_sts_speechmatics.transports.reception import Reception


def new_event_loop() -> asyncio.AbstractEventLoop:
    return uvloop.new_event_loop()  # as the service has it


def no_call(caller: Caller, line: Line) -> CallerSide:
    raise CallerError("no calls here")


class Port:
    """A port whose connections are kept."""

    def __init__(self) -> None:
        self.used = 0
        self.descriptors = Descriptors(100, used=lambda: self.used)  # 16 of them in reserve
        self.reception = Reception(no_call)
        self.open: list[asyncio.Transport] = []
        self.ends: list[socket.socket] = []
        self.acceptor: Acceptor

    def protocol(self) -> asyncio.Protocol:
        return Connection(self)

    def connect(self, times: int = 1) -> list[socket.socket]:
        """Connect so many times; the kernel completes each connection by itself."""
        address = self.acceptor.addresses[0][1]
        ends = [socket.create_connection(address, timeout=5) for _ in range(times)]
        self.ends += ends
        return ends


class Connection(asyncio.Protocol):
    def __init__(self, port: Port) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._port.reception.waiting.add(self._transport)
        self._port.open.append(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.reception.waiting.remove(self._transport)
        self._port.open.remove(self._transport)


@asynccontextmanager
async def listening(
    protocol: Callable[[Port], asyncio.Protocol] = Port.protocol,
) -> AsyncIterator[Port]:
    port = Port()
    sockets = await listening_sockets("127.0.0.1", 0)
    port.acceptor = Acceptor(sockets, lambda: protocol(port), port.descriptors, port.reception)
    try:
        yield port
    finally:
        port.acceptor.close()
        for end in port.ends:
            end.close()
        await until(lambda: not port.open)


async def test_connections_are_accepted_without_nagles_delay() -> None:
    async with listening() as port:
        port.connect(100)
        await until(lambda: len(port.open) == 100)
        found = port.open[0].get_extra_info("socket")
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_few_connections_at_a_time_are_accepted_where_descriptors_are_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 60.0)
    async with listening() as port:
        port.used = 84
        port.connect(20)
        await until(lambda: len(port.open) == 4)  # a quarter of the reserve
        assert port.acceptor._pause is not None


async def test_no_connection_is_accepted_out_of_the_last_of_the_reserve() -> None:
    async with listening() as port:
        port.used = 88
        port.connect(50)
        await until(lambda: port.acceptor._pause is not None)
        assert not port.open
        port.used = 60
        await until(lambda: len(port.open) == 50)


async def test_connections_that_wait_are_closed_where_descriptors_are_short(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening() as port:
        port.connect(3)
        await until(lambda: len(port.open) == 3)
        monkeypatch.setattr(module, "IDLE_S", 0.0)
        port.used = 84
        port.connect(1)
        await until(lambda: "descriptors are short" in caplog.text)


async def test_without_any_descriptor_the_acceptor_rests_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    class Exhausted(socket.socket):
        left = False

        def accept(self) -> tuple[socket.socket, object]:
            nonlocal tries
            if self.left:
                return super().accept()
            tries += 1
            raise OSError(24, os.strerror(24))

    (sock,) = await listening_sockets("127.0.0.1", 0)
    exhausted = Exhausted(sock.family, sock.type, fileno=sock.detach())
    port = Port()
    port.acceptor = Acceptor([exhausted], port.protocol, port.descriptors, port.reception)
    port.connect(5)
    await until(lambda: tries >= 3)
    assert caplog.text.count("no connection can be accepted (Too many open files)") == 1
    assert tries <= 6  # a rest of AGAIN_S each time
    Exhausted.left = True
    await until(lambda: len(port.open) == 5)
    port.acceptor.close()
    for end in port.ends:
        end.close()
    await until(lambda: not port.open)


async def test_a_port_can_be_closed_and_opened_again() -> None:
    async with listening() as port:
        port.connect()
        await until(lambda: len(port.open) == 1)
        port.acceptor.suspend()
        assert port.acceptor.suspended
        with pytest.raises(ConnectionRefusedError):
            port.connect()
        assert len(port.open) == 1  # what was accepted goes on
        port.acceptor.resume()
        port.acceptor.resume()
        port.connect()
        await until(lambda: len(port.open) == 2)


async def test_a_port_that_another_program_took_meanwhile_is_not_opened() -> None:
    async with listening() as port:
        port.acceptor.suspend()
        with socket.create_server(port.acceptor.addresses[0][1]):
            with pytest.raises(OSError, match="in use"):
                port.acceptor.resume()
            assert port.acceptor.suspended
        port.acceptor.resume()


async def test_a_port_that_is_taken_leaves_no_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use"):
            await listening_sockets("127.0.0.1", taken.getsockname()[1])


async def test_a_protocol_with_a_fault_costs_its_own_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults: list[Exception] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: faults.append(context["exception"])
    )
    made = 0

    def faulty_at_first(port: Port) -> asyncio.Protocol:
        nonlocal made
        made += 1
        if made == 1:
            raise RuntimeError("a fault")
        return Connection(port)

    async with listening(faulty_at_first) as port:
        port.connect(2)
        await until(lambda: len(port.open) == 1)
        await until(lambda: bool(faults))
    assert str(faults[0]) == "a fault"
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]
