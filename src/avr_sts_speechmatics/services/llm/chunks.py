"""Reading the chunks of a stream, with the deviations of compatible servers.

Compatible servers differ in small things: a list of parts instead of a text, arguments as an
object, an index that is missing. A field that cannot be read is left out; the rest of the chunk
is used. Nearly all chunks have nothing but a text and are decoded into the few fields that are
needed; every other chunk is decoded whole and read field by field.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from avr_sts_speechmatics.network.untrusted_json import ERRORS, BadJson, reason
from avr_sts_speechmatics.services.llm.api_error import inside_stream
from avr_sts_speechmatics.services.llm.protocol import Usage

_OF_A_CALL = frozenset({"index", "id", "type", "function"})
_OF_A_DELTA = frozenset(
    "role content tool_calls function_call refusal audio annotations name tool_call_id".split()
)
_TEXT_PARTS = frozenset({"text", "output_text"})


class CallPiece(msgspec.Struct, frozen=True):
    """A fragment of a tool call.

    index: place of the tool call in the answer; None if the server gives none.
    id: the server's identifier; empty if the fragment has none.
    name: name of the tool, or a part of it.
    arguments: a part of the arguments' JSON text.
    opaque: all other fields, unread.
    """

    index: int | None
    id: str
    name: str
    arguments: str
    opaque: Mapping[str, Any]


class Chunk(msgspec.Struct, frozen=True):
    """One chunk of an answer.

    text: text that the model writes for the caller.
    calls: fragments of tool calls.
    finish: reason for the end of the answer; empty before the end.
    opaque: fields of the message that are neither text nor tool calls, such as its reasoning.
    usage: the tokens of the request, if the chunk reports them.
    """

    text: str = ""
    calls: tuple[CallPiece, ...] = ()
    finish: str = ""
    opaque: Mapping[str, Any] = {}
    usage: Usage | None = None


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A delta with text only. Other fields may be there, but not with a value."""

    content: str | None = None
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    reasoning_content: None = None
    reasoning: None = None


class _PlainChoice(msgspec.Struct, gc=False):
    delta: _PlainDelta
    finish_reason: str | None = None
    message: None = None


class _PlainChunk(msgspec.Struct, gc=False):
    choices: tuple[_PlainChoice, ...]
    usage: None = None
    error: None = None


_plain = msgspec.json.Decoder(_PlainChunk).decode


def decode_chunk(data: bytes) -> Chunk:
    """Decode a chunk. Raises ApiError if the chunk is an error, and BadJson.

    data: JSON; not a number (NaN), broken UTF-8 and halves of surrogate pairs are tolerated.
    """
    try:
        plain = _plain(data)
    except ERRORS:
        chunk = _decode(data)
        if isinstance(chunk, dict) and (error := chunk.get("error")):
            raise inside_stream(error) from None
        return read_chunk(chunk)
    if not plain.choices:
        return Chunk()
    choice = plain.choices[0]
    return Chunk(choice.delta.content or "", finish=choice.finish_reason or "")


def _decode(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except ERRORS:
        pass
    try:
        return json.loads(data.decode("utf-8", "ignore"))
    except ERRORS as error:
        raise BadJson(reason(error)) from None


def read_chunk(chunk: object) -> Chunk:
    """Read a decoded chunk. Returns an empty chunk for one that has nothing to read."""
    if not isinstance(chunk, dict):
        return Chunk()
    usage = _usage(chunk.get("usage")) if chunk.get("usage") else None
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else choices
    if not isinstance(choice, dict):
        return Chunk(usage=usage)  # such as the last chunk, which carries the usage only
    finish = choice.get("finish_reason")
    # A server that does not stream sends the whole message.
    delta = choice.get("delta") or choice.get("message")
    if not isinstance(delta, dict):
        text = choice.get("text")
        delta = {"content": text} if isinstance(text, str) else {}
    finish = finish if isinstance(finish, str) else "stop" if finish else ""
    content = delta.get("content")
    if len(delta) == 1 and isinstance(content, str) and content.isascii() and not usage:
        return Chunk(content, finish=finish)  # nearly all chunks are like this one
    calls = delta.get("tool_calls")
    if not calls and delta.get("function_call"):
        calls = [{"function": delta["function_call"]}]  # the API's older form of a tool call
    return Chunk(
        text=_text(delta.get("content")) + _text(delta.get("refusal")),
        calls=_pieces(calls) if calls else (),
        finish=finish,
        opaque={k: v for k, v in delta.items() if k not in _OF_A_DELTA and v is not None},
        usage=usage,
    )


def _text(content: object) -> str:
    """Return the text of a message's content. Other parts, such as reasoning, are left out."""
    if isinstance(content, str):
        # A lone surrogate, which JSON allows, can be neither spoken nor encoded.
        return content if content.isascii() else content.encode("utf-8", "ignore").decode()
    if isinstance(content, list):
        return "".join(map(_text, content))
    if isinstance(content, dict) and str(content.get("type", "text")) in _TEXT_PARTS:
        text = content.get("text")
        return _text(text.get("value") if isinstance(text, dict) else text)
    return ""


def _pieces(calls: object) -> tuple[CallPiece, ...]:
    found = calls if isinstance(calls, list) else [calls]
    return tuple(_piece(call) for call in found if isinstance(call, dict))


def _piece(call: Mapping[str, Any]) -> CallPiece:
    function = call.get("function")
    if not isinstance(function, dict):
        # Some servers put the name and the arguments into the call itself.
        function = {key: call[key] for key in ("name", "arguments") if key in call}
    opaque = {k: v for k, v in call.items() if k not in _OF_A_CALL and k not in function}
    unread = {k: v for k, v in function.items() if k not in ("name", "arguments")}
    if unread:
        opaque["function"] = unread
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments, ensure_ascii=False)
    index, id, name = call.get("index"), call.get("id"), function.get("name")
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    return CallPiece(
        index=index if isinstance(index, int) else None,
        id=str(id) if isinstance(id, str | int) else "",
        name=name if isinstance(name, str) else "",
        arguments=arguments if isinstance(arguments, str) else "",
        opaque={key: value for key, value in opaque.items() if value is not None},
    )


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(
        _count(usage.get("prompt_tokens")),
        _count(cached if cached is not None else usage.get("prompt_cache_hit_tokens")),
        _count(usage.get("completion_tokens")),
    )


def _count(tokens: object) -> int:
    return int(tokens) if isinstance(tokens, int | float) and 0 <= tokens < 1e12 else 0


def merged(old: Any, new: Any) -> Any:
    """Join two pieces of an opaque field as a stream sends them.

    Texts and lists are continued, objects are merged. A value that is sent again is kept once.
    """
    if old is None or old == new:
        return new
    if isinstance(old, str) and isinstance(new, str):
        return new if new.startswith(old) else old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: merged(old.get(key), value) for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list):
        return _joined(old, new)
    return new


def _joined(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    """Join lists: items with the same `index` are one item."""
    joined = list(old)
    for item in new:
        index = item.get("index") if isinstance(item, dict) else None
        at = next(
            (
                place
                for place, known in enumerate(joined)
                if index is not None and isinstance(known, dict) and known.get("index") == index
            ),
            None,
        )
        if at is None:
            joined.append(item)
        else:
            fixed = {k: v for k, v in item.items() if k in ("index", "type", "format", "id")}
            joined[at] = merged(joined[at], item) | fixed
    return joined
