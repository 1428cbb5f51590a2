"""The import rules in pyproject.toml hold, and they leave no room out."""

import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import grimp
import pytest
from tests.support import ROOT

PACKAGE = "avr_sts_speechmatics"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: dict[str, dict[str, Any]] = {rule["id"]: rule for rule in SETTINGS["contracts"]}
ONE_ROOM = [name for name, rule in CONTRACTS.items() if rule["type"] == "forbidden"]

# A rule about one room may leave these open without need: they know nothing of AVR or of a cloud.
FOUNDATION = {
    f"{PACKAGE}.{name}"
    for name in "audio conversation errors line network runtime values yaml_text".split()
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, cache_dir=None)


def test_every_import_follows_the_rules() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [linter, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_module_needs_itself(graph: grimp.ImportGraph) -> None:
    # The rule about cycles compares the modules of one package. This also sees a package whose
    # __init__.py imports a module that imports the package.
    ignored = set(CONTRACTS["cycles"].get("ignore_imports", ()))
    imports = {
        module: {
            other
            for other in graph.find_modules_directly_imported_by(module)
            if f"{module} -> {other}" not in ignored
        }
        for module in graph.modules
    }
    assert len(list(TopologicalSorter(imports).static_order())) == len(graph.modules)


@pytest.mark.parametrize("rule", ONE_ROOM)
def test_a_rule_about_a_room_leaves_open_only_what_the_room_needs(
    rule: str, graph: grimp.ImportGraph
) -> None:
    (room,) = CONTRACTS[rule]["source_modules"]
    rooms = graph.find_children(PACKAGE) - {room, f"{PACKAGE}.__main__"}
    needed = {
        ".".join(module.split(".")[:2])
        for module in graph.find_upstream_modules(room, as_package=True)
    }
    unnamed = rooms - set(CONTRACTS[rule]["forbidden_modules"]) - needed - FOUNDATION
    assert not unnamed, f"rule {rule!r} in pyproject.toml: add to forbidden_modules"
