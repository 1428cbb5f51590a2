"""The outcome of a call, filled from what the receptionist remembers of it: no model is needed.

The name of a field says what it is for: a name, a number to call back, a day, a time, an
appointment. A field that says nothing of the kind stays empty.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from avr_sts_speechmatics.receptionist import entities, wording
from avr_sts_speechmatics.receptionist.memory import Conversation

TRANSCRIPT = re.compile(r"^\[\s*\{.*\}\s*\]\s*$", re.MULTILINE | re.DOTALL)
"""The transcript in a request for an outcome: a JSON list of `{"speaker", "said"}`."""

SHORTEST_NUMBER = 5
"""A number of fewer digits is no telephone number."""

_NUMBER = re.compile(r"phone|number|callback|contact")
_NO_PHONE = re.compile(r"order|booking|customer|account|invoice|house")
_TIME = re.compile(r"(?:^|_)(?:time|hour)")
_DAY = re.compile(r"(?:^|_)(?:day|date)")
_NAME = re.compile(r"(?:^|_)(?:name|caller)(?:_|$)")
_BOOKED = re.compile(r"book|appointment|reserve|reservation")
_YES = {True: ("yes", "true", "booked"), False: ("no", "false", "none")}


def messages_of(text: str) -> list[dict[str, str]]:
    """Return the transcript in a request for an outcome as messages; empty if there is none."""
    found = TRANSCRIPT.search(text)
    try:
        turns = json.loads(found[0]) if found else []
        return [
            {
                "role": "user" if turn["speaker"] == "caller" else "assistant",
                "content": str(turn["said"]),
            }
            for turn in turns
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def filled(schema: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of a JSON Schema that the conversation gives a value for.

    messages: the conversation, as Chat Completions messages.
    """
    talk = Conversation.of(messages, frozenset())
    found = {}
    for name, one in (schema.get("properties") or {}).items():
        value = _value(name.lower(), one, talk)
        if value is not None:
            found[name] = value
    return found


def _value(name: str, schema: Mapping[str, Any], talk: Conversation) -> Any:
    types, choices = _types(schema), _choices(schema)
    if _BOOKED.search(name) and (choices or "boolean" in types):
        booked = _booked(talk)
        if "boolean" in types:
            return booked
        return next((one for one in choices if str(one).lower() in _YES[booked]), None)
    if choices or "string" not in types:
        return None
    if _NUMBER.search(name) and not _NO_PHONE.search(name):
        return _number(talk)
    if _NAME.search(name):
        return talk.caller_name
    if _DAY.search(name):
        return talk.appointment_day
    if _TIME.search(name):
        return talk.appointment_time
    if _BOOKED.search(name) and _booked(talk):
        return talk.appointment
    return None


def _booked(talk: Conversation) -> bool:
    asked = any(wording.BOOK.search(entities.plain(text)) for text in talk.earlier)
    return bool(asked and talk.appointment_day and talk.appointment_time and not talk.cancelling)


def _number(talk: Conversation) -> str | None:
    said = [entities.keys(text) or entities.digits(text) for text in talk.earlier]
    numbers = [digits for digits in said if len(digits) >= SHORTEST_NUMBER]
    return numbers[-1] if numbers else None


def _types(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type")
    own = {types} if isinstance(types, str) else set(types or ())
    return own.union(*(_types(one) for one in schema.get("anyOf") or ()))


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    inner = [choice for one in schema.get("anyOf") or () for choice in _choices(one)]
    return [choice for choice in (schema.get("enum") or ()) if choice is not None] + inner
