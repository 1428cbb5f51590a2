"""The report on a call: a table for a person, a document for a machine.

The table shows what the caller heard beside the service's own timing, if the service reports it:
the waits that add up to the time before an answer, each counted from the end of the wait before.
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
_SAID = WIDTH - len(_INDENT) - 2 - len("answered after")
_WAITS = ("confirm", "model", "clause", "voice", "frame")


def answered(call: Conversation) -> bool:
    """Whether the caller got an answer; for a caller who said nothing, whether the agent spoke."""
    if call.turns:
        return any(turn.answered_at is not None for turn in call.turns)
    return bool(call.tape.utterances)


def table(call: Conversation) -> str:
    """The turns with their latencies, and the totals, as plain text.

    If the service reports its timing, each turn has one line below it for each answer (ms), then
    one line for each tool. The table fits a terminal of WIDTH columns.
    """
    latencies = _latencies(call)
    lines = []
    if call.turns:
        lines.append(f"turn  {'caller said':{_SAID}}  answered after")
        if any(turn.answers for turn in call.turns):
            lines.append(_INDENT + "".join(f"{wait:>8}" for wait in _WAITS) + "  requests    heard")
    for number, turn in enumerate(call.turns, start=1):
        after = "no answer" if turn.latency_ms is None else f"{turn.latency_ms} ms"
        lines.append(f"{number:4}  {_cut(turn.said):{_SAID}}  {after:>14}")
        lines += [_answer_row(times) for times in turn.answers]
        ran = (run for run in call.tools if run.turn == number)
        lines += [f"{_INDENT}tool {run.name}, {run.took_ms} ms" for run in ran]
    totals = [
        f"{len(latencies)} of {len(call.turns)} turns answered",
        *([f"median {statistics.median(latencies):.0f} ms"] if latencies else []),
        f"{seconds(call.tape.caller):.1f} s",
        "1 interruption" if call.interruptions == 1 else f"{call.interruptions} interruptions",
        call.ended,
    ]
    return "\n".join([*lines, *textwrap.wrap(", ".join(totals), WIDTH)])


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


def _cut(text: str) -> str:
    return text if len(text) <= _SAID else f"{text[: _SAID - 1]}…"


def _latencies(call: Conversation) -> list[int]:
    return [turn.latency_ms for turn in call.turns if turn.latency_ms is not None]
