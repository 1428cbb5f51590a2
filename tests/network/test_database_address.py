"""Addresses of databases: what is understood, what is refused, and that no password is shown."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.network.database_address import parse


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgres://host/calls", "postgresql://host/calls"),
        ("postgresql+asyncpg://me@host:6543/calls", "postgresql://me@host:6543/calls"),
        ("PostgreSQL+psycopg2://me:pw@[::1]:5432/calls", "postgresql://me:pw@[::1]:5432/calls"),
        ("postgresql://me:pw@a:1,b:2/calls", "postgresql://me:pw@a:1,b:2/calls"),
        ("postgresql://me@/calls?host=/run/pg", "postgresql://me@/calls?host=%2Frun%2Fpg"),
        ("postgresql://host/?dbname=calls", "postgresql://host/calls?dbname=calls"),
        (
            "postgresql://u:p@host/calls?sslmode=require&channel_binding=require&connect_timeout=3",
            "postgresql://u:p@host/calls?sslmode=require",
        ),
        ("postgres://u:p@host/calls?ssl=true", "postgresql://u:p@host/calls?sslmode=require"),
        ("postgres://u:p@host/calls?ssl=false", "postgresql://u:p@host/calls?sslmode=disable"),
        ("postgres://u:p@ss/w?rd#1@host/calls", "postgresql://u:p%40ss%2Fw%3Frd%231@host/calls"),
        ("postgres://u:100%@host/calls", "postgresql://u:100%25@host/calls"),
        ("postgres://u:p%40ss@host/calls", "postgresql://u:p%40ss@host/calls"),
        (
            "postgres://host/calls?application_name=a@b",
            "postgresql://host/calls?application_name=a%40b",
        ),
    ],
)
def test_an_address_of_postgresql_may_be_written_as_people_write_it(text: str, url: str) -> None:
    address = parse(text)
    assert address.url.reveal() == url
    assert address.is_postgresql
    assert address.path is None


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=4))
def test_a_password_may_have_any_character_and_is_never_shown(password: str) -> None:
    written = quote(password, safe="")
    encoded = parse(f"postgresql://me:{written}@host/calls")
    assert encoded.password.reveal() == password
    assert encoded.url.reveal() == f"postgresql://me:{written}@host/calls"
    assert {password, written} <= set(encoded.secrets())
    assert encoded.shown == "PostgreSQL at host, database calls"
    assert repr(encoded) == repr(parse("postgresql://me:another@host/calls"))
    if "%" not in password:  # as it is: only a percent sign may mean another character
        assert parse(f"postgresql://me:{password}@host/calls") == encoded


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///calls.db", Path("calls.db")),
        ("sqlite:////data/calls.db", Path("/data/calls.db")),
        ("sqlite+aiosqlite:////data/a%20b.db", Path("/data/a b.db")),
        ("sqlite:///~/calls.db", Path.home() / "calls.db"),
    ],
)
def test_an_address_of_sqlite_is_a_path(text: str, path: Path) -> None:
    assert parse(text).path == path
    assert parse(text).shown == f"SQLite in {path}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("calls.db", "give postgresql://"),
        ("mysql://me:hunter2@host/calls", "give postgresql://"),
        ("https://me:hunter2@host/v1", "give postgresql://"),
        ("postgresql://me:hunter2@host", "name of the database is missing"),
        ("postgresql:///calls", "host is missing"),
        ("postgresql://me:hunter2@host:5x/calls", "port"),
        ("postgresql://me:hunter2@host:99999/calls", "port"),
        ("postgresql://me:hunter2@ho st/calls", "host cannot be read"),
        ("postgresql://host/calls?sslmode=yes", "sslmode must be one of disable, allow"),
        ("sqlite://", "four slashes"),
        ("sqlite:///", "four slashes"),
        ("sqlite://calls.db", "four slashes"),
        ("sqlite:////data/", "four slashes"),
        ("sqlite:///:memory:", "HISTORY=off"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_give(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        parse(text)
    assert "hunter2" not in str(error.value)


@given(st.text(max_size=60).map("postgresql://".__add__) | st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse(text).shown
