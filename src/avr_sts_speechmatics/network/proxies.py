"""HTTP proxies: the proxy that leads to an address, and the meaning of a proxy's failure.

HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY mean what they mean to curl, with one addition: this
machine is never reached through a proxy. Every client of a remote service gets its proxy from here,
because the libraries read these variables in different ways, and picows not at all.
"""

import re
import ssl
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, unquote, urlsplit

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.values import Secret

_HTTP = ("http", "https")
_STATUS = re.compile(r"(?:^|status )(\d{3})\b")  # as httpx2 and as picows write it
_SOCKS = ("socks", "socks4", "socks4a", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy.

    url: the whole address, with user name and password, for libraries.
    shown: host and port, for people.
    kind: scheme of the address, such as "http".
    has_user: whether the address has a user name.
    variable: the variable that names the proxy, such as "HTTPS_PROXY".
    """

    url: Secret
    shown: str
    kind: str
    has_user: bool = False
    variable: str = ""

    @property
    def address(self) -> str:
        """Address without user name and password."""
        return f"{self.kind}://{self.shown}"

    def headers(self) -> dict[str, str]:
        """Return the header with user name and password, for libraries that do not make it."""
        parts = urlsplit(self.url.reveal())
        if parts.username is None:
            return {}
        both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Proxy-Authorization": f"Basic {b64encode(both.encode()).decode()}"}

    def secrets(self) -> Iterator[str]:
        """Yield texts that must not be shown: the password, as written and as decoded."""
        if password := urlsplit(self.url.reveal()).password:
            yield from {password, unquote(password)}

    def refusal(self, status: int) -> "ProxyFailed":
        """Return the error for a proxy that refuses a connection with an HTTP status."""
        if status == 407 and self.has_user:
            why = f"does not accept the user name and password in {self.variable} (407)"
        elif status == 407:
            why = f"wants a user name and a password (407); write both into {self.variable}"
        elif status == 403:
            why = "does not allow this address (403); have the proxy allow it, or use NO_PROXY"
        else:
            why = f"does not reach the service (status {status})"
        return ProxyFailed(self._says(why), retryable=status == 429 or status >= 500)

    def unreachable(self, reason: str) -> "ProxyFailed":
        """Return the error for a proxy that takes no connection."""
        what = f"cannot be reached: {reason}; check {self.variable}"
        return ProxyFailed(self._says(what), retryable=True)

    def _says(self, what: str) -> str:
        return f"the proxy {self.shown} {what}"


class ProxyFailed(OSError):
    """A proxy gave no connection. The text names the proxy and says why.

    retryable: True if the same request may succeed later.
    """

    def __init__(self, what: str, *, retryable: bool) -> None:
        super().__init__(what)
        self.retryable = retryable


def parse(text: str) -> Proxy:
    """Read the address of a proxy. The default scheme is http. Raises ValueError."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    host, port = parts.hostname, parts.port
    spaced = any(c.isspace() or not c.isprintable() for c in text)
    if parts.scheme not in _HTTP + _SOCKS or not host or spaced or parts.path not in ("", "/"):
        raise ValueError("not the address of a proxy")
    host.encode("idna")
    netloc = f"[{host}]" if ":" in host else host
    shown = netloc = netloc if port is None else f"{netloc}:{port}"
    if parts.username is not None:
        user = quote(unquote(parts.username), safe="")
        netloc = f"{user}:{quote(unquote(parts.password or ''), safe='')}@{netloc}"
    url = Secret(f"{parts.scheme}://{netloc}")
    return Proxy(url, shown, parts.scheme, parts.username is not None)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of this process.

    https: proxy for https: and wss: addresses, or None.
    http: proxy for http: and ws: addresses, or None.
    all: proxy for addresses without a proxy of their scheme, or None.
    exempt: hosts that are reached directly, as in NO_PROXY.
    """

    https: Proxy | None = None
    http: Proxy | None = None
    all: Proxy | None = None
    exempt: tuple[str, ...] = field(default=())

    def for_url(self, url: str) -> Proxy | None:
        """Return the proxy that leads to an address; None if the address is reached directly.

        Raises SettingsError if the proxy is of a kind that is not supported.
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        secure = parts.scheme in ("https", "wss")
        own, name = (self.https, "HTTPS_PROXY") if secure else (self.http, "HTTP_PROXY")
        proxy = self.all if own is None else own
        if proxy is None or _is_this_machine(host):
            return None
        port = parts.port or (443 if secure else 80)
        if any(_matches(entry, host, port) for entry in self.exempt):
            return None
        name = "ALL_PROXY" if own is None else name
        if proxy.kind in _SOCKS:
            raise SettingsError(
                f"{name}: {proxy.kind}://{proxy.shown} is a SOCKS proxy, which is not supported; "
                f"give an HTTP proxy, or name {host} in NO_PROXY."
            )
        return replace(proxy, variable=name)


DIRECT = Proxies()
"""No proxy: every address is reached directly."""


def failure_of(error: BaseException, proxy: Proxy | None) -> ProxyFailed | None:
    """Return the meaning of a library's error if the proxy caused the error; otherwise None.

    error: raised by aiohttp, by a client on top of aiohttp, or by picows.
    proxy: the proxy of the request.
    """
    chain = list(_chain(error)) if proxy is not None else []
    for cause in chain:
        assert proxy is not None
        # Compared by name: aiohttp, httpx2 and picows are imported only by those who use them.
        kind = type(cause).__name__
        if isinstance(cause, ProxyFailed):
            return cause
        if kind == "ClientHttpProxyError":
            return proxy.refusal(int(getattr(cause, "status", 0)))
        if kind == "ClientProxyConnectionError":
            return proxy.unreachable(_reason(getattr(cause, "os_error", cause)))
        if kind == "ProxyError" and (status := _STATUS.search(str(cause))):
            return proxy.refusal(int(status[1]))
    # httpx2 connects to the proxy only, but TLS may fail at the service behind the proxy.
    kinds = {type(cause).__name__ for cause in chain}
    if "ConnectError" in kinds and not any(isinstance(cause, ssl.SSLError) for cause in chain):
        assert proxy is not None
        return proxy.unreachable(str(error))
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, each only once."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def no_proxy(text: str) -> tuple[str, ...]:
    """Read NO_PROXY: hosts, domains, addresses and networks, separated by commas or spaces."""
    return tuple(dict.fromkeys(text.lower().replace(",", " ").split()))


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY names a host.

    entry: `*`, a host or domain (with or without a dot in front), an IP address or a network; the
        first three may have a port.
    """
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry and "://" not in entry:
        try:
            return address is not None and address in ip_network(entry, strict=False)
        except ValueError:
            return False
    entry = entry.partition("://")[2].rstrip("/") or entry
    if _address(entry) is None:
        try:
            parts = urlsplit(f"//{entry}")
            wanted, at = parts.hostname or "", parts.port
        except ValueError:
            return False
    else:
        wanted, at = entry, None
    if at is not None and at != port:
        return False
    if address is not None:
        return address == _address(wanted)
    domain = wanted.removeprefix("*").strip(".")
    if "*" in domain:
        return fnmatchcase(host, domain)
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _reason(error: object) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
