"""The gate of a port: closed while no call can be taken."""

import asyncio
import socket

import pytest
from tests.support import until

from avr_sts_speechmatics.admission.descriptors import Descriptors
from avr_sts_speechmatics.admission.refusal import DRAINING, Refusal
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.listening import listening_sockets
from avr_sts_speechmatics.transports.acceptor import Acceptor
from avr_sts_speechmatics.transports.port_gate import PortGate
from avr_sts_speechmatics.transports.reception import Reception


def no_call(caller: Caller, line: Line) -> CallerSide:
    raise CallerError("no calls here")


async def test_the_port_follows_the_refusal_and_a_taken_port_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    refusal: Refusal | None = DRAINING
    sockets = await listening_sockets("127.0.0.1", 0)
    acceptor = Acceptor(
        sockets, asyncio.Protocol, Descriptors(1000, used=lambda: 0), Reception(no_call)
    )
    gate = PortGate(acceptor, "THE_PORT", lambda: refusal)
    try:
        assert acceptor.suspended  # at once, without waiting for the first look
        assert f"THE_PORT is closed: {DRAINING.reason}" in caplog.text
        with socket.create_server(acceptor.addresses[0][1]):
            refusal = None
            await until(lambda: "THE_PORT cannot be opened again (" in caplog.text)
        await until(lambda: not acceptor.suspended)
        assert caplog.text.count("cannot be opened again") == 1
        assert "THE_PORT is open again" in caplog.text
        refusal = DRAINING
        await until(lambda: acceptor.suspended)
    finally:
        gate.close()
        acceptor.close()
