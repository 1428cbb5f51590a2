"""The `call` command: its arguments, and one call from dialling to the report."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TextIO

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.audio.wav import AudioFileError, read_speech, write_stereo
from avr_sts_speechmatics.cli.arguments import file_path, plain_text, words
from avr_sts_speechmatics.cli.callers_voice import callers_voice
from avr_sts_speechmatics.cli.common import NO_READER, abandon_stdout, run_on_uvloop, set_up_log
from avr_sts_speechmatics.cli.moving_line import MovingLine
from avr_sts_speechmatics.phone.caller import HUNG_UP, Conversation, Line, Patience
from avr_sts_speechmatics.phone.connection import CallError, is_websocket, open_connection
from avr_sts_speechmatics.phone.loudspeaker import open_loudspeaker
from avr_sts_speechmatics.phone.microphone import Microphone, open_microphone
from avr_sts_speechmatics.phone.report import answered, document, table, wide_table
from avr_sts_speechmatics.phone.script import Script, verdict
from avr_sts_speechmatics.phone.script_file import KEYS, ScriptError, read_script
from avr_sts_speechmatics.phone.script_run import Performance, prepare
from avr_sts_speechmatics.phone.sound_programs import how_to_play

ANSWERED, NOT_ANSWERED, NOT_POSSIBLE, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses of the command."""

_CTRL_C = "interrupted by Ctrl-C"
_NO_READER = "nobody reads the output any more"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Call a running service as avr-core would: send recordings or spoken sentences in real "
        "time, and show what both sides said and how fast each turn was answered."
    )
    parser.epilog = 'Example: avr-sts-speechmatics call --say "What are your opening hours?"'
    parser.add_argument(
        "--play",
        dest="lines",
        action="append",
        type=file_path,
        metavar="FILE",
        help="play a recording: a 16-bit WAV of any rate, or headerless 8 kHz samples (.raw). "
        "May be repeated and mixed with --say for several turns, which are sent in order",
    )
    parser.add_argument(
        "--say",
        dest="lines",
        action="append",
        type=words,
        metavar="TEXT",
        help="say these words with a synthetic voice; may be repeated like --play",
    )
    parser.add_argument(
        "--digits",
        default="",
        type=_keys,
        metavar="KEYS",
        help="press these keys after the last line, for example 12#",
    )
    parser.add_argument(
        "--script",
        type=file_path,
        metavar="FILE",
        help="play a script instead: a YAML list of things to say, press and expect; "
        "examples are in examples/scripts",
    )
    parser.add_argument(
        "--record",
        type=file_path,
        metavar="FILE",
        help="write the call as a stereo WAV: the caller left, the agent right",
    )
    parser.add_argument(
        "--listen",
        action="store_true",
        help="play the agent on this machine's loudspeaker while it speaks",
    )
    parser.add_argument(
        "--mic",
        action="store_true",
        help="speak with the agent yourself: the microphone instead of --say and --play, and the "
        "loudspeaker as with --listen; wear headphones; Ctrl-C hangs up",
    )
    parser.add_argument(
        "--wide",
        action="store_true",
        help="show all times of each answer in the table, in ms",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document at the end, and nothing else",
    )
    parser.add_argument(
        "--url",
        type=plain_text,
        default="ws://localhost:6040",
        help="address of the service: ws://host:port as avr-core uses it, with query parameters, "
        "or http://host:port/speech-to-speech-stream for the older streaming POST "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--uuid",
        type=plain_text,
        help="the call's identifier as Asterisk would give it (default: a new one)",
    )
    parser.add_argument(
        "--welcome-wait",
        type=_wait,
        default=1.5,
        metavar="SECONDS",
        help="how long the caller waits for a welcome to begin before speaking; "
        "a welcome is always heard to its end (default: %(default)s)",
    )
    parser.add_argument(
        "--answer-timeout",
        type=_wait,
        default=15.0,
        metavar="SECONDS",
        help="how long the caller waits for an answer to begin (default: %(default)s)",
    )


