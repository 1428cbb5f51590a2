"""Sends spans to an OpenTelemetry collector, by OTLP over HTTP, in a thread of its own.

The event loop only appends to a bounded queue. The thread makes OpenTelemetry's spans of it, in
small batches: encoding a batch holds the interpreter's lock, and calls wait meanwhile. The library
sends and repeats; what it says about failures becomes one line a minute here. A collector that is
away, slow or broken costs the spans and bounded memory, and CLOSE_S at the end of the process.

Only the processes that send spans import this module: the libraries take a quarter of a second.
"""

import asyncio
import logging
import os
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.telemetry.open_telemetry_span import Span

QUEUED_MAX = 4096
"""Most spans that may wait; further ones are lost."""

BATCH = 64
"""Most spans of one request. The library encodes a batch in one go, which takes about 3 ms."""

EVERY_S = 2.0
"""Longest time that a span waits for others before it is sent (s)."""

CLOSE_S = 2.0
"""Longest wait at the end of the process for spans that are not sent yet (s)."""

TELL_EVERY_S = 60.0
"""Shortest time between two log lines about lost spans (s)."""

REPLY_MAX = 64 * 1024
"""Longest reply of the collector that is read (bytes)."""

_GRPC_PORT = 4317

_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}

_log = logging.getLogger(__name__)


class SpanExport:
    """The queue and the thread of a process.

    exporter: sends a batch; its own retries are bounded.
    resource: names this service and this process.
    shown: address of the collector, for the log.
    why: returns why the last request failed; "" if there was none.
    queued_max, batch, every_s, close_s, tell_every_s: see the constants.

    After a fork the child begins with an empty queue.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        resource: Resource,
        shown: str,
        why: Callable[[], str] = lambda: "",
        *,
        queued_max: int = QUEUED_MAX,
        batch: int = BATCH,
        every_s: float = EVERY_S,
        close_s: float = CLOSE_S,
        tell_every_s: float = TELL_EVERY_S,
    ) -> None:
        self.sent = 0
        """Spans that the collector has taken."""
        self._exporter = exporter
        self._resource = resource
        self._scope = InstrumentationScope("avr-sts-speechmatics", __version__)
        self._shown = shown
        self._why_failed = why
        self._queued_max = queued_max
        self._batch = batch
        self._every_s = every_s
        self._close_s = close_s
        self._tell_every_s = tell_every_s
        self._not_queued = 0
        self._failed = 0
        self._told = 0
        self._tell_at = 0.0
        self._why = ""
        self._closing = False
        self._begin()
        forget = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (begin := forget()) and begin())

    def _begin(self) -> None:
        self._queue: deque[Span] = deque()
        self._under_way = 0
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> int:
        """Spans that never reached the collector."""
        return self._not_queued + self._failed

    @property
    def waiting(self) -> int:
        """Spans that are not sent yet."""
        return len(self._queue) + self._under_way

    def put(self, span: Span) -> None:
        """Queue a span. Never blocks and never raises."""
        if self._closing or len(self._queue) >= self._queued_max:
            self._not_queued += 1
            return
        self._queue.append(span)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="OpenTelemetry", daemon=True)
            self._thread.start()
        elif len(self._queue) >= self._batch:
            self._wake.set()

    async def close(self) -> None:
        """Send what waits, for at most `close_s`; then give the rest up."""
        self._closing = True
        if self._thread is None:
            return
        self._wake.set()
        await asyncio.to_thread(self._thread.join, self._close_s)
        # It ends the library's wait for the next try. A request under way goes on in its thread,
        # for which the end of the process does not wait.
        self._exporter.shutdown()
        if self._thread.is_alive():
            left = self.waiting
            self._queue.clear()
            self._lose(left, self._why or "no answer before the end of the service")
        self._tell(at_once=True)

    def _run(self) -> None:
        while not self._closing or self._queue:
            if not self._closing:
                self._wake.wait(self._every_s)
                self._wake.clear()
            while self._queue:
                self._send()
                if len(self._queue) < self._batch and not self._closing:
                    break
            self._tell()

    def _send(self) -> None:
        """Send a batch of what waits."""
        spans: list[Span] = []
        try:
            while len(spans) < self._batch:
                spans.append(self._queue.popleft())
        except IndexError:
            pass
        self._under_way = len(spans)
        try:
            with _LastWords() as words:
                result = self._exporter.export([self._made(span) for span in spans])
            if result is SpanExportResult.SUCCESS:
                self.sent += len(spans)
            else:
                self._lose(len(spans), self._why_failed() or words.text)
        except Exception as error:  # whatever it is, it costs these spans only
            self._lose(len(spans), f"{type(error).__name__}: {error}")
        finally:
            self._under_way = 0

    def _lose(self, spans: int, why: str) -> None:
        self._failed += spans
        self._why = why

    def _tell(self, *, at_once: bool = False) -> None:
        lost = self.lost
        now = time.monotonic()
        if lost == self._told or (now < self._tell_at and not at_once):
            return
        _log.warning(
            "OpenTelemetry: spans lost: %d; the last (%s): %s",
            lost - self._told,
            self._shown,
            self._why or "too many are waiting",
        )
        self._told = lost
        self._tell_at = now + self._tell_every_s

    def _made(self, span: Span) -> ReadableSpan:
        """Make OpenTelemetry's span."""
        context = span.context
        trace_id = int(context.trace_id, 16)
        flags = TraceFlags(context.flags)
        state = TraceState.from_header([context.state]) if context.state else None
        parent = None
        if span.parent_id:
            parent_id = int(span.parent_id, 16)
            parent = SpanContext(trace_id, parent_id, span.remote_parent, flags, state)
        if span.events_dropped:
            span.attributes["avr.events_dropped"] = span.events_dropped
        status = Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET)
        zero = span.zero_ns
        return ReadableSpan(
            span.name,
            SpanContext(trace_id, int(context.span_id, 16), False, flags, state),
            parent,
            self._resource,
            span.attributes,
            [Event(name, given, zero + int(at * 1e9)) for at, name, given in span.events],
            kind=_KINDS[span.kind],
            status=status,
            start_time=zero + int(span.began * 1e9),
            end_time=zero + int(span.ended * 1e9),
            instrumentation_scope=self._scope,
        )


