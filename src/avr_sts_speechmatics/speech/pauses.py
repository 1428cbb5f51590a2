"""Pauses: the places inside a sentence where a voice may pause.

A voice pauses at the end of a clause, where the text has a comma. A sentence without a comma may be
cut before a conjunction or a relative, or else before a preposition. No place is inside a name, a
date, a number, or between a number and its unit: the two halves would be read otherwise than the
whole. Scripts without spaces are cut before a word that is surely a conjunction, or behind a
Japanese particle.
"""

import re
from functools import cache
from typing import NamedTuple

from avr_sts_speechmatics.dialogue.words import count_words
from avr_sts_speechmatics.speech.languages import Language
from avr_sts_speechmatics.speech.telephone_numbers import LEADS_TO_NUMBER, NUMBER_LINKS

_CLAUSE_END = re.compile(
    r"(?P<mark>[,;:،؛](?=\s)|\s[–—-](?=\s))|[，；：、]|(?<=[\u0e00-\u0e7f])\s(?=[\u0e00-\u0e7f])"
)
_DAY_BEFORE = re.compile(r"\b(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\.?$")
_NAME_BEFORE = re.compile(r"(?:^|[\s.(\"'“])[^\W\d_a-zà-ÿ][^\W\d_]*$")
_WORD_BEFORE = re.compile(r"(?:^|[\s\"'“‘(])([^\W\d_]+(?:['’-][^\W\d_]+)*)$")
_GAP = re.compile(r"\s+(?=([^\W\d_]+)(?:\s+(\S)?|['’]))")
_NEXT_WORD = re.compile(r"\s*[^\W\d_]+\s+([^\W_]+)(?=(\W)?)")
_DIGITS_BEFORE = re.compile(r"\bdigits\b[^.,;!?]{0,30}$")
_NUMBER_BEFORE = re.compile(r"(?:^|\s)\d{1,6}$")
_COMPOUND_NUMBER = re.compile(
    r"(?:hundert|tausend|zehn|[zß]ig|[zß]ig(?:st|ste|sten)|honderd|duizend|tien|tig|cento|mila|anta"
    r"|enti)$"
)
_AFTER_NUMBERS = frozenset("but because if when while although which who so".split())
_THAT_BEGINS_CLAUSE = frozenset(
    "i you he she it we they there the a an our your my his her their is are was were has have had "
    "can will would".split()
)
_TIGHT = frozenset(
    "a an the of to my your our his her their its this that these those is are am be been by at in "
    "on as not very too so every each any some no would will shall can could should may might must "
    "have has had do does did was were i you he she it we they who which there "
    "only same next last first other own new good great best more most "
    "der die das den dem des ein eine einen einem einer le la les un une des du de el los las il "
    "lo gli o os as um uma het een zu zum zur "
    "jede jeden jedem jeder jedes alle allen unser unsere unserem unserer ihr ihre ihrem ihren "
    "sehr ich sie wir es er kein keine keinen mein meine "
    "tous toutes tout très plus notre nos votre vos mon ma mes son sa ses ce cette ces je vous "
    "nous todo todos toda todas muy más nuestro nuestra su sus mi este esta "
    "tutti tutte tutto molto più nostro nostra suo sua questo questa "
    "muito mais nosso nossa seu sua meu minha "
    "elke ieder ons onze uw mijn zijn haar deze dit zeer ik wij".split()
)
_TIGHT_BEFORE = frozenset(
    "of de del della des du der von van di da do dos das me you him her us them it too".split()
)
"""Words that belong to the word before them."""

_CALENDAR = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december montag dienstag mittwoch donnerstag "
    "freitag samstag sonntag januar februar märz mai juni juli oktober dezember lunes martes "
    "miércoles jueves viernes sábado domingo enero febrero marzo abril mayo junio julio agosto "
    "septiembre octubre noviembre diciembre lundi mardi mercredi jeudi vendredi samedi dimanche "
    "janvier février mars avril juin juillet août septembre octobre novembre décembre lunedì "
    "martedì mercoledì giovedì venerdì sabato domenica gennaio febbraio aprile maggio giugno "
    "luglio settembre ottobre novembre dicembre segunda terça quarta quinta sexta maandag dinsdag "
    "woensdag donderdag vrijdag zaterdag zondag januari februari maart mei augustus".split()
)
_INSIDE_GERMAN_NAMES = frozenset("und von am im".split())

# Behind a particle that marks a topic, an object or a reason, where another word begins.
_JAPANESE = re.compile(
    r"(?<=[\u4e00-\u9fff\u30a1-\u30ff\u3040-\u309f]{2})(?:ので|から|けど|ために|[はがを])"
    r"(?=[\u4e00-\u9fff\u30a1-\u30ff])"
)
_NOT_AFTER_NUMBER = re.compile(r"[\d０-９〇零一二三四五六七八九十百千万萬億亿第.:]$")


class Place(NamedTuple):
    """A place where a sentence may be cut.

    at: index in the text; the next piece begins there.
    rank: what the next piece begins with: 2 for a conjunction or a relative, 1 for a preposition,
        0 for any other word.
    """

    at: int
    rank: int


