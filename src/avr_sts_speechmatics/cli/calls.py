"""The `calls` command: list, show, export and delete what is kept of calls."""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.cli.arguments import checked, file_path, plain_text
from avr_sts_speechmatics.cli.common import run_on_uvloop, set_up_log
from avr_sts_speechmatics.cli.moments import Span, checked_span, now_in_zone, zone_shown
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import counted

if TYPE_CHECKING:
    from avr_sts_speechmatics.records.history import CallFilter, History

NOT_FOUND = 1
"""Exit status of `show` and `delete` if there is no such call."""

AT_ONCE = 3
"""Most calls of one moment that `show` shows whole."""

_MOMENT = "10:42, 2h, 3d, today, yesterday, 2026-12-01, 2026-12-01T10:42"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Show what is kept of calls: HISTORY decides how much, DATABASE_URL or DATA_DIR where. "
        "Reads the settings of the service, which need not run. Times are in TIME_ZONE, or the "
        "zone of this machine."
    )
    parser.epilog = (
        'Examples: "calls show --at 10:42", "calls list --failed --since 18:00", "calls show '
        '0b7f6a52", "calls delete --number +4922812345". Exit status: 0, 1 if there is no such '
        "call, 2 if a setting, an option or the database cannot be used."
    )
    words = parser.add_subparsers(required=True, metavar="list|show|export|delete")
    of_list = _word(words, "list", _list, "list calls, the newest first")
    _add_filters(of_list)
    of_list.add_argument(
        "--limit", type=_limit, default=50, metavar="N", help="most calls (default: %(default)s)"
    )
    _add_forms(of_list, "a JSON list")
    show = _word(words, "show", _show, "show one call as a timeline")
    show.add_argument(
        "call",
        nargs="?",
        type=plain_text,
        help="uuid or key of the call, or its first 6 characters or more",
    )
    show.add_argument(
        "--at",
        type=checked(checked_span),
        metavar="WHEN",
        help=f"instead: the calls that were running then: {_MOMENT}",
    )
    show.add_argument("--json", action="store_true", help="print all that is kept as JSON")
    export = _word(words, "export", _export, "write calls with all that is kept of them")
    _add_filters(export)
    _add_forms(export, "one JSON object a line, with turns, tools and events (default)")
    export.add_argument(
        "--to", type=file_path, metavar="FILE", help="write a file (default: standard output)"
    )
    delete = _word(words, "delete", _delete, "delete calls, their recordings, and what waits")
    delete.add_argument("call", nargs="*", type=plain_text, help="uuids or keys, in full")
    delete.add_argument(
        "--number",
        type=plain_text,
        default="",
        help="all calls of a caller's or called number, in full",
    )
    delete.add_argument(
        "--before",
        type=checked(checked_span),
        metavar="WHEN",
        help=f"all calls that began before: {_MOMENT}",
    )
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.add_argument("--json", action="store_true", help="print what was deleted as JSON")


def _word(words: Any, name: str, work: Callable[..., Any], about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = words.add_parser(name, help=about, description=f"{about}.")
    parser.set_defaults(work=work)
    return parser


def _add_filters(parser: argparse.ArgumentParser) -> None:
    moment = checked(checked_span)
    parser.add_argument("--since", type=moment, metavar="WHEN", help=f"began since: {_MOMENT}")
    parser.add_argument("--until", type=moment, metavar="WHEN", help="began until, inclusive")
    parser.add_argument("--at", type=moment, metavar="WHEN", help="was running then")
    parser.add_argument(
        "--number", type=plain_text, default="", help="caller or called, whole or its last digits"
    )
    for name, about in (
        ("agent", "name of the agent"),
        ("transport", "such as audiosocket"),
        ("reason", "why it ended: caller, agent, transfer, silence, failure, lost, ..."),
        ("outcome", "a field of the outcome as NAME=VALUE, or a value"),
        ("search", "beginning of a uuid or key, a number, an agent, a reason, an outcome"),
    ):
        parser.add_argument(f"--{name}", type=plain_text, default="", help=about)
    parser.add_argument("--failed", action="store_true", help="something failed, or it was lost")
    parser.add_argument("--running", action="store_true", help="is going on")
    parser.add_argument(
        "--slow", type=_milliseconds, metavar="MS", help="an answer took MS or longer"
    )


def _add_forms(parser: argparse.ArgumentParser, of_json: str) -> None:
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help=f"print {of_json}")
    forms.add_argument("--csv", action="store_true", help="print a table, one call a line")


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:18]) <= most):
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 to {most}")
    return int(text)


