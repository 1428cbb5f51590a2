"""Fixtures for the simulated caller of the `call` command."""

import pytest
from tests.phone.calling import Printed

from avr_sts_speechmatics.phone import caller


@pytest.fixture(autouse=True)
def _brisk_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than a gap within an utterance, shorter than the real value to save time.
    monkeypatch.setattr(caller, "_ANSWER_OVER_SECONDS", 0.4)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """The command's output: stdout, stderr."""
    return lambda: tuple(capsys.readouterr())  # type: ignore[return-value]
