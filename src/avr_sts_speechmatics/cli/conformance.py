"""The `conformance` command: plays avr-core against an AVR service and says what holds."""

import argparse
import asyncio
import sys
from pathlib import Path

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.audio.wav import AudioFileError, read_speech
from avr_sts_speechmatics.cli.arguments import checked, file_path, plain_text, words
from avr_sts_speechmatics.cli.callers_voice import Say, callers_voice
from avr_sts_speechmatics.cli.common import run_on_uvloop, set_up_log
from avr_sts_speechmatics.conformance import report
from avr_sts_speechmatics.conformance.plays import Caller
from avr_sts_speechmatics.conformance.run import examine
from avr_sts_speechmatics.phone.connection import CallError, is_websocket
from avr_sts_speechmatics.settings import checks as check

CONFORMS, DOES_NOT, NOT_POSSIBLE = 0, 1, 2
"""Exit statuses of the command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Play avr-core against any AVR speech-to-speech service, and say line by line what holds. "
        "Takes about two minutes, because calls are made in real time. docs/conformance.md defines "
        "each line. The exit status is 0 if every `must` holds, 1 otherwise, 2 if the service "
        "cannot be examined."
    )
    parser.epilog = "Example: avr-sts-speechmatics conformance ws://localhost:6030"
    parser.add_argument("url", type=plain_text, metavar="URL", help="address, as in STS_URL")
    parser.add_argument(
        "--http",
        type=plain_text,
        metavar="URL",
        help="address of the older POST, such as http://localhost:6040/speech-to-speech-stream "
        "(default: the older POST is not tried)",
    )
    parser.add_argument(
        "--question",
        type=file_path,
        metavar="FILE",
        help="a recording of the caller's question (WAV), which the agent must answer in words "
        "(default: a synthetic voice asks for the opening hours)",
    )
    parser.add_argument(
        "--other-question",
        type=file_path,
        metavar="FILE",
        help="a recording of another question, with another answer (default: a synthetic voice "
        "asks for the address)",
    )
    parser.add_argument(
        "--say", type=words, default="What are your opening hours?", help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--say-other", type=words, default="Please tell me your address.", help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--patience",
        type=checked(check.number(1, 120)),
        default=15.0,
        metavar="SECONDS",
        help="longest wait for an answer (default: %(default)s)",
    )
    parser.add_argument(
        "--calls",
        type=checked(check.whole(1, 1000)),
        default=2,
        help="calls at once that the service must hold (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--junit", type=file_path, metavar="FILE", help="also write the report as JUnit XML"
    )


def run(given: argparse.Namespace) -> int:
    chosen = settings.load()
    set_up_log(chosen)
    return run_on_uvloop(_examine(given, chosen))


async def _examine(given: argparse.Namespace, chosen: settings.Settings) -> int:
    try:
        if not is_websocket(given.url):
            raise CallError(f"{given.url}: begin it with ws:// or wss://; --http is for the POST.")
        if given.http and is_websocket(given.http):
            raise CallError(f"--http {given.http}: begin it with http:// or https://.")
        if given.junit and not given.junit.parent.is_dir():
            raise CallError(f"--junit {given.junit}: there is no folder {given.junit.parent}.")
        async with callers_voice(chosen) as say:
            caller = Caller(
                given.url,
                await _speech(given.question, given.say, say),
                await _speech(given.other_question, given.say_other, say),
                given.patience,
                given.calls,
            )
    except (AudioFileError, CallError) as error:
        print(error, file=sys.stderr)
        return NOT_POSSIBLE

    def news(play: str) -> None:
        print(f"playing: {play}", file=sys.stderr)

    findings = await examine(caller, given.http, news=news)
    shown = report.as_json if given.json else report.text
    print(shown(findings, given.url))
    if given.junit:
        given.junit.write_text(report.as_junit(findings, given.url), encoding="utf-8")
    return DOES_NOT if any(one.fails for one in findings) else CONFORMS


async def _speech(file: Path | None, text: str, say: Say) -> bytes:
    return await say(text) if file is None else await asyncio.to_thread(read_speech, file)
