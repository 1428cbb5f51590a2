"""The address of a database of calls, with its password.

postgresql://user:password@host:5432/name       PostgreSQL; postgres:// and drivers (+asyncpg) too
postgresql://user@/name?host=/run/postgresql    by a Unix socket
postgresql://host/name?sslmode=require          over TLS, as libpq names the modes
sqlite:////data/calls.db                        a file; with three slashes a relative path

People copy such addresses from web pages of providers, and write passwords as they are. So options
that only other drivers know are left out, and a password may contain any character as it is, or
encoded by percent signs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from avr_sts_speechmatics.values import Secret

PORT = 5432
"""The port of an address that names none."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_WANTED = "give postgresql://user:password@host:5432/name or sqlite:///path"

_OTHER_DRIVERS = frozenset(
    {
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "connection_limit",
        "fallback_application_name",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "pool_timeout",
        "sslcompression",
        "sslsni",
    }
)
"""Options of an address that are no settings of a PostgreSQL session; they are left out."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database of calls is.

    url: for PostgreSQL the address as asyncpg reads it, with the password; empty for SQLite.
    path: the file of SQLite; None for PostgreSQL.
    password: empty if there is none.
    shown: kind of database, host and name, or the path, for people; holds no password.
    """

    url: Secret
    path: Path | None
    password: Secret
    shown: str

    @property
    def is_postgresql(self) -> bool:
        """Whether the database is PostgreSQL's; it is SQLite's otherwise."""
        return self.path is None

    def secrets(self) -> Iterator[str]:
        """Yield the texts that must not appear in a log."""
        if password := self.password.reveal():
            yield password
            yield quote(password, safe="")


def sqlite_file(path: Path) -> DatabaseAddress:
    """The address of an SQLite database."""
    return DatabaseAddress(Secret(""), path, Secret(""), f"SQLite in {path}")


def parse(text: str) -> DatabaseAddress:
    """Read an address. Raises ValueError with what is allowed, without the password."""
    scheme, found, rest = text.strip().partition("://")
    scheme = scheme.lower().partition("+")[0]
    if not found or not all(c.isprintable() for c in text):
        raise ValueError(_WANTED)
    if scheme == "sqlite":
        return _sqlite(rest)
    if scheme not in ("postgresql", "postgres"):
        raise ValueError(_WANTED)
    return _postgresql(rest)


def _sqlite(rest: str) -> DatabaseAddress:
    path, _, query = rest.partition("?")
    path = unquote(path)
    if query or not path.startswith("/") or not path.strip("/") or path.endswith("/"):
        raise ValueError("give sqlite:///path, with four slashes for a path from the root")
    if path == "/:memory:":
        raise ValueError("a database in memory cannot be shared; give sqlite:///path, HISTORY=off")
    return sqlite_file(Path(path[1:]).expanduser())


def _postgresql(rest: str) -> DatabaseAddress:
    login, place, query = _split(rest)
    user, _, password = login.partition(":")
    user, password = unquote(user), unquote(password)
    hosts, _, name = place.partition("/")
    name = unquote(name).strip("/")
    options = _options(query)
    host_option = next((value for key, value in options if key == "host"), "")
    name = name or next((value for key, value in options if key in ("dbname", "database")), "")
    password = password or next((value for key, value in options if key == "password"), "")
    if not name:
        raise ValueError(f"{_WANTED}: the name of the database is missing")
    if not hosts and not host_option:
        raise ValueError(f"{_WANTED}: the host is missing")
    hosts = ",".join(_checked_host(host) for host in hosts.split(",")) if hosts else ""
    written = quote(user, safe="")
    if password and not any(key == "password" for key, _ in options):
        written += f":{quote(password, safe='')}"
    login = f"{written}@" if written else ""
    url = f"postgresql://{login}{hosts}/{quote(name, safe='')}"
    if options:
        url += f"?{urlencode(options, quote_via=quote)}"
    shown = f"PostgreSQL at {hosts or host_option}, database {name}"
    return DatabaseAddress(Secret(url), None, Secret(password), shown)


def _split(rest: str) -> tuple[str, str, str]:
    """Split into login, place and query. A password may contain @, / and ? as they are."""
    login, at, place = rest.rpartition("@")
    if at and "/" not in place:  # this @ is in the value of an option
        before, _, query = rest.partition("?")
        login, _, place = before.rpartition("@")
        return login, place, query
    place, _, query = place.partition("?")
    return login, place, query


def _options(query: str) -> list[tuple[str, str]]:
    options: list[tuple[str, str]] = []
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in _OTHER_DRIVERS:
            continue
        if key == "ssl":  # as drivers of other languages name the option
            key, value = "sslmode", "require" if value.lower() in ("true", "1") else value
            value = "disable" if value.lower() in ("false", "0") else value
        if key == "sslmode" and value not in SSL_MODES:
            raise ValueError(f"sslmode must be one of {', '.join(SSL_MODES)}")
        options.append((key, value))
    return options


def _checked_host(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        name, colon, port = host, "", ""
    if not colon:
        name, port = host, ""
    if colon and not (port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("the port of the database is not a number from 1 to 65535")
    if not name or any(c in name for c in "@?#%/ "):
        raise ValueError(f"{_WANTED}: the host cannot be read")
    return host
