"""Requests to a server of the Chat Completions API, over aiohttp.

The vendor's SDK does as much, for seven times the CPU: it walks through types and builds the
request anew in two libraries before aiohttp sends it. Requests, redirects and errors are those of
the SDK; the tests compare both. What the SDK does and a call has no use for is left out: cookies,
telemetry headers, retries that nobody can hurry (`services.llm.openai` has its own).

Every connection serves one request at a time and is kept for the next. Their number is not
limited: a limit would let calls wait for each other.
"""

import asyncio
import os
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.network.http_connector import Connector
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.services.llm.api_error import ApiError, refused
from avr_sts_speechmatics.values import Secret

KEPT_S = 60.0
"""Time for which an unused connection is kept (s)."""

REDIRECTS = 20
"""Most redirects of one request."""

LONGEST_ERROR = 1024 * 1024
"""Longest body of a refusal that is read (bytes)."""

_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_AS_GET = frozenset({301, 302, 303})


class HttpClient:
    """The connections to one server, for the process.

    url: base address of the API; may have a path, a query, and a user name with a password.
    key: sent as a bearer token; None for a server without keys.
    connect_s: longest wait for a connection (s).
    proxy: the HTTP proxy to connect through, or None.
    environ: OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS are read from here, as by
        the SDK; SSL_CERT_FILE and SSL_CERT_DIR as everywhere. None for this process's environment.
    more: returns further headers of the request that is being made; or None.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None,
        *,
        connect_s: float,
        proxy: Proxy | None = None,
        environ: Mapping[str, str] | None = None,
        more: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._more = more
        self._base = url
        self._key = key
        self._environ = os.environ if environ is None else environ
        self._proxy = proxy
        self._connect_s = connect_s
        self._certificates: ssl.SSLContext | None = None
        self._url = URL()
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._session: aiohttp.ClientSession | None = None

    async def prepare(self) -> None:
        """Load the certificates in a thread: that takes longer than a call should wait."""
        if self._certificates is None:
            with suppress(OSError):  # the first request says what is wrong
                self._certificates = await asyncio.to_thread(_certificates, self._environ)

    async def post(self, body: bytes) -> aiohttp.ClientResponse:
        """Send a request. Returns the response, its status 2xx and its body not yet read.

        body: JSON.

        Raises ApiError for another status. Raises aiohttp.ClientError, OSError or ValueError if
        there is no answer.
        """
        session = self._opened()
        url, method, data = self._url, "POST", body
        headers = self._headers
        if self._more is not None and (more := self._more()):
            headers = CIMultiDict(headers, **more)
        for _ in range(REDIRECTS + 1):
            response = await session.request(
                method,
                url,
                data=data or None,
                headers=self._through_proxy(url, headers),
                allow_redirects=False,  # aiohttp would drop the key on the way from http to https
            )
            status = response.status
            if 200 <= status < 300:
                return response
            where = response.headers.get("Location") if status in _REDIRECTED else None
            if where is None:
                raise await _refusal(response)
            response.close()
            to = url.join(URL(where))
            if status in _AS_GET:
                method, data = "GET", b""
            if to.origin() != url.origin() and not _is_upgrade(url, to):
                headers = headers.copy()
                headers.popall("Authorization", None)
            url = to
        raise aiohttp.ClientError("too many redirects")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._url, userinfo = _address(self._base)
            self._headers = _headers(self._key, userinfo, self._environ)
            if self._certificates is None:
                self._certificates = _certificates(self._environ)
            self._session = aiohttp.ClientSession(
                connector=Connector(keepalive_s=KEPT_S, ssl=self._certificates),
                cookie_jar=aiohttp.DummyCookieJar(),
                # All other waits are bounded by the caller, in running time.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s),
                proxy=None if self._proxy is None else self._proxy.url.reveal(),
            )
        return self._session

    def _through_proxy(self, url: URL, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """Return the headers of a request. A proxy without a tunnel wants its user every time."""
        if self._proxy is None or url.scheme != "http" or not self._proxy.has_user:
            return headers
        return CIMultiDict(headers, **self._proxy.headers())


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    """Return the error of a response, with as much of its body as arrives."""
    body = bytearray()
    try:
        while len(body) < LONGEST_ERROR and (more := await response.content.readany()):
            body += more
    except Exception:  # noqa: S110 - a connection, a parser or a decoder fails; the status is known
        pass
    finally:
        response.close()
    return refused(response.status, response.headers, bytes(body[:LONGEST_ERROR]))


def _address(base: str) -> tuple[URL, str | None]:
    """Return the address of requests, and the user name with the password, or None."""
    url = URL(base).with_fragment(None)
    userinfo = None if url.raw_user is None else f"{url.user or ''}:{url.password or ''}"
    path = url.raw_path.rstrip("/") + "/chat/completions"
    return url.with_user(None).with_path(path, encoded=True, keep_query=True), userinfo


def _headers(
    key: Secret | None, userinfo: str | None, environ: Mapping[str, str]
) -> CIMultiDict[str]:
    # Some self-hosted servers want a key to be there, whatever it is.
    authorization = f"Bearer {key.reveal() if key else 'none'}"
    if userinfo is not None:
        authorization = f"Basic {b64encode(userinfo.encode()).decode()}"
    headers = CIMultiDict(
        {
            "Authorization": authorization,
            "Accept": "application/json",
            # A compressed stream may wait for its next block, and decoding it costs more.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": f"avr-sts-speechmatics/{__version__}",
        }
    )
    for name, variable in (
        ("OpenAI-Organization", "OPENAI_ORG_ID"),
        ("OpenAI-Project", "OPENAI_PROJECT_ID"),
    ):
        if value := environ.get(variable, "").strip():
            headers[name] = value
    for line in environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip():
            headers[name.strip()] = value.strip()
    return headers


def _is_upgrade(url: URL, to: URL) -> bool:
    """Whether a redirect leads from http to https of the same host, at the usual ports."""
    return (
        url.host == to.host
        and (url.scheme, url.port) == ("http", 80)
        and (to.scheme, to.port) == ("https", 443)
    )


# Where systems keep their list, for a Python that was built for another system.
_LISTS = (
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)


def _certificates(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a TLS context that trusts SSL_CERT_FILE, SSL_CERT_DIR or the system's list."""
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if not file and not folder:
        usual = ssl.get_default_verify_paths()
        if usual.cafile is None and not (usual.capath and os.listdir(usual.capath)):
            file = next(filter(os.path.isfile, _LISTS), None)
    try:
        context = ssl.create_default_context(cafile=file or None, capath=None if file else folder)
    except OSError as error:
        why = error.strerror or str(error)
        raise OSError(f"SSL_CERT_FILE: {file} has no certificates: {why}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context
