"""The report on a call: a table for a person, a document for a machine.

The table shows what the caller heard beside the service's own timing, if the service reports it:
the waits that add up to the time before an answer, each counted from the end of the wait before. In
the short table they are a bar, in the wide one numbers.
"""

import statistics
import textwrap
from typing import Any

import msgspec

from avr_sts_speechmatics.phone.caller import Conversation, Turn
from avr_sts_speechmatics.phone.connection import AnswerTimes
from avr_sts_speechmatics.phone.tape import seconds

WIDTH = 80
"""Width of the table (columns)."""

_INDENT = " " * 6
_SAID_WIDE = WIDTH - len(_INDENT) - 2 - len("answered after")
_WAITS = ("confirm", "model", "clause", "voice", "frame")
_BAR = 28
_AFTER = len("no answer")
_SAID = WIDTH - len(_INDENT) - 2 - _AFTER - 2 - _BAR
_LETTERS = {"confirm": "c", "model": "m", "clause": "l", "voice": "v", "frame": "f"}
_COLOURS = {"confirm": 36, "model": 33, "clause": 34, "voice": 35, "frame": 32}
"""Colours of the waits on a terminal: cyan, yellow, blue, magenta, green."""


def answered(call: Conversation) -> bool:
    """Whether the caller got an answer; for a caller who said nothing, whether the agent spoke."""
    if call.turns:
        return any(turn.answered_at is not None for turn in call.turns)
    return bool(call.tape.utterances)


