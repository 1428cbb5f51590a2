"""The address of a Redis or Valkey server, with its password.

redis://host:6379/0                      plain
redis://user:password@host               with a password
rediss://:password@host:6380             over TLS
unix:///run/redis/redis.sock?db=1        a Unix socket
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from avr_sts_speechmatics.values import Secret

PORT = 6379
"""The port of an address that names none."""

_TLS = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
_OPTIONS = {
    "redis": frozenset({"db"}),
    "rediss": _TLS | {"db"},
    "unix": frozenset({"db", "username", "password"}),
}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is.

    url: the address as the operator wrote it, with the password.
    shown: host and port, or the path of the Unix socket, for people.
    """

    url: Secret
    shown: str

    def secrets(self) -> Iterator[str]:
        """Yield the texts that must not appear in a log."""
        url = self.url.reveal()
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        for text in (parts.password or "", query.get("password", "")):
            yield text
            yield unquote(text)


def parse(text: str) -> RedisAddress:
    """Read an address. Raises ValueError with what is allowed, without the password."""
    if any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("give an address without spaces")
    parts = urlsplit(text)
    if parts.scheme not in _OPTIONS:
        raise ValueError("give an address that begins with redis://, rediss:// or unix://")
    if "#" in text:
        raise ValueError("# must be written as %23 in an address, / as %2F and @ as %40")
    wrong = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    wrong -= _OPTIONS[parts.scheme]
    if wrong:
        allowed = ", ".join(sorted(_OPTIONS[parts.scheme]))
        raise ValueError(f"after the question mark {parts.scheme}:// allows only {allowed}")
    if parts.scheme == "unix":
        if not parts.path.startswith("/") or parts.hostname:
            raise ValueError("give the path of the socket after unix://, with three slashes")
        shown = unquote(parts.path)
    else:
        try:
            port = parts.port or PORT
        except ValueError:
            raise ValueError(
                "the port is no number; in a password / must be written as %2F, : as %3A, @ as %40"
            ) from None
        if not parts.hostname:
            raise ValueError("give the host, such as redis://localhost:6379/0")
        if parts.path.strip("/") and not parts.path.strip("/").isdigit():
            raise ValueError("give the number of the database after the host, such as /0")
        shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        shown = f"{shown}:{port}"
    return RedisAddress(Secret(text), shown)
