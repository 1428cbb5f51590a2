"""Figures of the real calls, collected while the tests run and printed as a table at the end."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one call. what: of which test. way: what tells it from others of that test."""

    what: str
    way: str
    figures: dict[str, float | int | str]


@dataclass(slots=True)
class Report:
    """All figures of a run, in the order they came."""

    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, way: str, **figures: float | int | str) -> None:
        self.rows.append(Row(what, way, figures))

    def lines(self) -> list[str]:
        """A block for each `what`, a line for each row of it, columns aligned."""
        lines: list[str] = []
        for what in dict.fromkeys(row.what for row in self.rows):
            rows = [row for row in self.rows if row.what == what]
            columns = list(dict.fromkeys(name for row in rows for name in row.figures))
            cells = [
                ["", *columns],
                *([row.way, *(_shown(row.figures.get(name)) for name in columns)] for row in rows),
            ]
            widths = [max(len(line[n]) for line in cells) for n in range(len(columns) + 1)]
            lines += [what, *("  " + _aligned(line, widths) for line in cells), ""]
        return lines


def _aligned(cells: list[str], widths: list[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join((first.strip().ljust(widths[0]), *others)).rstrip()


def _shown(value: float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
