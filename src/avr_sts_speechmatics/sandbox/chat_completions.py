"""Chat Completions as values: requests are validated, answers built. No I/O.

All fields of the API reference are accepted, though most have no effect on a scripted answer. A
field that is not in the reference is rejected, as the cloud does. Any model name is accepted, so
that the service can be tried with its production settings. Token counts are estimates from the
length of the text, four characters a token.
"""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from avr_sts_speechmatics.sandbox.engines import ToolCall

KNOWN_FIELDS = frozenset(
    """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens messages metadata modalities model n parallel_tool_calls prediction
    presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention
    reasoning_effort response_format safety_identifier seed service_tier stop store stream
    stream_options temperature tool_choice tools top_logprobs top_p user verbosity
    web_search_options
    """.split()
)

ROLES = frozenset({"developer", "system", "user", "assistant", "tool"})
STRICT_KEYWORDS = frozenset(
    """
    type properties required additionalProperties description title enum const items anyOf $defs
    $ref pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems
    maxItems
    """.split()
)
"""Keywords of a JSON Schema that the cloud keeps strictly."""

CHARACTERS_PER_TOKEN = 4


class BadRequest(ValueError):
    """The request is invalid.

    param: the invalid field; None for the body as a whole.
    """

    def __init__(self, reason: str, param: str | None = None) -> None:
        super().__init__(reason)
        self.param = param


class ChatRequest(msgspec.Struct, frozen=True):
    """A valid request.

    model: name of the model.
    messages: the conversation, oldest first.
    tools: names of the tools that the answer may call.
    stream: the answer is sent in chunks.
    include_usage: the stream ends with the token counts.
    schema: JSON Schema of the answer; empty for any object, None for words.
    """

    model: str
    messages: list[dict[str, Any]]
    tools: frozenset[str]
    stream: bool
    include_usage: bool
    schema: dict[str, Any] | None = None


def parse(body: object) -> ChatRequest:
    """Validate the decoded JSON body of a request. Raises BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    for name in body:
        if name not in KNOWN_FIELDS:
            raise BadRequest(f"Unrecognized request argument supplied: {name}", name)
    model, stream = body.get("model"), body.get("stream") or False
    if not isinstance(model, str) or not model:
        raise BadRequest("you must provide a model parameter", "model")
    if not isinstance(stream, bool):
        raise BadRequest("stream must be a boolean", "stream")
    options = body.get("stream_options")
    if options is not None and not stream:
        raise BadRequest("stream_options is only allowed when stream is enabled", "stream_options")
    if options is not None and not isinstance(options, dict):
        raise BadRequest("stream_options must be an object", "stream_options")
    return ChatRequest(
        model=model,
        messages=_messages(body.get("messages")),
        tools=frozenset(_tools(body)),
        stream=stream,
        include_usage=bool(options and options.get("include_usage")),
        schema=_schema(body),
    )


def _schema(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Validate `response_format` and return its schema."""
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        if "json" not in str(body.get("messages")).lower():
            reason = "'messages' must contain the word 'json' to use 'response_format'"
            raise BadRequest(f"{reason} of type 'json_object'.", "messages")
        return {}
    named = wanted.get("json_schema") if kind == "json_schema" else None
    if not isinstance(named, dict) or not named.get("name"):
        raise BadRequest("Invalid value for 'response_format'", "response_format")
    schema = named.get("schema")
    if not isinstance(schema, dict):
        raise BadRequest("Invalid schema for response_format", "response_format")
    if named.get("strict"):
        _strict(schema, ())
    return schema


