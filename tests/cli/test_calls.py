"""The `calls` command as a person types it."""

import asyncio
import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from tests.cli.commands import run as in_a_process

from avr_sts_speechmatics.cli import calls as command
from avr_sts_speechmatics.cli.main import main
from avr_sts_speechmatics.network.database_address import sqlite_file
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.spool import Spool
from avr_sts_speechmatics.records.tables import calls

NOW_MS = round(time.time() * 1000)
HOUR = 3_600_000


def call(number: int, **columns: Any) -> dict[str, Any]:
    """A call that began so many hours ago, and lasted a minute."""
    began = NOW_MS - number * HOUR
    row = {
        "key": f"{began:012x}{number:020x}",
        "uuid": f"0b7f6a52-0000-0000-0000-{number:012}",
        "transport": "audiosocket",
        "agent": "desk",
        "caller_number": f"+4922812345{number}",
        "began_ms": began,
        "seen_ms": began,
        "ended_ms": began + 60_000,
        "reason": "caller",
        "duration_s": 60.0,
        "failures": 0,
        "voice_to_voice_worst_ms": 500,
        "cost": 0.5,
        "currency": "USD",
    }
    return row | columns


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DATA_DIR of the commands of this test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TIME_ZONE", "Europe/Berlin")
    monkeypatch.setattr(command, "set_up_log", lambda chosen: None)
    return tmp_path / "data"


def keep(data: Path, *rows: dict[str, Any]) -> None:
    async def write() -> None:
        database = Database(sqlite_file(data / "calls.db"))
        async with database.writing() as connection:
            for row in rows:
                await connection.execute(insert(calls), row)
        await database.close()

    asyncio.run(write())


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        status = main(["calls", *words])
    except SystemExit as end:
        status = int(str(end.code))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[int]:
    """Numbers of the calls that `calls list` finds."""
    status, out, err = said(capsys, "list", *words, "--json")
    assert (status, err) == (0, "")
    return [int(one["uuid"].rpartition("-")[2]) for one in json.loads(out)]


