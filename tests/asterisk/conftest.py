"""Fixtures of the real calls, and the table of what they measured.

The modules named test_real_*.py need Asterisk and several minutes; they run with
AVR_TEST_ASTERISK=1, which `make test-asterisk` sets. All others here are ordinary tests.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.asterisk.agent_cloud import agent_cloud
from tests.asterisk.callers import Agent
from tests.asterisk.report import Report
from tests.asterisk.rig import Rig
from tests.asterisk.service import serving
from tests.asterisk.unpacked import unpacked

MAX_CALLS = 40

WANTED = bool(os.environ.get("AVR_TEST_ASTERISK"))

collect_ignore_glob = [] if WANTED else ["test_real_*.py"]

_REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = Report()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = config.stash[_REPORT].lines()
    if lines:
        terminalreporter.section("real calls: figures")
        terminalreporter.write_line("\n".join(lines))
    elif not WANTED:
        terminalreporter.write_line("Not run: real calls through Asterisk (make test-asterisk).")


@pytest.fixture(scope="session")
def asterisk_root() -> Path:
    return unpacked()


@pytest.fixture(scope="session")
def rig(asterisk_root: Path) -> Iterator[Rig]:
    """An Asterisk that stays up for all tests; its complaints are shown where one fails."""
    with Rig(asterisk_root) as running:
        yield running


@pytest.fixture
async def agent(rig: Rig) -> AsyncIterator[Agent]:
    """The service behind that Asterisk, with a cloud of tones."""
    async with (
        agent_cloud(MAX_CALLS) as (cloud, ears),
        serving(cloud, rig.ports) as service,
    ):
        yield Agent(service, ears)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    collected: Report = request.config.stash[_REPORT]
    return collected
