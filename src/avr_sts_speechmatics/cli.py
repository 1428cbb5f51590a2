"""The commands a person types: `serve`, `sandbox`, `call`, `tools`, `doctor`.

Each prints what a newcomer needs next. What goes wrong is one sentence that names the setting to
change, never a traceback; exit status 2 means that something was asked for that cannot be done.
"""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avr_sts_speechmatics import __version__, settings
from avr_sts_speechmatics.errors import ServiceError, SettingsError

# The rest is imported where it is used: it takes a second, in which Ctrl-C must be as clean as at
# any other time, and `--help` should not take it.
if TYPE_CHECKING:
    from avr_sts_speechmatics.server import Server
    from avr_sts_speechmatics.services.voice import Voice

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status."""
    # One core is one event loop's: threads of numpy's linear algebra would only spin beside it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        words = sys.argv[1:] if arguments is None else arguments
        given = _parser(words).parse_args(words)
        status: int = given.run(given)
    except SettingsError as error:
        print(f"avr-sts-speechmatics: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for a command line of these words."""
    parser = argparse.ArgumentParser(
        prog="avr-sts-speechmatics",
        description="A speech-to-speech service for Agent Voice Response (AVR) and for Asterisk "
        "itself: takes a caller's audio, answers with an agent's. Hears and speaks with "
        "Speechmatics, thinks with an OpenAI model; without keys it does all three offline.",
        epilog="Settings are environment variables, also read from a file .env; "
        "the README has the table.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="answer calls",
        description="Run the service: wait for calls from avr-core or straight from Asterisk, and "
        "answer them. With SPEECHMATICS_API_KEY and OPENAI_API_KEY set it uses the clouds; without "
        "them it works offline, for one or two calls, to try it.",
    )
    serve.set_defaults(run=_serve)

    sandbox = commands.add_parser(
        "sandbox",
        help="run only the local stand-ins for the clouds",
        description="Run local servers that speak the protocols of Speechmatics (hearing, voice) "
        "and OpenAI (thinking), with small models of their own. For trying and testing, for one "
        "or two calls; no key and no network is needed.",
    )
    sandbox.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    sandbox.add_argument(
        "--port", type=int, default=6080, help="port to listen on (default: %(default)s)"
    )
    sandbox.add_argument(
        "--max-calls", type=int, default=2, help="calls heard at once (default: %(default)s)"
    )
    sandbox.add_argument("--faq-file", type=Path, help="FAQ of the receptionist that thinks (YAML)")
    sandbox.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    sandbox.set_defaults(run=_sandbox)

    call = commands.add_parser(
        "call",
        help="play the part of a caller",
        description="Call a running service as avr-core would: speak recordings or sentences to "
        "it in real time, and show what both sides said and how fast each turn was answered.",
        epilog='Example: avr-sts-speechmatics call --say "What are your opening hours?"',
    )
    if "call" in words:  # the service need not load a caller to be ready
        from avr_sts_speechmatics import caller

        caller.add_arguments(call)
    call.set_defaults(run=_call)

    tools = commands.add_parser(
        "tools",
        help="list the agent's tools, or run one by hand",
        description="Load the tools of TOOLS_DIR and MCP_SERVERS as the service would, and show "
        "what the model is told of them.",
        epilog="Exit status: 0 when all are there, 1 when tools of a server are not, 2 when a "
        "setting or a file is wrong.",
    )
    if "tools" in words:
        from avr_sts_speechmatics.tools import command

        command.add_arguments(tools)
    tools.set_defaults(run=_tools)

    doctor = commands.add_parser(
        "doctor",
        help="find out what is wrong, and what to do",
        description="Check what a call needs: settings, agents, tools, free ports, whether "
        "hearing, voices and models answer with the keys that are set, and how fast; "
        "then the exchange (avr-ami or AMI), MCP servers, the webhook and the "
        "instructions' web service, where they are set. Each service is asked for a "
        "word or half a second, which your accounts may count; no call is touched and "
        "no event is posted. Without keys no cloud is contacted. Takes up to 15 "
        "seconds; a service that is running may go on running.",
        epilog="Exit status: 0 when no check failed (a warning is no failure), otherwise 1.",
    )
    doctor.add_argument("--json", action="store_true", help="print the checks as a JSON list")
    doctor.set_defaults(run=_doctor)
    return parser


def _run(work: Coroutine[Any, Any, int]) -> int:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


# --- serve ----------------------------------------------------------------------------------------


