"""The HTTP client of TTS services that answer a request with raw PCM samples.

Each sentence is one request; all requests share one pool of connections. The body arrives faster
than real time and is cut anywhere; this module aligns the pieces to whole samples. A request is
retried only before its first audio, and only for a short time, because a caller waits. A sentence
that breaks off after its first audio stays cut.

The clients `openai` and `speechmatics` supply the address, the request and the meaning of
refusals.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from urllib.parse import urlsplit

import aiohttp
import msgspec

from avr_sts_speechmatics.audio.pcm import SampleAligner
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.proxies import Proxy, failure_of
from avr_sts_speechmatics.services.quiet_retries import retries_are_logged
from avr_sts_speechmatics.values import Secret

CONNECT_S = 2.0

TRIES = 3
TRY_FOR_S = 2.5
"""Latest begin of a retry after the begin of the first try (s)."""

_log = logging.getLogger(__name__)


class PcmOverHttp:
    """The client of one address, for the process.

    url: address that sentences are posted to.
    key: sent as a bearer token; None for a server without keys.
    refusals: the error message for an HTTP status, naming the setting to check.
    patience: longest wait for the first byte, and between two reads of the body (s).
    proxy: the HTTP proxy to connect through, or None.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None,
        refusals: Mapping[int, str],
        patience: float,
        *,
        proxy: Proxy | None = None,
    ) -> None:
        self._url = url
        self._proxy = proxy
        self._headers = {"Content-Type": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key.reveal()}"
        self._refusals = refusals
        self._patience = patience
        self._pool: aiohttp.ClientSession | None = None

    async def speak(self, request: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Post a request as JSON and stream the answer: s16le, whole samples in every piece.

        request: the JSON body.

        Closing the generator ends the request at once. Raises ServiceError.
        """
        body = msgspec.json.encode(request)
        begun = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                async with aclosing(self._once(body)) as audio:
                    async for pcm in audio:
                        yield pcm
                return
            except ServiceError as error:
                wait = error.retry_after or 0.2 * 2 ** (tries - 1) * random.uniform(0.8, 1.2)
                late = time.monotonic() + wait - begun > TRY_FOR_S
                if not error.retryable or tries >= TRIES or late:
                    raise
                if retries_are_logged():
                    _log.info("%s; trying again in %.1f s", error, wait)
                await asyncio.sleep(wait)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _once(self, body: bytes) -> AsyncGenerator[bytes, None]:
        response = await self._request(body)
        aligner = SampleAligner()
        empty = True
        try:
            async with aclosing(_chunks(response)) as chunks:
                async for chunk in chunks:
                    if pcm := aligner.feed(chunk):
                        empty = False
                        yield pcm
        finally:
            # Closes the connection of an abandoned answer without reading the rest. An answer
            # that was read to its end has returned its connection to the pool already.
            response.close()
        if empty:
            raise _failed("a sentence came back without audio", retryable=True)

    async def _request(self, body: bytes) -> aiohttp.ClientResponse:
        """Post a request; returns the response if its status and type promise audio.

        Raises ServiceError.
        """
        if self._pool is None:
            self._pool = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=CONNECT_S, sock_read=self._patience
                ),
                auto_decompress=False,
                proxy=None if self._proxy is None else self._proxy.url.reveal(),
            )
        try:
            response = await self._pool.post(self._url, data=body, headers=self._headers)
        except aiohttp.ConnectionTimeoutError:
            raise _failed(f"cannot connect within {CONNECT_S:g} s", retryable=True) from None
        except TimeoutError:
            raise _failed(f"no answer within {self._patience:g} s", retryable=True) from None
        except (aiohttp.ClientError, OSError) as error:
            if (proxy := failure_of(error, self._proxy)) is not None:
                raise _failed(f"cannot connect: {proxy}", retryable=proxy.retryable) from error
            raise _failed(f"cannot connect: {error}", retryable=True) from error
        status, kind = response.status, response.content_type
        if status == 200 and not _is_text(kind):
            return response
        response.close()
        if status == 407 and self._proxy is not None:
            raise _failed(f"cannot connect: {self._proxy.refusal(status)}", retryable=False)
        if status == 200:
            raise _failed(f"{kind} came back instead of audio", retryable=True)
        raise _failed(
            self._refusals.get(status, f"status {status}"),
            retryable=status in (408, 429) or status >= 500,
            retry_after=_seconds(response.headers.get("Retry-After")),
        )


def below(base: str, path: str, query: str = "") -> str:
    """Append a path and a query to a base address, which may have a path and a query."""
    parts = urlsplit(base)
    return parts._replace(
        path=parts.path.rstrip("/") + path, query="&".join(filter(None, (parts.query, query)))
    ).geturl()


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield the body as it arrives. Only a failure before the first chunk is retryable."""
    first = True
    while True:
        try:
            chunk = await response.content.readany()
        except TimeoutError:
            raise _failed("the audio stalled", retryable=first) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _failed(f"the audio was cut: {error}", retryable=first) from error
        if not chunk:
            return
        first = False
        yield chunk


def _is_text(content_type: str) -> bool:
    # Some gateways report errors with status 200. Played as samples, the text would be loud noise.
    return content_type.startswith("text/") or content_type.endswith("json")


def _failed(what: str, *, retryable: bool, retry_after: float | None = None) -> ServiceError:
    return ServiceError("tts", what, retryable=retryable, retry_after=retry_after)


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None