def _strict(schema: object, place: tuple[str, ...]) -> None:
    """Reject what is not allowed with `strict`."""
    if isinstance(schema, list):
        for one in schema:
            _strict(one, place)
    if not isinstance(schema, dict):
        return
    where = f"Invalid schema for response_format 'outcome': In context={place}"
    if unknown := schema.keys() - STRICT_KEYWORDS:
        raise BadRequest(f"{where}, '{min(unknown)}' is not permitted.", "response_format")
    properties = schema.get("properties")
    if isinstance(properties, dict):
        if schema.get("additionalProperties") is not False:
            raise BadRequest(
                f"{where}, 'additionalProperties' is required to be supplied and to be false.",
                "response_format",
            )
        if set(schema.get("required") or ()) != set(properties):
            raise BadRequest(
                f"{where}, 'required' is required to be supplied and to be an array including "
                "every key in properties.",
                "response_format",
            )
        for name, one in properties.items():
            _strict(one, (*place, "properties", name))
    for key in ("items", "anyOf"):
        _strict(schema.get(key), (*place, key))
    for name, one in (schema.get("$defs") or {}).items():
        _strict(one, ("$defs", name))


def _messages(messages: object) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages must be a list and not empty", "messages")
    pending: set[object] = set()
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise BadRequest(f"{where}.role must be one of {', '.join(sorted(ROLES))}", where)
        if message["role"] == "tool":
            if message.get("tool_call_id") not in pending:
                raise BadRequest(f"{where}: no tool call before it has that tool_call_id", where)
            pending.discard(message["tool_call_id"])
            continue
        if pending:
            raise BadRequest(f"{where}: a tool call before it was not answered", where)
        calls = message.get("tool_calls") or []
        pending = {call.get("id") for call in calls}
        if message.get("content") is None and not calls:
            raise BadRequest(f"{where}.content must not be empty", where)
    if pending:
        raise BadRequest("the last message's tool calls were not answered", "messages")
    return messages


def _tools(body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("tool_choice") == "none":
        return
    for index, tool in enumerate(body.get("tools") or []):
        try:
            name = tool["function"]["name"]
        except (KeyError, TypeError):
            name = None
        if not isinstance(name, str) or not name:
            where = f"tools[{index}].function.name"
            raise BadRequest(f"missing required parameter: {where}", where)
        yield name


def tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


class Answer:
    """One answer, as chunks of a stream or as a whole. Call `add` once for each piece, in order."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._text = ""
        self._calls: list[dict[str, Any]] = []

    def opening(self) -> dict[str, Any]:
        """The first chunk of a stream: the role, with no text yet."""
        return self.chunk({"role": "assistant", "content": ""})

    def add(self, piece: str | ToolCall) -> list[dict[str, Any]]:
        """Chunks for the next piece; the arguments of a tool call are sent in fragments."""
        if isinstance(piece, str):
            self._text += piece
            return [self.chunk({"content": piece})]
        call = {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function"}
        index = len(self._calls)
        self._calls.append({**call, "function": {"name": piece.name, "arguments": piece.arguments}})
        middle = len(piece.arguments) // 2
        head = {"index": index, **call, "function": {"name": piece.name, "arguments": ""}}
        halves = (piece.arguments[:middle], piece.arguments[middle:])
        rest = [{"index": index, "function": {"arguments": half}} for half in halves if half]
        return [self.chunk({"tool_calls": [fragment]}) for fragment in (head, *rest)]

    def closing(self) -> list[dict[str, Any]]:
        """The chunks after the last piece: the finish reason, then the usage if requested."""
        chunks = [self.chunk({}, self._finish_reason)]
        if self._request.include_usage:
            chunks.append({**self._head("chat.completion.chunk"), "usage": self._usage()})
        return chunks

    def whole(self) -> dict[str, Any]:
        """The complete answer, for a request without `stream`."""
        message: dict[str, Any] = {"role": "assistant", "content": self._text or None}
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason}
        return {
            **self._head("chat.completion"),
            "choices": [{**choice, "logprobs": None}],
            "usage": self._usage(),
        }

    @property
    def _finish_reason(self) -> str:
        return "tool_calls" if self._calls else "stop"

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._request.model,
            "service_tier": "default",
            "choices": [],
        }

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        """A chunk of the stream. delta: the change that the chunk carries."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
        return {**chunk, "usage": None} if self._request.include_usage else chunk

    def _usage(self) -> dict[str, Any]:
        prompt = sum(tokens(str(m.get("content") or "")) for m in self._request.messages)
        calls: Sequence[str] = [call["function"]["arguments"] for call in self._calls]
        completion = tokens(self._text) + sum(tokens(arguments) for arguments in calls)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
