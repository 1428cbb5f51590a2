"""Parameters of the API: declared once, read from a request and shown in the OpenAPI document."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from aiohttp import web

from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import checks as check

Schema = Mapping[str, Any]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHOWN_MAX = 60


class Kind(ABC):
    """The values that a parameter may have."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """Return the value of a text. Raises InvalidValue with what is allowed."""

    @abstractmethod
    def schema(self) -> Schema:
        """Return the JSON Schema of the value as the client writes it."""


@dataclass(frozen=True, slots=True)
class Whole(Kind):
    """A whole number from low to high."""

    low: int
    high: int

    def parse(self, text: str) -> int:
        if not text.isascii() or len(text) > 20:
            text = ""
        return check.whole(self.low, self.high)(text)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Any text that can be printed.

    longest: characters.
    pattern: what the whole text matches, or None.
    allowed: what is allowed in words, if there is a pattern.
    """

    longest: int
    pattern: str | None = None
    allowed: str = ""

    def parse(self, text: str) -> str:
        if not text.isprintable() or len(text) > self.longest:
            raise InvalidValue(f"give text of at most {self.longest} characters, on one line")
        if self.pattern is not None and re.fullmatch(self.pattern, text) is None:
            raise InvalidValue(f"give {self.allowed}")
        return text

    def schema(self) -> Schema:
        found: dict[str, Any] = {"type": "string", "maxLength": self.longest}
        if self.pattern is not None:
            found["pattern"] = f"^(?:{self.pattern})$"
        return found


@dataclass(frozen=True, slots=True)
class OneOf(Kind):
    """One of several words."""

    words: tuple[str, ...]

    def parse(self, text: str) -> str:
        if text not in self.words:
            raise InvalidValue(f"give one of {', '.join(self.words)}")
        return text

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class YesNo(Kind):
    """A truth value."""

    def parse(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise InvalidValue("give true or false")
        return text == "true"

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class When(Kind):
    """A time; the value is in ms since 1970 (UTC).

    until: a day alone means its end rather than its beginning.
    """

    until: bool = False

    def parse(self, text: str) -> int:
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is None:
                at = at.replace(tzinfo=UTC)
            if self.until and _DAY.fullmatch(text):
                at += timedelta(days=1)
            return int(at.timestamp() * 1000)
        except (ValueError, OverflowError):
            raise InvalidValue(
                "give a day such as 2026-11-28, or a time such as 2026-11-28T10:42:00Z"
            ) from None

    def schema(self) -> Schema:
        return {
            "type": "string",
            "examples": ["2026-11-28", "2026-11-28T10:42:00Z", "2026-11-28T11:42:00+01:00"],
        }


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation.

    name: as the client writes it.
    kind: the values that are allowed.
    about: description.
    default: value if the parameter is missing.
    where: "query" or "path"; a parameter of the path is never missing.
    """

    name: str
    kind: Kind
    about: str
    default: Any = None
    where: Literal["query", "path"] = "query"

    def described(self) -> Schema:
        """Return the OpenAPI description."""
        schema = dict(self.kind.schema())
        if self.default is not None:
            schema["default"] = self.default
        return {
            "name": self.name,
            "in": self.where,
            "required": self.where == "path",
            "description": self.about,
            "schema": schema,
        }


def read(request: web.Request, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the values of all parameters of a request, by name.

    Raises Refused (400) for a wrong value, an unknown parameter, or one that is given twice.
    """
    known = {one.name: one for one in parameters if one.where == "query"}
    try:
        query = request.query
    except ValueError:
        raise Refused(400, "The query is malformed; write it as name=value&name=value.") from None
    for name in query:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise Refused(400, f"{_shown(name)}: no such parameter; there are: {allowed}.")
    values: dict[str, Any] = {one.name: one.default for one in parameters}
    for one in parameters:
        given = (
            [request.match_info[one.name]] if one.where == "path" else query.getall(one.name, [])
        )
        if len(given) > 1:
            raise Refused(400, f"{one.name} is given more than once; give it once.")
        if given:
            values[one.name] = value_of(one, given[0])
    return values


def value_of(parameter: Parameter, text: str) -> Any:
    """Return the value of a parameter. Raises Refused (400)."""
    try:
        text.encode()  # aiohttp hands on bytes that are no UTF-8 as lone surrogates
        return parameter.kind.parse(text)
    except UnicodeEncodeError:
        why = "not text in UTF-8; encode it anew"
    except InvalidValue as wrong:
        why = str(wrong)
    raise Refused(400, f"{parameter.name}={_shown(text)}: {why}.")


def _shown(text: str) -> str:
    text = "".join(c if c.isprintable() else "�" for c in text)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"