def table(call: Conversation, *, colour: bool = False) -> str:
    """The turns with their latencies as bars, and the totals, as plain text for WIDTH columns.

    colour: True for a terminal, which shows the parts of a bar in colours instead of letters.
    """
    bars = [_waits(turn) for turn in call.turns]
    longest = max((sum(waits.values()) for waits in bars), default=0)
    step = max(10, -(-longest // _BAR // 10) * 10)  # ms for a column: a round number
    lines = []
    if call.turns:
        lines.append(f"turn  {'caller said':{_SAID}}  {'after':>{_AFTER}}")
    for number, (turn, waits) in enumerate(zip(call.turns, bars, strict=True), start=1):
        row = f"{number:4}  {_cut(turn.said, _SAID):{_SAID}}  {_after(turn):>{_AFTER}}"
        lines.append(f"{row}  {_bar(waits, step, colour=colour)}".rstrip())
        lines += _tools(call, number)
    if longest:
        lines.append(_INDENT + _legend(step, colour=colour))
    return "\n".join([*lines, *_totals(call)])


def wide_table(call: Conversation) -> str:
    """The turns with their latencies, and the totals, as plain text.

    If the service reports its timing, each turn has one line below it for each answer (ms), then
    one line for each tool.
    """
    lines = []
    if call.turns:
        lines.append(f"turn  {'caller said':{_SAID_WIDE}}  answered after")
        if any(turn.answers for turn in call.turns):
            lines.append(_INDENT + "".join(f"{wait:>8}" for wait in _WAITS) + "  requests    heard")
    for number, turn in enumerate(call.turns, start=1):
        lines.append(f"{number:4}  {_cut(turn.said, _SAID_WIDE):{_SAID_WIDE}}  {_after(turn):>14}")
        lines += [_answer_row(times) for times in turn.answers]
        lines += _tools(call, number)
    return "\n".join([*lines, *_totals(call)])


def document(call: Conversation, url: str, uuid: str) -> dict[str, Any]:
    """The whole call for a machine. Times are seconds from the caller's first frame.

    Each turn has:

    said: what the caller was given to say.
    heard: what the service transcribed.
    answer: the agent's transcript.
    answers: the service's timing of each answer; empty if the service reports none.
    tools: the tools that ran; empty if the service reports none.
    """
    welcome = call.tape.utterances[0].start if call.tape.utterances else None
    if welcome is not None and call.turns and welcome >= call.turns[0].began_at:
        welcome = None
    latencies = _latencies(call)
    return {
        "uuid": uuid,
        "url": url,
        "answered": answered(call),
        "ended": call.ended,
        "seconds": round(seconds(call.tape.caller), 2),
        "welcome_ms": None if welcome is None else round(1000 * welcome),
        "latency_ms_median": round(statistics.median(latencies)) if latencies else None,
        "turns": [_turn(call, number) for number in range(len(call.turns))],
        "transcript": [
            {"at": round(spoken.at, 2), "role": spoken.role, "text": spoken.text}
            for spoken in call.spoken
        ],
        "interruptions": call.interruptions,
        "errors": call.errors,
    }


def _turn(call: Conversation, number: int) -> dict[str, Any]:
    turn = call.turns[number]
    following = call.turns[number + 1 :]
    return {
        "said": turn.said,
        "heard": _words(call, "user", turn, following),
        "answer": _words(call, "agent", turn, following),
        "latency_ms": turn.latency_ms,
        "answers": [msgspec.structs.asdict(times) for times in turn.answers],
        "tools": [
            {"at": round(run.at, 2), "name": run.name, "took_ms": run.took_ms}
            for run in call.tools
            if run.turn == number + 1
        ],
    }


def _words(call: Conversation, role: str, turn: Turn, following: list[Turn]) -> str:
    until = following[0].began_at if following else float("inf")
    return " ".join(
        spoken.text
        for spoken in call.spoken
        if spoken.role == role and turn.began_at <= spoken.at < until
    )


def _answer_row(times: AnswerTimes) -> str:
    """The timing of one answer, in the columns of the table."""
    waits = (getattr(times, f"{wait}_ms") for wait in _WAITS)
    columns = "".join(f"{'-' if wait is None else wait:>8}" for wait in waits)
    words = f"{times.words_heard} of {times.words_said}"
    cut = ", interrupted" if times.interrupted else ""
    return f"{_INDENT}{columns}{times.requests:10}{words:>9}{cut}"


def _tools(call: Conversation, number: int) -> list[str]:
    ran = (run for run in call.tools if run.turn == number)
    return [f"{_INDENT}tool {run.name}, {run.took_ms} ms" for run in ran]


def _totals(call: Conversation) -> list[str]:
    latencies = _latencies(call)
    totals = [
        f"{len(latencies)} of {len(call.turns)} turns answered",
        *([f"median {statistics.median(latencies):.0f} ms"] if latencies else []),
        f"{seconds(call.tape.caller):.1f} s",
        "1 interruption" if call.interruptions == 1 else f"{call.interruptions} interruptions",
        call.ended,
    ]
    return textwrap.wrap(", ".join(totals), WIDTH)


def _after(turn: Turn) -> str:
    return "no answer" if turn.latency_ms is None else f"{turn.latency_ms} ms"


def _waits(turn: Turn) -> dict[str, int]:
    """The parts of the wait for the first answer that was heard (ms)."""
    heard = next((times for times in turn.answers if times.frame_ms is not None), None)
    found = {wait: getattr(heard, f"{wait}_ms", None) for wait in _WAITS}
    return {wait: max(0, took) for wait, took in found.items() if took is not None}


def _bar(waits: dict[str, int], step: int, *, colour: bool) -> str:
    """The waits one after another, a column for each `step` ms."""
    bar, until = "", 0
    for wait, took in waits.items():
        # Rounded where a part ends, so that the parts add up to the whole.
        begin, until = until, until + took
        columns = round(until / step) - round(begin / step)
        bar += _part(wait, columns, colour=colour)
    return bar


def _part(wait: str, columns: int, *, colour: bool) -> str:
    if not columns:
        return ""
    return f"\x1b[{_COLOURS[wait]}m{'█' * columns}\x1b[0m" if colour else _LETTERS[wait] * columns


def _legend(step: int, *, colour: bool) -> str:
    if colour:
        names = " ".join(f"\x1b[{_COLOURS[wait]}m█\x1b[0m {wait}" for wait in _WAITS)
    else:
        names = ", ".join(f"{_LETTERS[wait]} {wait}" for wait in _WAITS)
    return f"{names}; a column is {step} ms"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _latencies(call: Conversation) -> list[int]:
    return [turn.latency_ms for turn in call.turns if turn.latency_ms is not None]
