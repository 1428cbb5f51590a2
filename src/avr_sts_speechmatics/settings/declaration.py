"""How a setting is declared: once, with its check, its default and its text for operators.

A topic of the settings is a frozen dataclass. Each of its fields is declared by `setting`, or by
`manner` if the setting is part of an agent's manners. Everything else is derived from these
declarations: the name of the variable, the value, the error for a wrong value, the keys of an
agent file, the manners of an agent and the tables in docs/settings.md.
"""

import operator
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, NamedTuple

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.settings import checks as check

_KEY = "declaration"
_DEFAULTS = Manners()


class Conversion(NamedTuple):
    """Converts between the value of a setting and the value of its field in Manners."""

    to_manner: Callable[[Any], Any]
    to_setting: Callable[[Any], Any]


UNCHANGED = Conversion(lambda value: value, lambda value: value)
MILLISECONDS = Conversion(lambda ms: ms / 1000, lambda seconds: seconds * 1000)
"""The setting is in milliseconds, the field in seconds."""
NEGATED = Conversion(operator.not_, operator.not_)
"""The setting is true where the field is false."""
ON_OFF = Conversion(lambda word: word == "on", lambda holds: "on" if holds else "off")
"""The setting is "on" or "off", the field is a bool."""


class Manner(NamedTuple):
    """The field of Manners that a setting decides.

    field: name of the field.
    conversion: between the setting's unit and the field's unit.
    """

    field: str
    conversion: Conversion


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The declaration of a setting, besides its name and type.

    parse: converts the text to the value; raises InvalidValue with what is allowed.
    about: description for operators, with the unit; Markdown for a cell of a table.
    default: value of a setting that is not set.
    default_text: how the table shows the default, where the value itself reads badly.
    may_be_empty: whether an empty text is a value rather than "not set".
    private: whether the value may contain a key, so that no error shows it.
    also: further names of the variable; the first name of the setting overrides them.
    common: whether the setting is one of the few that most operators set.
    manner: the field of Manners that the setting decides, or None.
    """

    parse: Callable[[str], Any]
    about: str
    default: Any
    default_text: str | None
    may_be_empty: bool
    private: bool
    also: tuple[str, ...]
    common: bool
    manner: Manner | None


def setting(
    parse: Callable[[str], Any],
    about: str,
    default: Any = None,
    *,
    default_text: str | None = None,
    may_be_empty: bool = False,
    private: bool = False,
    also: tuple[str, ...] = (),
    common: bool = False,
    manner: Manner | None = None,
) -> Any:
    """Declare a setting as a field of a dataclass; for the arguments see Declaration.

    The value of a setting with a check of `PRIVATE` is always private.
    """
    declaration = Declaration(
        parse=parse,
        about=about,
        default=default,
        default_text=default_text,
        may_be_empty=may_be_empty,
        private=private or parse in check.PRIVATE,
        also=also,
        common=common,
        manner=manner,
    )
    return field(default=default, metadata={_KEY: declaration})


def manner(
    name: str,
    parse: Callable[[str], Any],
    about: str,
    conversion: Conversion = UNCHANGED,
    *,
    default: Any = MISSING,
    default_text: str | None = None,
    may_be_empty: bool = False,
    common: bool = False,
) -> Any:
    """Declare a setting that decides a field of Manners; an agent file may set it as well.

    name: of the field in Manners.
    conversion: between the setting's unit and the field's unit.
    default: if absent, the default is the default of the field. None if the language of an agent
        decides the field.
    """
    if default is MISSING:
        default = conversion.to_setting(getattr(_DEFAULTS, name))
    return setting(
        parse,
        about,
        default,
        default_text=default_text,
        may_be_empty=may_be_empty,
        common=common,
        manner=Manner(name, conversion),
    )


def declarations(topic: Any) -> dict[str, Declaration]:
    """The declarations of a topic, by the names of its fields, in their order.

    The variable of every address has a second name that ends in `_BASE`.
    """
    return {item.name: _with_second_name(item.name, item.metadata[_KEY]) for item in fields(topic)}


def _with_second_name(name: str, declaration: Declaration) -> Declaration:
    """Add the second name of an address: avr-app stores no name that ends in `_URL`.

    [AVR protocol, 12]
    """
    stem = name.upper().removesuffix("_URL")
    if stem == name.upper():
        return declaration
    second = stem if stem.endswith("_BASE") else f"{stem}_BASE"
    return replace(declaration, also=(*declaration.also, second))
