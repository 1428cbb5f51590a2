"""The documentation follows the sources: drawings, file names, and the site's table of contents."""

import re
from graphlib import CycleError
from itertools import pairwise
from pathlib import Path

import pytest
from docs._tools import import_graph
from tests.support import ROOT

DOCS = ROOT / "docs"
SOURCES = ROOT / "src" / "avr_sts_speechmatics"
STALE = "run: python docs/_tools/import_graph.py"


# --- the drawing of imports ----------------------------------------------------------------------


def test_the_architecture_page_shows_the_imports_of_the_sources() -> None:
    page = import_graph.PAGE.read_text(encoding="utf-8")
    made = import_graph.table(import_graph.rooms_imported())
    assert import_graph.page_with(page, made) == page, STALE


def test_the_drawing_shows_the_imports_of_the_sources() -> None:
    drawing = import_graph.DRAWING.read_text(encoding="utf-8")
    drawn = import_graph.drawn(import_graph.rooms_imported())
    assert import_graph.svg(drawn) == drawing, STALE


def test_every_form_of_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.py").write_text("import avr_sts_speechmatics.b.two\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from avr_sts_speechmatics.c import x\n"
        "def f():\n    from avr_sts_speechmatics import d\n"
    )
    (tmp_path / "c.py").write_text("import os\nfrom avr_sts_speechmatics import __version__\n")
    (tmp_path / "d.py").write_text("from avr_sts_speechmatics.d import own\n")
    (tmp_path / "__main__.py").write_text("from avr_sts_speechmatics import a\n")
    assert import_graph.rooms_imported(tmp_path) == {
        "a": {"b"},
        "b": {"c", "d"},
        "c": set(),
        "d": set(),
    }


def graph(**imports: str) -> import_graph.Graph:
    return {room: frozenset(others.split()) for room, others in imports.items()}


def test_arrows_that_follow_from_others_and_shared_modules_are_left_out() -> None:
    found = import_graph.drawn(graph(a="b c values", b="c", c="values", values=""))
    assert found == graph(a="b", b="c", c="")


def test_imports_that_go_in_a_circle_cannot_be_drawn() -> None:
    with pytest.raises(CycleError):
        import_graph.drawn(graph(a="b", b="c", c="a"))


def test_an_arrow_points_down_and_boxes_of_a_row_do_not_overlap() -> None:
    drawn = import_graph.drawn(import_graph.rooms_imported())
    rows, arrows = import_graph.layout(drawn)
    assert {place.name for row in rows for place in row if place.name} == drawn.keys()
    assert len(arrows) == sum(map(len, drawn.values()))
    assert all(arrow[0].row < arrow[-1].row for arrow in arrows)
    for row in rows:
        for left, right in pairwise(row):
            assert left.x + left.width / 2 < right.x - right.width / 2


# --- pages ---------------------------------------------------------------------------------------


def test_every_page_is_in_the_table_of_contents_once() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    trees = re.findall(r"```\{toctree\}\n(?::.*\n)*\n([^`]*)```", index)
    entries = re.findall(r"^(?:.*<)?([\w-]+)>?$", "".join(trees), re.MULTILINE)
    assert sorted([*entries, "index"]) == sorted(path.stem for path in DOCS.glob("*.md"))
    # The start page also lists them for readers on GitHub, who do not see the tree.
    assert set(re.findall(r"^- \[[^]]+\]\(([\w-]+)\.md\)", index, re.MULTILINE)) == set(entries)


def test_drawings_load_nothing() -> None:
    for drawing in DOCS.glob("*.svg"):
        text = drawing.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"://|<script|<image|@import|href", text), drawing.name


HOW_TO = (DOCS / "how-to-change.md").read_text(encoding="utf-8")
CHANGES = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", HOW_TO, re.MULTILINE))


@pytest.mark.parametrize("change", CHANGES)
def test_a_worked_example_touches_at_most_five_files_that_are_there_unless_new(change: str) -> None:
    rows = re.findall(r"^\| `([\w./]+)`( \(new\))?[^|]*\|", CHANGES[change], re.MULTILINE)
    assert 1 < len(rows) <= 5
    for name, new in rows:
        path = SOURCES / name
        assert path.exists() != bool(new), name
        assert path.parent.is_dir(), name


def test_the_worked_examples_are_the_ones_people_ask_for() -> None:
    assert [title.split()[1] for title in CHANGES] == [
        "recogniser",
        "voice",
        "language",
        "tool",
        "transport",
        "metric",
    ]
