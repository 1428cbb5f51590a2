"""The list of calls fits a terminal, and its CSV is safe in a spreadsheet."""

import csv
import io
import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.cli.call_list import (
    csv_lines,
    listing,
    minutes,
    printable,
    totals_shown,
)
from avr_sts_speechmatics.records.history import Totals

CALL: dict[str, Any] = {
    "key": "01a31857bc20" + "ab" * 10,
    "began_ms": 1_800_000_000_000,
    "caller_number": "+4922812345",
    "agent": "support",
    "reason": "caller",
    "running": False,
    "failures": 0,
    "duration_s": 95.4,
    "voice_to_voice_worst_ms": 2410,
}

ANY = st.text(st.characters(codec=None), max_size=60)


@given(ANY, ANY, st.none() | ANY, st.integers(0, 10**6), st.floats(0, 10**6), st.booleans())
def test_a_line_fits_80_columns_and_controls_no_terminal(
    number: str, agent: str, reason: str | None, failures: int, length: float, running: bool
) -> None:
    strange = {"caller_number": number, "agent": agent, "reason": reason, "failures": failures}
    call = CALL | strange | {"duration_s": length, "running": running}
    for line in listing([call], UTC):
        assert len(line) <= 80
        assert line.isprintable()


def test_a_line_says_when_how_long_who_and_how_it_ended() -> None:
    failed = CALL | {"reason": "longest_call", "failures": 2, "caller_number": None}
    running = CALL | {"running": True, "reason": None, "failures": None, "duration_s": None}
    lost = running | {"running": False, "reason": "lost", "voice_to_voice_worst_ms": None}
    _, first, second, third, fourth = listing([CALL, failed, running, lost], UTC)
    assert (
        first == "2027-01-15 08:00    1:35 +4922812345   support  caller       2410 01a31857bc20ab"
    )
    assert second.split()[3:] == ["-", "support", "longest_ca…", "2410", "01a31857bc20ab"]
    assert third.split()[2] == "runs"
    assert fourth.split()[2:] == ["-", "+4922812345", "support", "lost", "-", "01a31857bc20ab"]
    (failure,) = list(listing([CALL | {"reason": "failure", "failures": 1}], UTC))[1:]
    assert "failure 1!" in failure


def test_totals_in_words() -> None:
    assert totals_shown(Totals(0, 0.0, {})) == "0 calls"
    assert totals_shown(Totals(1, 95.4, {"USD": 0.0213})) == "1 call, 1:35 in all, cost 0.0213 USD"
    several = Totals(2, 7295.0, {"USD": 1.0, "EUR": 2.5})
    assert totals_shown(several) == "2 calls, 2:01:35 in all, cost 2.5000 EUR and 1.0000 USD"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (86_400, "24:00:00")]
)
def test_lengths(seconds: float, shown: str) -> None:
    assert minutes(seconds) == shown


def test_text_cannot_control_a_terminal() -> None:
    assert printable("a\x1b[2Jb\nc\u202ed") == "a\ufffd[2Jb\ufffdc\ufffdd"


FORMULAS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "=HYPERLINK(1)",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text(text: str) -> None:
    ((value,),) = rows([{"a": text}])
    assert value == f"'{text}"


@pytest.mark.parametrize("text", ["+4922812345", "-", "+49 (228) 123-45", "a=1", "", "Ann, Bob"])
def test_a_number_and_an_ordinary_text_stay_as_they_are(text: str) -> None:
    ((value,),) = rows([{"a": text}])
    assert value == text


def rows(made: list[dict[str, Any]]) -> list[list[str]]:
    header, *found = csv.reader(io.StringIO("".join(csv_lines(made)), newline=""))
    assert header == list(made[0])
    return found


@given(st.lists(st.fixed_dictionaries({"a": ANY, "b": ANY}), min_size=1, max_size=5))
def test_csv_is_read_back_as_it_was_written(made: list[dict[str, Any]]) -> None:
    for row, found in zip(made, rows(made), strict=True):
        for name, kept in zip(made[0], found, strict=True):
            value = row[name]
            assert kept in (value.replace("\0", ""), "'" + value.replace("\0", ""))


def test_csv_of_other_types() -> None:
    row = {"n": None, "t": True, "f": False, "i": 5, "d": {"ä": [1]}, "x": 0.5}
    assert rows([row]) == [
        ["", "true", "false", "5", json.dumps({"ä": [1]}, ensure_ascii=False), "0.5"]
    ]
    assert list(csv_lines([])) == []
