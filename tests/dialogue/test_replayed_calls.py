"""Recorded calls: the dialogue decides today as it did then.

An operator's strange call becomes a test by a copy of its trace to `traces`; see docs/traces.md.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.dialogue.replayed_call import TRACES, replay

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.telemetry.call_trace import TraceBegan, read

RECORDED = sorted(TRACES.glob("*.jsonl"))
WITH_WORDS = TRACES / "interrupted.jsonl"

Lines = list[dict[str, Any]]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_call_is_decided_as_it_was(path: Path) -> None:
    commands = sum(isinstance(what, ev.Command) for _, what in read(path))
    assert replay(path) == commands > 0


def test_a_call_with_words_and_one_without_are_among_them() -> None:
    began = [next(read(path))[1] for path in RECORDED]
    assert {line.words for line in began if isinstance(line, TraceBegan)} == {True, False}


def with_words() -> Lines:
    return [json.loads(line) for line in WITH_WORDS.read_text().splitlines()]


def written(lines: Lines, directory: Path) -> Path:
    path = directory / "changed.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


def first(lines: Lines, kind: str) -> int:
    return next(number for number, line in enumerate(lines) if line["is"] == kind)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines.pop(first(lines, "Flush")),
        lambda lines: lines.pop(first(lines, "TurnEnded")),
        lambda lines: lines.insert(first(lines, "TurnEnded"), {"at": 1, "is": "Pause"}),
        lambda lines: lines[first(lines, "SendTranscript")].update(text="Another text."),
        lambda lines: lines[first(lines, "AgentAnswered")]["manners"].update(farewell_s=9.0),
        lambda lines: lines.pop(first(lines, "AgentAnswered")),
    ],
)
def test_another_decision_is_found(tmp_path: Path, change: Callable[[Lines], object]) -> None:
    lines = with_words()
    change(lines)
    with pytest.raises(AssertionError, match=r"changed\.jsonl, line \d+"):
        replay(written(lines, tmp_path))


def test_a_trace_that_breaks_off_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = with_words()
    commands = [replay(written(lines[:length], tmp_path)) for length in range(1, len(lines) + 1)]
    assert commands == sorted(commands)
    assert (commands[0], commands[-1]) == (0, replay(WITH_WORDS))
