"""The drawing and the table of imports in the architecture page, made from the sources.

    python docs/_tools/import_graph.py

reads every import statement under `src` with `ast`, writes `docs/imports.svg`, and replaces the
text between the `<!-- imports -->` markers of `docs/architecture.md`. Imports inside functions and
under TYPE_CHECKING count: the question is who knows whom, not what is loaded when.

Two things keep the drawing readable. An arrow that follows from others is left out (a -> c beside
a -> b -> c), and so are the modules in SHARED, which nearly everybody imports. The table has all.

The layout is the usual one for layered graphs: a box stands in the row after the last of those that
import it, a long arrow has a place in every row that it passes, and rows are sorted by the middle
of their neighbours. The result depends on the sources only, so that a test can compare it.
"""

import ast
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "avr_sts_speechmatics"
SOURCES = ROOT / "src" / PACKAGE
PAGE = ROOT / "docs" / "architecture.md"
DRAWING = ROOT / "docs" / "imports.svg"

BEGIN, END = "<!-- imports -->\n", "<!-- /imports -->"

SHARED = ("conversation", "errors", "line", "network", "values", "yaml_text")
"""Modules that any room may import; they have a line of the table, and no box."""

_ENTRY = {"__init__", "__main__"}

Graph = Mapping[str, frozenset[str]]


def rooms_imported(sources: Path = SOURCES) -> Graph:
    """For each package or module directly under `sources`, the others that it imports."""
    found: dict[str, set[str]] = {}
    for file in sorted(sources.rglob("*.py")):
        room = file.relative_to(sources).with_suffix("").parts[0]
        if room not in _ENTRY:
            names = found.setdefault(room, set())
            names.update(_imported(ast.parse(file.read_text(encoding="utf-8"))))
    return {room: frozenset(names & found.keys() - {room}) for room, names in found.items()}


def _imported(tree: ast.Module) -> Iterator[str]:
    """The second part of every name that is imported from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == PACKAGE and rest:
                yield rest.partition(".")[0]


def drawn(graph: Graph) -> Graph:
    """The graph without SHARED and without arrows that follow from others.

    Raises graphlib.CycleError, which names the modules, when imports go in a circle.
    """
    order = list(TopologicalSorter(graph).static_order())
    kept = {room: graph[room] - set(SHARED) for room in order if room not in SHARED}
    reached: dict[str, frozenset[str]] = {}
    for room in kept:
        reached[room] = kept[room].union(*(reached[other] for other in kept[room]))
    return {
        room: others - frozenset().union(*(reached[other] for other in others))
        for room, others in kept.items()
    }


# --- layout ---------------------------------------------------------------------------------------

WIDTH_MAX, BOX_H, ROW_H, GAP, MARGIN = 900.0, 36.0, 70.0, 22.0, 12.0
_CHAR_W, _PAD, _BEND_W = 7.6, 14.0, 10.0
_SWEEPS = 24


@dataclass
class _Place:
    """A box, or the point where a long arrow passes a row.

    row: 0 at the top.
    x: the middle.
    """

    name: str
    row: int
    width: float
    x: float = 0.0


Links = list[tuple[_Place, _Place]]


def layout(graph: Graph) -> tuple[list[list[_Place]], list[list[_Place]]]:
    """The rows of the drawing from the top, and each arrow as the places that it passes."""
    level = dict.fromkeys(sorted(graph), 0)
    for room in reversed(list(TopologicalSorter(graph).static_order())):
        for other in graph[room]:
            level[other] = max(level[other], level[room] + 1)
    boxes = {room: _Place(room, row, len(room) * _CHAR_W + 2 * _PAD) for room, row in level.items()}
    rows: list[list[_Place]] = [[] for _ in range(max(level.values()) + 1)]
    for box in boxes.values():
        rows[box.row].append(box)
    arrows: list[list[_Place]] = []
    for room, others in sorted(graph.items()):
        for other in sorted(others):
            begin, end = boxes[room], boxes[other]
            bends = [_Place("", row, _BEND_W) for row in range(begin.row + 1, end.row)]
            for bend in bends:
                rows[bend.row].append(bend)
            arrows.append([begin, *bends, end])
    links = [pair for arrow in arrows for pair in pairwise(arrow)]
    _sort_rows(rows, links)
    _set_places(rows, links)
    left = min(place.x - place.width / 2 for row in rows for place in row) - MARGIN
    for place in (place for row in rows for place in row):
        place.x -= left
    return rows, arrows


def _sort_rows(rows: list[list[_Place]], links: Links) -> None:
    """Order every row by the middle of its neighbours; keep the order with the fewest crossings."""
    best, fewest = [list(row) for row in rows], math.inf
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        at = {id(place): n for row in rows for n, place in enumerate(row)}
        for row in rows if down else reversed(rows):
            near = {
                id(place): [
                    at[id(a if down else b)] for a, b in links if (b if down else a) is place
                ]
                for place in row
            }
            row.sort(key=lambda p: _middle(near[id(p)], at[id(p)]))
            at.update((id(place), n) for n, place in enumerate(row))
        crossings = _crossings(at, links)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best


def _crossings(at: Mapping[int, int], links: Links) -> int:
    ends = [(a.row, at[id(a)], at[id(b)]) for a, b in links]
    return sum(
        row == other_row and (a - c) * (b - d) < 0
        for n, (row, a, b) in enumerate(ends)
        for other_row, c, d in ends[n + 1 :]
    )


def _middle(values: Iterable[float], otherwise: float) -> float:
    found = list(values)
    return sum(found) / len(found) if found else otherwise


def _set_places(rows: list[list[_Place]], links: Links) -> None:
    """Put every place near the middle of its neighbours, in the order of its row."""
    for row in rows:
        taken = sum(place.width for place in row) + GAP * (len(row) - 1)
        left = (WIDTH_MAX - taken) / 2
        for place in row:
            place.x = left + place.width / 2
            left += place.width + GAP
    for _ in range(_SWEEPS):
        for row in rows:
            for place in row:
                near = [b.x if a is place else a.x for a, b in links if place in (a, b)]
                place.x += 0.5 * (_middle(near, place.x) - place.x)
            _spread(row)


def _spread(row: list[_Place]) -> None:
    """Keep the places of a row apart and inside the drawing, from the left and from the right."""
    edge = MARGIN
    for place in row:
        place.x = max(place.x, edge + place.width / 2)
        edge = place.x + place.width / 2 + GAP
    edge = WIDTH_MAX - MARGIN
    for place in reversed(row):
        place.x = min(place.x, edge - place.width / 2)
        edge = place.x - place.width / 2 - GAP


# --- what is written ------------------------------------------------------------------------------

# Colours that read on white and on black: the drawing need not know which theme a page has.
_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" \
height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">
<title>Which package imports which</title>
<style>
rect {{ fill: #2f6f9f; rx: 6px }}
text {{ fill: #fff; font: 13px ui-monospace, monospace; text-anchor: middle }}
path {{ fill: none; stroke: #7d8590; stroke-width: 1.4 }}
marker path {{ fill: #7d8590; stroke: none }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>
"""


