"""The metrics that there are: their names, their labels, and the page about them."""

import re
from pathlib import Path

import pytest
from tests.support import ROOT
from tests.telemetry.series import all_of, value

from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.metrics_memory import Family, SeriesMemory
from avr_sts_speechmatics.transports import (
    asterisk_websocket,
    audiosocket,
    avr_websocket,
    http_stream,
)

PAGE = ROOT / "docs" / "metrics.md"


@pytest.mark.parametrize("family", m.ALL, ids=lambda family: family.name)
def test_names_follow_the_conventions_of_prometheus(family: Family) -> None:
    assert re.fullmatch(r"avr_sts_[a-z_]+", family.name)
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert family.help.endswith(".")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|percent)\b", family.name)
    if family.kind == "histogram":
        assert family.name.endswith("_seconds")
        assert list(family.bounds) == sorted(set(family.bounds))
    else:
        assert not family.bounds


def test_names_are_unique() -> None:
    names = [family.name.removesuffix("_total") for family in m.ALL]
    assert len(names) == len(set(names))


def test_the_transports_are_those_that_there_are() -> None:
    sources = (asterisk_websocket, audiosocket, avr_websocket, http_stream)
    text = "".join(Path(str(one.__file__)).read_text(encoding="utf-8") for one in sources)
    found = re.findall(r' = Caller\(.*"([a-z-]{2,})"', text)
    assert set(found) == set(m.TRANSPORTS)


def test_labels_are_names_that_the_operator_gave() -> None:
    names = m.KnownNames(lambda: ["sales", "support"])
    assert names.label("sales") == "sales"
    assert names.label("+4930123456") == m.OTHER
    assert names.label("support") == "support"


def test_there_are_not_more_labels_than_the_limit() -> None:
    names = m.KnownNames(lambda: [str(number) for number in range(10_000)])
    labels = {names.label(str(number)) for number in range(10_000)}
    assert len(labels) == m.NAMES_MAX + 1
    assert names.label("0") == "0"


def test_a_series_is_made_once() -> None:
    metrics = m.Metrics(SeriesMemory())
    for _ in range(3):
        metrics.counter(m.BEGUN, "audiosocket", "default").add()
    assert len(all_of(metrics)) == 1
    assert value(metrics, m.BEGUN, transport="audiosocket") == 3


def test_each_label_has_its_value() -> None:
    with pytest.raises(ValueError):
        m.Metrics(SeriesMemory()).counter(m.BEGUN, "audiosocket")


def test_all_agents_and_tools_at_the_limit_have_room() -> None:
    from avr_sts_speechmatics.telemetry.metrics_observer import AgentSeries, CallSeries

    metrics = m.Metrics(SeriesMemory())
    agents = [f"agent with a long name, number {number}" for number in range(m.NAMES_MAX)]
    for agent in (*agents, m.OTHER):
        AgentSeries(metrics, agent)
        for transport in (*m.TRANSPORTS, m.OTHER):
            CallSeries(metrics, transport, agent)
        metrics.histogram(m.TOOL_SECONDS, agent)
        metrics.counter(m.TOOL_CALLS, agent, "done")
        metrics.counter(m.TOOL_CALLS, agent, "failed")
        metrics.counter(m.COST, "USD", agent)
    for family in m.ALL:
        if not family.labels:
            metrics._found(family, ())
    assert len(all_of(metrics)) == len(metrics._series)


def test_the_page_about_metrics_has_them_all() -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- metrics -->\n", "<!-- end of metrics -->"
    table = text.partition(begin)[2].partition(end)[0]
    assert table == m.table(), "run: python docs/_tools/metrics_table.py"
