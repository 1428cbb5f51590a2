"""avr-core's HTTP service: `POST /call` before a call, `GET /health`.

A dialplan generates a uuid, posts the facts of the call under that uuid, and dials AudioSocket with
the same uuid. [AVR protocol, 6] The reply has avr-core's form, `{"sts_url", "override"}`. Dialplans
mostly ignore the reply, since this service does not relay the AudioSocket to another address. So a
webhook's reply changes the facts of the call, including the agent, and not where the call goes. The
facts are taken from the query of the reply's `sts_url` and from the reply's `agent`.

Requests are not authenticated, as at avr-core: the port belongs on a private network.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web

from avr_sts_speechmatics.admission.refusal import Refusal
from avr_sts_speechmatics.errors import CallerError, StoreError
from avr_sts_speechmatics.network import running_time, trace_context
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.transports.announced_calls import (
    AnnouncedCalls,
    canonical,
    facts_from,
    with_trace,
)
from avr_sts_speechmatics.transports.limited_log import NOBODY, LimitedLog
from avr_sts_speechmatics.transports.untrusted_text import (
    FACT_VALUE_MAX,
    FACTS_MAX,
    clean,
    facts_of,
)

BODY_MAX = 16 * 1024
"""Longest body of a request (bytes)."""

BODY_S = 5.0
"""Longest time for a request's body to arrive (s)."""

ANNOUNCED_LINES = 100
"""Announced calls of one client that are logged within a minute; the rest are counted."""

NESTED_MAX = 8
"""Most levels of objects and arrays in a payload."""

Ask = Callable[[str, Mapping[str, object]], Awaitable[Mapping[str, Any] | None]]

_log = logging.getLogger(__name__)


class AvrCoreHttp:
    """The handlers of both requests.

    announced: receives each announced call.
    ask: sends `call_initiated` to the webhook and returns the reply, or None after a bounded
        time. None if no webhook is configured.
    sts_port: port where this service takes calls by WebSocket.
    log: takes the lines about requests.
    why_not: returns why no new call can be taken now; None if one can.
    """

    def __init__(
        self,
        announced: AnnouncedCalls,
        ask: Ask | None,
        sts_port: int,
        log: LimitedLog | None = None,
        *,
        why_not: Callable[[], Refusal | None] = lambda: None,
    ) -> None:
        self._why_not = why_not
        self._log = log or LimitedLog()
        self._announced = announced
        self._ask = ask
        self._sts_port = sts_port

    def application(self) -> web.Application:
        app = web.Application(client_max_size=BODY_MAX)
        app.router.add_post("/call", self.call)
        app.router.add_get("/health", self.health)
        return app

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def call(self, request: web.Request) -> web.Response:
        try:
            async with running_time.timeout(BODY_S):
                body = await request.read()
            uuid, payload, trace = announced(body)
        except TimeoutError:
            return _refused(408, f"the body did not arrive within {BODY_S:.0f} s")
        except web.HTTPRequestEntityTooLarge:
            return _refused(413, f"the body is longer than {BODY_MAX} bytes")
        except web.RequestPayloadError:
            return _refused(400, "the body is broken or incomplete")
        except CallerError as error:
            return _refused(400, str(error))
        peer = request.remote or NOBODY
        if (refusal := self._why_not()) is not None:
            what = f"call {uuid} is not announced: {refusal.reason}"
            self._log.say("refused announcements", peer, what, lines=ANNOUNCED_LINES)
            return _refused(503, refusal.reason, refusal.headers)

        def complain(what: str) -> None:
            self._log.say("payloads with too many facts", peer, f"call {uuid}: {what}")

        if trace is None:
            headers = request.headers
            trace = trace_context.in_headers(
                headers.getall(trace_context.TRACEPARENT, ()),
                headers.getall(trace_context.TRACESTATE, ()),
            )
        facts = facts_from(payload, complain)
        # Before the webhook is asked: a dialplan may stop waiting and dial before the reply.
        unshared = await self._keep(self._announced.announce(uuid, with_trace(facts, trace)))
        line = f"call {uuid} is announced"
        self._log.say("announced calls", peer, line, level=logging.INFO, lines=ANNOUNCED_LINES)
        reply = None if self._ask is None else await self._ask(uuid, payload)
        chosen = chosen_by(reply or {})
        if chosen is not None:
            # The webhook's facts come first, so that they are not among those beyond FACTS_MAX.
            facts = dict(islice({**chosen, **facts, **chosen}.items(), FACTS_MAX))
            kept = with_trace(facts, trace)
            unshared = await self._keep(self._announced.amend(uuid, kept)) or unshared
        url = self._sts_url(request, with_trace(facts, trace))
        answer = {"sts_url": url, "override": chosen is not None}
        if unshared:
            # A dialplan may read the status and send the caller elsewhere. A dialplan that goes on
            # is not worse off: the webhook was asked, and this instance may know the call.
            return web.json_response({"error": unshared, **answer}, status=503)
        return web.json_response(answer)

    async def _keep(self, writing: Awaitable[None]) -> str:
        """Wait until the store has kept something; return the reason if the store could not."""
        try:
            await writing
        except StoreError as error:
            return str(error)
        return ""

    def _sts_url(self, request: web.Request, facts: Mapping[str, str]) -> str:
        """Return the address of this service's WebSocket, as seen from the client."""
        try:
            host = urlsplit(f"//{request.host}").hostname
        except ValueError:
            host = None
        if not host and request.transport is not None:
            host = request.transport.get_extra_info("sockname")[0]
        host = f"[{host}]" if host and ":" in host else host
        query = f"?{urlencode(facts, quote_via=quote)}" if facts else ""
        return f"ws://{host}:{self._sts_port}/{query}"


