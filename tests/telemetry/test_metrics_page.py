"""The page, as clients of Prometheus' two formats read it."""

from collections.abc import Callable, Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from tests.telemetry.series import all_of

from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.metrics_memory import Family, Series, SeriesMemory
from avr_sts_speechmatics.telemetry.metrics_page import page
from avr_sts_speechmatics.telemetry.metrics_sums import Totals

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

Parser = Callable[[str], Iterable[Metric]]


def text_of(metrics: m.Metrics, accept: str = "") -> tuple[str, str]:
    return page(Totals().of_all([all_of(metrics)]), accept)


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("", "text/plain", text_string_to_metric_families),
        (OPENMETRICS, "application/openmetrics-text", openmetrics.text_string_to_metric_families),
    ],
)
def test_both_formats_say_what_was_counted(accept: str, content_type: str, parse: Parser) -> None:
    metrics = m.Metrics(SeriesMemory())
    metrics.counter(m.ENDED, "caller", "audiosocket", 'a "b" \\ \n ä').add(3)
    metrics.gauge(m.MEMORY).set(12345678)
    for took in (0.4, 0.95, 0.95, 60.0):
        metrics.histogram(m.VOICE_TO_VOICE, "a").observe(took)
    text, kind = text_of(metrics, accept)
    assert kind.startswith(content_type)
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in parse(text)
        for sample in family.samples
    }
    assert samples["avr_sts_calls_ended_total", 'a "b" \\ \n ä', "audiosocket", "caller"] == 3
    assert samples["avr_sts_resident_memory_bytes",] == 12345678
    name = "avr_sts_voice_to_voice_seconds"
    assert samples[f"{name}_sum", "a"] == pytest.approx(62.3)
    assert samples[f"{name}_count", "a"] == 4
    assert samples[f"{name}_bucket", "+Inf", "a"] == 4
    assert samples[f"{name}_bucket", "0.3", "a"] == 0
    assert samples[f"{name}_bucket", "0.5", "a"] == 1
    assert samples[f"{name}_bucket", "1.1", "a"] == 3
    assert samples[f"{name}_bucket", "10.0", "a"] == 3


def test_every_metric_can_be_shown() -> None:
    metrics = m.Metrics(SeriesMemory())
    for family in m.ALL:
        metrics._found(family, tuple("x" for _ in family.labels))
    for accept in ("", OPENMETRICS):
        text, _ = text_of(metrics, accept)
        for family in m.ALL:
            assert f"# HELP {family.name.removesuffix('_total')}" in text
    parse: Parser = openmetrics.text_string_to_metric_families
    found = parse(text)
    units = {family.name: family.unit for family in found}
    assert units["avr_sts_voice_to_voice_seconds"] == "seconds"
    assert units["avr_sts_resident_memory_bytes"] == "bytes"


def test_processes_of_two_versions_may_have_different_labels() -> None:
    family = Family("x_total", "counter", "X.")
    series = [Series(family, {"a": "1"}, [1.0]), Series(family, {"a": "1", "b": "2"}, [2.0])]
    text, _ = page(Totals().of_all([series]), "")
    assert 'x_total{a="1",b=""} 1.0' in text
    assert 'x_total{a="1",b="2"} 2.0' in text