def test_the_list_has_the_newest_call_first_and_totals(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(data, *(call(n) for n in (3, 1, 2)))
    status, out, _ = said(capsys, "list")
    header, first, second, third, empty, totals = out.splitlines()
    assert (status, empty) == (0, "")
    assert header.split() == ["began", "lasted", "from", "agent", "ended", "worst", "call"]
    assert [line.split()[3][-1] for line in (first, second, third)] == ["1", "2", "3"]
    assert totals.startswith("3 calls, 3:00 in all, cost 1.5000 USD. Times: Europe/Berlin, UTC+0")
    assert all(len(line) <= 80 for line in out.splitlines())
    _, out, _ = said(capsys, "list", "--limit", "2")
    assert out.splitlines()[-1].startswith("The newest 2 of 3 calls")


def test_filters_are_options(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(
        data,
        call(1),
        call(2, agent="sales", failures=1),
        call(5, voice_to_voice_worst_ms=2000, reason="silence"),
        call(30, transport="avr-http"),
    )
    assert listed(capsys) == [1, 2, 5, 30]
    assert listed(capsys, "--since", "3h") == [1, 2]
    assert listed(capsys, "--until", "3h") == [5, 30]
    assert listed(capsys, "--since", "6h", "--until", "3h") == [5]
    assert listed(capsys, "--number", "123455") == [5]
    assert listed(capsys, "--agent", "sales") == [2]
    assert listed(capsys, "--transport", "avr-http") == [30]
    assert listed(capsys, "--reason", "silence") == [5]
    assert listed(capsys, "--failed") == [2]
    assert listed(capsys, "--running") == []
    assert listed(capsys, "--slow", "2000") == [5]
    assert listed(capsys, "--search", "sales") == [2]
    assert listed(capsys, "--outcome", "booked=true") == []
    assert listed(capsys, "--limit", "3") == [1, 2, 5]


def test_calls_that_were_running_at_a_moment(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(data, call(1), call(2), call(3))
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((NOW_MS - 2 * HOUR) / 1000 + 30))
    assert listed(capsys, "--at", began) == [2]


def test_the_calls_of_a_moment_are_shown_whole_unless_they_are_many(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(data, call(1), call(2), call(2, key=call(2)["key"][:-1] + "a", uuid="another"))

    def at(hours: int) -> str:
        moment = (NOW_MS - hours * HOUR) / 1000 + 30
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))

    status, out, _ = said(capsys, "show", "--at", at(2))
    assert status == 0
    assert out.count("\nbegan   ") == 2
    assert call(1)["uuid"] not in out
    _, out, _ = said(capsys, "show", "--at", at(1), "--json")
    assert [one["uuid"] for one in json.loads(out)] == [call(1)["uuid"]]
    status, out, _ = said(capsys, "show", "--at", at(3))
    assert (status, out.startswith("No call was running then.")) == (1, True)
    many = [call(4, key=f"{call(4)['key'][:-2]}{n:02}", uuid=f"many-{n}") for n in range(4)]
    keep(data, *many)
    _, out, _ = said(capsys, "show", "--at", at(4))
    assert len(out.splitlines()) == 7
    assert out.splitlines()[-1].startswith("Show one of them")


WRONG = [
    ("list", "--since", "soon"),
    ("list", "--limit", "0"),
    ("list", "--limit", "x"),
    ("list", "--slow", "-5"),
    ("list", "--json", "--csv"),
    ("show",),
    ("show", "x", "--at", "1h"),
    ("delete",),
    ("delete", "uuid", "--number", "5"),
    ("delete", "--number", " "),
    ("forget",),
    (),
]


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_option_is_one_sentence_and_status_2(
    data: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    keep(data)
    status, out, err = said(capsys, *words)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("avr-sts-speechmatics")


@pytest.mark.parametrize(
    "words", [("list",), ("show", "x"), ("export",), ("delete", "--before", "1d")]
)
def test_without_a_database_nothing_is_made_and_the_reason_is_told(
    data: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    status, out, err = said(capsys, *words)
    assert (status, out) == (2, "")
    assert "No calls are kept yet" in err
    assert not data.exists()


def test_a_database_that_is_away_is_one_sentence(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:a-password@127.0.0.1:9/calls")
    status, out, err = said(capsys, "list")
    assert (status, out) == (2, "")
    assert "The calls cannot be read: PostgreSQL at 127.0.0.1:9" in err
    assert len(err.splitlines()) == 1
    assert "a-password" not in err


def test_one_call_is_shown_by_any_beginning_of_its_name(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(data, call(1), call(2))
    uuid = call(2)["uuid"]
    for name in (uuid, uuid.upper(), call(2)["key"], call(2)["key"][:14]):
        status, out, _ = said(capsys, "show", name)
        assert status == 0
        assert f"call    {uuid}\n" in out
    _, out, _ = said(capsys, "show", "0b7f6a52")
    assert call(1)["uuid"] in out
    assert "the newest of several" in out
    _, out, _ = said(capsys, "show", uuid, "--json")
    assert json.loads(out)["key"] == call(2)["key"]


@pytest.mark.parametrize("name", ["unknown-call", "0b7", "", "%"])
def test_a_call_that_is_not_there(
    data: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    keep(data, call(1))
    for words in (("show", name), ("delete", "--yes", name)):
        status, out, err = said(capsys, *words)
        assert (status, out) == (1, "")
        assert "there is no call" in err


def test_export_writes_all_that_is_kept(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(data, call(1), call(2), call(3, agent="sales"))
    _, out, _ = said(capsys, "export", "--agent", "desk")
    one, two = map(json.loads, out.splitlines())
    assert [one["turns"], one["tools"], one["events"]] == [[], [], []]
    assert two["key"] == call(2)["key"]
    _, out, _ = said(capsys, "export", "--csv")
    _, of_list, _ = said(capsys, "list", "--csv")
    assert out == of_list
    assert len(list(csv.DictReader(io.StringIO(out)))) == 3


def test_export_to_a_file(data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keep(data, call(1))
    target = tmp_path / "calls.csv"
    status, out, _ = said(capsys, "export", "--csv", "--to", str(target))
    assert (status, out) == (0, f"1 call written to {target}\n")
    assert target.stat().st_mode & 0o77 == 0
    assert target.read_bytes().count(b"\r\n") == 2
    status, _, err = said(capsys, "export", "--to", str(tmp_path / "missing" / "x"))
    assert status == 2
    assert "missing/x: No such file or directory" in err


def test_deletion_by_number_removes_what_waits_on_disk_as_well(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(data, call(1), call(2), call(11))
    spool = Spool(data / "spool")
    waits = call(3, caller_digits="1" + "54321" + "82294")
    spool.append([Change("calls", waits), Change("events", {"call": waits["key"], "number": 1})])
    status, out, _ = said(capsys, "delete", "--number", "0049 228 12345 1", "--yes")
    assert status == 0
    assert out.startswith("2 calls deleted, 0 recordings, 1 from what waited")
    assert spool.read(10) == []
    spool.close()
    assert listed(capsys) == [2, 11]  # the number of call 11 has one digit more


def test_deletion_by_name_and_by_date(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = {"ended_ms": None, "reason": None, "seen_ms": NOW_MS + HOUR}
    keep(data, call(1), call(2), call(30), call(50), call(60, **running))
    status, out, _ = said(capsys, "delete", call(1)["uuid"], call(2)["key"], "--yes", "--json")
    assert status == 0
    assert json.loads(out) == {"calls": 2, "recordings": 0, "waiting": 0, "running": 0}
    status, out, _ = said(capsys, "delete", "--before", "40h", "--yes")
    assert "1 call deleted" in out
    assert "1 call still going on" in out
    assert listed(capsys) == [30, 60]


def test_deletion_asks_first(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(data, call(1))
    status, _, err = said(capsys, "delete", "--before", "now")
    assert status == 2
    assert "add --yes" in err
    for answer, status in (("n\n", 2), ("", 2), ("y\n", 0)):
        terminal = io.StringIO(answer)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", terminal)
        got, out, err = said(capsys, "delete", "--before", "now")
        assert got == status
        assert "Delete 1 call? This cannot be undone. [y/N]" in out
        assert ("nothing was deleted" in err) is (status == 2)
    assert listed(capsys) == []


def test_the_command_in_a_process_of_its_own(data: Path, tmp_path: Path) -> None:
    keep(data, call(1))
    ran = in_a_process("calls", "list", cwd=tmp_path, DATA_DIR=str(data))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 call, 1:00 in all" in ran.stdout