def announced(body: bytes) -> tuple[str, dict[str, object], TraceContext | None]:
    """Read the uuid, in small letters, the payload and the trace of an announced call.

    The trace stands beside the payload or in the payload, and is no part of the payload.

    Raises CallerError if there is no usable uuid or the payload is not an object.
    """
    try:
        # A caller's name may come in any encoding; a wrong encoding must not end the call.
        found = decode(body.decode(errors="replace"))
    except BadJson:
        raise CallerError(
            "the body is not JSON; quotes in values of the dialplan must be escaped"
        ) from None
    if not isinstance(found, dict):
        raise CallerError('the body is not a JSON object such as {"uuid": "...", "payload": {}}')
    uuid = canonical(found.get("uuid"))
    if uuid is None:
        raise CallerError(
            '"uuid" is missing or is not a UUID: give 36 characters as uuidgen prints '
            "them, not Asterisk's ${UNIQUEID}"
        )
    payload = found.get("payload", {})
    if not isinstance(payload, dict):
        raise CallerError('"payload" is not a JSON object such as {"from": "2001"}')
    if _deeper_than(NESTED_MAX, payload):
        raise CallerError(f'"payload" has more than {NESTED_MAX} levels of objects and arrays')
    trace = trace_context.in_mapping(found) or trace_context.in_mapping(payload)
    facts = {key: one for key, one in payload.items() if key.lower() not in trace_context.NAMES}
    return uuid, facts, trace


def _deeper_than(levels: int, value: object) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_deeper_than(levels - 1, item) for item in value)


def chosen_by(reply: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the facts that a webhook's reply sets for the call; None if the reply sets none."""
    url, agent = reply.get("sts_url"), reply.get("agent")
    chosen: dict[str, str] | None = None
    if url is not None:
        if _is_address(url):
            chosen = dict(facts_of(url))
        else:
            _log.warning(
                "the webhook's reply has an sts_url that is not an address; sts_url is ignored"
            )
    if isinstance(agent, str) and (name := clean(agent, FACT_VALUE_MAX)):
        chosen = {**(chosen or {}), "agent": name}
    elif agent is not None:
        _log.warning("the webhook's reply has an agent that is not a name; agent is ignored")
    return chosen


def _is_address(url: object) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return False
    return (
        parts is not None and parts.scheme in {"ws", "wss", "http", "https"} and bool(parts.netloc)
    )


def _refused(status: int, why: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": why}, status=status, headers=headers)