def svg(graph: Graph) -> str:
    """The drawing of a graph without cycles."""
    rows, arrows = layout(graph)
    width = MARGIN + max(place.x + place.width / 2 for row in rows for place in row)
    height = MARGIN * 2 + ROW_H * (len(rows) - 1) + BOX_H
    lines = [_HEAD.format(width=width, height=height)]
    for arrow in arrows:
        lines.append(f'<path marker-end="url(#tip)" d="{_curve(arrow)}"/>\n')
    for place in (place for row in rows for place in row if place.name):
        left, top = place.x - place.width / 2, MARGIN + place.row * ROW_H
        lines.append(
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{place.width:.0f}" height="{BOX_H:.0f}"/>'
            f'<text x="{place.x:.0f}" y="{top + 22:.0f}">{place.name}</text>\n'
        )
    return "".join((*lines, "</svg>\n"))


def _curve(arrow: list[_Place]) -> str:
    """From below the first box to above the last, upright where it passes a row."""
    top = MARGIN + arrow[0].row * ROW_H + BOX_H
    steps = [f"M{arrow[0].x:.0f} {top:.0f}"]
    x = arrow[0].x
    for place in arrow[1:]:
        bottom = MARGIN + place.row * ROW_H
        half = (top + bottom) / 2
        steps.append(f"C{x:.0f} {half:.0f} {place.x:.0f} {half:.0f} {place.x:.0f} {bottom:.0f}")
        x, top = place.x, bottom
        if not place.name:
            top = bottom + BOX_H
            steps.append(f"V{top:.0f}")
    return " ".join(steps)


def table(graph: Graph) -> str:
    """Every room with all that it imports, as Markdown."""
    lines = ["| package or module | imports |", "|---|---|"]
    for room in reversed(list(TopologicalSorter(_sorted(graph)).static_order())):
        others = ", ".join(f"`{other}`" for other in sorted(graph[room])) or "none of these"
        lines.append(f"| `{room}` | {others} |")
    return "\n".join(lines) + "\n"


def _sorted(graph: Graph) -> dict[str, list[str]]:
    """The same graph in the order of names, so that sets do not decide the order of the table."""
    return {room: sorted(graph[room]) for room in sorted(graph)}


def page_with(text: str, made: str) -> str:
    """A page's text with `made` between the markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, "the page has the first marker"
    assert end, "the page has the second marker"
    return f"{before}{begin}\n{made}\n{end}{after}"


def main() -> None:
    graph = rooms_imported()
    DRAWING.write_text(svg(drawn(graph)), encoding="utf-8")
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), table(graph)), encoding="utf-8")


if __name__ == "__main__":
    main()
