"""Thinking by a chat model: OpenAI's, or any server that speaks Chat Completions.

Chat Completions is the common denominator of OpenAI, vLLM, Ollama and llama.cpp. Servers differ in
the parameters they take, so few are sent to a server that is not OpenAI's, and one that is refused
(a 400 that names it) is left out from then on, for the process.

A caller waits: connecting may take CONNECT_S, the first words FIRST_S, a gap GAP_S, the whole
answer ANSWER_S. A request is tried once more only before its stream has begun; what was spoken
cannot be unsaid. [OpenAI reference, 1, 3, 4, 5, 7, 8]
"""

import asyncio
import importlib
import logging
import re
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec

from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.llm.chat_messages import chat_messages, chat_tools, is_object
from avr_sts_speechmatics.services.llm.protocol import Brief
from avr_sts_speechmatics.values import Secret

if TYPE_CHECKING:
    import openai

CONNECT_S = 2.0
FIRST_S = 8.0
GAP_S = 5.0
ANSWER_S = 30.0
TRIES = 2
RETRY_WAIT_S = 0.3
RETRY_AFTER_MAX_S = 2.0
"""A server that asks for a longer wait than this is not asked again for this answer (s)."""

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
    """What is read of a chunk; servers add fields of their own."""

    choices: list[_Choice] | None = None


class OpenAiLlm:
    """One client for the process. Implements `thinking.Thinking`.

    base_url: None for OpenAI. key: may be None only with a base_url.
    effort: reasoning effort; None for `none` at OpenAI, where small models would otherwise
    reason for seconds, and for not sending it elsewhere.
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
    ) -> None:
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
        """Load the SDK, beside the event loop: it takes a second, and no call should."""
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
        """The answer's text as it comes; what it asks for besides is collected in `calls`."""
        asked = time.monotonic()
        stream = await self._begin(body)
        first: float | None = None
        finish: str | None = None
        text_so_far = ""
        async with stream:
            chunks = stream.__aiter__()
            try:
                while True:
                    now = time.monotonic()
                    wait = FIRST_S if first is None else GAP_S
                    async with asyncio.timeout(min(wait, asked + ANSWER_S - now)):
                        chunk = await anext(chunks)
                    choices = msgspec.convert(chunk, _Chunk).choices
                    # The last chunk may carry usage only.
                    if not choices:
                        continue
                    finish = choices[0].finish_reason or finish
                    delta = choices[0].delta or _NOTHING
                    if first is None and (delta.content or delta.tool_calls):
                        first = time.monotonic() - asked
                        _log.debug("llm: first token after %.0f ms", first * 1000)
                    calls.add(delta.tool_calls or ())
                    # Half a character (JSON can hold one) can be neither spoken nor sent on.
                    if text := (delta.content or "").encode("utf-8", "ignore").decode():
                        text_so_far = text_so_far[-40:] + text
                        yield text
            except StopAsyncIteration:
                pass
            except TimeoutError:
                raise _failed("the answer stalled", retryable=True) from None
            except Exception as error:
                # A server may send anything, and the SDK lets through what its JSON parser, its
                # models and the transport below it raise: whatever it is, the answer is at an end.
                raise _failed(f"the answer was cut: {_short(error)}", retryable=True) from error
        # Some servers never say why they finished; a whole sentence, or a whole tool call, is proof
        # enough.
        if (
            finish is None
            and not calls.are_whole
            and not text_so_far.rstrip().endswith((".", "!", "?", "…"))
        ):
            raise _failed("the answer was cut", retryable=True)

    async def _begin(self, body: dict[str, Any]) -> "openai.AsyncStream[object]":
        """The stream, once its headers are there; tried TRIES times."""
        import openai

        client = self._connect()
        tries = 0
        while True:
            tries += 1
            try:
                async with asyncio.timeout(FIRST_S):
                    # The SDK's own road for requests it does not model: the modelled one walks
                    # through the whole history with `typing` (5 ms of CPU for each answer) and
                    # makes a pydantic model of each word.
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
                retryable = error.status_code in (408, 409, 429) or error.status_code >= 500
                retryable = retryable and error.code != "insufficient_quota"
                wait = _retry_after(error) or RETRY_WAIT_S
                if not retryable or tries >= TRIES or wait > RETRY_AFTER_MAX_S:
                    hint = "; check OPENAI_API_KEY" if error.status_code in (401, 403) else ""
                    raise _failed(_short(error) + hint, retryable=retryable) from error
                await asyncio.sleep(wait)
            except (openai.APIConnectionError, TimeoutError) as error:
                if tries >= TRIES or isinstance(error, TimeoutError):
                    raise _failed(f"no answer: {_short(error)}", retryable=True) from error
                await asyncio.sleep(RETRY_WAIT_S)

    def _connect(self) -> "openai.AsyncOpenAI":
        if self._client is None:
            import openai

            self._client = openai.AsyncOpenAI(
                # Servers of one's own want no key, but the SDK wants one that is not empty.
                api_key=self._key.reveal() if self._key else "none",
                base_url=self._base_url or "https://api.openai.com/v1",
                max_retries=0,
                timeout=openai.Timeout(FIRST_S, connect=CONNECT_S),
                http_client=openai.DefaultAioHttpClient(),
            )
        return self._client

    def _leave_out(self, error: "openai.BadRequestError") -> bool:
        """Change the parameter a server refused; False if it named none that can be changed."""
        text = str(error)
        named = error.param or ""
        for name in ("max_completion_tokens", "max_tokens", "reasoning_effort", "temperature"):
            if name in self._parameters and (named == name or re.search(rf"\b{name}\b", text)):
                value = self._parameters.pop(name)
                if name == "max_completion_tokens":
                    self._parameters["max_tokens"] = value
                elif name == "max_tokens" and "max_completion_tokens" in text:
                    self._parameters["max_completion_tokens"] = value
                _log.warning("llm: the server refuses %s; it is not sent any more", name)
                return True
        return False


class _Calls:
    """Tool calls, put together from their fragments.

    Fragments belong together by index. Servers that send a call in one piece may leave out the
    index, or the id, or give an id twice; one is made up then, for the result to refer to.
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
        """There are some, and their arguments are whole objects."""
        return bool(self._calls) and all(is_object(parts[2] or "{}") for _, parts in self._calls)

    def whole(self) -> list[ToolCall]:
        return [ToolCall(id, name, arguments or "{}") for _, (id, name, arguments) in self._calls]


def _made_up_id() -> str:
    return f"call_{uuid.uuid4().hex}"


class _Visible:
    """Drops the <think> part local models put before their answer; tags may be cut anywhere."""

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
        # The end of what is held may be the beginning of a tag.
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