async def run_call(args: argparse.Namespace, say: Callable[[str], Awaitable[bytes]]) -> int:
    """Make a call, report it, and return the exit status.

    args: the parsed command line.
    say: turns text into speech, s16le mono at 8 kHz. Exceptions of `say` are passed on.

    The exit status is 0 if a turn was answered, 1 if none was, 2 if the call was not possible (one
    sentence on stderr says why), 130 after Ctrl-C, 141 if the reader of stdout has gone. With a
    script it is 0 if all steps passed and 1 if a step failed. If the call had begun, the recording
    and the report are made.
    """

    def tell(line: str) -> None:
        moving.clear()
        try:
            print(line, flush=True)
        except BrokenPipeError:  # `call | head`: nobody reads on, so nobody wants the rest
            abandon_stdout()
            call.end(_NO_READER)

    call = Conversation(tell=_nothing if args.json else tell)
    moving = MovingLine(sys.stderr, lambda: call.doing)
    call_uuid = args.uuid or str(uuid.uuid4())
    try:
        if args.digits and not is_websocket(args.url):
            raise CallError(
                "--digits: the http:// connection has no keys; give a ws:// address in --url."
            )
        _check_mic(args)
        script = _script(args) if args.script else None
        _check_recording(args.record)
        patience = Patience(args.welcome_wait, args.answer_timeout)
        cues = await prepare(script, lambda words: _line(words, say)) if script else []
        lines = [await _line(spoken, say) for spoken in args.lines or ()]
        async with _sound(args, call, tell) as microphone:
            connection = await open_connection(args.url, call_uuid, call)
            try:
                with _ctrl_c(lambda: call.end(HUNG_UP if microphone else _CTRL_C)):
                    moving.start()
                    performance = Performance(call, connection, patience)
                    if script:
                        await performance.perform(cues)
                    elif microphone:
                        await call.talk(connection, microphone.take)
                    else:
                        await call.hold(connection, lines, args.digits, patience)
            finally:
                moving.close()
                await connection.hang_up()
        if args.record:
            write_stereo(args.record, bytes(call.tape.caller), bytes(call.tape.agent))
    except (AudioFileError, CallError, ScriptError) as error:
        print(error, file=sys.stderr)
        return NOT_POSSIBLE
    outcomes = performance.outcomes
    if args.json:
        report = document(call, args.url, call_uuid)
        if script:
            report["script"] = str(script.path)
            report["steps"] = [outcome.document() for outcome in outcomes]
        print(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        print(wide_table(call) if args.wide else table(call, colour=_colours(sys.stdout)))
        if args.record:
            play = how_to_play(args.record)
            print(f"Recorded {args.record}" + (f"; to hear it: {play}" if play else "."))
    if call.ended == _CTRL_C:
        return INTERRUPTED
    if call.ended == _NO_READER:
        return NO_READER
    if script is None:
        return ANSWERED if answered(call) else NOT_ANSWERED
    if not args.json:
        print(verdict(script, outcomes))
    return ANSWERED if all(outcome.passed for outcome in outcomes) else NOT_ANSWERED


def _check_mic(args: argparse.Namespace) -> None:
    if args.mic and (args.lines or args.digits or args.script):
        raise CallError("--mic: give it without --say, --play, --digits and --script.")


@contextlib.asynccontextmanager
async def _sound(
    args: argparse.Namespace, call: Conversation, tell: Callable[[str], None]
) -> AsyncIterator[Microphone | None]:
    """Open loudspeaker and microphone as they are asked for. Yields the microphone, or None.

    Raises CallError if this machine has none.
    """
    async with contextlib.AsyncExitStack() as open_devices:
        if args.listen or args.mic:
            call.loudspeaker = await open_loudspeaker(tell)
            open_devices.push_async_callback(call.loudspeaker.close)
        microphone = None
        if args.mic:
            microphone = await open_microphone(tell)
            open_devices.push_async_callback(microphone.close)
        yield microphone


def _colours(stream: TextIO) -> bool:
    """Whether a stream shows colours: a terminal, unless NO_COLOR asks for none."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _script(args: argparse.Namespace) -> Script:
    if args.lines or args.digits:
        raise CallError("--script: give it without --say, --play and --digits.")
    if not is_websocket(args.url):
        raise CallError(
            "--script: the http:// connection has no transcripts and no keys; "
            "give a ws:// address in --url."
        )
    return read_script(args.script)


def _check_recording(path: Path | None) -> None:
    """Find out before the call whether the recording can be written. Raises CallError."""
    if path is None:
        return
    if path.is_dir():
        raise CallError(f"--record {path}: is a folder; give the name of a file, such as call.wav.")
    if not path.parent.is_dir():
        raise CallError(f"--record {path}: there is no folder {path.parent}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CallError(f"--record {path}: permission denied; give a file that can be written.")


async def _line(spoken: str | Path, say: Callable[[str], Awaitable[bytes]]) -> Line:
    if isinstance(spoken, Path):
        return Line(spoken.name, await asyncio.to_thread(read_speech, spoken))
    return Line(spoken, await say(spoken))


@contextlib.contextmanager
def _ctrl_c(hang_up: Callable[[], None]) -> Iterator[None]:
    """Make Ctrl-C hang up, on platforms whose event loop can handle signals."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, hang_up)
    except NotImplementedError:
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _nothing(line: str) -> None:
    """Print nothing: stdout is kept for the JSON document."""


def _keys(text: str) -> str:
    keys = text.upper()
    if set(keys) - set(KEYS):
        raise argparse.ArgumentTypeError(f"{text!r} has keys that no phone has; use 0-9, * and #")
    return keys


def _wait(text: str) -> float:
    try:
        wait = float(text)
    except ValueError:
        wait = -1.0
    if not 0 <= wait <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return wait


def run(given: argparse.Namespace) -> int:
    chosen = settings.load()
    set_up_log(chosen)
    return run_on_uvloop(_call_service(given, chosen))


async def _call_service(given: argparse.Namespace, chosen: settings.Settings) -> int:
    async with callers_voice(chosen) as say:
        return await run_call(given, say)
