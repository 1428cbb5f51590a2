"""The link to Redis: commands with a bounded wait, and a circuit breaker.

    state     | a command                 | goes on to
    ----------+---------------------------+-----------------------------------------------------
    UP        | is sent; waits COMMAND_S  | AWAY by a failed command or a failed trial
    AWAY      | fails at once             | UP by a trial that succeeds, every RETRY_S

The first command that fails pays COMMAND_S, and commands under way at the same moment; no later
call waits for a Redis that is known to be away. A trial follows a failure at once, so that a hiccup
costs only the commands that met the hiccup, and runs every TRIAL_S while the link is UP: a server
that has gone is mostly noticed before a call needs the server.

A trial carries out what calls need, with a key of its own: a server that answers PING but refuses
to write (a replica, a full memory, an access list) is away.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from avr_sts_speechmatics.errors import SettingsError, StoreError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.redis_address import RedisAddress

if TYPE_CHECKING:
    from redis.asyncio import Redis

COMMAND_S = 0.25
"""Longest wait for the answer to a command (s): with the rest of the way below 0.3 s."""

CONNECT_S = 3.0
"""Longest wait for a connection and a trial (s), over TLS and the first look-up of a name."""

FIRST_S = 1.0
"""How long the start of the service waits for the first trial (s)."""

TRIAL_S = 1.0
"""Time between two trials of a server that works (s)."""

RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Time before each next trial of a server that is away (s); the last one is repeated."""

CONNECTIONS = 16
"""Most connections to the server at once; further commands wait for one of them."""