def has_words(text: str, words: int) -> bool:
    """Whether a text has at least so many complete words; words are estimated in scripts without
    spaces."""
    spaces = text.count(" ")
    if spaces >= words or text.isascii() or len(text) < 12 * (spaces + 1):
        return spaces >= words
    return count_words((text,)) > words


def clause_ends(text: str) -> list[int]:
    """Return the ends of clauses.

    No clause ends inside a date or a number, such as "May 5, 2026" or "code: 4242".
    """
    return [m.end() for m in _CLAUSE_END.finditer(text) if m["mark"] is None or _parts(text, m)]


def _parts(text: str, mark: re.Match[str]) -> bool:
    before = text[: mark.start()].rstrip()
    if _DAY_BEFORE.search(before):
        return False
    # A number belongs to the name before it: "May, 2026", "Washington, 20500".
    ends_name = _NAME_BEFORE.search(before) or not _WORD_BEFORE.search(before)
    if not ends_name and not LEADS_TO_NUMBER.search(before):
        return True
    after = text[mark.end() :].lstrip()
    return bool(after) and not after[0].isdecimal()


def part_ends(text: str, language: Language, *, anywhere: bool) -> list[Place]:
    """Return the places without a mark where a voice may pause, in order.

    language: of the text.
    anywhere: between any two words that do not belong together, if there is no better place.
    """
    if language.code in ("cmn", "ja", "th"):
        return _places_without_spaces(text, language)
    found = []
    for gap in _GAP.finditer(text):
        place = _place(text, gap, language, anywhere=anywhere)
        if place is not None:
            found.append(place)
    return found


def _place(text: str, gap: re.Match[str], language: Language, *, anywhere: bool) -> Place | None:
    following = gap[1].lower()
    is_join, is_preposition = following in language.joins, following in language.prepositions
    begins_clause = following == "that" and language.code == "en"
    if not (is_join or is_preposition or begins_clause or anywhere):
        return None
    said = text[: gap.start()]
    found = _WORD_BEFORE.search(said)
    if found is None:
        if following in _AFTER_NUMBERS and _NUMBER_BEFORE.search(said):
            return Place(gap.end(), 2)
        return None
    before = found[1].lower()
    if before in _TIGHT or before in language.joins or before in language.prepositions:
        return None
    if _is_number(before, language) or _is_in_name(found, gap, language):
        return None
    if following in language.links and _joins_numbers(before, text, gap, language):
        return None
    if begins_clause:  # "ask that we", but not "do that"
        after = _NEXT_WORD.match(text, gap.start())
        if after is None or after[1].lower() not in _THAT_BEGINS_CLAUSE:
            return None
        is_join = True
    if not is_join and not is_preposition:
        if len(before) < 4 or following in language.units or _is_calendar(before, following):
            return None
        if following in _TIGHT_BEFORE or _is_number(following, language):
            return None
        if found[1][0].isupper() and found.start() > 0:
            return None
    links = following in NUMBER_LINKS or _DIGITS_BEFORE.search(said)
    if links and LEADS_TO_NUMBER.search(said):
        return None
    return Place(gap.end(), 2 if is_join else int(is_preposition))


def _is_number(word: str, language: Language) -> bool:
    return word in language.numbers or (
        language.code in ("de", "nl", "it") and _COMPOUND_NUMBER.search(word) is not None
    )


def _is_calendar(*words: str) -> bool:
    return any(word in _CALENDAR for word in words)


def _is_in_name(before: re.Match[str], gap: re.Match[str], language: Language) -> bool:
    """Whether a name may go on behind the gap: "Johnson | and Johnson", "Frankfurt | am Main"."""
    if not before[1][0].isupper():
        return False
    if gap[2] is None:  # not known yet, or an apostrophe
        return gap.string[gap.end(1) :].isspace()
    if not gap[2].isupper():
        return gap[1][0].isupper() and not language.has_capital_nouns
    return not language.has_capital_nouns or gap[1].lower() in _INSIDE_GERMAN_NAMES


def _joins_numbers(before: str, text: str, gap: re.Match[str], language: Language) -> bool:
    """Whether a quantity goes on behind the gap: "two hours | and ten minutes"."""
    if not (before in language.units or before in _CALENDAR):
        return False
    after = _NEXT_WORD.match(text, gap.start())
    if after is None or not after[2]:  # the word after "and" is not complete
        return True
    word = after[1].lower()
    if word == "a":  # "and a half", but "and a view"
        rest = text[after.end() :].split()
        return len(rest) < 2 or _is_number(rest[0].lower(), language)
    return word[0].isdecimal() or word in _CALENDAR or _is_number(word, language)


def _places_without_spaces(text: str, language: Language) -> list[Place]:
    if language.code == "ja":
        ends = (m.end() for m in _JAPANESE.finditer(text))
    else:
        words = _conjunctions(language.joins)
        ends = (m.start() for m in words.finditer(text))
    return [Place(at, 2) for at in ends if at and not _NOT_AFTER_NUMBER.search(text[:at])]


@cache
def _conjunctions(words: frozenset[str]) -> re.Pattern[str]:
    # What follows is known: "หรือ" also begins "หรือไม่", the end of a question.
    return re.compile(rf"(?:{'|'.join(sorted(words))})(?=(?!เปล่า|ไม่|ยัง)\S\S)")
