"""Full stops: tells ends of sentences from full stops of abbreviations and numbers.

A wrong end is heard: the voice falls in "on Jan." and begins anew with "five at noon". A missed end
is not heard: two sentences are spoken as one piece. So a doubtful full stop ends no sentence.
"""

import re

from avr_sts_speechmatics.speech.languages import Language

LONGEST_WORD = 30
"""A longer word is judged by its beginning (characters): the wait for its end is bounded."""

_LAST_WORD = re.compile(r"([^\s\"'“”‘’()\[\]«»„,;:!?/–—]+)\.$")
_NEXT_WORD = re.compile(r"[\"'“”‘’„«»(\[¿¡*$€£¥₹#+~-]*([^\W_]+(?:['’][^\W_]+)?)")
_ORDINAL = re.compile(r"\d{1,3}(?:\.\d{1,2})?")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,3}")
_VOWEL = re.compile(r"[aeiouyäöüáéíóúàèìòùâêîôûåæøœ]", re.IGNORECASE)
_CALENDAR = frozenset(
    "jan january feb february mar march apr april may jun june jul july aug august sep sept "
    "september oct october nov november dec december mon monday tue tues tuesday wed wednesday thu "
    "thur thurs thursday fri friday sat saturday sun sunday est edt cst cdt mst mdt pst pdt gmt "
    "utc cet bst eastern central mountain pacific standard local".split()
)
_ROMAN = re.compile(r"[IVXLC]{1,6}")
_ENDS_OF_NAMES = frozenset(("jr", "sr"))
_BEFORE_AMOUNTS = frozenset(("kr", "kč", "zł"))
_BEFORE_NO_NAME = frozenset(("inc", "ltd", "llc", "plc", "a.m", "p.m"))
_STREETS = frozenset(("st", "dr"))


def ends_sentence(before: str, after: str, language: Language) -> bool | None:
    """Whether a full stop ends a sentence.

    before: the piece of text up to the full stop, the full stop included.
    after: the text that follows, as far as it is known.

    Returns None if the text after the full stop does not decide yet.
    """
    found = _LAST_WORD.search(before)
    if found is None:
        return True
    written = found[1]
    name = written.lower()
    is_first = not before[: found.start()].strip()
    if "-" in name and name not in language.never_last:  # "Mon.-Fri."
        name = name.rsplit("-", 1)[-1] or name
    if name.isdigit() and is_first:  # "1." at the head of a list
        return False
    if name in language.titles and written[0].isupper():
        if name not in _STREETS or not _is_street(before[: found.start()]):
            return False
    elif name in language.never_last or (language.code == "de" and name.endswith("str")):
        return False
    elif name == "i" and language.code == "en":
        return True
    judged = (
        name in language.perhaps_last
        or name in language.before_figures
        or (name in language.titles and written[0].isupper())
        or name.isdigit()
        or (language.has_ordinal_dot and _ORDINAL.fullmatch(name))
        or _DOTTED.fullmatch(name)
        or (len(name) == 1 and name.isalpha() and (name.isascii() or written.isupper()))
        or (name.isalpha() and name.isascii() and len(name) <= 5 and not _VOWEL.search(name))
    )
    if not judged:
        return True
    return _by_next_word(written, name, is_first, after, language)


def wrong_end_is_harmless(before: str, language: Language, *, spaced: bool = False) -> bool:
    """Whether nothing worse than a pause is heard if a full stop in doubt ends no sentence and is
    taken for an end.

    before: the piece of text up to the full stop, the full stop included.
    spaced: a space follows. Before that, "3." may become "3.50".

    A pause inside "at 9 a.m. on Monday" is harmless, a pause inside "Dr. Smith" or "No. 5" is not.
    """
    found = _LAST_WORD.search(before)
    if found is None:
        return True
    written = found[1]
    name = written.lower()
    if name[-1].isdigit():
        is_first = not before[: found.start()].strip()
        return spaced and not is_first and not language.has_ordinal_dot
    if name not in language.perhaps_last or name in language.titles | language.before_figures:
        return False
    return (written.islower() and name not in _BEFORE_AMOUNTS) or name in _BEFORE_NO_NAME


def _by_next_word(
    written: str, name: str, is_first: bool, after: str, language: Language
) -> bool | None:
    following = after.lstrip()
    word = _NEXT_WORD.match(following)
    if word is None:
        # Signs without a word: more may come, unless something else already did.
        return None if not following.strip("\"'“”‘’„«»([¿¡*$€£¥₹#+~-") else True
    first = word[1][0]
    if name == "no" and language.code == "en":
        if first.islower():
            return is_first  # "our fax no. is"
        return not first.isdecimal()  # "No." is an answer, "No. 5" is not
    if name in language.before_figures and (first.isdecimal() or _ROMAN.fullmatch(word[1])):
        return False
    if not first.isupper():
        if first.isdecimal() and name.isdigit():
            return not language.has_ordinal_dot
        # Scripts without capitals, as Arabic, have no lower case either.
        return not (first.islower() or first.isdecimal())
    if word.end() == len(following) and len(word[1]) < LONGEST_WORD:
        return None
    following_word = word[1].lower()
    if following_word in _CALENDAR and name in language.perhaps_last:
        return False
    if name in _ENDS_OF_NAMES:
        return following_word in language.starters
    if name in language.perhaps_last or name in language.before_figures:
        return len(word[1]) > 1 or following_word in language.starters
    if name.isdigit() or _ORDINAL.fullmatch(name):
        if len(name) > 3 and name.isdigit():  # a year
            return True
        return not language.has_capital_nouns or following_word in language.starters
    if _DOTTED.fullmatch(name) or len(name) == 1 or name in language.titles:
        return following_word in language.starters and not is_first
    return True


def _is_street(before: str) -> bool:
    """Whether "St." or "Dr." follows the name of a street: "Main St.", "5th St."."""
    names = re.search(r"(?:^|\s)(\S+)\s$", before)
    if names is None:
        return False
    is_first = not before[: names.start()].strip()
    is_name = names[1][:1].isupper() and names[1].isalpha()
    return (is_name and not is_first) or bool(re.fullmatch(r"\d+(?:st|nd|rd|th)", names[1]))
