"""The `serve` command: run the service until SIGTERM or Ctrl-C.

This process is the supervisor, which takes no calls: its workers do (`cli.worker`).
"""

import argparse
import asyncio
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from avr_sts_speechmatics import __version__, settings
from avr_sts_speechmatics.cli import signals, standard_streams
from avr_sts_speechmatics.cli.common import set_up_log
from avr_sts_speechmatics.cli.progress import Progress
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.workers.supervisor import END_S, Supervisor, count_of
from avr_sts_speechmatics.workers.worker_process import NotStarted, Ready

FAREWELL_S = 6.0
"""Time after DRAIN_S in which callers hear the apology and calls are closed (s)."""

DOCKER_STOP_S = 10.0
"""How long Docker waits for the end of a container by default (s)."""

HANGUP_S = 0.2
"""Time between SIGHUP and the look whether the terminal is gone (s). The terminal of a session that
ends is taken away after the signal."""

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Run the service: wait for calls from avr-core or straight from Asterisk, and answer them. "
        "With SPEECHMATICS_API_KEY and OPENAI_API_KEY the service uses the clouds; without them it "
        "works offline, for trying with one or two calls."
    )
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)


def run(given: argparse.Namespace) -> NoReturn:
    if given.worker is not None:
        from avr_sts_speechmatics.cli import worker

        worker.run(given.worker)
    loaded = settings.load_and_warn()
    standard_streams.write_in_background()
    set_up_log(loaded.settings)
    for name in standard_streams.were_closed():
        _log.warning("%s was closed when the service started; it goes nowhere", name)
        if name == "standard error":
            print("avr-sts-speechmatics: standard error is closed: there is no log", flush=True)
    status = 0
    try:
        with asyncio.Runner() as runner:
            runner.run(_supervise(loaded))
    except SettingsError as error:
        print(f"avr-sts-speechmatics: {error}", file=sys.stderr)
        status = 2
    except NotStarted as error:
        print(f"avr-sts-speechmatics: {error}", file=sys.stderr)
        status = error.status
    except KeyboardInterrupt:
        status = 130
    except Exception:
        _log.exception("the service ends by a fault of its own; please report it")
        status = 1
    standard_streams.end_process(status)


def _load_again() -> settings.Loaded:
    """Read the settings anew, also those of the log. Raises SettingsError."""
    loaded = settings.load_and_warn()
    set_up_log(loaded.settings)
    return loaded


async def _supervise(loaded: settings.Loaded) -> None:
    loop = asyncio.get_running_loop()
    progress = Progress(sys.stderr)
    supervisor = Supervisor(loaded, _load_again, progress.show)
    ending = asyncio.Event()
    at_once = asyncio.Event()
    terminal = signals.Terminal()

    def end(how: signals.Ending, name: str) -> None:
        _log.info("%s: the service ends%s", name, "" if how.drains else " now")
        if how is signals.Ending.NOW:
            at_once.set()
        ending.set()

    def hung_up(name: str) -> None:
        loop.call_later(HANGUP_S, after_hang_up, name)

    def after_hang_up(name: str) -> None:
        if ending.is_set():
            return  # it may accompany SIGTERM (systemd's SendSIGHUP)
        if terminal.is_gone:
            end(signals.Ending.DRAIN, f"{name}, because the terminal is gone")
        else:
            _log.info("%s: the workers are replaced", name)
            supervisor.replace()

    def ignored(name: str) -> None:
        _log.info("%s has no meaning here and is ignored", name)

    signals.handle(loop, end, hung_up, ignored)
    try:
        starting = asyncio.create_task(supervisor.start())
        told_to_end = asyncio.create_task(ending.wait())
        progress.show("starting", 0, 1)
        await asyncio.wait((starting, told_to_end), return_when=asyncio.FIRST_COMPLETED)
        progress.close()
        if starting.done():
            _introduce(supervisor, starting.result(), loaded.warnings)
            supervisor.introduced()
        await told_to_end
        starting.cancel()
        await asyncio.wait((starting,))
        await _end(supervisor, at_once)
    finally:
        progress.close()
        await supervisor.close()


async def _end(supervisor: Supervisor, at_once: asyncio.Event) -> None:
    """Drain, then end the calls that are left; or do that at once."""
    drain_s = supervisor.settings.drain_s
    ended = asyncio.create_task(supervisor.ended())
    hurry = asyncio.create_task(at_once.wait())
    if not at_once.is_set():
        supervisor.drain()
        longest_s = drain_s + FAREWELL_S + END_S if drain_s else None
        await asyncio.wait((ended, hurry), timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
    if at_once.is_set() and not ended.done():
        supervisor.end()
        await asyncio.wait((ended,), timeout=END_S)
    if not ended.done():
        supervisor.kill()
        await ended
    hurry.cancel()


def _in_container() -> bool:
    """Whether the process runs in a container of Docker or Podman."""
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


def _introduce(supervisor: Supervisor, ready: Ready, about_settings: Sequence[str]) -> None:
    """Log and print the addresses of the service, its warnings, and what to do next.

    What a newcomer should know stands in the banner, where there is one; it is no warning.
    """
    chosen, ports = supervisor.settings, supervisor.ports
    host, port = ports.opened[0].addresses[0]
    everywhere = ", ".join(f"{h}:{p}" for h, p in ports.addresses)
    of = count_of(chosen)
    _log.info("ready; listening on %s%s", everywhere, f", with {of} workers" if of > 1 else "")
    drain_s = chosen.drain_s
    late = (drain_s + FAREWELL_S > DOCKER_STOP_S or not drain_s) and _in_container()
    _log.info(
        "after SIGTERM, running calls may go on %s (DRAIN_S)%s",
        f"for {drain_s:g} s" if drain_s else "until they end",
        "; docker stop kills the container after 10 s, unless it is given longer "
        "(stop_grace_period, docker stop -t)"
        if late
        else "",
    )
    trying = ready.hints
    for sentence in dict.fromkeys((*ports.warnings, *ready.warnings, *about_settings)):
        supervisor.said.add(sentence)
        _log.warning("%s", sentence)
    if not sys.stdout.isatty() and chosen.log_format == "json":
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
    if (audiosocket := ports.of("AUDIOSOCKET_PORT")) is not None:
        direct = f"Dial(AudioSocket/{reach}:{audiosocket[1]}/...), {direct}"
    print(
        f"""
avr-sts-speechmatics {__version__} takes calls on {host}:{port}
  talk to it     http://{reach}:{port}/ in a browser on this machine
  for avr-core   STS_URL={url}
  for Asterisk   {direct}
  by command     {tools} call --say "What are your opening hours?"{option}
  its state      curl http://{reach}:{port}/health
  stop           Ctrl-C
""",
        *(f"{sentence}\n" for sentence in trying),
        sep="\n",
        flush=True,
    )
