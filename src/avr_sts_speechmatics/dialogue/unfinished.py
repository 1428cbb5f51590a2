"""Unfinished sentences: finds out whether the caller has stopped in the middle of a sentence.

A recogniser ends a turn after a pause, and people pause to think: "I would like to book ... a table
for two". The last words show that more is to come: an article, a preposition, a conjunction, an
auxiliary, a filler, a comma, "I would like to". The recogniser's full stop shows nothing,
because every turn ends with a full stop; a question mark shows that the sentence is complete.

The words are known for some languages. In other languages only a comma and dots count.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*['’]?")


@dataclass(frozen=True, slots=True)
class _Language:
    """Words and phrases with which no sentence of a language ends.

    words: articles, prepositions, conjunctions, fillers and contractions.
    phrases: beginnings of a request, as a pattern that ends at the end of the text.
    """

    words: frozenset[str]
    phrases: re.Pattern[str]


def _language(words: str, phrases: str) -> _Language:
    return _Language(frozenset(words.split()), re.compile(rf"(?:^|.* )(?:{phrases})$"))


_LANGUAGES: Mapping[str, _Language] = {
    "en": _language(
        "a an the my your our their his "
        "and or but because if whether unless although than as until while "
        "of for to from with at by into onto between without during per via in on about "
        "i'm i'd i'll i've we're we'd we'll we've you're it's that's there's what's let's "
        "um uh er erm well",
        r"(?:i|we)(?: would|'d| really| just)* (?:like|want|need|wish|wanted|wanna)"
        r"(?: to(?: (?:book|make|get|have|know|ask|buy|reserve|find|see|send|schedule|arrange|"
        r"report|add|change))?)?|"
        r"(?:can|could|may|do) (?:i|we|you) (?:get|have|book|make|ask|tell|give|send|want|need)|"
        r"(?:my|the|our) (?:\w+ )*(?:is|was|are|were|will|would|can|should)|"
        r"you know|i mean|let me (?:see|think)|i think|sort of|kind of|such as",
    ),
    "de": _language(
        "der den dem eine einen einem einer mein meine meinen meinem meiner unser unsere ihr ihre "
        "und oder aber weil dass wenn ob sondern für von bei ohne zwischen gegen seit zum zur im "
        "ins am vom beim äh ähm also",
        r"(?:ich|wir) (?:möchte|möchten|würde|würden|hätte|hätten|brauche|brauchen|will|wollen)"
        r"(?: gern| gerne)?|(?:kann|könnte|könnten) (?:ich|wir|sie)",
    ),
    "fr": _language(
        "le la les un une des du de d' à au aux et ou mais parce que qu' si avec pour sans chez "
        "dans sur par mon ma mes votre notre euh",
        r"je (?:voudrais|veux)|j'aimerais|j'ai besoin|est-ce que|puis je",
    ),
    "es": _language(
        "el la los las un una unos unas y o pero porque que si con para sin de del a al en por mi "
        "su nuestro nuestra eh",
        r"quiero|quisiera|me gustaría|necesito|quería",
    ),
    "it": _language(
        "il lo la i gli le un uno una di del della dei a al alla e o ma perché che se con per "
        "senza da dal dalla in nel nella mio mia ehm",
        r"vorrei|voglio|volevo|ho bisogno",
    ),
    "pt": _language(
        "o a os as um uma de do da e ou mas porque que se com para sem em no na por meu minha",
        r"quero|queria|gostaria|preciso",
    ),
    "nl": _language(
        "de het een en of maar omdat dat als met voor van naar zonder bij mijn onze uh",
        r"ik (?:wil|zou)(?: graag)?|kan ik",
    ),
}

_PARTICLE = re.compile(
    r"(?:^|.* )(?:log|sign|check|come|move|plug|hold|hang|go|carry|turn|put|keep|later|now|be|am|"
    r"is|are|was|were|that's|it's) (?:in|on|about)$"
)
"""English: "check in", "hold on", "I am in" are whole."""

_WHOLE = re.compile(
    r"(?:who|whom|what|where|which) .*|.*\b(?:don't|not|won't|love|have|going|able|want) to|"
    r".*\b(?:what|all|how|where|which) (?:i|we) \w+"
)
"""English: "where are you from", "I don't want to", "that's what I want" are whole."""


def is_unfinished(text: str, language: str = "en") -> bool:
    """Whether the caller's words end in the middle of a sentence.

    text: the words of a turn, as transcribed.
    language: language of the words, such as "en" or "en-GB".
    """
    text = text.rstrip().replace("’", "'").lower()
    if text.endswith(("?", "!", "？", "！")):
        return False
    if text.endswith((",", "，", "、", "...", "…", "-", "–")):
        return True
    known = _LANGUAGES.get(re.split("[-_]", language)[0].lower())
    words = _WORD.findall(text)
    if known is None or not words:
        return False
    plain = " ".join(words)
    if known is _LANGUAGES["en"] and (_PARTICLE.fullmatch(plain) or _is_whole(plain)):
        return False
    return words[-1] in known.words or known.phrases.fullmatch(plain) is not None


def _is_whole(words: str) -> bool:
    return _WHOLE.fullmatch(words) is not None and not words.endswith("would like to")
