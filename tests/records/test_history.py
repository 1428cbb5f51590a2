"""What the history finds, reads, exports and deletes, on SQLite and on a real PostgreSQL."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, func, insert, select

from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.history import CallFilter, Deleted, History, Totals
from avr_sts_speechmatics.records.numbers import backwards, is_same, significant
from avr_sts_speechmatics.records.outcomes import outcome_changes
from avr_sts_speechmatics.records.tables import calls, events, metadata, outcomes, tools, turns

NOW_MS = 1_800_000_000_000
MINUTE = 60_000


def key_of(began_ms: int, number: int = 0) -> str:
    return f"{began_ms:012x}{number:020x}"


def call(ago: int = 10, number: int = 0, **columns: Any) -> dict[str, Any]:
    """A call that began some minutes ago and lasted one. number: tells apart calls of a moment."""
    began = NOW_MS - ago * MINUTE
    row: dict[str, Any] = {
        "key": key_of(began, number),
        "uuid": f"uuid-{ago}-{number}",
        "transport": "audiosocket",
        "agent": "desk",
        "caller_number": None,
        "called_number": None,
        "began_ms": began,
        "seen_ms": began + MINUTE,
        "ended_ms": began + MINUTE,
        "reason": "caller",
        "error": None,
        "turns": 9,
        "failures": 0,
        "voice_to_voice_worst_ms": None,
        "recording": None,
        "outcome": None,
    }
    return row | columns


RUNNING: dict[str, Any] = {
    "ended_ms": None,
    "reason": None,
    "failures": None,
    "seen_ms": NOW_MS - 5_000,
}
LOST: dict[str, Any] = {
    "ended_ms": None,
    "reason": None,
    "failures": None,
    "seen_ms": NOW_MS - 5 * MINUTE,
}


async def write(database: Database, rows: Iterable[dict[str, Any]]) -> None:
    async with database.writing() as connection:
        for row in rows:
            await connection.execute(insert(calls), row)
            for change in outcome_changes(row["key"], row["outcome"] or {}):
                if change.table == "outcomes":
                    await connection.execute(insert(outcomes), change.row)


def history(database: Database, **more: Any) -> History:
    return History(database, now=lambda: NOW_MS / 1000, **more)


async def found(database: Database, limit: int = 50, **wanted: Any) -> list[str]:
    page = await history(database).calls(CallFilter(**wanted), limit=limit)
    assert not page.next
    return [one["uuid"] for one in page.calls]


# --- the list ------------------------------------------------------------------------------------


async def test_the_newest_call_is_first_and_pages_follow_each_other(database: Database) -> None:
    rows = [call(ago, number) for ago in (5, 6, 7) for number in range(4)]
    await write(database, rows)
    reader, seen, before = history(database), [], ""
    for expected in (5, 5, 2):
        page = await reader.calls(CallFilter(), before=before, limit=5)
        assert len(page.calls) == expected
        seen += [one["key"] for one in page.calls]
        before = page.next
        # A call that begins meanwhile belongs to no later page.
        await write(database, [call(1, len(seen))])
    assert not before
    assert seen == sorted((row["key"] for row in rows), reverse=True)


@pytest.mark.parametrize("before", ["x", "1", "-", "1-", "-1-a", "²-a", "9" * 30 + "-a"])
async def test_what_is_no_next_of_a_page_is_refused(database: Database, before: str) -> None:
    with pytest.raises(ValueError, match="next"):
        await history(database).calls(CallFilter(), before=before)


async def test_a_call_is_shown_with_times_as_text_and_its_state(database: Database) -> None:
    await write(database, [call(1, **RUNNING), call(2, **LOST), call(3)])
    running, lost, over = (await history(database).calls(CallFilter())).calls
    assert (running["running"], running["ended"], running["reason"]) == (True, None, None)
    assert (lost["running"], lost["ended"], lost["reason"]) == (False, None, "lost")
    assert (over["running"], over["reason"]) == (False, "caller")
    assert over["began"] == "2027-01-15T07:57:00.000Z"
    assert datetime.fromisoformat(over["ended"]) == datetime(2027, 1, 15, 7, 58, tzinfo=UTC)
    assert set(over) == {
        *(column.name for column in calls.columns if not column.name.endswith("_digits")),
        *("began", "seen", "ended", "running"),
    }
    json.dumps(over)


async def test_filters(database: Database) -> None:
    await write(
        database,
        [
            call(1, agent="sales"),
            call(2, transport="avr-http"),
            call(3, reason="silence"),
            call(4, failures=2),
            call(5, reason="failure", error="the agent has no voice"),
            call(6, voice_to_voice_worst_ms=2500),
            call(7, **LOST),
            call(8, **RUNNING),
            call(9, outcome={"reason": "Booking", "booked": True, "guests": 4, "note": None}),
            call(10, outcome={"reason": "complaint", "tags": ["Angry", "again"]}),
        ],
    )

    async def minutes(**wanted: Any) -> list[int]:
        return [int(uuid.split("-")[1]) for uuid in await found(database, **wanted)]

    assert await minutes(agent="sales") == [1]
    assert await minutes(agent="Sales") == []
    assert await minutes(transport="avr-http") == [2]
    assert await minutes(reason="silence") == [3]
    assert await minutes(reason="lost") == [7]
    assert await minutes(failed=True) == [4, 5, 7]
    assert await minutes(failed=False) == [1, 2, 3, 6, 8, 9, 10]
    assert await minutes(slow_ms=2500) == [6]
    assert await minutes(slow_ms=2501) == []
    assert await minutes(running=True) == [8]
    assert await minutes(running=False) == [1, 2, 3, 4, 5, 6, 7, 9, 10]
    assert await minutes(outcome="reason=booking") == [9]
    assert await minutes(outcome=" Reason = BOOKING ") == [9]
    assert await minutes(outcome="booked=true") == [9]
    assert await minutes(outcome="guests=4") == [9]
    assert await minutes(outcome="angry") == [10]
    assert await minutes(outcome="note=null") == []
    assert await minutes(outcome="booked=false") == []
    assert await minutes(since_ms=NOW_MS - 3 * MINUTE) == [1, 2, 3]
    assert await minutes(until_ms=NOW_MS - 8 * MINUTE) == [9, 10]
    assert await minutes(failed=True, until_ms=NOW_MS - 4 * MINUTE) == [5, 7]
    assert await minutes(outcome="angry", text="uuid-10") == [10]
    assert await minutes(outcome="angry", text="uuid-9") == []


async def test_calls_that_were_running_at_a_moment(database: Database) -> None:
    minute = {"ended_ms": NOW_MS - 9 * MINUTE}
    await write(
        database,
        [
            call(10, **minute),
            call(60, ended_ms=NOW_MS - 5 * MINUTE),
            call(60, 1, ended_ms=NOW_MS - 50 * MINUTE),
            call(70, **RUNNING),
            call(80, ended_ms=None, seen_ms=NOW_MS - 75 * MINUTE),
            call(1),
        ],
    )
    at = NOW_MS - 10 * MINUTE
    assert await found(database, during_ms=(at, at)) == ["uuid-10-0", "uuid-60-0", "uuid-70-0"]
    past = NOW_MS - 76 * MINUTE
    assert await found(database, during_ms=(past, past)) == ["uuid-80-0"]


NUMBERS = ["+4922812345", "004922812345", "022812345", "12345", "alice", "007", "*97"]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ("+49 228 12345", {"+4922812345", "004922812345"}),
        ("004922812345", {"+4922812345", "004922812345"}),
        ("12345", {"+4922812345", "004922812345", "022812345", "12345"}),
        ("0228-12345", {"+4922812345", "004922812345", "022812345"}),
        ("45", {"+4922812345", "004922812345", "022812345", "12345"}),
        ("Alice", {"alice"}),
        ("007", {"007"}),
        ("7", {"007", "*97"}),
        ("***", set()),
        ("99", set()),
    ],
)
async def test_a_number_is_found_whole_or_by_its_end(
    database: Database, wanted: str, numbers: set[str]
) -> None:
    as_caller = [call(1, n, caller_number=number) for n, number in enumerate(NUMBERS)]
    as_called = [call(2, n, called_number=number) for n, number in enumerate(NUMBERS)]
    await write(database, as_caller + as_called)
    page = await history(database).calls(CallFilter(number=wanted))
    assert {one["caller_number"] for one in page.calls} - {None} == numbers
    assert {one["called_number"] for one in page.calls} - {None} == numbers


async def test_a_search_box_takes_what_an_operator_knows_of_a_call(database: Database) -> None:
    uuid = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"
    wanted = call(5, uuid=uuid, agent="support", caller_number="+4922812345", reason="silence")
    wanted["outcome"] = {"kind": "complaint about noise"}
    await write(database, [wanted, call(6), call(7, **LOST)])
    for text in (uuid, uuid.upper(), uuid[:8], wanted["key"], wanted["key"][:14], "support"):
        assert await found(database, text=text) == [uuid], text
    for text in ("12345", "+49 228 12345", "silence", "Complaint about  noise", " support "):
        assert await found(database, text=text) == [uuid], text
    assert await found(database, text="lost") == ["uuid-7-0"]
    for text in ("5", "supp", "noise", "%", "_", "' OR 1=1 --", "\0", "\ud800", "uuid%"):
        assert await found(database, text=text) == [], text


async def test_totals_count_each_wanted_call_once(database: Database) -> None:
    money: dict[str, Any] = {"cost": 0.25, "currency": "EUR", "duration_s": 60.0}
    await write(
        database,
        [
            call(1, **money, failures=1, outcome={"a": "x", "b": "x"}),
            call(2, **(money | {"currency": "USD"}), error="gone", failures=1),
            call(3),
            call(4, **LOST),
        ],
    )
    one = history(database)
    assert await one.totals(CallFilter(outcome="x")) == Totals(1, 60.0, {"EUR": 0.25})
    assert await one.totals(CallFilter(failed=True)) == Totals(3, 120.0, {"EUR": 0.25, "USD": 0.25})
    assert await one.totals(CallFilter(agent="none")) == Totals(0, 0.0, {})


BEGINNING = {"key": "ab", "uuid": "U1", "agent": "desk", "transport": "t", "began_ms": 5}


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (CallFilter(), True),
        (CallFilter(number="+49 228 12345"), True),
        (CallFilter(number="12345"), False),
        (CallFilter(number="-"), False),
        (CallFilter(text="u1"), True),
        (CallFilter(text="u"), False),
        (CallFilter(until_ms=6, since_ms=5, agent="desk", transport="t"), True),
        (CallFilter(until_ms=5), False),
        (CallFilter(since_ms=6), False),
        (CallFilter(agent="sales"), False),
        (CallFilter(failed=False), False),
    ],
)
def test_a_call_that_waits_on_disk_is_wanted_by_what_is_known_of_it(
    wanted: CallFilter, matches: bool
) -> None:
    row = BEGINNING | {"caller_digits": backwards("+4922812345"), "called_digits": None}
    assert wanted.matches_beginning(row) is matches


# --- one call ------------------------------------------------------------------------------------


async def fill_in(database: Database, key: str) -> None:
    """A call with a failure, an apology, a key and a tool."""
    agent = {"call": key, "speaker": "agent", "interrupted": False}
    rows: list[tuple[Table, dict[str, Any]]] = [
        (turns, agent | {"number": 1, "at_ms": 0, "until_ms": 900, "words_heard": 2}),
        (
            turns,
            agent
            | {"number": 3, "at_ms": 4000, "until_ms": 5000, "kind": "sorry"}
            | {"heard": "I am sorry.", "words_heard": 3},
        ),
        (
            turns,
            {"call": key, "number": 2, "at_ms": 2000, "speaker": "caller", "interrupted": False},
        ),
    ]
    failures = [
        {"call": key, "number": 1, "at_ms": 3200, "kind": "failure", "details": {"a": 1}},
        {"call": key, "number": 2, "at_ms": 9000, "kind": "failure", "details": {}},
        {"call": key, "number": 3, "at_ms": 100, "kind": "key", "details": {"key": "1"}},
    ]
    tool = {"call": key, "number": 1, "at_ms": 1, "name": "find", "failed": False}
    rows += [(events, row) for row in failures]
    rows += [(tools, tool | {"arguments": {"code": [1, None]}})]
    async with database.writing() as connection:
        for table, row in rows:
            await connection.execute(insert(table), row)


async def test_all_of_a_call_is_read_in_the_order_of_time(database: Database) -> None:
    row = call(5, uuid="one", turns=1)
    await write(database, [row, call(6, uuid="other")])
    await fill_in(database, row["key"])
    whole = await history(database).call("one")
    assert whole is not None
    assert whole == await history(database).call(row["key"])
    assert [turn["number"] for turn in whole["turns"]] == [1, 2, 3]
    assert [turn["interrupted"] for turn in whole["turns"]] == [False] * 3
    assert whole["caller_turns"] == 1
    assert whole["tools"][0]["arguments"] == {"code": [1, None]}
    key, failed, unheard = whole["events"]
    assert key["details"] == {"key": "1"}
    assert (failed["then"], failed["then_ms"], failed["heard"]) == ("sorry", 800, "I am sorry.")
    assert (unheard["then"], unheard["heard"]) == (None, None)
    json.dumps(whole)


async def test_of_calls_with_one_uuid_the_newest_is_read(database: Database) -> None:
    await write(database, [call(5, uuid="same"), call(4, uuid="same")])
    whole = await history(database).call("same")
    assert whole is not None
    assert whole["began_ms"] == NOW_MS - 4 * MINUTE
    assert await history(database).call("uuid-unknown") is None
    assert await history(database).call("") is None


async def test_a_call_is_found_by_the_beginning_of_its_name(database: Database) -> None:
    first, second = call(5, uuid="abcdef-1"), call(4, uuid="abcdef-2")
    await write(database, [first, second])
    reader = history(database)

    async def names(name: str) -> list[str]:
        return [one["uuid"] for one in await reader.find(name)]

    assert await names("abcdef") == ["abcdef-2", "abcdef-1"]
    assert await names("ABCDEF-1") == ["abcdef-1"]
    assert await names("abcde") == []
    assert await names(first["key"][:12]) == ["abcdef-1"]
    assert await names(first["key"].upper()) == ["abcdef-1"]


# --- export and deletion -------------------------------------------------------------------------


async def test_export_yields_every_wanted_call_once_with_all_its_parts(database: Database) -> None:
    rows = [call(5, number) for number in range(450)]
    await write(database, [*rows, call(1, agent="sales")])
    await fill_in(database, rows[7]["key"])
    exported = [one async for one in history(database).export(CallFilter(agent="desk"))]
    assert [one["key"] for one in exported] == sorted((r["key"] for r in rows), reverse=True)
    parts = {one["key"]: len(one["turns"]) for one in exported if one["turns"]}
    assert parts == {rows[7]["key"]: 3}


class Recordings:
    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def delete(self, names: Iterable[str]) -> None:
        self.deleted += names


async def rows_left(database: Database) -> dict[str, int]:
    async with database.reading() as connection:
        return {
            name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for name, table in metadata.tables.items()
        }


async def test_deleting_a_number_removes_rows_recordings_and_what_waits(database: Database) -> None:
    mine = call(5, caller_number="+4922812345", recording="a.flac", outcome={"a": "b"})
    mine_too = call(6, called_number="0049 228 12345", uuid="called")
    ends_alike = call(7, caller_number="12345", recording="b.flac")
    running = call(8, caller_number="+4922812345", **RUNNING)
    await write(database, [mine, mine_too, ends_alike, running])
    await fill_in(database, mine["key"])
    waiting: dict[str, Any] = {
        "key": "spooled",
        "began_ms": 1,
        "caller_digits": backwards("+4922812345"),
    }
    recordings, asked = Recordings(), []

    def erase(keys: set[str], matches: Callable[[dict[str, Any]], bool]) -> set[str]:
        asked.append(set(keys))
        return {
            row["key"] for row in (waiting, ends_alike | {"called_digits": "1"}) if matches(row)
        }

    one = history(database, recordings=recordings, erase=erase)
    removed = await one.delete(CallFilter(number="+49 228 12345"))
    assert removed == Deleted(calls=3, recordings=1, waiting=1, running=1)
    assert recordings.deleted == ["a.flac"]
    assert asked == [{mine["key"], mine_too["key"]}]
    assert await found(database) == ["uuid-7-0", "uuid-8-0"]
    left = await rows_left(database)
    assert (left["turns"], left["tools"], left["events"], left["outcomes"]) == (0, 0, 0, 0)


async def test_calls_are_deleted_by_key_and_by_date(database: Database) -> None:
    rows = [call(ago) for ago in range(10, 20)]
    await write(database, rows)
    removed = await history(database).delete([rows[0]["key"], "unknown", rows[0]["key"], "\0"])
    assert removed == Deleted(calls=1)
    removed = await history(database).delete(CallFilter(until_ms=rows[4]["began_ms"]))
    assert removed == Deleted(calls=5)
    assert len(await found(database)) == 4


async def test_a_deletion_of_many_calls_is_complete(database: Database) -> None:
    await write(database, [call(5, number) for number in range(450)])
    assert (await history(database).delete(CallFilter())).calls == 450
    assert await found(database) == []


class Broken(Recordings):
    async def delete(self, names: Iterable[str]) -> None:
        raise OSError("the disk is gone")


async def test_a_call_whose_recording_cannot_be_removed_stays(database: Database) -> None:
    await write(database, [call(5, recording="a.flac")])
    with pytest.raises(OSError, match="gone"):
        await history(database, recordings=Broken()).delete(CallFilter())
    assert await found(database) == ["uuid-5-0"]


# --- properties ----------------------------------------------------------------------------------

AGENTS = st.sampled_from(("desk", "sales"))
DIGITS = st.text("012", min_size=1, max_size=7)
ROWS = st.lists(
    st.builds(
        lambda ago, agent, caller, called, failures, error, worst, state: call(
            ago,
            agent=agent,
            caller_number=caller,
            called_number=called,
            **({"failures": failures, "error": error} | state),
            voice_to_voice_worst_ms=worst,
        ),
        st.integers(1, 9),
        AGENTS,
        st.none() | DIGITS,
        st.none() | DIGITS,
        st.integers(0, 1),
        st.sampled_from((None, "gone")),
        st.none() | st.integers(0, 3),
        st.sampled_from(({}, {}, RUNNING, LOST)),
    ),
    max_size=25,
)
FILTERS = st.builds(
    CallFilter,
    agent=st.just("") | AGENTS,
    number=st.just("") | DIGITS,
    whole_number=st.booleans(),
    failed=st.none() | st.booleans(),
    running=st.none() | st.booleans(),
    slow_ms=st.none() | st.integers(0, 3),
    since_ms=st.none() | st.integers(1, 9).map(lambda ago: NOW_MS - ago * MINUTE),
    until_ms=st.none() | st.integers(1, 9).map(lambda ago: NOW_MS - ago * MINUTE),
)


def is_wanted(row: dict[str, Any], wanted: CallFilter) -> bool:
    lost = row["ended_ms"] is None and row["seen_ms"] < NOW_MS - MINUTE
    runs = row["ended_ms"] is None and not lost
    failed = bool(row["failures"]) or row["error"] is not None or lost
    kept = [backwards(row[name]) or "" for name in ("caller_number", "called_number")]
    number, worst = significant(wanted.number), row["voice_to_voice_worst_ms"]
    same = (
        (lambda one: is_same(one, number))
        if wanted.whole_number
        else (lambda one: one.startswith(number))
    )
    return all(
        (
            not wanted.agent or row["agent"] == wanted.agent,
            not wanted.number or any(one and same(one) for one in kept),
            wanted.failed is None or failed == wanted.failed,
            wanted.running is None or runs == wanted.running,
            wanted.slow_ms is None or (worst is not None and worst >= wanted.slow_ms),
            wanted.since_ms is None or row["began_ms"] >= wanted.since_ms,
            wanted.until_ms is None or row["began_ms"] < wanted.until_ms,
        )
    )


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(rows=ROWS, wanted=FILTERS, limit=st.integers(1, 7))
async def test_pages_have_every_wanted_call_once_in_order(
    database: Database, rows: list[dict[str, Any]], wanted: CallFilter, limit: int
) -> None:
    for number, row in enumerate(rows):
        row["key"] = key_of(row["began_ms"], number)
    async with database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(table.delete())
    await write(database, rows)
    reader, before, seen = history(database), "", []
    while True:
        page = await reader.calls(wanted, before=before, limit=limit)
        assert len(page.calls) <= limit
        seen += [one["key"] for one in page.calls]
        if not (before := page.next):
            break
    expected = sorted((row["key"] for row in rows if is_wanted(row, wanted)), reverse=True)
    assert seen == expected
