"""Raw values: removes quotes, comments and characters that other programs leave around a value.

`docker run --env-file` and lists of `environment` in compose files keep quotes and comments that a
shell would remove; files written on Windows end their lines with a carriage return; a JavaScript
program that passes an unset variable on writes `undefined`. Certain faults are repaired, with one
warning. Uncertain faults are left for the check of the setting to reject.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from avr_sts_speechmatics.errors import InvalidValue

_INVISIBLE = "\ufeff\u200b\u200e\u2060"
"""Byte order mark and characters without width, which copying leaves at the ends of a value."""

_UNSET = frozenset({"undefined", "null", "(null)", "<no value>", "<nil>"})
"""Texts that programs write for a variable without a value, in lower case."""

_COMMENT = re.compile(r"\s+#.*\Z", re.DOTALL)


class Cleaned(NamedTuple):
    """A value after cleaning.

    text: the value; None for "not set".
    remark: the repair, such as "the quotes around the value are removed"; empty for no repair.
    """

    text: str | None
    remark: str = ""


def cleaned(
    raw: str, parse: Callable[[str], Any], *, quotes: bool, takes_any_text: bool
) -> Cleaned:
    """Clean a value.

    parse: the check of the setting; raises InvalidValue.
    quotes: whether quotes around the value are removed. False for values from `.env`, whose
        quotes have been read already.
    takes_any_text: whether the setting takes any text, so that `#` may belong to the value.
    """
    text, remark = _stripped(raw), ""
    if quotes and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        inner = text[1:-1]
        if text[0] not in inner:
            text, remark = _stripped(inner), "the quotes around the value are removed"
    if text.lower() in _UNSET or text == "None":
        return Cleaned(None, f"{text} counts as not set")
    if not takes_any_text and _COMMENT.search(text) and not _passes(text, parse):
        bare = _COMMENT.sub("", text)
        bare = bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" else bare
        if bare and _passes(bare, parse):
            return Cleaned(bare, "the comment behind the value is removed")
    return Cleaned(text, remark)


def _stripped(text: str) -> str:
    return text.strip().strip(_INVISIBLE).strip()


def _passes(text: str, parse: Callable[[str], Any]) -> bool:
    try:
        parse(text)
    except InvalidValue:
        return False
    return True
