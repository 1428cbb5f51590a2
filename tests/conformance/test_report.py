"""The report in its three forms, from the same findings."""

import json
from xml.etree import ElementTree

import pytest

from avr_sts_speechmatics.conformance import report
from avr_sts_speechmatics.conformance.lines import LINES, Finding, State

URL = "ws://host:6040"


def findings(**states: State) -> list[Finding]:
    """One finding for each line; a state by the name of the line, with _ for -."""
    named = {name.replace("_", "-"): state for name, state in states.items()}
    return [
        Finding(line, named.get(line.name, "holds"), "seen" if line.name in named else "")
        for line in LINES
    ]


def test_a_person_sees_one_row_for_each_line_and_a_verdict() -> None:
    shown = report.text(findings(keys="broken", pacing="broken", http="not tried"), URL)
    for line in LINES:
        assert sum(line.says in row for row in shown.splitlines()) == 1
    assert shown.endswith(
        f"{len(LINES) - 3} of {len(LINES)} lines hold; broken: keys; broken, should hold: pacing; "
        "not tried: http."
    )


@pytest.mark.parametrize(
    ("states", "conforms"),
    [
        ({}, True),
        ({"pacing": "broken"}, True),
        ({"http": "not tried"}, True),
        ({"keys": "broken"}, False),
    ],
)
def test_only_a_broken_must_makes_a_service_fail(states: dict[str, State], conforms: bool) -> None:
    found = findings(**states)
    document = json.loads(report.as_json(found, URL))
    assert document["conforms"] is conforms
    assert [line["name"] for line in document["lines"]] == [line.name for line in LINES]
    suite = ElementTree.fromstring(report.as_junit(found, URL).encode())
    assert suite.get("failures") == ("0" if conforms else "1")
    assert len(suite.findall("testcase")) == len(LINES) == int(suite.get("tests", ""))
    assert len(suite.findall("testcase/failure")) == (not conforms)
