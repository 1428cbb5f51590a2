"""The list of calls, one call, its deletion, and CSV, over a database."""

import csv
import io
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import text
from tests.console.kept import call_row, kept_calls, key_of
from tests.console.served import serving

from avr_sts_speechmatics.console import calls_api
from avr_sts_speechmatics.console.access import Access
from avr_sts_speechmatics.console.console import described
from avr_sts_speechmatics.console.tokens import Tokens
from avr_sts_speechmatics.network.database_address import sqlite_file
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.history import History

LIST = "/api/v1/calls"


async def test_the_list_has_pages_the_newest_call_first(tmp_path: Path) -> None:
    async with kept_calls(tmp_path) as kept:
        await kept.add(*(call_row(number) for number in range(7)))
        seen, path = [], f"{LIST}?limit=3"
        while path:
            page = (await kept.port.ask(path)).json()
            seen.append([call["uuid"] for call in page["calls"]])
            path = page["next"] and f"{LIST}?limit=3&before={quote(page['next'])}"
    assert seen == [["uuid-6", "uuid-5", "uuid-4"], ["uuid-3", "uuid-2", "uuid-1"], ["uuid-0"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {0, 1, 2, 3}),
        ({"q": "uuid-2"}, {2}),
        ({"q": "22800003"}, {3}),
        ({"number": "00001"}, {1}),
        ({"agent": "sales"}, {1}),
        ({"transport": "post"}, {2}),
        ({"reason": "failure"}, {3}),
        ({"reason": "lost"}, set()),
        ({"failed": "true"}, {3}),
        ({"failed": "false"}, {0, 1, 2}),
        ({"running": "true"}, set()),
        ({"slow_ms": "502"}, {2, 3}),
        ({"since": "2026-11-30T00:53:22Z"}, {2, 3}),
        ({"since": "2026-11-30T01:53:22+01:00"}, {2, 3}),
        ({"until": "2026-11-30T00:53:22Z"}, {0, 1}),
        ({"since": "2026-11-30", "until": "2026-11-30"}, {0, 1, 2, 3}),
        ({"until": "2026-11-29"}, set()),
        ({"at": "2026-11-30T00:53"}, {0, 1, 2, 3}),
        ({"at": "2026-11-30T00:55"}, set()),
        ({"agent": "sales", "failed": "true"}, set()),
    ],
)
async def test_the_list_is_searched_and_filtered(
    tmp_path: Path, query: dict[str, str], found: set[int]
) -> None:
    async with kept_calls(tmp_path) as kept:
        await kept.add(
            call_row(0),
            call_row(1, agent="sales"),
            call_row(2, transport="post"),
            call_row(3, reason="failure", error="gone", failures=2),
        )
        page = await kept.port.ask(f"{LIST}?{urlencode(query)}")
    assert page.status == 200, page.content
    assert {call["uuid"] for call in page.json()["calls"]} == {f"uuid-{one}" for one in found}


@pytest.mark.parametrize(
    "sign", ["%", "_", "'", '"', "\\", "--", "*", "a' OR '1'='1", ";", "é", "😀"]
)
@pytest.mark.parametrize("name", ["q", "number", "agent", "transport", "reason", "outcome"])
async def test_signs_with_a_meaning_in_sql_find_nothing_and_break_nothing(
    tmp_path: Path, sign: str, name: str
) -> None:
    async with kept_calls(tmp_path) as kept:
        await kept.add(call_row(0))
        page = await kept.port.ask(f"{LIST}?{urlencode({name: sign})}")
    assert page.status == 200
    assert page.json()["calls"] == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit=0: give a whole number from 1 to 500."),
        ("limit=501", "from 1 to 500"),
        ("limit=1e2", "from 1 to 500"),
        ("limit=%D9%A3", "from 1 to 500"),
        ("failed=yes", "failed=yes: give true or false."),
        ("since=yesterday", "since=yesterday: give a day such as 2026-11-28"),
        ("until=9999-12-31", "give a day"),
        ("slow_ms=-1", "slow_ms=-1"),
        ("format=xml", "give one of json, csv"),
        ("limits=5", "limits: no such parameter; there are: q, since"),
        ("limit=5&limit=6", "limit is given more than once"),
        ("before=1", "before: give `next`"),
        ("before=x-y", "before: give `next`"),
        ("q=%00", "on one line"),
        ("q=%ff", ""),
        ("q=" + "x" * 201, "at most 200 characters"),
        ("agent=%0a", "on one line"),
    ],
)
async def test_a_wrong_parameter_says_which_and_what_is_allowed(
    tmp_path: Path, query: str, says: str
) -> None:
    async with kept_calls(tmp_path) as kept:
        response = await kept.port.ask(f"{LIST}?{query}".encode().decode("latin-1"))
    if says:
        assert response.status == 400
        assert says in response.error
    else:
        assert response.status in (200, 400)


async def test_a_huge_query_is_refused(tmp_path: Path) -> None:
    async with kept_calls(tmp_path) as kept:
        response = await kept.port.ask(f"{LIST}?q=" + "x" * 40_000)
    assert response.status in (400, 414, 431)


