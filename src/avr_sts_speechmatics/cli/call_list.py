"""The list of calls for people (80 columns), and as a table for other programs (CSV)."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from avr_sts_speechmatics.records.csv_cells import cell
from avr_sts_speechmatics.records.history import Totals
from avr_sts_speechmatics.values import counted

WIDTH = 80

KEY_SHOWN = 14
"""Characters of a key that are shown: the time of a call, and two that tell neighbours apart."""

_LONG_S = 10 * 3600
"""A call that lasts so long (s) is shown in hours: seconds have no room."""


def listing(calls: Iterable[Mapping[str, Any]], zone: tzinfo | None) -> Iterator[str]:
    """Yield lines for calls: a header and a line for each call. zone: of the times."""
    yield _line("began", "lasted", "from", "agent", "ended", "worst", "call")
    for call in calls:
        began = datetime.fromtimestamp(call["began_ms"] / 1000, zone)
        yield _line(
            began.strftime("%Y-%m-%d %H:%M"),
            lasted(call),
            printable(call["caller_number"] or "-"),
            printable(call["agent"]),
            _ended(call),
            _ms(call["voice_to_voice_worst_ms"]),
            call["key"][:KEY_SHOWN],
        )


def totals_shown(totals: Totals) -> str:
    """Return sums over calls in words."""
    parts = [counted(totals.calls, "call")]
    if totals.duration_s:
        parts.append(f"{minutes(totals.duration_s)} in all")
    if totals.cost:
        money = " and ".join(f"{cost:.4f} {name}" for name, cost in sorted(totals.cost.items()))
        parts.append(f"cost {money}")
    return ", ".join(parts)


def lasted(call: Mapping[str, Any]) -> str:
    """Return how long a call lasted, such as "1:35"; "-" if that is not known."""
    if call["running"]:
        return "runs"
    if (length := call["duration_s"]) is None:
        return "-"
    return minutes(length) if length < _LONG_S else f"{length / 3600:.0f} h"


def minutes(seconds: float) -> str:
    """Return seconds as minutes, or hours and minutes: "1:35", "2:01:35"."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60}:{rest % 60:02}"
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else text


def printable(text: str) -> str:
    """Return text without characters that would control a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def csv_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file (RFC 4180), the names of the columns first.

    rows: all with the same columns.
    """
    target = io.StringIO()
    writer = csv.writer(target)
    header: list[str] | None = None
    for row in rows:
        if header is None:
            header = list(row)
            writer.writerow(header)
        writer.writerow([cell(row.get(name)) for name in header])
        yield target.getvalue()
        target.seek(0)
        target.truncate()


def _line(*cells: str) -> str:
    began, length, number, agent, ended, worst, key = cells
    return (
        f"{began:16} {length:>7} {_cut(number, 13, left=True):13} {_cut(agent, 8):8} "
        f"{_cut(ended, 11):11} {worst:>5} {key}"
    ).rstrip()


def _ended(call: Mapping[str, Any]) -> str:
    failures = call["failures"] or 0
    reason = "" if call["running"] else printable(call["reason"] or "-")
    return f"{reason} {failures}!".strip() if failures else reason


def _ms(value: int | None) -> str:
    return "-" if value is None else str(value)


def _cut(text: str, longest: int, *, left: bool = False) -> str:
    if len(text) <= longest:
        return text
    return f"…{text[1 - longest :]}" if left else f"{text[: longest - 1]}…"
