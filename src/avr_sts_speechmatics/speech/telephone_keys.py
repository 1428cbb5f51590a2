"""Keys of a telephone aloud: "press hash", "dial star seven two"."""

import re

from avr_sts_speechmatics.speech.number_words import digits
from avr_sts_speechmatics.speech.reading_rule import rules, saying

_ASKING = r"(?:press|dial|hit|push|enter|key(?: in)?|type|tap|option|code)"
ASKS_FOR_KEYS = re.compile(rf"\b{_ASKING}[ :\"'“]*$", re.IGNORECASE)
"""Matches the end of a text that keys of a telephone follow, such as "press"."""

_NAMES = {"*": "star", "#": "hash"}


def _keys(found: re.Match[str]) -> str:
    return " ".join(_NAMES.get(key) or digits(key) for key in found[0] if key in "*#0123456789")


def _star(found: re.Match[str]) -> str | None:
    text, at = found.string, found.start()
    between = text[:at].rstrip()[-1:].isdecimal() and text[at + 1 :].lstrip()[:1].isdecimal()
    return None if between else "star"  # 2 * 3


TELEPHONE_KEYS = rules(
    # The name of the key stands beside the sign: "the pound key (#)".
    (r"(?i)\b(pound|hash|star|asterisk)((?: key| sign)?) ?\([*#]\)", saying(r"\1\2")),
    (r"(?<![\w*#])\*[*#]*\d[\d*#]*", _keys),
    (r"(?<![\w*#])#[*#]*\d+[*#][\d*#]*", _keys),
    (r"(?i)(?<=\bpress )#\d[\d*#]*", _keys),
    (r"(?i)(?<=\bdial )#\d[\d*#]*", _keys),
    (r"(?<![\w.,*#])\d+(?:#[\d*#]*|\*(?!\d)[*#]*)(?!\w)", _keys),
    (r"(?<![\w*#])\*(?![\w*#])", _star),
    (r"(?<![\w*#])#(?![\w*#]| ?\d)", saying("hash")),
    (r"(?<=\b[ACDFG])#(?!\w)", saying(" sharp")),
    (r"(?<![\w#])#(?=[^\W\d_])(?![A-Z]{1,4}-?\d)", saying("hashtag ")),
)
