"""Checks of the settings about records: a directory to make, and the address of a database."""

from pathlib import Path

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.network.database_address import DatabaseAddress, parse


def directory_to_make(value: str) -> Path:
    """The path of a directory that may be missing; `~` stands for the home directory."""
    try:
        path = Path(value).expanduser()
    except RuntimeError:  # the home of an unknown user
        raise InvalidValue("there is no such home; give the path of a directory") from None
    try:
        other = path.exists() and not path.is_dir()
    except OSError:  # not permitted: told when it is used
        other = False
    if other:
        raise InvalidValue("not a directory; give the path of a directory")
    return path


def database(value: str) -> DatabaseAddress:
    """The address of a PostgreSQL or SQLite database."""
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None