def _limit(text: str) -> int:
    return _whole(text, 1_000_000)


def _milliseconds(text: str) -> int:
    return _whole(text, 10_000_000)


def run(given: argparse.Namespace) -> int:
    """Run the command and return its exit status. Raises SettingsError."""
    chosen = settings.load()
    set_up_log(replace(chosen, log_level="warning"))
    now = now_in_zone(chosen.time_zone)
    return run_on_uvloop(_with_history(given, chosen, now))


async def _with_history(given: argparse.Namespace, chosen: Settings, now: datetime) -> int:
    async with _opened(chosen) as history:
        status: int = await given.work(given, history, now)
        return status


@asynccontextmanager
async def _opened(chosen: Settings) -> AsyncIterator["History"]:
    """Open the history. Raises SettingsError if the database is missing or away."""
    from avr_sts_speechmatics.records.database import Database, DatabaseAway
    from avr_sts_speechmatics.records.history import History
    from avr_sts_speechmatics.records.kept_calls import SPOOL
    from avr_sts_speechmatics.records.recordings.opening import recordings_of
    from avr_sts_speechmatics.records.spool import erase

    address = chosen.calls_database
    spool = chosen.data_dir / SPOOL
    if address.path is not None and not address.path.exists():
        raise SettingsError(
            f"No calls are kept yet: there is no database {address.path}. Set HISTORY, and "
            "DATA_DIR or DATABASE_URL as the service has them, and make a call."
        )
    database = Database(address)
    try:
        yield History(database, recordings=recordings_of(chosen), erase=partial(erase, spool))
    except DatabaseAway as error:
        raise SettingsError(f"The calls cannot be read: {error}") from error
    finally:
        await database.close()


def _filter(given: argparse.Namespace, now: datetime) -> "CallFilter":
    from avr_sts_speechmatics.records.history import CallFilter

    since, until, at = (one and one(now) for one in (given.since, given.until, given.at))
    return CallFilter(
        text=given.search,
        since_ms=since and since.first_ms,
        until_ms=until and until.until_ms,
        during_ms=at and _during(at),
        number=given.number,
        agent=given.agent,
        transport=given.transport,
        reason=given.reason,
        outcome=given.outcome,
        failed=given.failed or None,
        running=given.running or None,
        slow_ms=given.slow,
    )


def _during(at: "Span") -> tuple[int, int]:
    return at.first_ms, max(at.first_ms, at.until_ms - 1)


def _width() -> int:
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80


async def _list(given: argparse.Namespace, history: "History", now: datetime) -> int:
    from avr_sts_speechmatics.cli.call_list import csv_lines, listing, totals_shown

    wanted = _filter(given, now)
    found: list[dict[str, Any]] = []
    before, more = "", True
    while more and len(found) < given.limit:
        page = await history.calls(wanted, before=before, limit=min(500, given.limit - len(found)))
        found += page.calls
        before, more = page.next, bool(page.next)
    if given.json:
        print(_json(found))
    elif given.csv:
        sys.stdout.write("".join(csv_lines(found)))
    else:
        totals = await history.totals(wanted)
        if found:
            print("\n".join(listing(found, now.tzinfo)), end="\n\n")
        shown = f"The newest {len(found)} of " if more else ""
        print(f"{shown}{totals_shown(totals)}. Times: {zone_shown(now)}.")
    return 0


async def _show(given: argparse.Namespace, history: "History", now: datetime) -> int:
    from avr_sts_speechmatics.cli.call_list import listing
    from avr_sts_speechmatics.cli.timeline import timeline

    if (given.call is None) == (given.at is None):
        raise SettingsError("calls show: give a uuid, a key or --at.")
    if given.at is not None:
        return await _show_moment(given, history, now)
    found = await history.find(given.call)
    whole = await history.call(found[0]["key"]) if found else None
    if whole is None:
        return _not_found(given.call)
    if given.json:
        print(_json(whole))
        return 0
    print("\n".join(timeline(whole, now.tzinfo, _width())))
    if len(found) > 1:
        print(f"\nThis is the newest of several calls that {given.call!r} may mean:")
        print("\n".join(listing(found, now.tzinfo)))
    return 0


