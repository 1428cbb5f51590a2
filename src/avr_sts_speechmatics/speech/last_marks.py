"""The mark at the end of a text that is still being written: does it end a sentence?

The text after a mark would tell, but the caller waits for that text: for 15 ms if the model is
quick, for seconds if the model calls a tool next. So the word before the mark decides how long the
mark may wait.

    the word before the mark      | kind     | because a wrong end
    ------------------------------+----------+--------------------------------------------------
    an ordinary word              | SURE     | is rare, and repaired: "example" + "." + "com"
    an abbreviation that may end  | DOUBTFUL | costs a pause: "at 9 a.m." + "on Monday"
    a sentence; an address; a     |          |
    quotation that is not closed  |          |
    a title, an initial, a number | OPEN     | tears a name or changes a number: "Dr." + "Smith",
    or its abbreviation           |          | "$3." + "50"

A SURE mark ends its sentence at once, a DOUBTFUL one after a short time without more text, an OPEN
one when more text decides.
"""

import re
from enum import Enum

from avr_sts_speechmatics.speech.full_stops import ends_sentence, wrong_end_is_harmless
from avr_sts_speechmatics.speech.languages import Language

_MAY_BE_LAST = frozenset(".!?…؟۔।॥։።។៕。！？｡\"'”’»«“)]」』】）》")
_LAST_MARK = re.compile(r"(?P<mark>[.!?…؟۔।॥։።។៕。！？｡]+)(?P<closing>[\"'”’»«“)\]」』】）》]*)$")
_LAST_WORD = re.compile(r"\S+$")
_BRACKETS = ("()", "[]", "「」", "『』", "【】", "（）", "《》")
_IN_ADDRESSES = re.compile(r"[@/\\_]|[^\W\d]\.\w|\w\.[^\W\d]")
_WHOLE_NUMBER = re.compile(
    # An amount, a time, a year: no more figures follow.
    r"[$€£]\d[\d,]*\.\d\d$|\b\d{1,2}:\d\d$"
    r"|(?:\b(?i:in|since|until|january|february|march|april|may|june|july|august|september|october"
    r"|november|december)|\d,) (?:19|20)\d\d$"
)
_LEFT_OF_EARLY_END = re.compile(r"(?:[.!?…。！？｡\"”’»)\]」』】）》,;:，；：、]|'(?![^\W\d_]))+")


class Mark(Enum):
    """The kind of the mark at the end of a text; see the table above. NONE: there is no mark."""

    NONE = 0
    SURE = 1
    DOUBTFUL = 2
    OPEN = 3


def last_mark(text: str, language: Language) -> Mark:
    """Judge the mark at the end of a text.

    text: the sentence so far; the mark is the last of it.
    language: of the text.
    """
    if text[-1:] not in _MAY_BE_LAST or (found := _LAST_MARK.search(text)) is None:
        return Mark.NONE
    before = text[: found.start()].rstrip()
    if not any(c.isalnum() for c in before):
        return Mark.OPEN
    kind = Mark.SURE
    if not found["mark"].strip("."):
        kind = _full_stop(before, text[: found.end("mark")], language)
    if kind is Mark.SURE and (found["closing"] or _is_open(text) or _is_address(before)):
        # "Yes." is followed by "he said", or by another sentence.
        return Mark.DOUBTFUL if found["mark"] == "." or not found["closing"] else kind
    return kind


def _full_stop(before: str, text: str, language: Language) -> Mark:
    if before[-1].isnumeric():
        is_whole = language.code == "en" and _WHOLE_NUMBER.search(before)
        return Mark.SURE if is_whole else Mark.OPEN
    if text.endswith(".."):
        return Mark.SURE
    ends = ends_sentence(text, "", language)
    if ends is None:
        return Mark.DOUBTFUL if wrong_end_is_harmless(text, language) else Mark.OPEN
    if not ends:
        return Mark.OPEN
    last = _LAST_WORD.search(before)
    word = last[0] if last else ""
    if word == "I":  # "So do I." or an initial
        return Mark.DOUBTFUL
    # "i.e" has come as far as "i.", an address as far as "info@example".
    begun = word.lower() in language.begun or re.search(r"@[^.]*$", word)
    return Mark.OPEN if begun else Mark.SURE


def _is_address(before: str) -> bool:
    word = _LAST_WORD.search(before)
    return word is not None and _IN_ADDRESSES.search(word[0]) is not None


def _is_open(text: str) -> bool:
    """Whether a quotation or a bracket is not closed."""
    if text.count('"') % 2 or any(text.count(b[0]) > text.count(b[1]) for b in _BRACKETS):
        return True
    low = text.count("„")
    if low:  # „German“
        return low > text.count("“") + text.count("”")
    return text.count("“") > text.count("”") or text.count("«") != text.count("»")


def after_early_end(ended: str, more: str) -> str | None:
    """Take the text that follows a mark which ended its sentence before that text was known.

    ended: the end of the sentence that was cut, the mark included.
    more: the text that follows, not empty.

    Returns the text to go on with; None if `more` belongs to the mark, so that more may follow.
    Marks and brackets that belong to the mark are left out. A full stop inside a word, as in
    "example" + "." + "com", is said with the second half of the word: ".com" is "dot com".
    """
    found = _LEFT_OF_EARLY_END.match(more)
    if found is not None:
        return more[found.end() :] or None
    inside = ended.endswith(".") and (more[0].islower() or more[0].isdecimal())
    return "." + more if inside else more
