"""Which FAQ entry fits a sentence best.

Keywords catch what a caller is after however they put it; likeness to known questions
catches the rest. Both forgive a wrong letter or two, since the sentence comes from a
recogniser on a telephone line.
"""

from collections.abc import Sequence

from rapidfuzz import fuzz

from avr_sts_speechmatics.receptionist.entities import plain
from avr_sts_speechmatics.receptionist.faq import Entry

ENOUGH = 72.0
"""Score from which an entry is an answer: one good keyword, or a question much alike."""
KEYWORD_SCORE = 70.0
PER_WORD = 4.0
ALIKE = 85.0
"""Likeness of two words (0-100) that may be one, misheard."""
FORGIVING_FROM = 6
"""Letters a word must have before a likeness counts: "sale" is like "safe"."""


def best_entry(said: str, entries: Sequence[Entry]) -> Entry | None:
    """The entry that fits, None when none does. said: in plain form."""
    scored = [(_score(said, entry), entry) for entry in entries]
    score, entry = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    return entry if score >= ENOUGH else None


def mentions(said: str, keywords: Sequence[str]) -> bool:
    """Whether one of the keywords occurs."""
    return any(_occurs(plain(keyword), said) for keyword in keywords)


def _score(said: str, entry: Entry) -> float:
    found = [plain(k) for k in entry.keywords if _occurs(plain(k), said)]
    # Longer phrases are surer signs: "car park" says more than "park".
    keywords = KEYWORD_SCORE + PER_WORD * sum(len(k.split()) for k in found) if found else 0.0
    alike = max(fuzz.token_sort_ratio(said, plain(q)) for q in entry.questions)
    return max(keywords, alike) + (alike / 10 if found else 0)


def _occurs(keyword: str, said: str) -> bool:
    if f" {keyword} " in f" {said} ":
        return True
    if " " in keyword or len(keyword) < FORGIVING_FROM:
        return False
    return any(
        fuzz.ratio(keyword, word) >= ALIKE for word in said.split() if len(word) >= FORGIVING_FROM
    )
