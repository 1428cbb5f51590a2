"""Words that show that a text is English."""

import re

from avr_sts_speechmatics.language_packs import ENGLISH

_ALIKE = frozenset(
    "a agent at do minute minutes in is on so was we me no ok okay link links moment problem later "
    "invent company date aha hm hmm mm mmhm mhm april august september november december".split()
)
"""Words that German, Italian, French, Spanish, Portuguese or Dutch write as English does."""

_MORE = frozenset(
    "the of it or and you yes please thanks wait seconds sure booking monday o'clock and "
    "one two three four five seven eight nine ten eleven twelve thirteen twenty thirty "
    "forty fifty hundred thousand point percent euros dollars first second third".split()
)
"""English words that the English pack may lack."""


def words(text: str) -> list[str]:
    """The words of a text in lower case, without placeholders."""
    text = re.sub(r"\{.*?\}", " ", text.lower())
    return re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text)


def _of_the_pack() -> frozenset[str]:
    pack = ENGLISH
    texts = [pack.instructions, pack.welcome, pack.sorry, pack.wait, pack.farewell, pack.goodbye]
    texts += [pack.transferring, *pack.prompts, *pack.fillers, pack.warning, pack.nobody, pack.busy]
    texts += [pack.restarting, pack.receptionist.greeting, pack.receptionist.refusal]
    texts += [*pack.weekdays, *pack.months]
    return frozenset(word for text in texts for word in words(text))


ENGLISH_WORDS = (_of_the_pack() | _MORE) - _ALIKE


def english_words(text: str, *, also: frozenset[str] = frozenset()) -> set[str]:
    """The English words of a text.

    also: words that are no English in this text.
    """
    return set(words(text)) & (ENGLISH_WORDS - also)
