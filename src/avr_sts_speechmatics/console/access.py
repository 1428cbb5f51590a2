"""Access: who may use the API, and what a client that may not has to do.

    CONSOLE_TOKEN | who may
    --------------+----------------------------------------------------------------------------
    not set       | a client on this machine that names this machine in `Host`
    set           | a client anywhere with `Authorization: Bearer <token>`, or a browser that has
                  | signed in and repeats the session's CSRF text where it changes something

Without a token, the address of the client is all there is, and three ways lead around it. A page
of the internet can be opened in a browser of this machine: its requests have a foreign `Origin`, or
`Sec-Fetch-Site` says so. The name of such a page can be made to mean 127.0.0.1 (DNS rebinding): its
requests have a foreign `Host`. And a reverse proxy of this machine passes on requests of the whole
network: they have `Forwarded` or `X-Forwarded-For`. All of these are refused.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDictProxy

from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.tokens import Session, Tokens, WrongTries

CSRF_HEADER = "X-CSRF-Token"

_FORWARDED = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Via",
)
"""Headers that a proxy adds."""

_READING = ("GET", "HEAD", "OPTIONS")
_DEFAULT_PORTS = {"http": 80, "https": 443}

_TUNNEL = "use an SSH tunnel (ssh -L 6040:localhost:6040 …), or set CONSOLE_TOKEN"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request is allowed.

    by: "machine", "token" or "session".
    session: the session of the browser, or None.
    """

    by: str
    session: Session | None = None


class Access:
    """Decides who may use the API.

    tokens: the operator's tokens, or none.
    cookie: name of the cookie of a session.
    """

    def __init__(self, tokens: Tokens, cookie: str) -> None:
        self.tokens = tokens
        self.cookie = cookie
        self.tries = WrongTries()
        self.wrong: Callable[[str], None] = lambda address: None
        """Called with the address of a client that gave a wrong token."""

    def check(self, request: web.Request) -> Admitted:
        """Return how a request is allowed. Raises Refused."""
        self.check_origin(request)
        if not self.tokens:
            _check_machine(request)
            return Admitted("machine")
        if "Authorization" in request.headers:
            self.check_token(request, _bearer(request.headers))
            return Admitted("token")
        return self._check_session(request)

    def check_page(self, request: web.Request) -> None:
        """Check who opens a page. Raises Refused.

        With a token anybody may: the pages hold nothing, and the API asks for the token.
        """
        self.check_origin(request)
        if not self.tokens:
            _check_machine(request)

    def check_origin(self, request: web.Request) -> None:
        """Check what a browser says about where a request comes from. Raises Refused."""
        host = _host(request)
        if (origin := _single(request.headers, "Origin")) is not None:
            if not _same_origin(origin, host):
                raise Refused(
                    403,
                    f"A page of another origin may not use this API. If the page is this service's "
                    f"own and a proxy is in between, let the proxy pass on the header Host "
                    f"(it is {host!r} here).",
                )
        elif request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            # A link that a person follows is allowed: it changes nothing, and the page with the
            # link sees nothing of the answer.
            navigates = request.headers.get("Sec-Fetch-Mode") == "navigate"
            if not navigates or request.method not in _READING:
                raise Refused(403, "A page of another site may not use this API; open it directly.")

    def check_token(self, request: web.Request, token: str) -> None:
        """Check a token, and count it if it is wrong. Raises Refused."""
        address = address_of(request)
        # A right token is refused as well, or else the bound would not slow down a search.
        if wait_s := self.tries.wait_s(address):
            raise Refused(
                429,
                f"Too many wrong tokens came from {address}; try again in {wait_s} s.",
                wait_s,
            )
        if not self.tokens.valid(token):
            self.wrong(address)
            self.tries.add(address)
            raise Refused(401, "The token is wrong; give one of CONSOLE_TOKEN.")

    def _check_session(self, request: web.Request) -> Admitted:
        value = request.cookies.get(self.cookie)
        if value is None:
            raise Refused(
                401,
                "A token is needed: send Authorization: Bearer <token> with one of CONSOLE_TOKEN, "
                "or sign in with POST /api/v1/session.",
            )
        session = self.tokens.session(value)
        if session is None:
            raise Refused(401, "The session is over; sign in again with POST /api/v1/session.")
        if request.method not in _READING:
            given = _single(request.headers, CSRF_HEADER) or ""
            if not _equal(given, session.csrf):
                raise Refused(
                    403,
                    f"{CSRF_HEADER} is missing or wrong; send the value `csrf` of "
                    "GET /api/v1/session.",
                )
        return Admitted("session", session)


def address_of(request: web.Request) -> str:
    """Return the address of the client, as its socket has it; no header can change that."""
    peer = None if request.transport is None else request.transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else "an unknown address"


def is_secure(request: web.Request) -> bool:
    """Whether the client's browser speaks TLS, to this service or to a proxy before it."""
    proxied = request.headers.get("X-Forwarded-Proto", "").strip().lower()
    return request.secure or proxied == "https"


def _check_machine(request: web.Request) -> None:
    """Raises Refused unless a client of this machine asks for this machine."""
    for name in _FORWARDED:
        if name in request.headers:
            raise Refused(
                403,
                f"The request came through a proxy ({name}), so that anybody may have sent it; set "
                "CONSOLE_TOKEN to use the API through a proxy.",
            )
    address = address_of(request)
    if not _is_loopback(address):
        raise Refused(
            403, f"The API answers on this machine only, not to {address}; {_TUNNEL} on the server."
        )
    name = _name_in(_host(request))
    if name != "localhost" and not _is_loopback(name):
        raise Refused(
            403,
            f"The API answers to localhost, 127.0.0.1 and [::1] only, not to the name {name!r}; "
            f"use http://localhost, or {_TUNNEL}.",
        )


def _host(request: web.Request) -> str:
    """Return the one Host of a request. Raises Refused."""
    host = _single(request.headers, "Host")
    if not host:
        raise Refused(400, "The request has no Host; send one.")
    if not request.raw_path.startswith("/"):
        raise Refused(400, "The request names a whole address; send its path only.")
    return host


def _single(headers: CIMultiDictProxy[str], name: str) -> str | None:
    """Return the value of a header; None if there is none. Raises Refused if there are several."""
    values = headers.getall(name, [])
    if len(values) > 1:
        raise Refused(400, f"The request has {name} more than once; send it once.")
    return values[0].strip() if values else None


def _bearer(headers: CIMultiDictProxy[str]) -> str:
    scheme, _, token = (_single(headers, "Authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "Authorization is not understood; send Authorization: Bearer <token>.")
    return token.strip()


def _same_origin(origin: str, host: str) -> bool:
    """Whether an Origin names the same host and port as Host. A proxy may have ended the TLS."""
    try:
        parts = urlsplit(origin)
        usual = _DEFAULT_PORTS.get(parts.scheme)
        if usual is None or parts.path or parts.query or parts.fragment or parts.username:
            return False
        asked = urlsplit(f"//{host}")
        port = asked.port or usual
        return parts.hostname == asked.hostname and (parts.port or usual) == port
    except ValueError:
        return False


def _name_in(host: str) -> str:
    """The name or address in a Host, without its port; "" if Host is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    malformed = parts.path or parts.query or parts.fragment or "@" in host
    return "" if malformed else (parts.hostname or "")


def _is_loopback(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return ip.is_loopback or (mapped is not None and mapped.is_loopback)


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
