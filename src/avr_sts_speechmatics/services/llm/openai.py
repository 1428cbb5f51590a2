"""The LLM client for OpenAI and every other server of the Chat Completions API.

Chat Completions is the common denominator of OpenAI, vLLM, Ollama and llama.cpp. Servers differ in
the parameters they accept. So other servers than OpenAI's are sent few parameters, and a parameter
that a server refuses (status 400 with the name of the parameter) is not sent again by this process.

All times are limited, because a caller waits: CONNECT_S for connecting, FIRST_S for the first
words, GAP_S between two pieces, ANSWER_S for the whole answer. A request is retried once, and only
before its stream has begun: the text of a stream may have been spoken already.
[OpenAI reference, 1, 3, 4, 5, 7, 8]
"""

import asyncio
import importlib
import logging
import re
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec

from avr_sts_speechmatics import connection_errors, running_time
from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.proxies import Proxy, failure_of
from avr_sts_speechmatics.services.llm.chat_messages import chat_messages, chat_tools, is_object
from avr_sts_speechmatics.services.llm.protocol import Brief
from avr_sts_speechmatics.values import Secret

if TYPE_CHECKING:
    import httpx2
    import openai

CONNECT_S = 2.0
FIRST_S = 8.0
GAP_S = 5.0
ANSWER_S = 30.0
TRIES = 2
RETRY_WAIT_S = 0.3
OPENAI_URL = "https://api.openai.com/v1"
RETRY_AFTER_MAX_S = 2.0
"""Longest `Retry-After` that is waited for (s). For a longer one the answer fails at once."""

_log = logging.getLogger(__name__)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _CallPiece(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_CallPiece] | None = None


_NOTHING = _Delta()


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    """The fields that are read from a chunk. Servers may add other fields."""

    choices: list[_Choice] | None = None


