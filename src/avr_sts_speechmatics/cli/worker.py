"""A worker: one of the processes that `serve` starts to take calls.

Nobody types this: the supervisor starts it with `serve --worker` and the descriptor of its end of
their channel. The worker reads the settings by itself, so that a restart picks up the settings and
the code that are on disk then.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import msgspec

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.cli import signals, standard_streams
from avr_sts_speechmatics.cli.common import set_up_log
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.speech.phrase_store import default_folder
from avr_sts_speechmatics.workers.channel import ChannelClosed

if TYPE_CHECKING:
    from avr_sts_speechmatics.server import Server

STOP_S = 15.0
"""Longest time in which everything must be closed after the last call (s). Enough for MCP servers
and webhooks that do not answer; afterwards the process ends with whatever is still open."""

_log = logging.getLogger(__name__)


def run(descriptor: int) -> NoReturn:
    """Take calls until the supervisor says otherwise or has ended.

    descriptor: of this worker's end of the channel.
    """
    import uvloop

    os.set_inheritable(descriptor, False)
    end = socket.socket(fileno=descriptor)
    try:
        read = settings.load_and_warn()
    except SettingsError as error:
        standard_streams.end_process(_failed(end, str(error), 2))
    standard_streams.write_in_background()
    loaded = read.settings
    if loaded.phrase_cache_dir is None:
        loaded = replace(loaded, phrase_cache_dir=default_folder() or "off")
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    status = 0
    try:
        runner.run(_serve_calls(loaded, end, read.origins))
    except SettingsError as error:
        status = _failed(end, str(error), 2)
    except (ChannelClosed, KeyboardInterrupt):
        status = 1
    except Exception:
        _log.exception("the worker ends by a fault of its own; please report it")
        status = 1
    standard_streams.end_process(status)


def _failed(end: socket.socket, why: str, status: int) -> int:
    """Tell the supervisor why this worker cannot start; returns the exit status."""
    try:
        end.setblocking(True)
        end.sendall(msgspec.json.encode({"tell": "failed", "why": why}) + b"\n")
    except OSError:
        pass  # nobody is there to be told
    return status


async def _serve_calls(
    chosen: settings.Settings, end: socket.socket, origins: Mapping[str, settings.Origin]
) -> None:
    from avr_sts_speechmatics.assembly.parts import history_of, how_it_tries
    from avr_sts_speechmatics.records.kept_calls import what_is_kept
    from avr_sts_speechmatics.server import Server
    from avr_sts_speechmatics.workers.membership import Membership

    loop = asyncio.get_running_loop()
    orders = Orders()
    own_end = end.dup()  # `_failed` may still need the other one
    server: Server | None = None
    member = await Membership.join(
        own_end, orders.take, lambda: {} if server is None else server.health()
    )
    set_up_log(chosen, worker=member.number if member.of > 1 else None)
    signals.handle(loop, orders.signalled, _ignored, _ignored)
    orders.leaving = lambda: member.tell(tell="leaving")
    orphaned = asyncio.create_task(member.orphaned())
    orphaned.add_done_callback(lambda _: orders.orphaned())
    server = Server(chosen, member=member, origins=origins)
    collector = server.collector
    collector.start()
    ending = asyncio.create_task(orders.ending.wait())
    try:
        await server.listen()
        starting = asyncio.create_task(server.make_ready())
        await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            kept = what_is_kept(chosen, history_of(chosen))
            hints = [*how_it_tries(chosen), *server.hints, kept]
            warnings = [one for one in server.warnings if one not in hints]
            member.tell(tell="ready", warnings=warnings, hints=hints)
            if chosen.try_services:
                server.try_services()
            collector.exclude_present_objects()
            # The LLM's library is still loading, possibly during the first calls.
            server.when_warm(collector.exclude_present_objects)
        await ending
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
    finally:
        await _end(server, orders)
        collector.stop()
        orphaned.cancel()
        ending.cancel()
        await member.close()


async def _end(server: "Server", orders: "Orders") -> None:
    """Drain and close the server, as the orders are."""
    hurry = asyncio.create_task(orders.at_once.wait())
    if orders.ending.is_set():
        draining = asyncio.create_task(server.drain(replaced=orders.replaced))
        await asyncio.wait((draining, hurry), return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        await asyncio.wait((draining,))
    hurry.cancel()
    stopping = asyncio.create_task(server.stop())
    await asyncio.wait((stopping,), timeout=STOP_S)
    if not stopping.done():
        _log.warning("not everything could be closed within %.0f s", STOP_S)


class Orders:
    """Orders to the worker, by its supervisor or by a signal."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        """Set when the worker is to take no more calls."""
        self.at_once = asyncio.Event()
        """Set when running calls are not to be waited for."""
        self.replaced = False
        """Whether other workers take the new calls."""
        self.leaving: Callable[[], None] = lambda: None
        """Called when this worker ends without having been told to by the supervisor."""

    def take(self, message: dict[str, object]) -> None:
        """Take a message of the supervisor."""
        if message["tell"] == "drain":
            self.replaced = self.replaced or bool(message["replaced"])
        elif message["tell"] == "end":
            self.at_once.set()
        self.ending.set()

    def signalled(self, how: signals.Ending, name: str) -> None:
        """Take a signal, which somebody sent to this process and not to the supervisor."""
        _log.info("%s: this worker ends%s", name, "" if how.drains else " now")
        self.replaced = True  # the supervisor starts another
        self.leaving()
        if not how.drains:
            self.at_once.set()
        self.ending.set()

    def orphaned(self) -> None:
        """The supervisor has ended: let the callers finish, and leave the ports to others."""
        if not self.ending.is_set():
            _log.error("the supervisor has ended; this worker ends after its last call")
        self.replaced = True
        self.ending.set()


def _ignored(name: str) -> None:
    _log.info("%s has no meaning for a worker and is ignored", name)