QUIET_S = 60.0
"""After a line about a server that went away, further ones are counted for this long (s)."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkState:
    """The state of the link, for `/health`.

    up: whether commands are sent.
    error: why not; empty if `up`.
    since: when the state began (s, monotonic clock).
    """

    up: bool
    error: str
    since: float


class RedisLink:
    """The way to one Redis or Valkey server, version 6.2 or later.

    address: where the server is.
    prefix: beginning of the names of all keys.
    command_s: see COMMAND_S.
    trial_s: see TRIAL_S.
    retry_s: see RETRY_S.

    Raises SettingsError if the package `redis` is not installed.
    """

    def __init__(
        self,
        address: RedisAddress,
        prefix: str,
        *,
        command_s: float = COMMAND_S,
        trial_s: float = TRIAL_S,
        retry_s: tuple[float, ...] = RETRY_S,
    ) -> None:
        if find_spec("redis") is None:
            raise SettingsError(
                "REDIS_URL is set, but the package redis is not installed: "
                "pip install 'avr-sts-speechmatics[redis]'."
            )
        self._address = address
        self._prefix = prefix
        self._command_s = command_s
        self._trial_s = trial_s
        self._retry_s = retry_s
        self._redis = _client(address)
        self._trial_key = self.key(f"trial:{secrets.token_hex(8)}")
        self._doubt = asyncio.Event()
        self._tending: asyncio.Task[None] | None = None
        self._returns: list[Callable[[], Awaitable[None]]] = []
        self._said_at = float("-inf")
        self._unsaid = 0
        self._known = asyncio.Event()  # the outcome of the first trial
        self.state = LinkState(False, f"{self} has not been asked yet", time.monotonic())
        """The state, as it is known now."""

    def __str__(self) -> str:
        return f"Redis at {self._address.shown}"

    def key(self, name: str) -> str:
        """Return the name of a key in Redis."""
        return self._prefix + name

    def on_return(self, then: Callable[[], Awaitable[None]]) -> None:
        """Await `then` each time when the server is there again, after the link is UP.

        A StoreError of `then` is ignored: the link is AWAY again.
        """
        self._returns.append(then)

    async def start(self) -> None:
        """Watch the server from now on. Returns after the first trial, or after FIRST_S."""
        self._tending = asyncio.create_task(self._tend())
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_S):
                await self._known.wait()

    async def close(self) -> None:
        """End the watch and close all connections."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait((self._tending,))
        await self._drop_connections()

    async def do(self, command: "Callable[[Redis], Awaitable[_T]]") -> _T:
        """Carry out a command.

        command: sends the command; called with the client.

        Raises StoreError if the server is away or does not answer within COMMAND_S. Whether a
        command that failed was carried out is unknown.
        """
        if not self.state.up:
            raise StoreError(self.state.error)
        try:
            async with running_time.timeout(self._command_s):
                return await command(self._redis)
        except Exception as error:
            if (why := self._reason(error, self._command_s)) is None:
                raise
            self._lost(why)
            raise StoreError(self.state.error) from error

    # --- the watch -----------------------------------------------------------------------------

    async def _tend(self) -> None:
        await self._try()
        tries = 0
        while True:
            if self.state.up:
                tries = 0
                wait = self._trial_s
            else:
                wait = self._retry_s[min(tries, len(self._retry_s) - 1)] if tries else 0.0
                tries += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._doubt.wait()
            self._doubt.clear()
            await self._try()

    async def _try(self) -> None:
        """Try the server; sets the state."""
        up = self.state.up
        try:
            if not up:
                # Connections of a server that went away are of no use for its successor.
                await self._drop_connections()
                async with running_time.timeout(CONNECT_S):
                    await self._redis.ping()
            # As quick as the commands of calls must be, or they would fail one after the other.
            async with running_time.timeout(self._command_s):
                await self._redis.set(self._trial_key, b"1", px=10_000)
                await self._redis.getdel(self._trial_key)
        except Exception as error:
            why = self._reason(error, self._command_s if up else CONNECT_S)
            if why is None:
                raise
            self._lost(why)
            return
        if not up:
            self._found()
            for then in self._returns:
                try:
                    await then()
                except StoreError:
                    return

    async def _drop_connections(self) -> None:
        try:
            async with asyncio.timeout(1):
                await self._redis.aclose(close_connection_pool=True)
        except Exception:
            _log.debug("%s: a connection could not be closed", self, exc_info=True)

    def _lost(self, why: str) -> None:
        was_up, now = self.state.up, time.monotonic()
        first = not self._known.is_set()
        error = f"{self} is away: {why}"
        if was_up or first:
            self.state = LinkState(False, error, now)
            self._known.set()
            self._doubt.set()
            self._say_lost(error, now)
        elif self.state.error != error:
            self.state = LinkState(False, error, self.state.since)

    def _say_lost(self, error: str, now: float) -> None:
        if now - self._said_at < QUIET_S:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} times before)" if self._unsaid else ""
        self._said_at, self._unsaid = now, 0
        _log.warning("%s; calls go on without it%s", error, more)

    def _found(self) -> None:
        now, before = time.monotonic(), self.state
        self.state = LinkState(True, "", now)
        if not self._known.is_set():
            self._known.set()
            _log.info("%s is there", self)
        elif self._said_at >= before.since:  # a loss that was only counted needs no second line
            _log.info("%s is there again after %.1f s", self, now - before.since)

    def _reason(self, error: Exception, within_s: float) -> str | None:
        """Say why a command failed; None for an error that is no failure of the server."""
        from redis.exceptions import (
            AuthenticationError,
            AuthorizationError,
            NoPermissionError,
            RedisError,
        )

        if isinstance(error, TimeoutError):
            return f"no answer within {within_s * 1000:.0f} ms"
        if isinstance(error, AuthenticationError | AuthorizationError) or "NOAUTH" in str(error):
            return "the user name or password is not accepted; check REDIS_URL"
        if isinstance(error, NoPermissionError):
            return f"{error}; allow the keys {self._prefix}*"
        if isinstance(error, RedisError | OSError):
            return str(error).rstrip(".") or type(error).__name__
        return None


def _client(address: RedisAddress) -> "Redis":
    # Imported here: without REDIS_URL nothing of the package is loaded.
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as Disconnected

    options: dict[str, Any] = {
        # All waits are bounded by the caller, in running time.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        # Once more on a new connection, for a connection that the server has closed meanwhile. All
        # commands may be repeated.
        "retry": Retry(NoBackoff(), 1, (Disconnected,)),
        "max_connections": CONNECTIONS,
        "timeout": None,
        # The older protocol: nothing of the newer one is needed, and every server has it.
        "protocol": 2,
        "client_name": "avr-sts-speechmatics",
    }
    return Redis(connection_pool=BlockingConnectionPool.from_url(address.url.reveal(), **options))
