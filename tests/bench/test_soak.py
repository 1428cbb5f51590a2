"""The soak: calls come and go, and what the service holds afterwards is compared."""

from dataclasses import replace
from typing import Any

import pytest
from bench.soak import Held, grown, main, table

HELD = Held(calls=100, memory_mb=70.0, files=30, tasks=4, threads=3)


def test_what_fluctuates_is_no_growth() -> None:
    assert grown(HELD, HELD) == []
    assert grown(HELD, Held(1500, 75.0, 40, 6, 4)) == []
    assert grown(HELD, Held(1500, 60.0, 10, 1, 1)) == []


@pytest.mark.parametrize(
    ("name", "value"), [("memory_mb", 90.0), ("files", 131), ("tasks", 104), ("threads", 12)]
)
def test_a_part_of_every_call_is_a_leak(name: str, value: Any) -> None:
    (problem,) = grown(HELD, replace(HELD, **{name: value}))
    assert problem.startswith(f"{name} grew from")


def test_both_measurements_are_printed() -> None:
    lines = table(HELD, replace(HELD, calls=1500, files=31)).splitlines()
    assert lines[1].split() == ["calls", "so", "far", "100", "1500", "1400"]
    assert lines[3].split() == ["open", "files", "30", "31", "1"]


@pytest.mark.parametrize("words", [["--first", "20", "--seconds", "20"], ["--calls", "0"]])
def test_wrong_arguments_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2


@pytest.mark.timeout(180)
def test_twenty_seconds_of_churn_leave_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    # Caches fill in the first minute: the memory of so short a soak says nothing.
    status = main(["--seconds", "20", "--first", "7", "--calls", "6", "--memory-mb", "100"])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert "0 faults\nnothing grew" in printed
