"""The figures of the page on capacity are written from the documents of runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench.arguments import parsed
from bench.capacity import BEGIN, END, RUNS, main, measure, section, words_of
from bench.figures import Integrity, Timings
from bench.first_audio import FirstAudio
from bench.ledger import Delays
from bench.ramp import Ramp, Step
from bench.ratios import BesideBare
from tests.bench.reports import report
from tests.support import ROOT

PAGE = ROOT / "docs" / "capacity.md"


def documents() -> dict[str, dict[str, Any]]:
    service, bare = report(longest_stop=0.0064), report(Timings(added=[0.002] * 3), service_cpu=2.5)
    run = service.document()
    run["beside_bare"] = BesideBare([service], [bare]).document()
    broken = report(integrity=Integrity(3, faults=["lost"]), calls=300, lags=[0.05]).document()
    delays = Delays(0.1, 0.3, 0.3, 0.35, 0.12, 75, 25)
    first = FirstAudio(delays, report(Timings(first_audio=[0.81] * 5))).document()
    climbed = Ramp([Step(420, 41.0, "", ""), Step(450, 70.0, "", "too late")])
    unclear = Ramp([Step(500, 9.0, "", "")], limited_by_load=True)
    refused = report(offered=150, refusals=[0.004, 0.02], calls=420).document()
    return {
        "tls": {"runs": [run, broken], "first_audio": first, "machine": {"processor": "A chip"}},
        "ramp-tls": {"ramp": {"service": climbed.document(), "bare service": unclear.document()}},
        "overload": {"runs": [refused]},
    }


def test_each_figure_stands_in_its_row() -> None:
    text = section(documents())
    assert "A chip" in text
    assert "| 100 | 4 / 4 / 4 | 2.00 | 6.4 | 1.50 | 1.20 | 0.20 | whole |" in text
    assert "| 300 (not valid: the load was 50.0 ms late (p99)) | 4 / 4 / 4 | - | - |" in text
    assert "| most calls a core, service, with TLS | 420 |" in text
    assert "bare service, with TLS | at least 500 (the load generator was the limit) |" in text
    assert "| 150 % offered: added latency p99 | 4 ms at 420 calls, every word whole |" in text
    assert "| 150 % offered: longest wait for a refusal | 20 ms of 2 refusals |" in text
    assert "first sentence of 25 words | 810 ms (p50), 810 ms (p95) |" in text
    assert "| most calls a core, service, without TLS | not measured |" in text


def test_the_page_shows_what_was_measured_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    main([str(tmp_path), str(page)])
    assert page.read_text().startswith(f"before\n{BEGIN}\n**With TLS")
    assert page.read_text().endswith(f"not measured |\n{END}\nafter\n")
    for name, document in documents().items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    main([str(tmp_path), str(page)])
    assert "| 100 | 4 / 4 / 4 |" in page.read_text()
    assert page.read_text().count(BEGIN) == 1


def test_the_documented_page_has_a_place_for_the_figures() -> None:
    text = PAGE.read_text()
    assert text.count(BEGIN) == text.count(END) == 1


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(SystemExit):
        main([str(tmp_path), str(page)])
    assert page.read_text() == "nothing here"


def test_missing_runs_are_made_in_order_and_the_overload_follows_the_ramp(tmp_path: Path) -> None:
    asked = []

    def bench(words: list[str]) -> int:
        # Raises SystemExit if the benchmark does not know an argument.
        arguments = parsed(words)
        path = Path(arguments.json)
        asked.append((path.stem, arguments.calls))
        if path.stem == "plain":
            return 2
        path.write_text(json.dumps(documents().get(path.stem, {"runs": []})))
        return 0

    (tmp_path / "tls.json").write_text("{}")
    assert measure(tmp_path, bench) == ["plain"]
    assert [name for name, _ in asked] == [name for name in RUNS if name != "tls"]
    assert asked[-1] == ("overload", (420,))
    asked.clear()
    assert measure(tmp_path, bench) == ["plain"]
    assert [name for name, _ in asked] == ["plain"]


def test_an_overload_without_a_ramp_is_not_measured() -> None:
    assert words_of("overload", {}) == []
    ramp = {"ramp": {"service": {"most_calls": 600}}}
    assert words_of("overload", ramp)[:2] == ["--calls", "450"]