class OpenAiLlm:
    """The LLM client of the process. Implements `services.llm.protocol.Llm`.

    model: name of the model, unless a `Brief` names another model.
    key: the API key; may be None only with a base_url.
    base_url: base address of the API; None for OpenAI.
    temperature: sampling temperature; None for the server's default.
    max_tokens: longest answer (tokens).
    effort: reasoning effort. None sends `none` to OpenAI, where small models would otherwise
        reason for seconds, and sends no effort to other servers.
    proxy: the HTTP proxy to connect through, or None.
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
        proxy: Proxy | None = None,
    ) -> None:
        self._proxy = proxy
        self._key = key
        self._base_url = base_url
        self._client: openai.AsyncOpenAI | None = None
        self._parameters: dict[str, Any] = {"model": model}
        official = base_url is None
        self._parameters["max_completion_tokens" if official else "max_tokens"] = max_tokens
        if effort is not None or official:
            self._parameters["reasoning_effort"] = effort or "none"
        if temperature is not None:
            self._parameters["temperature"] = temperature

    async def warm_up(self) -> None:
        """Load the SDK in a thread. Loading takes a second, which no call should wait for."""
        await asyncio.to_thread(importlib.import_module, "openai")
        self._connect()

    async def reply(
        self, brief: Brief, history: Sequence[Entry]
    ) -> AsyncGenerator[str | ToolCall, None]:
        body: dict[str, Any] = {"messages": chat_messages(brief.instructions, history)}
        if brief.tools:
            body["tools"] = chat_tools(brief.tools)
        if brief.model is not None:
            body["model"] = brief.model
        calls = _Calls()
        async with aclosing(self._stream(body, calls)) as deltas:
            visible = _Visible()
            async for delta in deltas:
                if text := visible.feed(delta):
                    yield text
            if text := visible.end():
                yield text
        for call in calls.whole():
            yield call

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _stream(self, body: dict[str, Any], calls: "_Calls") -> AsyncGenerator[str, None]:
        """Yield the text of an answer as it arrives, and collect the answer's tool calls.

        body: the request, without the parameters that every request has.
        calls: receives the fragments of tool calls.

        Raises ServiceError.
        """
        asked = running_time.now()
        stream = await self._begin(body)
        first: float | None = None
        finish: str | None = None
        text_so_far = ""
        async with stream:
            chunks = stream.__aiter__()
            try:
                while True:
                    now = running_time.now()
                    wait = FIRST_S if first is None else GAP_S
                    async with running_time.timeout(min(wait, asked + ANSWER_S - now)):
                        chunk = await anext(chunks)
                    choices = msgspec.convert(chunk, _Chunk).choices
                    # The last chunk may carry usage only.
                    if not choices:
                        continue
                    finish = choices[0].finish_reason or finish
                    delta = choices[0].delta or _NOTHING
                    if first is None and (delta.content or delta.tool_calls):
                        first = running_time.now() - asked
                        _log.debug("llm: first token after %.0f ms", first * 1000)
                    calls.add(delta.tool_calls or ())
                    # A lone surrogate, which JSON allows, can be neither spoken nor encoded.
                    if text := (delta.content or "").encode("utf-8", "ignore").decode():
                        text_so_far = text_so_far[-40:] + text
                        yield text
            except StopAsyncIteration:
                pass
            except TimeoutError:
                raise _failed("the answer stalled", retryable=True) from None
            except Exception as error:
                # A server may send anything, and the SDK passes on the exceptions of its JSON
                # parser, its models and the HTTP transport. Each of them ends the answer.
                raise _failed(f"the answer was cut: {_short(error)}", retryable=True) from error
        # Some servers send no finish_reason. Then a complete sentence or a complete tool call
        # counts as the end.
        if (
            finish is None
            and not calls.are_whole
            and not text_so_far.rstrip().endswith((".", "!", "?", "…"))
        ):
            raise _failed("the answer was cut", retryable=True)

    async def _begin(self, body: dict[str, Any]) -> "openai.AsyncStream[object]":
        """Send the request, at most TRIES times. Returns the stream when its headers arrived."""
        import openai

        client = self._connect()
        tries = 0
        while True:
            tries += 1
            try:
                async with running_time.timeout(FIRST_S):
                    # The SDK's method for untyped requests. The typed method walks through the
                    # whole history with `typing` (5 ms of CPU per answer) and builds a pydantic
                    # model of each word.
                    return await client.post(
                        "/chat/completions",
                        cast_to=object,
                        body={"stream": True, **self._parameters, **body},
                        stream=True,
                        stream_cls=openai.AsyncStream[object],
                    )
            except openai.BadRequestError as error:
                if not self._leave_out(error):
                    raise _failed(_short(error), retryable=False) from error
                tries -= 1
            except openai.APIStatusError as error:
                if error.status_code == 407 and self._proxy is not None:
                    what = f"cannot connect: {self._proxy.refusal(407)}"
                    raise _failed(what, retryable=False) from error
                retryable = error.status_code in (408, 409, 429) or error.status_code >= 500
                retryable = retryable and error.code != "insufficient_quota"
                wait = _retry_after(error) or RETRY_WAIT_S
                if not retryable or tries >= TRIES or wait > RETRY_AFTER_MAX_S:
                    hint = "; check OPENAI_API_KEY" if error.status_code in (401, 403) else ""
                    raise _failed(_short(error) + hint, retryable=retryable) from error
                await asyncio.sleep(wait)
            except (openai.APIConnectionError, TimeoutError) as error:
                if (proxy := failure_of(error, self._proxy)) is not None:
                    what = f"cannot connect: {proxy}"
                    raise _failed(what, retryable=proxy.retryable) from error
                if tries >= TRIES or isinstance(error, TimeoutError):
                    raise self._unanswered(error) from error
                await asyncio.sleep(RETRY_WAIT_S)

    def _unanswered(self, error: Exception) -> ServiceError:
        if connection_errors.never_connected(error):
            why = connection_errors.why(error, self._base_url or OPENAI_URL, within=CONNECT_S)
            return _failed(why, retryable=True)
        if isinstance(error, TimeoutError) or type(error).__name__ == "APITimeoutError":
            return _failed(f"no answer within {FIRST_S:g} s", retryable=True)
        return _failed(f"no answer: {_short(error)}", retryable=True)

    def _connect(self) -> "openai.AsyncOpenAI":
        if self._client is None:
            import openai

            self._client = openai.AsyncOpenAI(
                # A self-hosted server may need no key, but the SDK requires a non-empty key.
                api_key=self._key.reveal() if self._key else "none",
                base_url=self._base_url or OPENAI_URL,
                max_retries=0,
                # All other waits are bounded here, in running time.
                timeout=openai.Timeout(None, connect=CONNECT_S),
                http_client=self._http_client(),
            )
        return self._client

    def _http_client(self) -> "httpx2.AsyncClient":
        import httpx2
        import openai

        proxy, headers = self._proxy, {}
        if proxy is not None and (self._base_url or "").startswith("http:"):
            headers = proxy.headers()  # without a tunnel each request tells the proxy its user
        return openai.DefaultAioHttpClient(
            proxy=None if proxy is None else httpx2.Proxy(proxy.address, headers=proxy.headers()),
            headers=headers,
            verify=httpx2.create_ssl_context(),
            trust_env=False,  # would look for a proxy in ways of its own
        )

    def _leave_out(self, error: "openai.BadRequestError") -> bool:
        """Remove or rename the parameter that a server refused.

        Returns False if the error names no parameter that can be left out.
        """
        text = str(error)
        named = error.param or ""
        for name in ("max_completion_tokens", "max_tokens", "reasoning_effort", "temperature"):
            if name in self._parameters and (named == name or re.search(rf"\b{name}\b", text)):
                value = self._parameters.pop(name)
                if name == "max_completion_tokens":
                    self._parameters["max_tokens"] = value
                elif name == "max_tokens" and "max_completion_tokens" in text:
                    self._parameters["max_completion_tokens"] = value
                _log.warning("llm: the server refuses %s; the parameter is not sent again", name)
                return True
        return False


class _Calls:
    """Joins fragments into tool calls.

    Fragments with the same index form one tool call. Servers that send a tool call in one piece
    may leave out the index or the id, or use an id twice. Then a new id is made, so that the
    result can refer to its tool call.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[int | None, list[str]]] = []  # index; id, name, arguments

    def add(self, pieces: Sequence[_CallPiece]) -> None:
        for piece in pieces:
            function = piece.function or _Function()
            known = [parts for index, parts in self._calls if index == piece.index]
            begins = not known or (piece.index is None and function.name)
            if begins:
                taken = {parts[0] for _, parts in self._calls}
                id = piece.id if piece.id and piece.id not in taken else _made_up_id()
                parts = [id, function.name or "", ""]
                self._calls.append((piece.index, parts))
            else:
                parts = known[-1]
            parts[2] += function.arguments or ""

    @property
    def are_whole(self) -> bool:
        """Whether there are tool calls and the arguments of each are a complete JSON object."""
        return bool(self._calls) and all(is_object(parts[2] or "{}") for _, parts in self._calls)

    def whole(self) -> list[ToolCall]:
        return [ToolCall(id, name, arguments or "{}") for _, (id, name, arguments) in self._calls]


def _made_up_id() -> str:
    return f"call_{uuid.uuid4().hex}"


class _Visible:
    """Drops the <think> part of local models' answers. The stream may be cut inside a tag."""

    OPEN, CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._held = ""
        self._hidden = False

    def feed(self, delta: str) -> str:
        self._held += delta
        shown = ""
        while True:
            tag = self.CLOSE if self._hidden else self.OPEN
            at = self._held.find(tag)
            if at < 0:
                break
            if not self._hidden:
                shown += self._held[:at]
            self._held = self._held[at + len(tag) :]
            self._hidden = not self._hidden
        # The end of the held text may be the beginning of a tag.
        keep = next(
            (
                n
                for n in range(min(len(tag) - 1, len(self._held)), 0, -1)
                if tag.startswith(self._held[-n:])
            ),
            0,
        )
        if not self._hidden:
            shown += self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return shown

    def end(self) -> str:
        return "" if self._hidden else self._held


def _failed(what: str, *, retryable: bool) -> ServiceError:
    return ServiceError("llm", what, retryable=retryable)


def _short(error: BaseException) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]


def _retry_after(error: "openai.APIStatusError") -> float | None:
    try:
        return float(error.response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
