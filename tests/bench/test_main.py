"""The benchmark's command line: arguments, plans, comparisons, and the document."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.__main__ import Output, _compare
from bench.arguments import first_audio_plan, parsed, planned
from bench.figures import Timings
from bench.service import BenchError
from tests.bench.reports import report

CORES = sorted(os.sched_getaffinity(0))


def test_wrong_arguments_end_the_command_with_status_2() -> None:
    command = [sys.executable, "-m", "bench", "--stt-ms", "300", "--settled-ms", "300"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--settled-ms: give less than --stt-ms" in done.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--calls", "0"], "--calls: give 1 to 675"),
        (["--calls", "100,many"], "--calls: give a number, or several"),
        (["--calls", "500", "--offer", "150"], "--calls: give 1 to 450"),
        (["--offer", "50"], "--offer: give 100 or more"),
        (["--seconds", "0"], "--seconds: give more than 0"),
        (["--rounds", "0"], "--rounds: give 1 or more"),
        (["--workers", "0"], "--workers: give 1 or more"),
        (["--core", "4096"], "give some of the available cores"),
        (["--set", "MAX_CALLS"], "--set: give NAME=VALUE"),
        (["--compare", "/no/such/file"], "--compare: /no/such/file is not a file"),
        (["--tokens-per-second", "0"], "--tokens-per-second: give more than 0"),
        (["--first-sentence-words", "0"], "--first-sentence-words: give 1 or more"),
    ],
)
def test_a_wrong_argument_is_named(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parsed(words)
    assert left.value.code == 2
    assert reason in capsys.readouterr().err


def test_tls_is_the_default_and_one_number_of_calls_compares_answering_ahead() -> None:
    arguments = parsed([])
    assert arguments.calls == (100,)
    assert planned(arguments, 100).tls
    assert arguments.preemptive == "both"
    assert not planned(parsed(["--no-tls"]), 100).tls
    for words in (["--calls", "100,200"], ["--ramp"], ["--offer", "150"]):
        assert parsed(words).preemptive == "off"


def test_workers_have_the_first_cores_and_the_load_has_the_others() -> None:
    plan = planned(parsed(["--workers", str(len(CORES)), "--set", "LOG_LEVEL=debug"]), 50)
    assert plan.cores == plan.load_cores == tuple(CORES)
    assert plan.settings == (("LOG_LEVEL", "debug"),)
    one = planned(parsed([]), 50)
    assert one.cores == (CORES[0],)
    assert one.load_cores == (tuple(CORES[1:]) or (CORES[0],))


def test_first_audio_is_measured_with_few_calls_and_a_slow_model() -> None:
    words = ["--calls", "300", "--seconds", "5", "--first-sentence-words", "12"]
    plan = first_audio_plan(parsed(words))
    assert (plan.calls, plan.seconds) == (20, 20)
    assert (plan.delays.llm, plan.delays.voice) == (0.35, 0.12)
    assert (plan.delays.tokens_per_second, plan.delays.first_words) == (75, 12)


def written(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_each_figure_of_an_earlier_run_is_compared(tmp_path: Path) -> None:
    before = {"runs": [report(Timings(added=[0.008] * 3)).document()]}
    output = Output()
    output.runs[:] = [report(Timings(added=[0.004] * 3)).document()]
    _compare(written(tmp_path / "before.json", before), output)
    (table,) = output.tables
    assert "added latency p99, ms                  4.00     8.00     0.50" in table
    ratio = output.document["compared"]["ratio"]["100"]
    assert ratio["added latency p50, ms"] == pytest.approx(0.5)


def test_runs_of_other_numbers_of_calls_are_not_compared(tmp_path: Path) -> None:
    output = Output()
    output.runs[:] = [report(calls=300).document()]
    # An earlier version wrote one run, without a list.
    _compare(written(tmp_path / "before.json", report().document()), output)
    assert output.tables == ["before.json has no run of 300 calls."]


@pytest.mark.parametrize("content", [[1], {"runs": [{}]}, {"runs": 3}, "text"])
def test_a_file_without_figures_is_named(content: object, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"strange\.json: not the figures of a run"):
        _compare(written(tmp_path / "strange.json", content), Output())
