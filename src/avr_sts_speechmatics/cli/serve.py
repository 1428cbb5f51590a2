"""The `serve` command: run the service until it is told to end."""

import argparse
import asyncio
import gc
import logging
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from avr_sts_speechmatics import __version__, settings
from avr_sts_speechmatics.cli.common import run_on_uvloop, set_up_log

# Imported where it is used: it takes a second, in which Ctrl-C must be as clean as at any other
# time.
if TYPE_CHECKING:
    from avr_sts_speechmatics.server import Server

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Run the service: wait for calls from avr-core or straight from Asterisk, and answer them. "
        "With SPEECHMATICS_API_KEY and OPENAI_API_KEY set it uses the clouds; without them it "
        "works offline, for one or two calls, to try it."
    )


def run(_: argparse.Namespace) -> int:
    chosen = settings.load()
    set_up_log(chosen)
    return run_on_uvloop(_serve_calls(chosen))


async def _serve_calls(chosen: settings.Settings) -> int:
    from avr_sts_speechmatics.cli.progress import Progress
    from avr_sts_speechmatics.server import Server

    loop = asyncio.get_running_loop()
    told_to_end = asyncio.Event()
    told_twice = asyncio.Event()
    drain_s = chosen.drain_s

    def end(drains: bool) -> None:
        nonlocal drain_s
        if told_to_end.is_set() or not drains:
            drain_s = 0.0
            told_twice.set()
        told_to_end.set()

    loop.add_signal_handler(signal.SIGTERM, end, True)
    loop.add_signal_handler(signal.SIGINT, end, False)
    progress = Progress(sys.stderr)
    _spare_the_collector()
    server = Server(chosen, news=progress.show)
    try:
        await server.listen()
        starting = asyncio.create_task(server.make_ready())
        ending = asyncio.create_task(told_to_end.wait())
        progress.show("starting", 0, 1)
        await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
        progress.close()
        if starting.done():
            starting.result()
            _introduce(server)
            _spare_the_collector()
            # The model's library is still being loaded, beside calls that may have come.
            server.when_warm(_spare_the_collector)
        await ending
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
    finally:
        progress.close()
        stopping = asyncio.create_task(server.stop(drain_s))
        # Asked a second time, nothing is waited for any more.
        hurry = asyncio.create_task(told_twice.wait())
        await asyncio.wait((stopping, hurry), return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            stopping.cancel()
            await asyncio.wait((stopping,))
            await server.stop()
        hurry.cancel()
    return 0


def _spare_the_collector() -> None:
    """Keep Python's cycle collector from stopping all calls for a long look at what never changes.

    What is there now (the libraries, half a million objects) stays for good and is not looked at;
    looking through it takes some 80 ms, four frames of every caller. Without a collection before
    it, which would take as long.
    """
    gc.freeze()
    gc.set_threshold(5_000, 20, 50)


def _introduce(server: "Server") -> None:
    """Say where the service is, what it uses, and what to do next."""
    host, port = server.ports["PORT"]
    everywhere = ", ".join(f"{h}:{p}" for h, p in server.addresses)
    _log.info("ready; listening on %s", everywhere)
    for sentence in (*server.warnings, *settings.unknown_variables()):
        _log.warning("%s", sentence)
    if not sys.stdout.isatty() and server.settings.log_format == "json":
        return
    reach = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104
    url = f"ws://{reach}:{port}"
    option = "" if port == 6040 else f" --url {url}"
    # In a virtual environment that is not activated the command has no short name.
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
        flush=True,
    )
