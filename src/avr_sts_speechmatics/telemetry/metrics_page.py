"""The page `/metrics`: the metrics of all processes, in the form that Prometheus wants.

Importing this module loads prometheus_client, which a process that has calls does not need.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from avr_sts_speechmatics.telemetry.metrics_memory import Family
from avr_sts_speechmatics.telemetry.metrics_sums import Labels, Sums


def page(sums: Mapping[str, Sums], accept: str) -> tuple[str, str]:
    """Return the page and its content type.

    accept: the header Accept of the request. OpenMetrics is for whoever asks for OpenMetrics.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(sums))
    encode, content_type = choose_encoder(accept)
    return encode(registry).decode(), content_type


class _Families(Collector):
    """The sums, for prometheus_client."""

    def __init__(self, sums: Mapping[str, Sums]) -> None:
        self._sums = sums

    def collect(self) -> Iterator[Metric]:
        for sums in self._sums.values():
            yield _metric(sums)


def _metric(sums: Sums) -> Metric:
    family = sums.family
    unit = next((unit for unit in ("seconds", "bytes") if _base(family).endswith(unit)), "")
    # Versions may differ in the labels of a metric.
    names = tuple(dict.fromkeys(name for labels in sums.values for name, _ in labels))
    metric: Metric
    if family.kind == "histogram":
        metric = histogram = HistogramMetricFamily(
            family.name, family.help, labels=names, unit=unit
        )
        for labels, values in sums.values.items():
            total, buckets = 0.0, []
            for bound, count in zip((*family.bounds, float("inf")), values[1:], strict=True):
                total += count
                buckets.append((str(bound).replace("inf", "+Inf"), total))
            histogram.add_metric(_in_order(labels, names), buckets, values[0])
    elif family.kind == "counter":
        metric = counter = CounterMetricFamily(_base(family), family.help, labels=names, unit=unit)
        for labels, values in sums.values.items():
            counter.add_metric(_in_order(labels, names), values[0])
    else:
        metric = gauge = GaugeMetricFamily(family.name, family.help, labels=names, unit=unit)
        for labels, values in sums.values.items():
            gauge.add_metric(_in_order(labels, names), values[0])
    return metric


def _base(family: Family) -> str:
    return family.name.removesuffix("_total")


def _in_order(labels: Labels, names: tuple[str, ...]) -> list[str]:
    known = dict(labels)
    return [known.get(name, "") for name in names]