def exporter_to(
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    certificate: str | None,
    proxy: Proxy | None,
) -> tuple[SpanExporter, Callable[[], str]]:
    """Make the exporter.

    url: whole address of the collector.
    headers: of every request.
    timeout_s: longest time of a batch, retries included (s).
    certificate: file of the certificates to trust; None for those of the `requests` library.
    proxy: the HTTP proxy to connect through, or None.

    Returns the exporter, and a function that says why its last request failed.
    """
    session = _Session(proxy)
    exporter = OTLPSpanExporter(
        endpoint=url,
        certificate_file=certificate or os.environ.get("SSL_CERT_FILE") or None,
        headers=dict(headers),
        timeout=timeout_s,
        session=session,
    )
    return exporter, lambda: session.why


def resource_of(service: str, attributes: Mapping[str, str]) -> Resource:
    """Name this service and this process.

    service: name of the service, unless the attributes have one.
    attributes: given by the operator.
    """
    return Resource.create(
        {
            "service.name": service,
            "service.version": __version__,
            # Each worker is an instance of its own.
            "service.instance.id": str(uuid.uuid4()),
            "process.pid": os.getpid(),
            **attributes,
        }
    )


def shown(url: str) -> str:
    """Return an address for the log, without path and query, which may contain a token."""
    parts = urlsplit(url)
    text = parts._replace(path="", query="", fragment="").geturl()
    if parts.port == _GRPC_PORT:
        text += ", usually the port for gRPC; for HTTP it is 4318"
    return text


class _Session(requests.Session):
    """Requests whose replies are bounded, through this service's proxy."""

    def __init__(self, proxy: Proxy | None) -> None:
        super().__init__()
        self.why = ""
        # The proxy is known; a .netrc file is not meant for a collector.
        self.trust_env = False
        if proxy is not None:
            self.proxies = {"http": proxy.url.reveal(), "https": proxy.url.reveal()}

    def request(self, *args: Any, **options: Any) -> requests.Response:
        self.why = ""
        try:
            response = self._answer(*args, **options)
        except Exception as error:
            self.why = _why(error)
            raise
        status = response.status_code
        if status >= 300:
            self.why = f"status {status} {response.reason}"
        if 300 <= status < 400:
            self.why += ", a redirect, which is not followed"
            response.status_code = 400  # the library would take a redirect for a success
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect: the headers may hold a key, which belongs to the address given."""

    def _answer(self, *args: Any, **options: Any) -> requests.Response:
        until = time.monotonic() + (options.get("timeout") or 10.0)
        response = super().request(*args, **(options | {"stream": True}))
        body = bytearray()
        with response:  # at its end a connection whose reply was read is kept for the next request
            for piece in response.iter_content(4096):
                body += piece
                if len(body) > REPLY_MAX or time.monotonic() > until:
                    raise requests.exceptions.RequestException("the reply has no end")
        response._content = bytes(body)
        return response


def _why(error: BaseException) -> str:
    """Return a reason in words, without the address, whose path may contain a token."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    is_ours = type(error) is requests.exceptions.RequestException
    return str(error) if is_ours else f"no answer: {type(error).__name__}"


class _LastWords(logging.Handler):
    """Keeps the library's own lines out of the log for as long as the context lasts.

    text: the line that says why a batch failed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.text = "no answer"
        self._logger = logging.getLogger(OTLPSpanExporter.__module__)

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        # The last line may say only that no further try is made.
        if "due to timeout" not in text or self.text == "no answer":
            self.text = text[:300]

    def __enter__(self) -> "_LastWords":
        self._logger.propagate = False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = True
