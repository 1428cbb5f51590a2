"""Checks of the settings about records: a directory to make, and the address of a database."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from avr_sts_speechmatics.errors import InvalidValue


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


def database(value: str) -> str:
    """The address of a PostgreSQL or SQLite database; returned as it was given."""
    wanted = "give postgresql://user:password@host:5432/name or sqlite:///path"
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise InvalidValue(wanted) from None
    if parts.scheme in ("postgresql", "postgres") and unquote(parts.path).strip("/"):
        return value
    if parts.scheme == "sqlite" and not parts.netloc and unquote(parts.path).strip("/"):
        return value
    raise InvalidValue(wanted)
