"""Reasons of failed connections, in sentences that an operator can act on.

Libraries report a failed connection in ways of their own: `ssl:default` for plain HTTP, a refused
connection as a time-out, a name that does not resolve as an errno. The cause is the operating
system's error inside the library's error. `why` finds the cause and names the host and port, the
event there, and the things to check.
"""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

_ERRNO = re.compile(r"\[Errno (\d+)\]")
_SECURE = ("https", "wss")
_CLOSED_EARLY = frozenset({"ServerDisconnectedError", "RemoteProtocolError", "IncompleteReadError"})

_NEVER_CONNECTED = _CLOSED_EARLY | {"ClientConnectorError", "ConnectionTimeoutError"}

_NOT_THERE = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_CLOSED = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})


def why(error: BaseException, url: str, *, within: float | None = None) -> str:
    """Say why the connection to an address failed.

    error: raised by asyncio, picows, aiohttp, or a client on top of aiohttp.
    url: the address.
    within: the longest wait for the connection (s), named if the wait was too long.

    Returns "cannot connect to <host>:<port>: <what happened>; <what to check>". Failures of a proxy
    are not handled here; see `proxies.failure_of`.
    """
    return f"cannot connect to {shown(url)}: {reason(error, url, within=within)}"


def cut(error: BaseException, url: str) -> str:
    """Say why an answer broke off after its beginning."""
    if isinstance(error, OSError) and (number := _number(error)) is not None:
        return f"{shown(url)} broke the connection ({_strerror(number)})"
    return f"{shown(url)} closed the connection before the end"


def never_connected(error: BaseException) -> bool:
    """Whether a request failed before the server could answer; False for an answer too late."""
    return any(
        isinstance(cause, ssl.SSLError | socket.gaierror | ConnectionError | UnicodeError)
        or type(cause).__name__ in _NEVER_CONNECTED
        for cause in _causes(error)
    )


def shown(url: str) -> str:
    """Return the host and port of an address, for people."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme in _SECURE else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reason(error: BaseException, url: str, *, within: float | None = None) -> str:
    """Return the text of `why` without "cannot connect to <host>:<port>"."""
    causes = list(_causes(error))
    # From the inside out: the operating system's error names a library's error.
    for cause in reversed(causes):
        if (found := _told(cause, url, within)) is not None:
            return found
    text = " ".join(str(causes[-1]).split()) or type(causes[-1]).__name__
    return text[:200]


def _told(error: BaseException, url: str, within: float | None) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        said = getattr(error, "verify_message", "") or str(error)
        return (
            f"its certificate is not accepted ({said}); name the file of the server's own "
            "authority in SSL_CERT_FILE, or check the host name and this machine's clock"
        )
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, socket.gaierror):
        return _name(error, url)
    if isinstance(error, UnicodeError):
        return "the host name is not valid; correct it"
    if isinstance(error, TimeoutError):
        long = "in time" if within is None else f"within {within:g} s"
        return f"no connection {long}; a firewall may drop it, or the host is down"
    number = _number(error) if isinstance(error, OSError) else None
    if number == errno.ECONNREFUSED:
        return "the connection is refused; check that the server runs, and the port"
    if number in _NO_WAY:
        return f"there is no way to it ({_strerror(number)}); check the network of this machine"
    if number in _NO_FILES:
        return "this process may not open more files; raise the limit (ulimit -n)"
    if number in _CLOSED or isinstance(error, ConnectionError) or _closed_early(error):
        secure = urlsplit(url).scheme in _SECURE
        hint = "" if secure else ", and whether the address must begin with https:// or wss://"
        return f"the connection was closed without an answer; check the port{hint}"
    return None if number is None else _strerror(number)


def _tls(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None) or str(error)  # some have no attribute
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return (
            "the server does not speak TLS at this port; check the port, and whether the address "
            "must begin with http:// or ws://"
        )
    said = reason.replace("_", " ").lower()
    return f"TLS fails ({said}); check the port, and what stands between (a proxy, a firewall)"


def _name(error: socket.gaierror, url: str) -> str:
    host = urlsplit(url).hostname
    if error.errno in _NOT_THERE:
        return f"the name {host} is not known; check its spelling, and this machine's name server"
    return (
        f"the name {host} cannot be looked up ({error.strerror or error}); check this machine's "
        "name server"
    )


def _number(error: OSError) -> int | None:
    """Return the errno of an error; the first errno if several addresses were tried."""
    if error.errno is not None and error.errno > 0:
        return error.errno
    several = _ERRNO.search(str(error))
    return int(several[1]) if several else None


def _closed_early(error: BaseException) -> bool:
    # Compared by name: aiohttp and httpx are imported only by those who use them.
    return type(error).__name__ in _CLOSED_EARLY


def _strerror(number: int | None) -> str:
    return os.strerror(number or 0).lower()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, each once."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