def _serve(_: argparse.Namespace) -> int:
    chosen = settings.load()
    _set_up_log(chosen)
    return _run(_serve_calls(chosen))


def _set_up_log(chosen: settings.Settings) -> None:
    from avr_sts_speechmatics.call import current_call
    from avr_sts_speechmatics.telemetry import log

    log.set_up(chosen.log_level, chosen.log_format, chosen.secrets(), current_call.get)


async def _serve_calls(chosen: settings.Settings) -> int:
    from avr_sts_speechmatics.progress import Progress
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
    host, port = server.doors["PORT"]
    everywhere = ", ".join(f"{h}:{p}" for h, p in server.addresses)
    _log.info("ready; listening on %s", everywhere)
    for sentence in (*server.warnings, *settings.strangers()):
        _log.warning("%s", sentence)
    if not sys.stdout.isatty() and server.settings.log_format == "json":
        return
    reach = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104
    url = f"ws://{reach}:{port}"
    option = "" if port == 6040 else f" --url {url}"
    # In a virtual environment that is not activated the command has no short name.
    command = "avr-sts-speechmatics"
    if shutil.which(command) is None:
        command = str(Path(sys.executable).with_name(command))
    direct = f"Dial(WebSocket/...) to {url}/media"
    if "AUDIOSOCKET_PORT" in server.doors:
        direct = f"Dial(AudioSocket/{reach}:{server.doors['AUDIOSOCKET_PORT'][1]}/...), {direct}"
    print(
        f"""
avr-sts-speechmatics {__version__} takes calls on {host}:{port}
  for avr-core   STS_URL={url}
  for Asterisk   {direct}
  try it         {command} call --say "What are your opening hours?"{option}
  its state      curl http://{reach}:{port}/health
  stop           Ctrl-C
""",
        flush=True,
    )


# --- sandbox --------------------------------------------------------------------------------------


def _sandbox(given: argparse.Namespace) -> int:
    from avr_sts_speechmatics.sandbox import main as sandbox

    status: int = sandbox.run(
        host=given.host,
        port=given.port,
        max_calls=given.max_calls,
        faq_file=given.faq_file,
        announce="json" if given.child else "text",
        watch_stdin=given.child,
    )
    return status


# --- call -----------------------------------------------------------------------------------------


def _call(given: argparse.Namespace) -> int:
    chosen = settings.load()
    _set_up_log(chosen)
    return _run(_call_service(given, chosen))


async def _call_service(given: argparse.Namespace, chosen: settings.Settings) -> int:
    from avr_sts_speechmatics import caller
    from avr_sts_speechmatics.phrases import speech_of

    async with contextlib.AsyncExitStack() as stack:
        voice: Voice | None = None

        async def say(text: str) -> bytes:
            nonlocal voice
            if voice is None:
                voice = await _callers_voice(chosen, stack)
            try:
                return await speech_of(text, voice)
            except ServiceError as error:
                raise SettingsError(f"The caller's words could not be spoken: {error}.") from error

        return await caller.run_call(given, say)


async def _callers_voice(chosen: settings.Settings, stack: contextlib.AsyncExitStack) -> "Voice":
    """A voice for the caller's sentences: Speechmatics' with a key, the sandbox's without."""
    from avr_sts_speechmatics.progress import Progress
    from avr_sts_speechmatics.sandbox_process import SandboxProcess
    from avr_sts_speechmatics.services.speechmatics_tts import SpeechmaticsVoice

    url, key = chosen.voice_url, chosen.speechmatics_api_key
    if url is None:
        progress = Progress(sys.stderr)
        sandbox = SandboxProcess(news=progress.show)
        stack.push_async_callback(sandbox.stop)
        progress.show("a voice for the caller", 0, 1)
        try:
            url, key = await sandbox.start(), settings.Secret("sandbox")
        finally:
            progress.close()
    voice = SpeechmaticsVoice(url, key, chosen.speechmatics_voice)
    stack.push_async_callback(voice.close)
    return voice


# --- tools ----------------------------------------------------------------------------------------


def _tools(given: argparse.Namespace) -> int:
    from avr_sts_speechmatics.tools import command

    chosen = settings.load()
    _set_up_log(replace(chosen, log_level="warning"))
    return _run(command.run(given, chosen))


# --- doctor ---------------------------------------------------------------------------------------


def _doctor(given: argparse.Namespace) -> int:
    from avr_sts_speechmatics import doctor

    logging.disable(logging.WARNING)  # what it finds is printed, and better explained
    return _run(doctor.run(as_json=given.json))
