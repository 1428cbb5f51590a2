"""The lines: docs/conformance.md defines each of them."""

import re

from tests.support import ROOT

from avr_sts_speechmatics.conformance.lines import BY_NAME, LINES, Finding
from avr_sts_speechmatics.conformance.run import PLAYS


def test_the_page_has_the_same_lines() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text()
    table = re.search(r"<!-- lines -->\n\n(.*?)\n\n<!-- /lines -->", page, re.DOTALL)
    assert table is not None
    rows = [f"| `{line.name}` | {line.level} | {line.says} | {line.reason} |" for line in LINES]
    assert table[1].splitlines()[2:] == rows


def test_every_line_is_tried_by_one_play() -> None:
    tried = [name for _, names in PLAYS.values() for name in names] + ["http"]
    assert sorted(tried) == sorted(BY_NAME) == sorted(line.name for line in LINES)


def test_only_a_broken_must_fails() -> None:
    for line in LINES:
        assert Finding(line, "broken").fails is (line.level == "must")
        assert not Finding(line, "not tried").fails
