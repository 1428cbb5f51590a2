"""What tools and their sources share loads none of the sources' libraries."""

import subprocess
import sys
from collections.abc import Collection
from typing import Any, cast

import pytest

from avr_sts_speechmatics.pbx.departures import Departures
from avr_sts_speechmatics.pbx.dial_patterns import parse
from avr_sts_speechmatics.tools.protocol import RESERVED

SLOW = {"pydantic", "mcp", "mcp_types", "jsonschema", "httpx2"}


def loaded_by(module: str) -> Collection[str]:
    """The modules in a fresh interpreter that has imported this one."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "module",
    ["avr_sts_speechmatics.tools", "avr_sts_speechmatics.tools.protocol"],
)
def test_what_operators_import_loads_no_library_of_a_source(module: str) -> None:
    loaded = loaded_by(module)
    assert module in loaded
    assert SLOW.isdisjoint(loaded)
    assert "avr_sts_speechmatics.tools.tool_runner" not in loaded


@pytest.mark.parametrize(
    "module",
    ["avr_sts_speechmatics.tools.tool_runner", "avr_sts_speechmatics.pbx.departures"],
)
def test_a_service_without_tools_does_not_wait_for_their_libraries(module: str) -> None:
    assert SLOW.isdisjoint(loaded_by(module))


@pytest.mark.parametrize("source", ["python_files", "mcp_servers"])
def test_a_source_does_not_know_the_toolbox(source: str) -> None:
    assert "avr_sts_speechmatics.tools.tool_runner" not in loaded_by(
        f"avr_sts_speechmatics.tools.{source}"
    )


def test_the_names_that_are_taken_are_those_the_call_itself_offers() -> None:
    anywhere: Any = cast("Any", object())
    offered = Departures(anywhere, parse("700")).specs(anywhere)
    assert [spec.name for spec in offered] == list(RESERVED)
