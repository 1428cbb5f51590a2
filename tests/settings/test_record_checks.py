"""Checks of the settings about records."""

from pathlib import Path

import pytest

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import record_checks


def test_a_directory_need_not_be_there(tmp_path: Path) -> None:
    assert record_checks.directory_to_make(str(tmp_path / "new")) == tmp_path / "new"
    assert record_checks.directory_to_make("~/calls") == Path.home() / "calls"


@pytest.mark.parametrize("value", ["/dev/null", "~nobody-of-this-name/calls"])
def test_what_can_be_no_directory_is_rejected(value: str) -> None:
    with pytest.raises(InvalidValue, match="path of a directory"):
        record_checks.directory_to_make(value)


def test_a_database_is_rejected_without_its_password() -> None:
    with pytest.raises(InvalidValue, match="the name of the database is missing") as error:
        record_checks.database("postgresql://me:hunter2@host")
    assert "hunter2" not in str(error.value)
