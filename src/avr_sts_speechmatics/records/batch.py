"""Writes a batch of changes in one transaction.

A batch is one statement for each table with new rows and one for each set of columns that get new
values, whatever the number of calls: new rows first, because turns belong to calls. Carrying out a
batch again does no harm: a row that is there stays as it is, and new values are the same ones.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Executable, Table, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.engines import cleaned
from avr_sts_speechmatics.records.numbers import backwards
from avr_sts_speechmatics.records.tables import calls, metadata

_KEY = "the_key"
"""Name of the parameter that selects a call; a column's own name would be a new value."""

_DIGITS = {"caller_number": "caller_digits", "called_number": "called_digits"}

_unknown: set[str] = set()

_log = logging.getLogger(__name__)


async def write(connection: AsyncConnection, changes: Iterable[Change]) -> None:
    """Carry out changes, in the transaction of the connection.

    Raises what SQLAlchemy raises; no change is carried out then.
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in metadata.tables}
    values: dict[str, dict[str, Any]] = {}
    for table, row, of_call in changes:
        if of_call:
            row = _known(calls, row)
            values.setdefault(row["key"], {}).update(row)
        else:
            rows[table].append(_whole(metadata.tables[table], row))
    dialect = connection.dialect.name
    for name in ("calls", "turns", "tools", "events", "outcomes"):
        if rows[name]:
            await connection.execute(_insert(name, dialect), rows[name])
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for key, row in values.items():
        del row["key"]
        if row:
            groups.setdefault(tuple(sorted(row)), []).append({**row, _KEY: key})
    for columns, group in groups.items():
        await connection.execute(_update(columns), group)


async def see(connection: AsyncConnection, keys: Sequence[str], now_ms: int) -> None:
    """Say of running calls that they still run.

    keys: keys of the calls.
    now_ms: the time (ms since 1970).
    """
    await connection.execute(
        update(calls).where(calls.c.key.in_(keys), calls.c.ended_ms.is_(None)),
        {"seen_ms": now_ms},
    )


def _whole(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with all columns, so that all rows of a table go into one statement."""
    known = _known(table, row)
    whole = {column.name: known.get(column.name) for column in table.columns}
    if table is calls and whole["seen_ms"] is None:
        whole["seen_ms"] = whole["began_ms"]
    return whole


def _known(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row as they can be stored; columns that the table lacks are left out."""
    found = {}
    for name, value in row.items():
        if name not in table.columns:
            _tell_unknown(f"{table.name}.{name}")
            continue
        if type(value) is str and ("\0" in value or not value.isascii()):
            value = cleaned(value)
        found[name] = value
        if name in _DIGITS:
            found[_DIGITS[name]] = backwards(value)
    return found


def _tell_unknown(name: str) -> None:
    if name not in _unknown:
        _unknown.add(name)
        _log.warning("the records have no column %s: its values are not kept", name)


@cache
def _insert(table: str, dialect: str) -> Executable:
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return make(metadata.tables[table]).on_conflict_do_nothing()


@cache
def _update(columns: tuple[str, ...]) -> Executable:
    # `cache` is bounded in practice: a call's row gets new values at two or three moments.
    found = update(calls).where(calls.c.key == bindparam(_KEY))
    return found.values({name: bindparam(name) for name in columns})
