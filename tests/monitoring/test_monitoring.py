"""The examples for Prometheus and Grafana: by promtool, and by a real Prometheus beside a service.

Every expression of the alerts and the dashboard is asked of a Prometheus that scrapes a service
with calls, and every metric and label in them is one that the service has: no name can rot.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.monitoring.alerts import AT, CASES, Series
from tests.real_servers.prometheus import RealPrometheus, prometheus_server, promtool
from tests.support import ROOT
from tests.telemetry.series import all_of
from tests.workers.processes import running_service

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.metrics_memory import SeriesMemory
from avr_sts_speechmatics.telemetry.metrics_page import page
from avr_sts_speechmatics.telemetry.metrics_sums import Totals

EXAMPLES = ROOT / "examples" / "monitoring"
DASHBOARD = json.loads((EXAMPLES / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((EXAMPLES / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]


def expressions() -> Iterator[tuple[str, str]]:
    """Where an expression stands, and the expression as Grafana sends it."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for variable, value in (
                ("$__rate_interval", "1m"),
                ("$__range", "1h"),
                ("$job", "avr-sts-speechmatics"),
                ("$instance", ".*"),
            ):
                text = text.replace(variable, value)
            yield panel["title"], text


# --- promtool -------------------------------------------------------------------------------------


def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    for words in (
        ("config", "prometheus.yml"),
        ("config", "kubernetes.yml"),
        ("rules", "rules.yml"),
    ):
        done = promtool("check", words[0], str(EXAMPLES / words[1]))
        assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_every_metric() -> None:
    metrics = m.Metrics(SeriesMemory())
    for family in m.ALL:
        metrics._found(family, tuple("x" for _ in family.labels))
    text, _ = page(Totals().of_all([all_of(metrics)]), "")
    done = promtool("check", "metrics", given=text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_alert_says_what_to_do_and_has_its_cases() -> None:
    assert {rule["alert"] for rule in RULES} == set(CASES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}


def rule_tests(alert: str) -> Iterator[dict[str, Any]]:
    (rule,) = (rule for rule in RULES if rule["alert"] == alert)
    case = CASES[alert]
    fires = {
        "exp_labels": {**case.labels, **rule["labels"]},
        "exp_annotations": rule["annotations"],
    }

    def one(series: Series, expected: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "interval": "15s",
            "input_series": [{"series": name, "values": value} for name, value in series.items()],
            "alert_rule_test": [{"eval_time": AT, "alertname": alert, "exp_alerts": expected}],
        }

    for series in case.fires:
        yield one(series, [fires])
    for series in case.quiet:
        yield one(series, [])


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_not_else(alert: str, tmp_path: Path) -> None:
    tests = {
        "rule_files": [str(EXAMPLES / "rules.yml")],
        "evaluation_interval": "15s",
        "tests": list(rule_tests(alert)),
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(tests), encoding="utf-8")
    done = promtool("test", "rules", str(tmp_path / "test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


# --- names ----------------------------------------------------------------------------------------

_WORDS = re.compile(r'"[^"]*"|\b(avr_sts_\w+)(\{[^}]*\})?')
_LABELS = re.compile(r"(\w+) *(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_ALWAYS = {"job", "instance"}


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_metrics_and_labels_of_expressions_are_there(where: str, expression: str) -> None:
    labels_of: dict[str, set[str]] = {}
    for family in m.ALL:
        labels = _ALWAYS | set(family.labels)
        if family.kind == "histogram":
            parts = {f"{family.name}{end}": labels for end in ("_sum", "_count")}
            labels_of |= parts | {f"{family.name}_bucket": labels | {"le"}}
        else:
            labels_of[family.name] = labels
    named = [found for found in _WORDS.finditer(expression) if found[1]]
    assert named or where == "AvrStsDown"
    usable = set(_ALWAYS)
    for found in named:
        assert found[1] in labels_of, found[1]
        usable |= labels_of[found[1]]
        assert set(_LABELS.findall(found[2] or "")) <= labels_of[found[1]], found[0]
    for group in _GROUPED.findall(expression):
        assert {label.strip() for label in group.split(",")} <= usable


def test_bounds_in_expressions_are_bounds_of_buckets() -> None:
    for where, expression in expressions():
        for name, bound in re.findall(r'(\w+)_bucket\{[^}]*le="([\d.]+)"', expression):
            (family,) = (family for family in m.ALL if family.name == name)
            assert bound in map(str, family.bounds), where


# --- a real Prometheus ----------------------------------------------------------------------------


@pytest.fixture
async def scraped(tmp_path: Path) -> AsyncIterator[RealPrometheus]:
    """A Prometheus with the example's configuration that has scraped a service with calls."""
    async with running_service(
        tmp_path, ready=2, WORKERS="2", SPEECHMATICS_MAX_SESSIONS="50"
    ) as service:
        configuration = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text(encoding="utf-8"))
        configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        configuration["rule_files"] = [str(EXAMPLES / "rules.yml")]
        (job,) = configuration["scrape_configs"]
        del job["file_sd_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{service.ports['PORT']}"]}]
        # From this thread: the server ends with the thread that started it.
        with prometheus_server(yaml.safe_dump(configuration)) as server:
            await asyncio.to_thread(server.until, "avr_sts_ready == 1")
            async with service.caller() as caller:
                caller.session.say(stt_messages.speech_ended(0.0))
                caller.asks()
                await caller.answered()
                await asyncio.to_thread(server.until, "sum(avr_sts_calls) == 1")
            await asyncio.to_thread(server.until, "sum(avr_sts_calls_ended_total) == 1")
            async with service.caller() as caller:
                caller.session.say(stt_messages.speech_ended(0.0))
                caller.asks()
                await caller.answered()
            await asyncio.to_thread(server.until, "sum(avr_sts_calls_ended_total) == 2")
            yield server


NOT_HERE = {
    # Nobody is refused, no tool runs and nothing has a price in that service.
    "Cost in this time",
    "Cost in an hour",
    "Tools",
    "How long tools run",
}
"""Panels without a value in the test."""


@pytest.mark.timeout(180)
async def test_a_real_prometheus_answers_every_expression(scraped: RealPrometheus) -> None:
    server = scraped
    alerts = {rule["alert"] for rule in RULES}
    empty = set()
    for where, expression in expressions():
        found = await asyncio.to_thread(server.query, expression)
        if where in alerts:
            assert not found, f"{where} would fire: {found}"
        elif not found:
            empty.add(where)
    assert empty == NOT_HERE
    (answers,) = server.query('sum(avr_sts_answers_total{result="whole"})')
    assert answers["value"][1] == "2"
    (heard,) = server.query("sum(avr_sts_voice_to_voice_seconds_count)")
    assert heard["value"][1] == "2"
    (types,) = server.query("count(avr_sts_voice_to_voice_seconds_bucket)")
    assert int(types["value"][1]) == len(m.VOICE_TO_VOICE_S) + 1
    assert not server.query("ALERTS")
    assert server.query("up == 1")


def test_a_wrong_expression_would_be_found(tmp_path: Path) -> None:
    with prometheus_server("global: {scrape_interval: 15s}\n") as server:
        with pytest.raises(ValueError, match="parse error"):
            server.query("sum(avr_sts_ready")


# --- Compose --------------------------------------------------------------------------------------


def test_the_compose_file_mounts_what_is_there_and_scrapes_the_service() -> None:
    both = [
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        for name in ("docker-compose.yml", "examples/monitoring/docker-compose.yml")
    ]
    service, monitoring = both
    for one in monitoring["services"].values():
        for mount in one["volumes"]:
            source = mount.split(":")[0]
            # Paths are relative to the first file, which lies in the root.
            assert not source.startswith("./") or (ROOT / source).exists(), source
        for port in one["ports"]:
            assert port.startswith("127.0.0.1:")
    targets = yaml.safe_load(monitoring["configs"]["avr-sts-speechmatics-targets"]["content"])
    ((host, port),) = [target.split(":") for one in targets for target in one["targets"]]
    assert host in service["services"]
    assert f"PORT={port}" in service["services"][host]["environment"]


def test_the_dashboard_has_one_panel_of_each_number_and_none_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    known = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used - {"__rate_interval", "__range", "__all"} == known
