"""Tells a database that cannot be used now from a value that the database refuses."""

import os
import sqlite3

from sqlalchemy import exc

_REFUSED_VALUES = ("22", "23", "54")
"""Classes of SQLSTATE about a value: data exception, integrity constraint violation, a limit of the
program is exceeded."""

_NO_PARENT = "23503"
"""SQLSTATE: a row refers to a row that is not there."""

_SQLITE_VALUES = (
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_RANGE,
)

_ADVICE = (
    ("password authentication failed", "check user and password in DATABASE_URL"),
    ("no pg_hba.conf entry", "the server does not let this user in from here: see its pg_hba.conf"),
    ("already exists", "tables of another program: name a database of its own in DATABASE_URL"),
    ("does not exist", "check DATABASE_URL, or create it"),
    ("permission denied", "the user needs the right to create tables and to write them"),
    ("too many clients", "raise the server's max_connections, or start fewer processes"),
    ("rejected ssl upgrade", "the server has no TLS: set sslmode=disable in DATABASE_URL"),
    ("certificate verify failed", "set sslrootcert in DATABASE_URL, or sslmode=require"),
    ("connection refused", "is it running, and are host and port right?"),
    ("name or service not known", "check the host in DATABASE_URL"),
    ("nodename nor servname", "check the host in DATABASE_URL"),
    ("name resolution", "check the host in DATABASE_URL"),
    ("database is locked", "another process holds the lock; end it, or use PostgreSQL"),
    ("disk is full", "make room on the disk, or lower KEEP_DAYS"),
    ("no space left", "make room on the disk, or lower KEEP_DAYS"),
    ("file is not a database", "move the file away; a new one is made"),
    ("malformed", "the file is damaged: move it away; a new one is made"),
    ("permission", "set DATA_DIR to a directory that this user may write"),
    ("readonly", "set DATA_DIR to a directory that this user may write"),
    ("read-only", "set DATA_DIR to a directory that this user may write"),
    ("unable to open", "set DATA_DIR to a directory that this user may write"),
    ("file exists", "set DATA_DIR to a directory that this user may write"),
    ("not a directory", "set DATA_DIR to a directory that this user may write"),
)


class Unusable(Exception):
    """The database cannot be used as it is; the text says why and what to do."""


def why_away(error: BaseException, within_s: float) -> str | None:
    """Say why a database cannot be used; None if the error does not mean that.

    error: as raised by SQLAlchemy, a driver, or the operating system.
    within_s: time that the database had for an answer (s).
    """
    if isinstance(error, Unusable):
        return str(error)
    if isinstance(error, exc.DBAPIError):
        if not error.connection_invalidated and refuses_value(error):
            return None
        return _told(_driver_error(error), within_s)
    if isinstance(error, TimeoutError | exc.TimeoutError | OSError | sqlite3.OperationalError):
        return _told(error, within_s)
    if type(error).__module__.startswith("asyncpg."):  # while connecting
        return _told(error, within_s)
    return None


def refuses_value(error: exc.DBAPIError) -> bool:
    """Whether an error is about a value of a row, so that other rows can be written."""
    found = _driver_error(error)
    state: str | None = getattr(found, "sqlstate", None)
    if state is not None:
        return state.startswith(_REFUSED_VALUES)
    code: int | None = getattr(found, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_VALUES
    # A value that the driver cannot pass on: asyncpg's DataError, sqlite3's "type not supported".
    return isinstance(found, ValueError | TypeError | sqlite3.ProgrammingError)


def lacks_call(error: BaseException) -> bool:
    """Whether a row was refused because the call to which the row belongs is not there."""
    if not isinstance(error, exc.DBAPIError):
        return False
    found = _driver_error(error)
    state = getattr(found, "sqlstate", None)
    code = getattr(found, "sqlite_errorcode", None)
    return state == _NO_PARENT or code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY


def _driver_error(error: exc.DBAPIError) -> BaseException:
    """Return the driver's own error, which SQLAlchemy wraps twice for asyncpg."""
    found: BaseException = error.orig or error
    return found.__cause__ or found


def _told(error: BaseException, within_s: float) -> str:
    if isinstance(error, TimeoutError | exc.TimeoutError) and not getattr(error, "errno", None):
        return f"no answer within {within_s:g} s; is the server overloaded, or stopped?"
    if isinstance(error, OSError) and error.strerror:
        # asyncio has a text of its own where the system's says more.
        number = error.errno or 0
        said = (os.strerror(number) if number > 0 else error.strerror).lower()
    else:
        said = " ".join(str(error).split()) or type(error).__name__
    lowered = said.lower()
    advice = next((advice for part, advice in _ADVICE if part in lowered), "")
    return f"{said.rstrip('.')}; {advice}" if advice else said.rstrip(".")
