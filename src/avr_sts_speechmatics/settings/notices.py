"""How notices are set: sentences that callers must hear before all else."""

import re

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings.declaration import Conversion

NOTICE = Conversion(lambda value: "" if value == "on" else value, lambda value: value)
"""To the field of Manners. "on" stands for a sentence of the agent's language, which
`agents.notices` puts in its place."""

NOTICE_MAX = 2_000
"""Longest sentence that callers must hear (characters)."""

_ON = frozenset({"on", "true", "yes", "1"})
_OFF = frozenset({"", "off", "false", "no", "none", "0"})
_PLACEHOLDER = re.compile(r"\{[A-Za-z_][\w.-]*\}")


def notice(value: str) -> str:
    """A sentence that callers must hear; "on" for the sentence of the language, "" for none."""
    text = " ".join(value.split())
    if text.lower() in _ON:
        return "on"
    if text.lower() in _OFF:
        return ""
    if len(text) > NOTICE_MAX:
        raise InvalidValue(f"give at most {NOTICE_MAX} characters")
    if _PLACEHOLDER.search(text):
        # The sentence is kept as speech, the same for all callers.
        raise InvalidValue("facts of the call can stand in the instructions and the welcome only")
    if not any(character.isalpha() for character in text):
        raise InvalidValue("give a sentence, on or off")
    return text