async def _show_moment(given: argparse.Namespace, history: "History", now: datetime) -> int:
    """Show the calls that were running at a moment, or their list if they are many."""
    from avr_sts_speechmatics.cli.call_list import listing
    from avr_sts_speechmatics.cli.timeline import timeline
    from avr_sts_speechmatics.records.history import CallFilter

    page = await history.calls(CallFilter(during_ms=_during(given.at(now))))
    whole = [await history.call(one["key"]) for one in page.calls[:AT_ONCE]]
    shown = [one for one in whole if one is not None]
    if given.json:
        print(_json(shown))
    elif not shown:
        print(f"No call was running then. Times: {zone_shown(now)}.")
    elif len(page.calls) > AT_ONCE:
        print("\n".join(listing(page.calls, now.tzinfo)))
        print("\nShow one of them: avr-sts-speechmatics calls show KEY")
    else:
        print("\n\n".join("\n".join(timeline(one, now.tzinfo, _width())) for one in shown))
    return 0 if shown else NOT_FOUND


async def _export(given: argparse.Namespace, history: "History", now: datetime) -> int:
    from avr_sts_speechmatics.cli.call_list import csv_lines

    wanted, number = _filter(given, now), 0
    # Before the file is opened: a database that is away leaves the file as it is.
    first = await history.calls(wanted, limit=1)
    with _target(given.to) as target:
        begun = False
        async for call in history.export(wanted) if first.calls else _nothing():
            number += 1
            if not given.csv:
                target.write(f"{_json(call)}\n")
                continue
            call["turns"] = call.pop("caller_turns")
            row = {name: value for name, value in call.items() if name not in _PARTS}
            # The first piece has the names of the columns as well.
            (piece,) = csv_lines([row])
            target.write(piece if not begun else piece.partition("\r\n")[2])
            begun = True
    if given.to is not None:
        print(f"{counted(number, 'call')} written to {given.to}")
    return 0


_PARTS = frozenset({"tools", "events"})


async def _nothing() -> AsyncIterator[dict[str, Any]]:
    return
    yield {}


async def _delete(given: argparse.Namespace, history: "History", now: datetime) -> int:
    from avr_sts_speechmatics.records.history import CallFilter

    if given.call and (given.number or given.before):
        raise SettingsError("calls delete: give uuids, or --number and --before, not both.")
    if not (given.call or given.number.strip() or given.before):
        raise SettingsError("calls delete: give a uuid, --number or --before.")
    if given.call:
        keys: list[str] = []
        for name in given.call:
            same = [one["key"] for one in await history.find(name, limit=1000) if _is(one, name)]
            if not same:
                return _not_found(name)
            keys += same
        wanted: CallFilter | list[str] = list(dict.fromkeys(keys))
        number = len(set(keys))
    else:
        until = given.before and given.before(now).first_ms
        wanted = CallFilter(number=given.number, whole_number=True, until_ms=until)
        number = (await history.totals(wanted)).calls
    if not given.yes:
        await asyncio.to_thread(_ask, number)
    removed = await history.delete(wanted)
    if given.json:
        print(_json(asdict(removed)))
        return 0
    print(
        f"{counted(removed.calls, 'call')} deleted, {counted(removed.recordings, 'recording')}, "
        f"{removed.waiting} from what waited for the database."
    )
    if removed.running:
        print(f"{counted(removed.running, 'call')} still going on: not deleted.")
    return 0


def _is(call: dict[str, Any], name: str) -> bool:
    return name.strip() == str(call["uuid"]) or name.strip().lower() == str(call["key"])


def _ask(number: int) -> None:
    """Ask whether to go on. Raises SettingsError if not."""
    if not sys.stdin.isatty():
        raise SettingsError("calls delete: add --yes, because nobody can be asked here.")
    print(f"Delete {counted(number, 'call')}? This cannot be undone. [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise SettingsError("calls delete: nothing was deleted.")


def _not_found(name: str) -> int:
    print(
        f"avr-sts-speechmatics: there is no call {name!r}; `calls list` shows those that are kept.",
        file=sys.stderr,
    )
    return NOT_FOUND


@contextlib.contextmanager
def _target(path: Path | None) -> Iterator[TextIO]:
    """Open what is written to. Raises SettingsError if a file cannot be written."""
    if path is None:
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            path.chmod(0o600)
            yield file
    except OSError as error:
        raise SettingsError(f"--to {path}: {error.strerror or error}") from error


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
