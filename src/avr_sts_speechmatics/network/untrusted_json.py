"""Decoding JSON from clients and remote services: one error for all faults of a text.

A decoder meets more than malformed JSON: bytes that are not UTF-8, thousands of nested arrays,
numbers of thousands of digits, NaN, half of a surrogate pair. msgspec, the standard library and
Python itself raise another kind of exception for each of these faults, and an unexpected exception
ends a call. Here each fault becomes BadJson. The text of BadJson can be logged and sent to a model:
one line, bounded, printable.

On the hot path (50 times a second per call), where one more function call matters, use
`msgspec.json.Decoder` with `ERRORS`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

ERRORS = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
"""Everything that a decoder of msgspec or of the standard library may raise for its input."""

REASON_MAX = 200
"""Longest text of an error (characters)."""

_T = TypeVar("_T")


class BadJson(ValueError):
    """A text is not JSON, or is not of the expected type. The message says why."""


def decode(text: bytes | bytearray | memoryview | str, type: Any = Any) -> Any:
    """Decode a JSON text. Raises BadJson.

    text: as received.
    type: expected type, as for `msgspec.json.decode`.
    """
    try:
        return msgspec.json.decode(text, type=type)
    except ERRORS as error:
        raise BadJson(reason(error)) from error


def decoder(type: type[_T]) -> Callable[[bytes | bytearray | memoryview | str], _T]:
    """Return a function that decodes texts of one type. The function raises BadJson.

    type: expected type.
    """
    raw = msgspec.json.Decoder(type).decode

    def decode(text: bytes | bytearray | memoryview | str) -> _T:
        try:
            return raw(text)
        except ERRORS as error:
            raise BadJson(reason(error)) from error

    return decode


def reason(error: BaseException) -> str:
    """Return why a text could not be decoded, without control characters and not too long."""
    if isinstance(error, RecursionError):
        return "too many levels of objects and arrays"
    if isinstance(error, UnicodeDecodeError):
        return "a text is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "a text has half of a surrogate pair"
    # Errors of msgspec quote the text, which a stranger chose.
    return "".join(c for c in str(error)[:REASON_MAX] if c.isprintable())
