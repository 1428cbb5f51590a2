"""Figures of two runs side by side, each with its ratio.

Machines differ, and a shared machine differs from one minute to the next. So the figures that count
are ratios taken in one run against the bare service (see `bare`), which does the same work on the
same libraries with the same load.
"""

from typing import Any

from bench.report import Report

# The budgets of the ratio of CPU time, without and with TLS to the synthetic services.
CPU_BUDGET, CPU_BUDGET_TLS = 1.15, 1.35


def figures(document: dict[str, Any]) -> dict[str, float]:
    """The figures of a report's document that can be compared, by name.

    Percentiles of times that were not measured are left out. Documents of earlier versions may have
    fewer figures.
    """
    found: dict[str, float] = {}
    spreads = (
        ("added latency", "added_latency_ms"),
        ("voice to voice", "voice_to_voice_ms"),
        ("barge-in to last frame", "barge_in_ms"),
        ("STT session open", "session_open_ms"),
        ("frame jitter", "jitter_ms"),
        ("first audio", "first_audio_ms"),
        ("refusal", "refusal_ms"),
    )
    for name, key in spreads:
        spread = document.get(key) or {}
        if spread.get("count"):
            found |= {f"{name} {at}, ms": float(spread[at]) for at in ("p50", "p95", "p99")}
    single = (
        ("CPU, ms per second of call", "cpu_ms_per_call_second"),
        ("memory, MB per call", "memory_mb_per_call"),
        ("longest stop of the loop, ms", "longest_stop_ms"),
        ("ready, s", "ready_seconds"),
    )
    found |= {name: float(document[key]) for name, key in single if document.get(key) is not None}
    return found


def side_by_side(
    title: str, names: tuple[str, str], mine: dict[str, float], other: dict[str, float]
) -> str:
    """A table of two runs.

    title: first column's heading.
    names: of the two runs, at most 9 characters each.
    mine: figures of the first run.
    other: figures of the second run; the ratio is the first by the second.
    """
    rows = [f"{title:34}{names[0]:>9}{names[1]:>9}{'ratio':>9}"]
    for name, value in mine.items():
        if name in other:
            base = other[name]
            ratio = f"{value / base:9.2f}" if base > 0 else f"{'-':>9}"
            rows.append(f"{name:34}{value:9.2f}{base:9.2f}{ratio}")
    return "\n".join(rows)


class BesideBare:
    """The service and the bare service under the same load.

    service: runs of the service, PREEMPTIVE=off.
    bare: runs of the bare service, as many.
    tls: the synthetic services were reached over TLS.
    """

    def __init__(self, service: list[Report], bare: list[Report], *, tls: bool = False) -> None:
        self._mine = _middle([figures(each.document()) for each in service])
        self._bare = _middle([figures(each.document()) for each in bare])
        self._reports = bare
        self._doubt = next((each.doubt for each in [*service, *bare] if each.doubt), "")
        self._budget = CPU_BUDGET_TLS if tls else CPU_BUDGET
        self.whole = all(each.whole for each in bare)

    def document(self) -> dict[str, Any]:
        """The comparison for a machine."""
        return {
            "valid": not self._doubt,
            "doubt": self._doubt,
            "rounds": len(self._reports),
            "bare": self._bare,
            "ratio": self.ratios,
            "cpu_budget": self._budget,
            "runs": [each.document() for each in self._reports],
        }

    @property
    def ratios(self) -> dict[str, float]:
        """Each figure of the service divided by the same figure of the bare service."""
        return {
            name: value / self._bare[name]
            for name, value in self._mine.items()
            if self._bare.get(name, 0) > 0
        }

    def table(self) -> str:
        """The comparison for a person."""
        ratio = self.ratios.get("CPU, ms per second of call")
        verdict = "NOT JUDGED, timings not valid" if self._doubt else "MISSED"
        if ratio is not None and not self._doubt and ratio <= self._budget:
            verdict = "met"
        rounds = len(self._reports)
        how = f"{rounds} runs each, in turn; medians" if rounds > 1 else "one run after the other"
        rows = [
            side_by_side("beside the bare service", ("service", "bare"), self._mine, self._bare),
            f"{how}; budget of CPU: at most {self._budget:g} of the bare service: {verdict}",
            "",
            "the bare service:",
            *self._reports[-1].trust(),
        ]
        return "\n".join(rows)


def _middle(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure that every run has."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: _median([run[name] for run in runs]) for name in names}


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
