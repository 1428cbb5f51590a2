"""The arguments of the command line, and the plan of a run that follows from them."""

import argparse
import os
import shlex
from dataclasses import replace
from pathlib import Path

from bench.frames import FRAME_SECONDS
from bench.ledger import Delays
from bench.run import DEFAULT_COMMAND, MOST_CALLS, Plan

# The conditions under which the first audio of an answer is stated.
FIRST_AUDIO_LLM_MS, FIRST_AUDIO_TTS_MS = 350, 120
_FIRST_AUDIO_CALLS = 20
# A turn with a long first sentence takes this long (s): every caller ends one while it is measured.
_FIRST_AUDIO_SECONDS = 20.0


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """The checked arguments. Ends the program with status 2 if they are wrong.

    words: of the command line; None for those of this process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Hold many calls with the service in real time, against synthetic STT, LLM and "
        "TTS services with fixed delays, and measure latency, CPU and memory of the service.",
    )
    add = parser.add_argument
    add(
        "--calls",
        default="100",
        metavar="N[,N...]",
        help="simultaneous calls; several numbers are measured one after the other and compared "
        "in one table (default: %(default)s)",
    )
    add(
        "--seconds",
        type=float,
        default=20.0,
        help="time to measure while all calls are up, s (default: %(default)g)",
    )
    add("--json", metavar="FILE", help="write the figures; - is stdout instead of the tables")
    add("--compare", metavar="FILE", help="figures of an earlier run (--json), as ratios")
    _add_kinds(parser)
    _add_callers(parser)
    _add_clouds(parser)
    _add_service(parser)
    arguments = parser.parse_args(words)
    _check(parser, arguments)
    return arguments


def _add_kinds(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is measured").add_argument
    add(
        "--bare",
        choices=("on", "off"),
        default="on",
        help="measure the bare service (bench/bare.py) as well, after the service and under the "
        "same load, and print the figures of both with their ratios (default: %(default)s)",
    )
    add(
        "--rounds",
        type=int,
        default=1,
        metavar="N",
        help="runs of the service and of the bare service, in turn; the ratios are those of the "
        "medians, which evens out the noise of a shared machine (default: %(default)s)",
    )
    add(
        "--ramp",
        action="store_true",
        help="find the most calls with added latency below 50 ms (p99) and every word whole, of "
        "the service and of the bare service; --calls is where the search begins",
    )
    add(
        "--offer",
        type=int,
        default=100,
        metavar="PERCENT",
        help="calls offered during the measurement, in percent of --calls. Above 100 the service "
        "gets MAX_CALLS of --calls, all of them are taken, and more callers call again and again: "
        "the figures are those of the calls that go on, and the time until each refusal",
    )
    add(
        "--first-audio",
        choices=("on", "off"),
        default="on",
        help="measure the time from the end of a turn to the first audio with a model that writes "
        "token by token and a long first sentence (default: %(default)s)",
    )
    add(
        "--tokens-per-second",
        type=float,
        default=75.0,
        help="speed of that model; a token is 4 characters (default: %(default)g)",
    )
    add(
        "--first-sentence-words",
        type=int,
        default=25,
        help="length of the first sentence of that model (default: %(default)s)",
    )
    add(
        "--preemptive",
        choices=("off", "on", "both"),
        help="the service's setting PREEMPTIVE (answering ahead). both: one run after the other. "
        "The figures are those of off, because the added latency of an answer that begins before "
        "the end of its turn is not defined; a second table compares on with off "
        "(default: both; off for several numbers of calls, --ramp and --offer)",
    )


def _add_callers(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("callers").add_argument
    add(
        "--barge-in",
        type=float,
        default=0.0,
        metavar="PART",
        help="part of the answers that callers interrupt, 0 to 1 (default: %(default)g)",
    )
    add(
        "--goes-on",
        type=float,
        default=0.1,
        metavar="PART",
        help="part of the questions in which callers pause and then go on, 0 to 1; the pause is "
        "long enough for the words to be settled (default: %(default)g)",
    )


def _add_clouds(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("synthetic services").add_argument
    add(
        "--tls",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="TLS between the service and the synthetic services, as in production, with a "
        "certificate made for the run (default: on)",
    )
    add(
        "--stt-ms",
        type=int,
        default=300,
        help="silence after which the STT sends the final segment and directly after it the end "
        "of the turn, ms (default: %(default)s)",
    )
    add(
        "--settled-ms",
        type=int,
        help="silence after which the STT repeats its last partial unchanged, ms: the words are "
        "settled, and a service may begin to answer. The first of the two partials comes at half "
        "of this time (default: half of --stt-ms, as real services need 0.6 to 0.9 s to end a "
        "turn and send a partial every 0.3 s)",
    )
    add(
        "--speech-end-ms",
        type=int,
        help="silence after which the STT sends SpeechEnded, ms (default: --stt-ms, between the "
        "final segment and the end of the turn, which is the documented order). The time of a real "
        "service is not documented, and the cost of answering ahead depends on it: with less than "
        "half of --settled-ms, SpeechEnded comes while the last word is still incomplete",
    )
    add(
        "--llm-ms",
        type=int,
        default=250,
        help="time to the first words of the model, ms (default: %(default)s)",
    )
    add(
        "--tts-ms",
        type=int,
        default=150,
        help="time to the first audio of the TTS, ms (default: %(default)s)",
    )


def _add_service(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("service and cores").add_argument
    add(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="the service's setting WORKERS; all its processes are measured (default: %(default)s)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further setting of the service; may be repeated. Without --offer the benchmark "
        "sets OVERLOAD_LAG_MS=0, so that a service that is too slow is measured, not spared",
    )
    add(
        "--core",
        metavar="N[,N...]",
        help="cores of the service (default: the first one, with --workers the first ones)",
    )
    add(
        "--load-core",
        metavar="N[,N...]",
        help="cores of the callers and the synthetic services. A load of more than 200 calls has a "
        "process for each core (default: the other cores; all cores if there are no others)",
    )
    add(
        "--command",
        help="command to start instead of the project's service. The command runs in an empty "
        "folder with the settings in its environment",
    )


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    arguments.calls = _numbers(parser, "--calls", arguments.calls)
    if arguments.offer < 100:
        parser.error("--offer: give 100 or more")
    most = MOST_CALLS * 100 // arguments.offer
    if not all(1 <= calls <= most for calls in arguments.calls):
        parser.error(f"--calls: give 1 to {most}")
    if arguments.seconds <= 0:
        parser.error("--seconds: give more than 0")
    if arguments.rounds < 1:
        parser.error("--rounds: give 1 or more")
    if arguments.workers < 1:
        parser.error("--workers: give 1 or more")
    if arguments.tokens_per_second <= 0:
        parser.error("--tokens-per-second: give more than 0")
    if arguments.first_sentence_words < 1:
        parser.error("--first-sentence-words: give 1 or more")
    if not all(pair.partition("=")[1] and pair.partition("=")[0] for pair in arguments.set):
        parser.error("--set: give NAME=VALUE")
    if arguments.compare and not Path(arguments.compare).is_file():
        parser.error(f"--compare: {arguments.compare} is not a file")
    cores = sorted(os.sched_getaffinity(0))
    arguments.core = (
        _numbers(parser, "--core", arguments.core)
        if arguments.core
        else tuple(cores[: arguments.workers])
    )
    arguments.load_core = (
        _numbers(parser, "--load-core", arguments.load_core)
        if arguments.load_core
        else tuple(core for core in cores if core not in arguments.core) or tuple(cores)
    )
    if not {*arguments.core, *arguments.load_core} <= set(cores):
        parser.error(f"--core, --load-core: give some of the available cores: {cores}")
    silence = round(arguments.stt_ms / 1000 / FRAME_SECONDS)
    settled_ms = arguments.stt_ms / 2 if arguments.settled_ms is None else arguments.settled_ms
    arguments.settled_frames = max(2, round(settled_ms / 1000 / FRAME_SECONDS))
    if arguments.settled_ms is not None and arguments.settled_frames >= silence:
        parser.error("--settled-ms: give less than --stt-ms")
    if arguments.preemptive is None:
        alone = len(arguments.calls) == 1 and not arguments.ramp and arguments.offer == 100
        arguments.preemptive = "both" if alone else "off"


def _numbers(parser: argparse.ArgumentParser, name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        parser.error(f"{name}: give a number, or several with commas between them")


def planned(arguments: argparse.Namespace, calls: int) -> Plan:
    """The run of the service with a number of calls."""
    speech_end = arguments.stt_ms if arguments.speech_end_ms is None else arguments.speech_end_ms
    return Plan(
        calls=calls,
        seconds=arguments.seconds,
        delays=Delays(
            arguments.settled_frames * FRAME_SECONDS,
            speech_end / 1000,
            arguments.stt_ms / 1000,
            arguments.llm_ms / 1000,
            arguments.tts_ms / 1000,
        ),
        barge_in=arguments.barge_in,
        goes_on=arguments.goes_on,
        preemptive="on" if arguments.preemptive == "on" else "off",
        cores=arguments.core,
        load_cores=arguments.load_core,
        command=tuple(shlex.split(arguments.command)) if arguments.command else DEFAULT_COMMAND,
        tls=arguments.tls,
        workers=arguments.workers,
        settings=tuple(
            (name, value) for name, _, value in (pair.partition("=") for pair in arguments.set)
        ),
        offered=arguments.offer,
    )


def first_audio_plan(arguments: argparse.Namespace) -> Plan:
    """The run with a model that writes token by token, and a long first sentence."""
    plan = planned(arguments, min(_FIRST_AUDIO_CALLS, *arguments.calls))
    return replace(
        plan,
        seconds=max(plan.seconds, _FIRST_AUDIO_SECONDS),
        preemptive="off",
        offered=100,
        barge_in=0.0,
        delays=replace(
            plan.delays,
            llm=FIRST_AUDIO_LLM_MS / 1000,
            voice=FIRST_AUDIO_TTS_MS / 1000,
            tokens_per_second=arguments.tokens_per_second,
            first_words=arguments.first_sentence_words,
        ),
    )
