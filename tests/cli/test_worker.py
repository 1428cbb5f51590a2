"""What a worker is told to do, by its supervisor and by signals. The rest is in tests/workers."""

import asyncio
import socket
import subprocess
from pathlib import Path

from tests.cli.commands import CLOUDS, COMMAND
from tests.support import untraced_environment

from avr_sts_speechmatics.cli.signals import Ending
from avr_sts_speechmatics.cli.worker import Orders


async def test_a_worker_that_is_replaced_drains() -> None:
    orders = Orders()
    orders.take({"tell": "drain", "replaced": True})
    assert orders.ending.is_set()
    assert orders.replaced
    assert not orders.at_once.is_set()
    orders.take({"tell": "end"})
    assert orders.at_once.is_set()


async def test_the_end_of_the_service_does_not_bring_back_a_worker_that_is_replaced() -> None:
    orders = Orders()
    orders.take({"tell": "drain", "replaced": True})
    orders.take({"tell": "drain", "replaced": False})
    assert orders.replaced


async def test_a_signal_to_the_worker_makes_room_for_another() -> None:
    orders, left = Orders(), asyncio.Event()
    orders.leaving = left.set
    orders.signalled(Ending.DRAIN, "SIGTERM")
    assert left.is_set()
    assert orders.replaced
    assert not orders.at_once.is_set()
    orders.signalled(Ending.NOW, "SIGTERM")
    assert orders.at_once.is_set()


async def test_a_worker_without_a_supervisor_leaves_the_ports_to_others() -> None:
    orders = Orders()
    orders.orphaned()
    assert orders.ending.is_set()
    assert orders.replaced


def test_a_worker_whose_supervisor_has_ended_before_it_began_ends(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [*COMMAND, "serve", "--worker", str(theirs.fileno())],
        pass_fds=(theirs.fileno(),),
        cwd=tmp_path,
        env=untraced_environment() | CLOUDS,
        stderr=subprocess.PIPE,
    )
    theirs.close()
    ours.close()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err == b""
