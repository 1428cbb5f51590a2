"""One request to the operator's webhook receiver: connects, sends and checks the status.

Failures that may pass are distinguished from permanent failures. The module `webhooks` decides when
an event is sent and whether the event is sent again.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp

from avr_sts_speechmatics.network import connection_errors, running_time
from avr_sts_speechmatics.network.proxies import Proxy, failure_of
from avr_sts_speechmatics.values import Secret

KEEP_S = 1.5
"""How long an idle connection is kept (s). Shorter than the limits of servers (gunicorn 2 s, Node
5 s): an event sent while the server closes the connection would be lost."""

REPLY_MAX = 16 * 1024
"""Longest reply that is read (bytes)."""


class Undelivered(Exception):
    """The receiver did not accept an event.

    why: the reason, for the log.
    again: True if a later try may succeed.
    """

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class WebhookReceiver:
    """The server at one address.

    url: address with http or https, already checked.
    secret: sent in the header `X-AVR-WEBHOOK-SECRET`; None for no header. [AVR protocol, 7]
    timeout_s: longest time of one request (s).
    proxy: the HTTP proxy to connect through, or None.
    """

    def __init__(
        self, url: str, secret: Secret | None, timeout_s: float, *, proxy: Proxy | None = None
    ) -> None:
        self.shown = urlsplit(url)._replace(path="", query="", fragment="").geturl()
        """The address for logs, without path and query, which may contain a token."""
        self._url = url
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if secret is not None:
            self._headers["X-AVR-WEBHOOK-SECRET"] = secret.reveal()
        self._timeout_s = timeout_s
        self._proxy = proxy
        self._http: aiohttp.ClientSession | None = None

    async def post(
        self,
        body: bytes,
        *,
        wants_reply: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send an event once.

        body: the event as JSON.
        wants_reply: True to read the reply.
        headers: further headers.

        Returns the body of the reply; empty if the reply is not wanted or longer than REPLY_MAX.
        Raises Undelivered.
        """
        if self._http is None:
            self._http = aiohttp.ClientSession(
                # The caller of `post` limits the number of concurrent requests.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_S),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                proxy=None if self._proxy is None else self._proxy.url.reveal(),
            )
        try:
            # A redirect would send the secret to an address that the operator did not set.
            async with (
                running_time.timeout(self._timeout_s),
                self._http.post(
                    self._url,
                    data=body,
                    headers=self._headers if not headers else {**self._headers, **headers},
                    allow_redirects=False,
                ) as response,
            ):
                status = response.status
                if status // 100 == 2:
                    return await _bounded(response.content) if wants_reply else b""
        except TimeoutError:
            raise Undelivered(f"no answer within {self._timeout_s:g} s", again=True) from None
        except aiohttp.ClientConnectorError as error:
            if (proxy := failure_of(error, self._proxy)) is not None:
                raise Undelivered(str(proxy), again=proxy.retryable) from error
            raise Undelivered(connection_errors.why(error, self._url), again=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if (proxy := failure_of(error, self._proxy)) is not None:
                raise Undelivered(str(proxy), again=proxy.retryable) from error
            # The text of the error may contain the whole address.
            raise Undelivered(f"no answer: {type(error).__name__}", again=True) from error
        if status == 407 and self._proxy is not None:
            raise Undelivered(str(self._proxy.refusal(status)), again=False)
        why = f"status {status}"
        if status in (401, 403):
            why += "; check WEBHOOK_SECRET"
        elif status // 100 == 3:
            why += ", a redirect, which is not followed; set WEBHOOK_URL to its target"
        raise Undelivered(why, again=status == 429 or status >= 500)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """Read a body; empty if it is longer than REPLY_MAX."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > REPLY_MAX:
            return b""
    return bytes(body)
