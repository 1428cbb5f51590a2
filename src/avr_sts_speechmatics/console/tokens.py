"""Tokens of the API: comparison, sessions of browsers, and a bound on wrong tries.

A session is signed and not stored: every process of the service knows the tokens, so every process
can check a session, also after a restart. A session ends after SESSION_S, or when its token is
taken out of CONSOLE_TOKEN.
"""

import base64
import binascii
import hmac
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil

from avr_sts_speechmatics.values import Secret

SESSION_S = 12 * 3600
"""How long a session of a browser lasts (s)."""

TRIES = 5
"""Wrong tokens of one address within TRIES_S; then every token of that address is refused."""

TRIES_S = 60.0
"""How long a wrong token counts (s)."""

ADDRESSES = 1000
"""Addresses whose wrong tokens are counted separately."""

_OTHERS = "other addresses"
_NONCE_BYTES = 16
_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """The session of a browser.

    value: value of the cookie.
    csrf: text that a request must repeat in a header if it changes something.
    expires: end of the session (s since 1970, UTC).
    """

    value: str
    csrf: str
    expires: int


class Tokens:
    """The operator's tokens.

    tokens: every token is valid.
    now: the wall clock (s since 1970).
    """

    def __init__(self, tokens: Sequence[Secret], *, now: Callable[[], float] = time.time) -> None:
        self._tokens = [token.reveal().encode() for token in tokens]
        self._now = now

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def valid(self, given: str) -> bool:
        """Whether a text is one of the tokens. The time does not depend on how much is right."""
        digest = _digest(given.encode("utf-8", "surrogateescape"))
        # All tokens are compared, so that the time does not tell which one is right.
        right = [hmac.compare_digest(_digest(token), digest) for token in self._tokens]
        return any(right)

    def begin_session(self, token: str) -> Session:
        """Make a session for a valid token."""
        expires = int(self._now()) + SESSION_S
        content = expires.to_bytes(8, "big") + secrets.token_bytes(_NONCE_BYTES)
        return _session(token.encode(), content)

    def session(self, value: str) -> Session | None:
        """Return the session of a cookie's value; None if the session is forged or over."""
        try:
            raw = base64.b64decode(value, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        content, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        if len(content) != 8 + _NONCE_BYTES or int.from_bytes(content[:8], "big") <= self._now():
            return None
        for token in self._tokens:
            if hmac.compare_digest(_signature(token, b"session", content), signature):
                return _session(token, content)
        return None


class WrongTries:
    """Wrong tokens of the last TRIES_S, by the address they came from.

    A client with IPv6 usually has a /64 of its own, so that counts as one address. Addresses beyond
    `addresses` share one count, so that memory is limited.

    tries: see TRIES.
    within_s: see TRIES_S (s).
    addresses: see ADDRESSES.
    now: a clock that never goes back (s).
    """

    def __init__(
        self,
        *,
        tries: int = TRIES,
        within_s: float = TRIES_S,
        addresses: int = ADDRESSES,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tries = tries
        self._within_s = within_s
        self._addresses = addresses
        self._now = now
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wrong)

    def add(self, address: str) -> None:
        """Count a wrong token from an address."""
        name = self._name(address)
        if name not in self._wrong and len(self._wrong) >= self._addresses:
            self._forget()
            if len(self._wrong) >= self._addresses:
                name = _OTHERS
        tries = self._wrong.setdefault(name, deque(maxlen=self._tries))
        tries.append(self._now())
        self._wrong.move_to_end(name)

    def wait_s(self, address: str) -> int:
        """Return how long an address must wait before its next try (s); 0 if it need not."""
        name = self._name(address)
        if name not in self._wrong and len(self._wrong) > self._addresses:
            name = _OTHERS
        tries = self._wrong.get(name)
        if tries is None or len(tries) < self._tries:
            return 0
        return max(0, ceil(tries[0] + self._within_s - self._now()))

    def _forget(self) -> None:
        """Forget the addresses whose last wrong token is long ago."""
        before = self._now() - self._within_s
        while self._wrong:
            name, tries = next(iter(self._wrong.items()))
            if tries[-1] > before:
                return
            del self._wrong[name]

    @staticmethod
    def _name(address: str) -> str:
        try:
            ip = ip_address(address)
        except ValueError:
            return address
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
            return str(int(ip) >> 64)
        return str(ip)


def _session(token: bytes, content: bytes) -> Session:
    value = base64.b64encode(content + _signature(token, b"session", content), altchars=b"-_")
    csrf = _signature(token, b"csrf", content).hex()
    return Session(value.decode(), csrf, int.from_bytes(content[:8], "big"))


def _signature(token: bytes, purpose: bytes, content: bytes) -> bytes:
    return hmac.digest(token, b"avr-sts-speechmatics " + purpose + b" " + content, "sha256")


def _digest(text: bytes) -> bytes:
    return hmac.digest(b"avr-sts-speechmatics token", text, "sha256")
