"""Reads what was counted."""

from avr_sts_speechmatics.telemetry.metrics import Metrics
from avr_sts_speechmatics.telemetry.metrics_memory import Family, Series, SeriesReader


def all_of(metrics: Metrics) -> list[Series]:
    return SeriesReader(metrics.memory.buffer).series()


def value(metrics: Metrics, family: Family, **labels: str) -> float:
    """The value of a counter or gauge, or the number of observations; the sum of all that fit."""
    found = [
        one
        for one in all_of(metrics)
        if one.family.name == family.name and labels.items() <= one.labels.items()
    ]
    assert found, f"there is no series of {family.name} with {labels}"
    from_ = 1 if family.kind == "histogram" else 0
    return sum(sum(one.values[from_:]) for one in found)


def seconds(metrics: Metrics, family: Family, **labels: str) -> float:
    """The sum of the observations of a histogram."""
    return sum(
        one.values[0]
        for one in all_of(metrics)
        if one.family.name == family.name and labels.items() <= one.labels.items()
    )
