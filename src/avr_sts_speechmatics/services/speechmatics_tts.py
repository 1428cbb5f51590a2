"""Speaking by Speechmatics text-to-speech: one request for each sentence, over one pool.

The service streams `pcm_16000` faster than real time, cuts it anywhere (samples are aligned here),
and marks no words. A request is tried again only before its first audio, and not for long: a
caller waits. After its first audio a sentence that breaks off stays cut. [TTS reference, 1 to 5]
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import urlsplit

import aiohttp
import msgspec

from avr_sts_speechmatics.audio.pcm import SampleAligner
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.settings import Secret

CONNECT_S = 2.0
GAP_S = 2.0
"""Longest wait for the first byte, and for each that follows (s)."""

TRIES = 3
TRY_FOR_S = 2.5
"""No further try is begun later than this after the first (s)."""

_log = logging.getLogger(__name__)


class SpeechmaticsVoice:
    """One voice of the process. Implements `voice.Voice`.

    url: base address; `/generate/<voice>` is appended. key: None for a server that wants none.
    """

    rate = 16000

    def __init__(self, url: str, key: Secret | None, voice: str) -> None:
        parts = urlsplit(url)
        query = f"{parts.query}&" if parts.query else ""
        self._url = parts._replace(
            path=f"{parts.path.rstrip('/').removesuffix('/generate')}/generate/{voice}",
            query=f"{query}output_format=pcm_16000",
        ).geturl()
        self._headers = {"Content-Type": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key.reveal()}"
        self._pool: aiohttp.ClientSession | None = None

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        body = msgspec.json.encode({"text": text})
        begun = time.monotonic()
        tries = 0
        while True:
            tries += 1
            heard = False
            try:
                async with aclosing(self._once(body)) as audio:
                    async for pcm in audio:
                        heard = True
                        yield pcm
                return
            except ServiceError as error:
                wait = error.retry_after or 0.2 * 2 ** (tries - 1) * random.uniform(0.8, 1.2)
                late = time.monotonic() + wait - begun > TRY_FOR_S
                if heard or not error.retryable or tries >= TRIES or late:
                    raise
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
            # Of an answer nobody wants any more the rest is not read; one read to its end has
            # given its connection back to the pool already.
            response.close()
        if empty:
            raise _failed("a sentence came back without audio", retryable=True)

    async def _request(self, body: bytes) -> aiohttp.ClientResponse:
        """The response with its status checked; its body has not been read."""
        if self._pool is None:
            self._pool = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=GAP_S),
                auto_decompress=False,
            )
        try:
            response = await self._pool.post(self._url, data=body, headers=self._headers)
        except TimeoutError:
            raise _failed(f"no answer within {GAP_S:.0f} s", retryable=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _failed(f"cannot connect: {error}", retryable=True) from error
        if response.status == 200:
            return response
        response.close()
        status = response.status
        raise _failed(
            _MEANING.get(status, f"status {status}"),
            retryable=status == 429 or status >= 500,
            retry_after=_seconds(response.headers.get("Retry-After")),
        )


_MEANING = {
    401: "the key is not accepted (401); check SPEECHMATICS_API_KEY",
    403: "the key is not allowed to do this (403); check SPEECHMATICS_API_KEY",
    404: "there is no such voice (404); check SPEECHMATICS_VOICE",
    429: "too many requests (429)",
}


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The body as it comes."""
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


def _failed(what: str, *, retryable: bool, retry_after: float | None = None) -> ServiceError:
    return ServiceError("voice", what, retryable=retryable, retry_after=retry_after)


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None
