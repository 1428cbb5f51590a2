"""Sums of the metrics of several processes.

Counters and histograms of a process that has ended stay in the sums, which therefore never go back.
Gauges are of the processes that run.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from avr_sts_speechmatics.telemetry.metrics_memory import Family, Series

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, in the order of names."""


@dataclass(slots=True)
class Sums:
    """One metric of all processes.

    family: as the newest process describes it.
    values: of each series.
    """

    family: Family
    values: dict[Labels, list[float]] = field(default_factory=dict)


class Totals:
    """The metrics of all processes."""

    def __init__(self) -> None:
        self._gone: dict[str, Sums] = {}

    def retire(self, series: Iterable[Series]) -> None:
        """Keep what a process has counted that has ended."""
        for one in series:
            if one.family.kind != "gauge":
                _add(self._gone, one)

    def of_all(self, running: Iterable[Iterable[Series]]) -> dict[str, Sums]:
        """Return the sums, by the names of metrics.

        running: the series of the processes that run, the oldest process first.
        """
        sums = {
            name: Sums(one.family, {labels: [*values] for labels, values in one.values.items()})
            for name, one in self._gone.items()
        }
        for process in running:
            for one in process:
                _add(sums, one)
        return sums


def _add(sums: dict[str, Sums], one: Series) -> None:
    """Add a series to the sums."""
    family = one.family
    known = sums.get(family.name)
    if known is None or known.family.kind != family.kind:
        known = sums[family.name] = Sums(family)
    elif known.family.bounds != family.bounds:
        known.values = {
            labels: _in_buckets(values, known.family.bounds, family.bounds)
            for labels, values in known.values.items()
        }
    known.family = family
    labels = tuple(sorted(one.labels.items()))
    before = known.values.get(labels)
    if before is None:
        known.values[labels] = [*one.values]
    elif family.kind == "gauge" and family.over != "sum":
        choose = max if family.over == "max" else min
        before[0] = choose(before[0], one.values[0])
    else:
        known.values[labels] = [a + b for a, b in zip(before, one.values, strict=True)]


def _in_buckets(values: list[float], old: tuple[float, ...], new: tuple[float, ...]) -> list[float]:
    """Put the counts of a histogram into other buckets: those of a newer version."""
    found = [values[0]] + [0.0] * (len(new) + 1)
    for bound, count in zip((*old, float("inf")), values[1:], strict=True):
        found[1 + bisect_left(new, bound)] += count
    return found
