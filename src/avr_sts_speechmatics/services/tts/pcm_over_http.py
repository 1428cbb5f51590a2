"""The HTTP client of TTS services that answer a request with PCM samples.

Each sentence is one request; all requests share one pool of connections. The body arrives faster
than real time and is cut anywhere; `sound` makes whole samples of the pieces. A caller waits, so a
request that fails or is late before its first audio is not the only one:

    the request ...                | then
    -------------------------------+-----------------------------------------------------------
    has no audio after HEDGE       | a second request is sent beside it; the first to speak is
                                   | heard, the other is ended
    fails, and is the only one     | sent again after a moment, TRIES in all, within TRY_FOR_S
    fails, and another is pending  | the other goes on: a plan may allow one request at a time
    and all others have no audio   | the sentence fails
    after LONGEST_S                |
    breaks off after its audio     | the sentence stays cut

The clients `openai` and `speechmatics` supply the address, the request and the meaning of
refusals.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
import msgspec

from avr_sts_speechmatics.errors import FailureKind, ServiceError, kind_of_status
from avr_sts_speechmatics.network import connection_errors, running_time
from avr_sts_speechmatics.network.http_connector import Connector
from avr_sts_speechmatics.network.proxies import Proxy, failure_of
from avr_sts_speechmatics.services import use
from avr_sts_speechmatics.services.quiet_retries import retries_are_logged
from avr_sts_speechmatics.services.tts.race import Failed, Race, Spoke
from avr_sts_speechmatics.services.tts.sound import Sound, refuse_type
from avr_sts_speechmatics.values import Secret

CONNECT_S = 2.0

HEDGE = 0.75
"""A second request is sent after this share of the patience without audio."""

LONGEST_S = 4.3
"""Longest wait for the first audio of a sentence, over all its requests (s)."""

TRIES = 3
TRY_FOR_S = 2.5
"""Latest begin of a retry after the begin of the first try (s)."""

_log = logging.getLogger(__name__)


class _Stalled(Exception):
    """No more samples came in time."""


class PcmOverHttp:
    """The client of one address, for the process.

    url: address that sentences are posted to.
    key: sent as a bearer token; None for a server without keys.
    refusals: the error message for an HTTP status, naming the setting to check.
    patience: longest wait between two reads of the body (s). After HEDGE of it without a first
        byte a second request is sent; after twice of it, or LONGEST_S, the sentence fails.
    rate: rate of the samples that `speak` returns (Hz); see `sound.Sound`.
    remedy: what the operator can do if the audio cannot be played.
    proxy: the HTTP proxy to connect through, or None.
    model: name of the model, for reports of use; empty if the server has no choice.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None,
        refusals: Mapping[int, str],
        patience: float,
        *,
        rate: int = 16000,
        remedy: str = "check the address",
        proxy: Proxy | None = None,
        model: str = "",
    ) -> None:
        self._url = url
        self._server, self._model = use.server_of(url), model
        self._proxy = proxy
        self._headers = {"Content-Type": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key.reveal()}"
        self._refusals = refusals
        self._patience = patience
        self._rate = rate
        self._remedy = remedy
        self._longest = min(LONGEST_S, 2 * patience + 0.3)
        self._pool: aiohttp.ClientSession | None = None

    async def speak(
        self, request: Mapping[str, str], characters: int
    ) -> AsyncGenerator[bytes, None]:
        """Post a request as JSON and stream the answer: s16le, whole samples in every piece.

        request: the JSON body.
        characters: length of the text, for reports of use. Each request is reported.

        Closing the generator ends the request at once. Raises ServiceError.
        """
        begun = await self._begin(msgspec.json.encode(request), characters)
        async with aclosing(begun.audio) as audio:
            yield begun.piece
            async for pcm in audio:
                yield pcm

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _begin(self, body: bytes, characters: int) -> Spoke[int]:
        """Send requests until one of them speaks. Raises ServiceError."""
        race = Race[int]()
        begun = running_time.now()
        asked = 0
        until = begun + self._longest
        ask_at: float | None = begun  # when the next request is sent; None: no more
        try:
            while True:
                now = running_time.now()
                if ask_at is not None and now >= ask_at:
                    asked += 1
                    race.add(asked, self._once(body, characters))
                    alone = len(race.running) == 1 and asked < TRIES
                    ask_at = now + HEDGE * self._patience if alone else None
                next_at = until if ask_at is None else min(until, ask_at)
                outcome = await race.next(next_at - now)
                now = running_time.now()
                if isinstance(outcome, Spoke):
                    return outcome
                if isinstance(outcome, Failed):
                    ask_at = self._after(outcome, race.running, asked, begun, now)
                    if ask_at is not None:
                        until = max(until, ask_at + self._patience)
                elif now >= until:
                    raise _failed(
                        f"no audio within {self._longest:g} s", retryable=True, kind="timeout"
                    )
                elif race.running:
                    use.report(use.Retried("tts"))
                    if retries_are_logged():
                        _log.info("tts: no audio for %.1f s; asking once more", now - begun)
        finally:
            await race.close()

    def _after(
        self, failed: Failed[int], running: list[int], asked: int, begun: float, now: float
    ) -> float | None:
        """When to send the next request after one failed; None if others may still speak.

        running: the requests that are pending.
        asked: requests sent so far.
        begun: when the first one was sent.

        Raises the error if there is no hope.
        """
        error = failed.error
        if running:
            if retries_are_logged():
                _log.info("%s; another request for the sentence is pending", error)
            # The second was refused: the first goes on alone. The first failed: the second has its
            # own time before a third is sent.
            newest = failed.who == asked
            return None if newest or asked >= TRIES else now + HEDGE * self._patience
        wait = error.retry_after or 0.2 * 2 ** (asked - 1) * random.uniform(0.8, 1.2)
        if not error.retryable or asked >= TRIES or now + wait - begun > TRY_FOR_S:
            raise error
        if retries_are_logged():
            _log.info("%s; trying again in %.1f s", error, wait)
        use.report(use.Retried("tts"))
        return now + wait

    async def _once(self, body: bytes, characters: int) -> AsyncGenerator[bytes, None]:
        """Post a request and stream the samples as they arrive.

        Only a failure before the first samples is retryable.
        """
        response = await self._request(body, use.TextSent(self._server, self._model, characters))
        content = response.content
        sound = Sound(response.headers.get("Content-Type", ""), self._rate, self._remedy)
        stall = running_time.Alarm()
        empty = True

        def stalled() -> None:
            content.set_exception(_Stalled())

        try:
            while chunk := await content.readany():
                stall.suspend()  # the reader of this generator may take its time
                if pcm := sound.feed(chunk):
                    empty = False
                    yield pcm
                stall.set(self._patience, stalled)
            stall.suspend()
            if pcm := sound.flush():
                empty = False
                yield pcm
        except _Stalled as error:
            error.__traceback__ = None  # a reference cycle otherwise: the response keeps the error
            raise _failed("the audio stalled", retryable=empty, kind="timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            why = connection_errors.cut(error, self._url)
            raise _failed(
                f"the audio was cut: {why}", retryable=empty, kind="connection"
            ) from error
        finally:
            stall.stop()
            # Closes the connection of an abandoned answer without reading the rest. An answer
            # that was read to its end has returned its connection to the pool already.
            response.close()
        if empty:
            raise _failed("a sentence came back without audio", retryable=True, kind="broken")

    def _opened(self) -> aiohttp.ClientSession:
        if self._pool is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_connection_create_end.append(_connected)
            tracing.on_connection_reuseconn.append(_connected)
            self._pool = aiohttp.ClientSession(
                connector=Connector(keepalive_s=60),
                # All waits are bounded here, in running time.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None),
                auto_decompress=False,
                trace_configs=[tracing],
                proxy=None if self._proxy is None else self._proxy.url.reveal(),
            )
        return self._pool

    async def _request(self, body: bytes, used: use.TextSent) -> aiohttp.ClientResponse:
        """Post a request; returns the response if its status and type promise audio.

        used: is reported if the server accepts the request, or if the request is dropped before.

        Raises ServiceError.
        """
        try:
            async with running_time.timeout(CONNECT_S) as limit:
                attempt = _Attempt(limit)
                response = await self._opened().post(
                    self._url, data=body, headers=self._headers, trace_request_ctx=attempt
                )
        except asyncio.CancelledError:
            if attempt.is_connected:
                use.report(used)
            raise
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            if (proxy := failure_of(error, self._proxy)) is not None:
                raise _failed(
                    f"cannot connect: {proxy}", retryable=proxy.retryable, kind="connection"
                ) from error
            why = connection_errors.why(error, self._url, within=CONNECT_S)
            raise _failed(why, retryable=True, kind="connection") from error
        status = response.status
        if status == 200:
            use.report(used)
            try:
                refuse_type(response.headers.get("Content-Type", ""), self._remedy)
            except ServiceError:
                response.close()
                raise
            return response
        response.close()
        if status == 407 and self._proxy is not None:
            raise _failed(
                f"cannot connect: {self._proxy.refusal(status)}", retryable=False, kind="connection"
            )
        raise _failed(
            self._refusals.get(status, f"status {status}"),
            retryable=status in (408, 429) or status >= 500,
            retry_after=_seconds(response.headers.get("Retry-After")),
            kind=kind_of_status(status),
        )


def below(base: str, path: str, query: str = "") -> str:
    """Append a path and a query to a base address, which may have a path and a query."""
    parts = urlsplit(base)
    return parts._replace(
        path=parts.path.rstrip("/") + path, query="&".join(filter(None, (parts.query, query)))
    ).geturl()


class _Attempt:
    """A request. limit: bounds the time until the request has a connection."""

    __slots__ = ("is_connected", "limit")

    def __init__(self, limit: running_time.timeout) -> None:
        self.limit = limit
        self.is_connected = False


async def _connected(_: aiohttp.ClientSession, request: SimpleNamespace, __: object) -> None:
    """The connection of a request is there: what follows is bounded by the race."""
    attempt: _Attempt = request.trace_request_ctx
    attempt.is_connected = True
    attempt.limit.restart(None)


def _failed(
    what: str, *, retryable: bool, kind: FailureKind, retry_after: float | None = None
) -> ServiceError:
    return ServiceError("tts", what, retryable=retryable, retry_after=retry_after, kind=kind)


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None
