"""Fixtures for the caller that the `call` command plays."""

import pytest
from tests.phone.calling import Printed

from avr_sts_speechmatics.phone import caller


@pytest.fixture(autouse=True)
def _brisk_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than the gap within an utterance; a person's second is not needed here.
    monkeypatch.setattr(caller, "_ANSWER_OVER_SECONDS", 0.4)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """What the command has printed: stdout, stderr."""
    return lambda: tuple(capsys.readouterr())  # type: ignore[return-value]