async def test_a_call_is_shown_whole_by_key_and_by_uuid(tmp_path: Path) -> None:
    async with kept_calls(tmp_path) as kept:
        key = await kept.add_whole(1)
        for name in (key, "uuid-1"):
            call = (await kept.port.ask(f"{LIST}/{name}")).json()
            assert call["key"] == key
            assert call["began"] == "2026-11-30T00:53:21.000Z"
            assert [turn["heard"] for turn in call["turns"]] == ["At five."]
            assert call["tools"][0]["arguments"] == {"day": "Monday"}
            assert call["events"][0]["then"] == "answer"
        unknown = await kept.port.ask(f"{LIST}/uuid-2")
        assert (unknown.status, "GET /api/v1/calls" in unknown.error) == (404, True)
        strange = await kept.port.ask(f"{LIST}/{quote('%_/../x', safe='')}")
        assert strange.status == 404


async def test_a_call_is_deleted_with_all_that_is_kept_of_it(tmp_path: Path) -> None:
    async with kept_calls(tmp_path) as kept:
        key = await kept.add_whole(1)
        done = await kept.port.ask(f"{LIST}/{key}", method="DELETE")
        assert (done.status, done.json()["calls"]) == (200, 1)
        assert (await kept.port.ask(f"{LIST}/{key}")).status == 404
        assert (await kept.port.ask(f"{LIST}/{key}", method="DELETE")).status == 404
        by_uuid = await kept.port.ask(f"{LIST}/uuid-1", method="DELETE")
        assert (by_uuid.status, "32 hexadecimal" in by_uuid.error) == (400, True)
        async with kept.database.reading() as connection:
            for table in ("turns", "tools", "events"):
                rows = await connection.execute(text(f"select count(*) from {table}"))
                assert rows.scalar() == 0


async def test_a_running_call_is_not_deleted(tmp_path: Path) -> None:
    async with kept_calls(tmp_path) as kept:
        now = 10**13  # far in the future: seen a moment ago, whenever that is
        await kept.add(call_row(1, ended_ms=None, seen_ms=now, reason=None))
        response = await kept.port.ask(f"{LIST}/{key_of(1)}", method="DELETE")
        assert (response.status, "end it first" in response.error) == (409, True)
        assert (await kept.port.ask(f"{LIST}/{key_of(1)}")).json()["running"] is True


# --- CSV ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [("?format=csv", ()), ("", ("Accept: text/csv",))])
async def test_all_wanted_calls_come_as_one_file(
    tmp_path: Path, how: tuple[str, tuple[str, ...]]
) -> None:
    query, headers = how
    async with kept_calls(tmp_path) as kept:
        await kept.add(*(call_row(number) for number in range(450)))
        response = await kept.port.ask(LIST + query, *headers)
    assert response.headers["content-type"].startswith("text/csv")
    assert "calls.csv" in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [row["uuid"] for row in rows] == [f"uuid-{number}" for number in range(449, -1, -1)]
    assert rows[0]["began"] == "2026-11-30T01:00:49.000Z"
    assert rows[0]["caller_number"] == "+4922800449"
    assert rows[0]["outcome"] == '{"booked": true}'
    assert rows[0]["running"] == "false"


async def test_a_limit_and_filters_hold_for_csv_as_well(tmp_path: Path) -> None:
    async with kept_calls(tmp_path) as kept:
        await kept.add(*(call_row(number, agent=f"a{number % 2}") for number in range(10)))
        response = await kept.port.ask(f"{LIST}?format=csv&limit=3&agent=a1")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [row["uuid"] for row in rows] == ["uuid-9", "uuid-7", "uuid-5"]


async def test_a_cell_that_a_caller_chose_is_no_formula(tmp_path: Path) -> None:
    evil = '=HYPERLINK("http://evil.example","x")'
    async with kept_calls(tmp_path) as kept:
        await kept.add(call_row(1, caller_number=evil, agent="a,b\r\nc"))
        response = await kept.port.ask(f"{LIST}?format=csv")
    (row,) = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
    assert row["caller_number"] == "'" + evil
    assert row["agent"] == "a,b\r\nc"


# --- nothing kept, database away ------------------------------------------------------------------


@pytest.mark.parametrize("path", [LIST, f"{LIST}/x", f"{LIST}/x/recording", f"{LIST}?format=csv"])
async def test_without_a_history_the_answer_says_so(tmp_path: Path, path: str) -> None:
    async with kept_calls(tmp_path, level="off") as kept:
        response = await kept.port.ask(path)
    assert response.status == 409
    assert "HISTORY=off" in response.error


async def test_while_the_database_is_away_the_answer_says_so(tmp_path: Path) -> None:
    (tmp_path / "no directory").touch()
    away = Database(sqlite_file(tmp_path / "no directory" / "calls.db"))

    async def history() -> History:
        return History(away)

    async def starting() -> None:
        return None

    topics = calls_api.operations(history, "calls")
    app = described(topics, Access(Tokens([]), "avr_console"), lambda address, why: None)
    async with serving(app) as port:
        for path in (LIST, f"{LIST}/x", f"{LIST}?format=csv"):
            response = await port.ask(path)
            assert response.status == 503
            assert "no directory" in response.error
            assert response.headers["retry-after"]
    app = described(
        calls_api.operations(starting, "calls"),
        Access(Tokens([]), "avr_console"),
        lambda address, why: None,
    )
    async with serving(app) as port:
        assert "starting" in (await port.ask(LIST)).error
