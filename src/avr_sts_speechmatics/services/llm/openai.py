"""The LLM client for OpenAI and every other server of the Chat Completions API.

Chat Completions is the common denominator of OpenAI, vLLM, Ollama and llama.cpp. Servers differ in
what they accept: a refused request is changed and sent again if `request_form` knows a cure, and
the change is remembered. Servers also differ in what they send: `chunks` reads streams leniently,
and `visible_text` keeps reasoning and tool calls written as text from the caller. The connections
are in `http_client`, the reading of a body in `event_stream`.

All times are limited, because a caller waits: CONNECT_S for connecting, FIRST_S for the first
words, GAP_S between two pieces, ANSWER_S for the whole answer. A request is repeated only before
its first text was passed on: the text of a stream may have been spoken already.
[OpenAI reference, 1, 3, 4, 5, 7, 8]
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec

from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.errors import FailureKind, ServiceError, kind_of_status
from avr_sts_speechmatics.network import connection_errors, running_time
from avr_sts_speechmatics.network.proxies import Proxy, failure_of
from avr_sts_speechmatics.services import use
from avr_sts_speechmatics.services.llm.api_error import ApiError
from avr_sts_speechmatics.services.llm.chunks import decode_chunk
from avr_sts_speechmatics.services.llm.event_stream import Cut, EventStream, Stalled
from avr_sts_speechmatics.services.llm.http_client import HttpClient
from avr_sts_speechmatics.services.llm.protocol import Brief, LlmState, Usage
from avr_sts_speechmatics.services.llm.refusals import Refusal
from avr_sts_speechmatics.services.llm.request_form import Asked, RequestForm
from avr_sts_speechmatics.services.llm.streamed_answer import StreamedAnswer
from avr_sts_speechmatics.services.use import server_of
from avr_sts_speechmatics.values import Secret

CONNECT_S = 2.0
FIRST_S = 8.0
GAP_S = 5.0
ANSWER_S = 30.0
TRIES = 2
CHANGES = 8
"""How often the form of one request may be changed."""
RETRY_WAIT_S = 0.3
RETRY_AFTER_MAX_S = 2.0
"""Longest `Retry-After` that is waited for (s). For a longer one the answer fails at once."""
_REASONS = re.compile(r"(?<![a-z])r1(?![a-z0-9])|qwq|think|reason|magistral", re.IGNORECASE)
"""Names of models whose first answer waits for the end of reasoning, in case it has no beginning.
The first answer shows whether later answers need to wait."""
BYTES_PER_TOKEN = 4.0
"""Length of a token where the server has not counted any yet (bytes of the request's JSON)."""
CHARACTERS_PER_TOKEN = 4
"""Length of a token in an answer that was dropped."""
OPENAI_URL = "https://api.openai.com/v1"

_log = logging.getLogger(__name__)


class OpenAiLlm:
    """The LLM client of the process. Implements `services.llm.protocol.Llm`.

    model: name of the model, unless a `Brief` names another model.
    key: the API key; may be None only with a base_url.
    base_url: base address of the API; None for OpenAI.
    temperature: sampling temperature; None for the server's default.
    max_tokens: longest answer (tokens).
    effort: reasoning effort. None sends `none` to OpenAI, where small models would otherwise
        reason for seconds, and sends no effort to other servers.
    history_tokens: longest conversation in a request (tokens, estimated); None for no limit.
    proxy: the HTTP proxy to connect through, or None.
    trace: returns headers of the request that is being made, such as `traceparent`; or None.
    """

    def __init__(
        self,
        model: str,
        key: Secret | None,
        base_url: str | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int = 300,
        effort: str | None = None,
        history_tokens: int | None = None,
        proxy: Proxy | None = None,
        trace: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._proxy = proxy
        self._url = base_url or OPENAI_URL
        self._http = HttpClient(self._url, key, connect_s=CONNECT_S, proxy=proxy, more=trace)
        official = base_url is None
        parameters: dict[str, Any] = {"model": model}
        parameters["stream"] = True
        parameters["stream_options"] = {"include_usage": True}
        parameters["max_completion_tokens" if official else "max_tokens"] = max_tokens
        if effort is not None or official:
            parameters["reasoning_effort"] = effort or "none"
        if temperature is not None:
            parameters["temperature"] = temperature
        self._form = RequestForm(parameters, self._url, history_tokens)
        self._forms: dict[str, RequestForm] = {}
        self._official = official
        self._model = model
        self._server = server_of(self._url)
        self._bytes_per_token: dict[str, float] = {}  # by model, of the latest request

    async def warm_up(self) -> None:
        """Load the certificates in a thread."""
        await self._http.prepare()

    def state(self) -> LlmState:
        """Return the findings about the server since the start of the process."""
        forms = self._forms
        return LlmState(
            tools=all(form.tools for form in forms.values()),
            adaptations=tuple(
                f"{model}: {change}" for model, form in forms.items() for change in form.changes
            ),
        )

    async def reply(
        self,
        brief: Brief,
        history: Sequence[Entry],
        used: Callable[[Usage], None] | None = None,
    ) -> AsyncGenerator[str | ToolCall, None]:
        asked = Asked(brief.instructions, brief.tools, history, brief.answer)
        request = _Request(brief.model or self._model, asked)
        form = begun_with = self._form_of(request.model)
        while True:
            answer = StreamedAnswer(brief, form)
            try:
                stream = await self._begin(request, form)
                try:
                    # One generator from the socket to the caller of this method: a dropped answer
                    # leaves no other generator behind, and each level would cost CPU per word.
                    while (events := await stream.read(request.until())) is not None:
                        for event in events:
                            if text := self._add(event, answer, request, form):
                                if not request.heard:
                                    self._remember(request.model, form, begun_with)
                                    request.heard = True
                                yield text
                except Stalled:
                    raise _failed("the answer stalled", retryable=True, kind="timeout") from None
                except Cut as cut:
                    raise _failed(
                        f"the answer was cut: {cut}", retryable=True, kind="connection"
                    ) from None
                finally:
                    stream.close()
                break
            except _Again as again:
                form = again.form
                request.accepted = False
                use.report(use.Retried("llm"))
            finally:
                if request.accepted and used is not None:
                    used(self._usage(request, answer))
        if text := answer.end():
            self._remember(request.model, form, begun_with)
            yield text
        if not answer.is_complete:
            raise _failed("the answer was cut", retryable=True, kind="connection")
        self._remember(request.model, form, begun_with)
        if answer.has_text:
            known = self._form_of(request.model)
            reasoning = known.with_reasoning(answer.text.closes_unopened)
            self._remember(request.model, reasoning, known)
        for call in answer.calls(self._url):
            yield call

    async def close(self) -> None:
        await self._http.close()

    # --- one request ---------------------------------------------------------------------------

    async def _begin(self, request: "_Request", form: RequestForm) -> EventStream:
        """Send the request. Returns the stream when its headers arrived.

        Raises ServiceError, or _Again if the request is to be sent once more.
        """
        request.tries += 1
        request.first = None
        request.accepted = False
        body = form.body(request.asked)
        body["model"] = request.model
        sent = _json(body)
        request.length = len(sent)
        try:
            async with running_time.timeout(request.first_s):
                stream = EventStream(await self._http.post(sent))
            request.accepted = True
            return stream
        except asyncio.CancelledError:
            request.accepted = True  # as far as known
            raise
        except ApiError as error:
            if error.status == 407 and self._proxy is not None:
                what = f"cannot connect: {self._proxy.refusal(407)}"
                raise _failed(what, retryable=False, kind="connection") from error
            raise _Again(await self._after_refusal(error, request, form)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if (proxy := failure_of(error, self._proxy)) is not None:
                what = f"cannot connect: {proxy}"
                raise _failed(what, retryable=proxy.retryable, kind="connection") from error
            stalled = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError)
            if request.tries >= TRIES or stalled:
                raise self._unanswered(error, request.first_s) from error
            await asyncio.sleep(RETRY_WAIT_S)
            raise _Again(form) from error

    def _add(
        self, event: bytes, answer: StreamedAnswer, request: "_Request", form: RequestForm
    ) -> str:
        """Add an event to the answer and return the text that is visible now.

        Raises ServiceError, or _Again if the request is to be sent once more.
        """
        try:
            chunk = decode_chunk(event)
            if request.first is None and (chunk.text or chunk.calls):
                request.first = running_time.now() - request.began
                _log.debug("llm: first token after %.0f ms", request.first * 1000)
            return answer.add(chunk)
        except Exception as error:
            if isinstance(error, ApiError) and not request.heard:
                raise _Again(self._changed(error, request, form)) from error
            # A server may send anything, and nothing that it sends may end a call.
            raise _failed(
                f"the answer was cut: {_short(error)}", retryable=True, kind="broken"
            ) from error

    async def _after_refusal(
        self, error: ApiError, request: "_Request", form: RequestForm
    ) -> RequestForm:
        """The form for the next try. Raises ServiceError if there is none."""
        status = error.status
        is_too_large = status == 429 and Refusal.of(error).may_be_cured
        if status in (400, 404, 413, 422, 501) or is_too_large:
            return self._changed(error, request, form)
        retryable = status in (408, 409, 429) or status >= 500
        retryable = retryable and error.code != "insufficient_quota"
        changed = self._cured(error, request, form) if status == 500 else None
        if changed is not None:
            return changed
        wait = error.retry_after or RETRY_WAIT_S
        if not retryable or request.tries >= TRIES or wait > RETRY_AFTER_MAX_S:
            hint = "; check OPENAI_API_KEY" if status in (401, 403) else ""
            raise _failed(
                _short(error) + hint, retryable=retryable, kind=kind_of_status(status)
            ) from error
        await asyncio.sleep(wait)
        return form

    def _changed(self, error: ApiError, request: "_Request", form: RequestForm) -> RequestForm:
        """The form for another try of a request that was refused, perhaps inside its stream.

        Raises ServiceError if there is none.
        """
        refusal = Refusal.of(error)
        if refusal.failed_call and not request.repeated:
            request.repeated = True
            return form
        cured = None if refusal.failed_call else self._cured(error, request, form)
        if cured is not None:
            return cured
        first = request.refusal or error
        if refusal.status == 0:
            raise _failed(
                f"the answer was cut: {_short(first)}", retryable=True, kind="connection"
            ) from error
        raise _failed(_short(first), retryable=False) from error

    def _cured(self, error: ApiError, request: "_Request", form: RequestForm) -> RequestForm | None:
        # Without its traceback, which leads back to the request: a cycle.
        request.refusal = request.refusal or error.with_traceback(None)
        request.changes += 1
        cured = None
        if request.changes <= CHANGES:
            cured = form.cured(Refusal.of(error), request.asked)
        if cured is not None:
            request.tries = 0  # the server is not busy
        return cured

    # --- what has been learned -----------------------------------------------------------------

    def _form_of(self, model: str) -> RequestForm:
        if model not in self._forms:
            suspect = not self._official and bool(_REASONS.search(model))
            self._forms[model] = replace(self._form, reasons_first=suspect, proven=self._official)
        return self._forms[model]

    def _remember(self, model: str, form: RequestForm, begun_with: RequestForm) -> None:
        """Keep a form that the server accepted, and log how it changed.

        begun_with: the form that was known when the request began.
        """
        known = self._form_of(model)
        if form is begun_with:
            return
        if known is not begun_with and len(known.changes) >= len(form.changes):
            return  # another call has learned as much meanwhile
        self._forms[model] = form
        for change in form.changes:
            if change not in known.changes:
                _log.warning("llm: %s: %s", model, change)

    def _usage(self, request: "_Request", answer: StreamedAnswer) -> Usage:
        """Return the tokens of a request that was accepted; estimated if no usage was reported."""
        model, usage = request.model, answer.usage
        if usage is not None:
            if usage.prompt > 0:
                self._bytes_per_token[model] = request.length / usage.prompt
            return replace(usage, server=self._server, model=model)
        prompt = round(request.length / self._bytes_per_token.get(model, BYTES_PER_TOKEN))
        completion = round(answer.length / CHARACTERS_PER_TOKEN)
        return Usage(prompt, 0, completion, self._server, model, estimated=True)

    def _unanswered(self, error: Exception, within_s: float) -> ServiceError:
        if connection_errors.never_connected(error):
            why = connection_errors.why(error, self._url, within=CONNECT_S)
            return _failed(why, retryable=True, kind="connection")
        if isinstance(error, TimeoutError):
            return _failed(f"no answer within {within_s:g} s", retryable=True, kind="timeout")
        return _failed(f"no answer: {_short(error)}", retryable=True, kind="connection")


class _Request:
    """One request and what became of its tries.

    model: name of the model.
    asked: the content of the request.
    first_s: longest wait for the first text (s).
    began: running time (s).
    tries: requests sent since the last change of the form.
    changes: how often the form was changed.
    repeated: the same request was sent again because the model failed.
    first: time to the first text or tool call (s); None until then.
    heard: text of the answer was passed on.
    refusal: the first refusal.
    accepted: the server may charge for the request.
    length: of the body (bytes).
    """

    def __init__(self, model: str, asked: Asked) -> None:
        self.model = model
        self.asked = asked
        self.first_s = FIRST_S if asked.answer is None else ANSWER_S
        self.began = running_time.now()
        self.tries = 0
        self.changes = 0
        self.repeated = False
        self.first: float | None = None
        self.heard = False
        self.refusal: ApiError | None = None
        self.accepted = False
        self.length = 0

    def until(self) -> float:
        """Return the latest time for the next event, in running time (s)."""
        until = running_time.now() + (self.first_s if self.first is None else GAP_S)
        longest = self.began + ANSWER_S
        return until if until < longest else longest


class _Again(Exception):
    """The request is to be sent once more. form: the form of the next request."""

    def __init__(self, form: RequestForm) -> None:
        super().__init__()
        self.form = form


def _failed(what: str, *, retryable: bool, kind: FailureKind | None = None) -> ServiceError:
    return ServiceError("llm", what, retryable=retryable, kind=kind)


def _short(error: BaseException) -> str:
    text = " ".join((str(error) or type(error).__name__).split())[:200]
    id = error.request_id if isinstance(error, ApiError) else ""
    return f"{text} (request {id[:60]})" if id else text


def _json(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (ValueError, OverflowError):
        # Half of a surrogate pair in the result of a tool; an integer of more than 64 bits.
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
