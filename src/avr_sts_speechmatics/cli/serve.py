"""The `serve` command: run the service until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from avr_sts_speechmatics import __version__, settings
from avr_sts_speechmatics.cli import signals, standard_streams
from avr_sts_speechmatics.cli.common import set_up_log
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.speech.phrase_store import default_folder

# Imported where it is used: the import takes a second, and Ctrl-C must end the program cleanly
# during that second too.
if TYPE_CHECKING:
    from avr_sts_speechmatics.server import Server

STOP_S = 15.0
"""Longest time in which everything must be closed after the last call (s). Enough for MCP servers
and webhooks that do not answer; afterwards the process ends with whatever is still open."""

DOCKER_STOP_S = 10.0
"""How long Docker waits for the end of a container by default (s)."""

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Run the service: wait for calls from avr-core or straight from Asterisk, and answer them. "
        "With SPEECHMATICS_API_KEY and OPENAI_API_KEY the service uses the clouds; without them it "
        "works offline, for trying with one or two calls."
    )


def run(_: argparse.Namespace) -> int:
    import uvloop

    loaded = settings.load_and_warn()
    standard_streams.write_in_background()
    if loaded.settings.phrase_cache_dir is None:
        chosen = replace(loaded.settings, phrase_cache_dir=default_folder() or "off")
        loaded = replace(loaded, settings=chosen)
    set_up_log(loaded.settings)
    for name in standard_streams.were_closed():
        _log.warning("%s was closed when the service started; it goes nowhere", name)
        if name == "standard error":
            print("avr-sts-speechmatics: standard error is closed: there is no log", flush=True)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    status = 0
    try:
        runner.run(_serve_calls(loaded))
    except SettingsError as error:
        print(f"avr-sts-speechmatics: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    except Exception:
        _log.exception("the service ends by a fault of its own; please report it")
        status = 1
    standard_streams.end_process(status)


async def _serve_calls(loaded: settings.Loaded) -> None:
    from avr_sts_speechmatics.cli.progress import Progress
    from avr_sts_speechmatics.server import Server

    chosen = loaded.settings
    loop = asyncio.get_running_loop()
    end_requested = asyncio.Event()
    end_at_once = asyncio.Event()
    drain_s = chosen.drain_s

    def end(how: signals.Ending, name: str) -> None:
        nonlocal drain_s
        _log.info("%s: the service ends%s", name, "" if drain_s and how.drains else " now")
        if how is signals.Ending.NOW:
            drain_s = 0.0
            end_at_once.set()
        end_requested.set()

    def ignored(name: str) -> None:
        _log.info("%s has no meaning here and is ignored", name)

    signals.handle(loop, end, ignored)
    progress = Progress(sys.stderr)
    server = Server(chosen, news=progress.show)
    collector = server.collector
    collector.start()
    try:
        await server.listen()
        starting = asyncio.create_task(server.make_ready())
        ending = asyncio.create_task(end_requested.wait())
        progress.show("starting", 0, 1)
        await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
        progress.close()
        if starting.done():
            starting.result()
            _introduce(server, loaded.warnings)
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
        progress.close()
        stopping = asyncio.create_task(server.stop(drain_s))
        # After Ctrl-C or a second signal, calls are not waited for.
        hurry = asyncio.create_task(end_at_once.wait())
        await asyncio.wait(
            (stopping, hurry), timeout=drain_s + STOP_S, return_when=asyncio.FIRST_COMPLETED
        )
        if not stopping.done() and end_at_once.is_set():
            stopping.cancel()
            await asyncio.wait((stopping,), timeout=1.0)
            stopping = asyncio.create_task(server.stop())
            await asyncio.wait((stopping,), timeout=STOP_S)
        hurry.cancel()
        collector.stop()
        if not stopping.done():
            _log.warning("not everything could be closed within %.0f s", STOP_S)


def _in_container() -> bool:
    """Whether the process runs in a container of Docker or Podman."""
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


def _introduce(server: "Server", about_settings: Sequence[str]) -> None:
    """Log and print the addresses of the service, its warnings, and what to do next.

    What a newcomer should know stands in the banner, where there is one; it is no warning.
    """
    from avr_sts_speechmatics.server import how_it_tries

    host, port = server.ports["PORT"]
    everywhere = ", ".join(f"{h}:{p}" for h, p in server.addresses)
    _log.info("ready; listening on %s", everywhere)
    drain_s = server.settings.drain_s
    late = drain_s + 2 > DOCKER_STOP_S and _in_container()
    _log.info(
        "after SIGTERM, running calls may go on for %g s (DRAIN_S)%s",
        drain_s,
        "; docker stop kills the container after 10 s, unless it is given longer "
        "(stop_grace_period, docker stop -t)"
        if late
        else "",
    )
    trying = list(how_it_tries(server.settings))
    for sentence in (*server.warnings, *about_settings):
        if sentence not in trying:
            _log.warning("%s", sentence)
    if not sys.stdout.isatty() and server.settings.log_format == "json":
        for sentence in trying:
            _log.info("%s", sentence)
        return
    reach = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104
    url = f"ws://{reach}:{port}"
    option = "" if port == 6040 else f" --url {url}"
    # In a virtual environment that is not activated, the command is not in PATH.
    tools = "avr-sts-speechmatics"
    if shutil.which(tools) is None:
        tools = str(Path(sys.executable).with_name(tools))
    direct = f"Dial(WebSocket/...) to {url}/media"
    if "AUDIOSOCKET_PORT" in server.ports:
        direct = f"Dial(AudioSocket/{reach}:{server.ports['AUDIOSOCKET_PORT'][1]}/...), {direct}"
    print(
        f"""
avr-sts-speechmatics {__version__} takes calls on {host}:{port}
  for avr-core   STS_URL={url}
  for Asterisk   {direct}
  try it         {tools} call --say "What are your opening hours?"{option}
  its state      curl http://{reach}:{port}/health
  stop           Ctrl-C
""",
        *(f"{sentence}\n" for sentence in trying),
        sep="\n",
        flush=True,
    )
