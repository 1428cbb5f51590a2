"""Tool calls that a model wrote as text, in the notations of the common model families.

Servers without a tool parser for their model pass on the model's own notation as text. `parse`
reads the content of such a block: JSON, XML-like tags, `name{...}`, or a Python call. Arguments
become the types that the tool's schema asks for, because tags carry text only.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from avr_sts_speechmatics.conversation import ToolSpec

Tools: TypeAlias = Mapping[str, ToolSpec]
Written: TypeAlias = tuple[str, str]
"""Name of the tool, and its arguments as JSON text."""

LEVELS_MAX = 8
"""How deep a tool call may be nested in lists and objects; no notation needs more than four."""

UNENDED = 20
"""Most beginnings of an object without an end in one block. Each is looked for to the block's end,
and a model that repeats itself can write thousands, while all calls wait."""

_NAMES = ("name", "function", "function_name", "tool", "tool_name", "recipient_name", "action")
_ARGUMENTS = (
    *("arguments", "parameters", "args", "params", "input", "kwargs"),
    *("tool_input", "action_input", "function_arguments"),
)

_INVOKED = re.compile(
    r"<(?:[｜|]?DSML[｜|])?(?:invoke|tool_call|function_call|function|tool)"
    r"\s+name=[\"']?([\w.-]+)[\"']?[^>]*>"
    r"(.*?)(?=</(?:[｜|]?DSML[｜|])?(?:invoke|tool|func)|<(?:[｜|]?DSML[｜|])?invoke\s|\Z)",
    re.DOTALL,
)
_FUNCTION = re.compile(
    r"<function[=(]\s*[\"']?([\w.-]+)[\"']?\s*[)>]*(.*?)(?=</function|<function[=(]|\Z)", re.DOTALL
)
_PARAMETER = re.compile(
    r"<(?:[｜|]?DSML[｜|])?parameter(?:\s+name)?=[\"']?([\w.-]+)[\"']?[^>]*>"
    r"(.*?)(?:</(?:[｜|]?DSML[｜|])?parameter>|(?=<parameter|<[｜|]?DSML[｜|]parameter)|\Z)",
    re.DOTALL,
)
_KEY_AND_VALUE = re.compile(
    r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)(?:</arg_value>|\Z)", re.DOTALL
)
_NAMED = re.compile(
    r"(?:functions\.|call:|to=functions\.)?([A-Za-z_][\w.-]*)(?::\d+)?"
    r"(?:\s|\[CALL_ID\]\w+|\[ARGS\]|<[^<>{}]*>|```(?:json)?)*(?=\{)"
)
_NO_NAMES = frozenset("json xml python tool_call tool_code function".split())
"""Words in front of an object that name a notation, not a tool."""
_NAME_OF_HALF = re.compile(r"[\"'](?:name|function|tool)[\"']\s*:\s*[\"']([^\"']+)[\"']")
_NAMED_TAG = re.compile(r"<([A-Za-z_][\w.-]*)\b([^<>]*?)(?:/>|>(.*?)(?:</\1\s*>|\Z))", re.DOTALL)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*[\"']([^\"']*)[\"']")
_INNER = re.compile(r"<([\w-]+)>(.*?)</\1>", re.DOTALL)
_IN_BRACKETS = re.compile(r"\[\s*(\w+)\s*\]")
_MARKS = re.compile(r"<[^<>]*>|\[/?\w+\]|```\w*")
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_]\w*)(\s*:)")


def parse(block: str, tools: Tools, *, certain: bool = True) -> list[Written]:
    """Return the tool calls of a block of text, in order.

    block: the text, with or without the tags around it.
    tools: the offered tools, by name.
    certain: the block is marked as a tool call. Then a block that cannot be read becomes one call
        with the text as its arguments, so that the model receives an error. Otherwise only a block
        with the form of a call counts.
    """
    found = [*_tagged(block, tools)] or [*_named_tags(block, tools)]
    if not found:
        found = [*_in_json(block, tools, certain=certain)]
    if not found:
        found = [*_python(block, tools)]
    words = (_IN_BRACKETS.sub(r"\1", block) if not found else "").strip()
    words = words if words in tools else _MARKS.sub(" ", block).strip()
    if not found and words in tools:
        found = [(words, "{}")]
    if not found and certain and words:
        half = _NAME_OF_HALF.search(block)
        found = [(half[1] if half else "", block.strip())]
    return found


def _tagged(block: str, tools: Tools) -> Iterator[Written]:
    for called in (*_INVOKED.finditer(block), *_FUNCTION.finditer(block)):
        name, body = called[1], called[2]
        pairs = {pair[1]: pair[2] for pair in _PARAMETER.finditer(body)}
        value = next(_values(body), None) if not pairs else None
        if isinstance(value, dict):
            yield name, _dump(value)
        else:
            yield name, _dump(_typed(name, pairs, tools))
    pairs = {pair[1].strip(): pair[2] for pair in _KEY_AND_VALUE.finditer(block)}
    if pairs:
        name = re.sub(r"<[^<>]*>", " ", block.split("<arg_key>")[0]).strip()
        yield name, _dump(_typed(name, pairs, tools))


def _named_tags(block: str, tools: Tools) -> Iterator[Written]:
    """Yield calls from tags with a tool's name; arguments are attributes, tags, or JSON."""
    for tag in _NAMED_TAG.finditer(block):
        name, attributes, body = tag[1], tag[2], tag[3] or ""
        if name not in tools:
            continue
        value = next(_values(body), None)
        if isinstance(value, dict):
            yield name, _dump(value)
        else:
            pairs = {pair[1]: pair[2] for pair in _ATTRIBUTE.finditer(attributes)}
            pairs |= {pair[1]: pair[2] for pair in _INNER.finditer(body)}
            yield name, _dump(_typed(name, pairs, tools))


