"""Outcomes are filled in only if an agent declares one and somebody reads it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support import untraced_environment

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.declared_outcomes import outcomes_of, unread
from avr_sts_speechmatics.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "host.yaml").write_text("outcome: {reason: Why the caller called}\n")
    (tmp_path / "plain.yaml").write_text("voice: theo\n")
    return tmp_path


async def test_outcomes_need_an_agent_that_declares_one_and_a_reader(folder: Path) -> None:
    llm: Any = None
    agents = Agents.load(Settings(agents_dir=folder))
    changes: list[Change] = []
    outcomes = outcomes_of(agents, llm, changes.append, None)
    assert outcomes is not None
    assert outcomes.agents.keys() == {"host"}
    assert outcomes_of(agents, llm, None, None) is None
    assert outcomes_of(Agents.load(Settings()), llm, changes.append, None) is None


def test_an_outcome_that_nobody_reads_is_reported(folder: Path) -> None:
    def warnings(**changes: Any) -> list[str]:
        settings = Settings(agents_dir=folder, **changes)
        return [*unread(settings, Agents.load(settings))]

    assert warnings() == warnings(history="calls") == []
    assert warnings(history="off", webhook_url="http://127.0.0.1:1/") == []
    (warning,) = warnings(history="off")
    assert warning == "The outcome of agent host goes nowhere: set HISTORY or WEBHOOK_URL."


def test_the_library_of_schemas_is_loaded_only_for_an_agent_that_declares_an_outcome() -> None:
    code = (
        "import sys, avr_sts_speechmatics.assembly, avr_sts_speechmatics.agents.agent_file;"
        "sys.exit('jsonschema' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=untraced_environment(), timeout=60, check=False
    )
    assert done.returncode == 0
