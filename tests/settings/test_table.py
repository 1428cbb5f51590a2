"""The tables in docs/settings.md."""

import re

from tests.support import ROOT

from avr_sts_speechmatics.settings import DECLARATIONS, TOPICS, table

NAMES = [name.upper() for name in DECLARATIONS]
COMMON = [name.upper() for name, declaration in DECLARATIONS.items() if declaration.common]


def test_the_page_of_settings_is_made_from_the_declarations() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- settings -->\n\n")[2].partition("\n<!-- /settings -->")[0]
    assert shown == table(), "put the text of settings.table() between the markers"


def test_the_tables_have_a_row_for_each_setting() -> None:
    rows = [line for line in table().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == COMMON + NAMES
    assert all(row.count("|") == 4 for row in rows)
    assert "| `PORT` | `6040` |" in table()
    assert "| `DRAIN_S` | `20` |" in table()


def test_no_table_is_too_long_to_be_looked_through() -> None:
    first, *tables = re.split(r"^###? .*\n\n", table(), flags=re.MULTILINE)
    assert first == ""
    rows = [part.count("\n| `") for part in tables if part]
    assert len(rows) == 1 + len(TOPICS)
    assert all(2 <= count <= 15 for count in rows)


def test_the_ten_common_settings_come_first() -> None:
    common = table().partition("## All settings")[0]
    assert re.findall(r"^\| `(\w+)`", common, re.MULTILINE) == COMMON
    assert len(COMMON) == 10


def test_the_settings_of_an_agents_manners_are_marked() -> None:
    marked = set(re.findall(r"^\| `(\w+)` \* \|", table(), re.MULTILINE))
    assert marked == {name.upper() for name, one in DECLARATIONS.items() if one.manner}
