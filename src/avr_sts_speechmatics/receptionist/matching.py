"""Search for the FAQ entry that fits a sentence best.

Keywords find the topic in any wording; similarity to known questions finds the other sentences.
Both tolerate one or two wrong letters, because the sentence comes from a recogniser on a
telephone line.
"""

from collections.abc import Sequence

from rapidfuzz import fuzz

from avr_sts_speechmatics.receptionist.entities import plain
from avr_sts_speechmatics.receptionist.faq import Entry

ENOUGH = 72.0
"""Lowest score of a match: one keyword, or a very similar question."""
KEYWORD_SCORE = 70.0
PER_WORD = 4.0
ALIKE = 85.0
"""Lowest similarity of two words (0-100) that count as the same word, misheard."""
FORGIVING_FROM = 6
"""Number of letters from which similarity counts: shorter words, such as "sale" and "safe", must
match exactly."""


def best_entry(said: str, entries: Sequence[Entry]) -> Entry | None:
    """The entry that fits best; None if no entry reaches ENOUGH.

    said: the caller's sentence in plain form.
    """
    scored = [(_score(said, entry), entry) for entry in entries]
    score, entry = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    return entry if score >= ENOUGH else None


def mentions(said: str, keywords: Sequence[str]) -> bool:
    """Whether one of the keywords occurs in the sentence.

    said: the caller's sentence in plain form.
    """
    return any(_occurs(plain(keyword), said) for keyword in keywords)


def _score(said: str, entry: Entry) -> float:
    found = [plain(k) for k in entry.keywords if _occurs(plain(k), said)]
    # Longer phrases score higher: "car park" is more specific than "park".
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