def _in_json(block: str, tools: Tools, *, certain: bool) -> Iterator[Written]:
    named = [
        (match[1], match.end())
        for match in _NAMED.finditer(block)
        if match[1] in tools or (certain and match[1] not in _NO_NAMES)
    ]
    if named:
        for name, at in named:
            value = next(_values(block[at:].replace('<|"|>', '"')), None)
            if isinstance(value, dict):
                yield name, _dump(value)
        return
    for value in _values(block):
        yield from _calls_of(value, tools, LEVELS_MAX)


def _calls_of(value: object, tools: Tools, levels: int) -> Iterator[Written]:
    """Yield the tool calls that a JSON value describes.

    levels: how deep the calls may be nested.
    """
    if not levels:
        return
    if isinstance(value, list):
        for item in value:
            yield from _calls_of(item, tools, levels - 1)
    if not isinstance(value, dict):
        return
    inner = value.get("tool_calls", value.get("function_call", value.get("tool_call")))
    inner = value["function"] if isinstance(value.get("function"), dict) else inner
    if isinstance(inner, list | dict):
        yield from _calls_of(inner, tools, levels - 1)
        return
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), "")
    name = name.removeprefix("functions.")
    given = [value[key] for key in _ARGUMENTS if key in value]
    if name and (given or (name in tools and len(value) == 1)):
        arguments = given[0] if given else {}
        if isinstance(arguments, str):
            yield name, arguments
        else:
            yield name, _dump(arguments if arguments is not None else {})
    elif len(value) == 1 and (only := next(iter(value))) in tools:
        yield only, _dump(value[only] if value[only] is not None else {})


def _values(text: str) -> Iterator[object]:
    """Yield the JSON values (objects and lists) in a text. Python's notation is read too."""
    decoder, at = json.JSONDecoder(strict=False), 0
    unended = 0
    while unended < UNENDED and (start := _next_bracket(text, at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = end_of_value(text, start)
            if end < 0:
                unended += 1
                at = start + 1
                continue
            value, at = _literal(text[start:end]), end
        yield value


def _next_bracket(text: str, at: int) -> int:
    found = [i for i in (text.find("{", at), text.find("[", at)) if i >= 0]
    return min(found, default=-1)


def _literal(text: str) -> object:
    for form in (text, _BARE_KEY.sub(r'\1"\2"\3', text)):
        try:
            return json.loads(form, strict=False)
        except (ValueError, RecursionError):
            pass
        try:
            return ast.literal_eval(form)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            pass
    return None


def end_of_value(text: str, start: int = 0) -> int:
    """Return the end of the object or list that begins at `start`; -1 if it is not complete."""
    depth, quote, escaped = 0, "", False
    for at in range(start, len(text)):
        c = text[at]
        if escaped:
            escaped = False
        elif quote:
            escaped = c == "\\"
            quote = "" if c == quote else quote
        elif c == '"':
            quote = c
        elif c in "{[(":
            depth += 1
        elif c in "}])":
            depth -= 1
            if depth == 0:
                return at + 1
    return -1


def _python(block: str, tools: Tools) -> Iterator[Written]:
    """Yield Python calls of offered tools, such as `avr_transfer(transfer_extension="700")`."""
    for match in re.finditer(r"(?<![\w])([A-Za-z_]\w*)\(", block):
        if match[1] not in tools:
            continue
        end = end_of_value(block, match.end() - 1)
        if end < 0:
            continue
        try:
            call = ast.parse(block[match.start() : end], mode="eval").body
            assert isinstance(call, ast.Call)
            named = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
            if not named and len(call.args) == 1:
                only = ast.literal_eval(call.args[0])
                named = only if isinstance(only, dict) else {}
            yield match[1], _dump(named)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue


def _typed(name: str, pairs: Mapping[str, str], tools: Tools) -> dict[str, Any]:
    """Convert arguments that are written as text to the types of the tool's schema."""
    spec = tools.get(name)
    schemas = spec.parameters.get("properties") if spec is not None else None
    schemas = schemas if isinstance(schemas, Mapping) else {}
    return {key: _of_type(text.strip(), schemas.get(key)) for key, text in pairs.items()}


def _of_type(text: str, schema: object) -> object:
    if isinstance(schema, Mapping) and schema.get("type") == "string":
        return text
    value = _literal(text)
    return text if value is None and text.lower() not in ("null", "none") else value


def _dump(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return '"nested too deeply"'  # no JSON object: the model is told so
