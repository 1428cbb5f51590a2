"""Sentences: a stream of text, cut into pieces for TTS.

A model writes a few words at a time; TTS speaks a piece as a whole. Later pieces are whole
sentences, because TTS gives a sentence a better melody. A full stop ends a sentence only where
`full_stops` says so. Markup is removed first, see `plain_text`.

The caller waits for the first piece of a reply, so the first piece ends at the first clause that
can stand alone. If the sentence is long and the model slow, a piece must leave before its sentence
is complete: the first one FIRST_S after the text began, each following one before the speech so far
has been heard. Such a piece ends at a comma, or else before a conjunction or preposition, never
inside a date, a number or an abbreviation, and lasts as long as the model needs for more words.
Without time (`now` is always 0) the pieces depend on the text alone.
"""

import re

from avr_sts_speechmatics.dialogue.words import speech_seconds
from avr_sts_speechmatics.speech.full_stops import ends_sentence
from avr_sts_speechmatics.speech.languages import Language, language_of
from avr_sts_speechmatics.speech.plain_text import PlainText, speakable, without_emoji
from avr_sts_speechmatics.speech.telephone_numbers import LEADS_TO_NUMBER, NUMBER_LINKS

__all__ = ["FIRST_CLAUSE_CHARS", "LONGEST_CHARS", "Sentences", "sentences_of", "speakable"]

FIRST_CLAUSE_CHARS = 16
"""A shorter first clause leaves at once only if the model is slow: "Yes," alone sounds cut."""

LONGEST_CHARS = 240
"""Longest piece (characters); longer text is cut at a clause or a space. The first byte of audio
waits for the whole request, and requests should be below 300 characters. [TTS reference, 2]
A sign that is a syllable counts as three."""

FIRST_S = 0.35
"""How long after the first text the first piece leaves if its sentence is not complete (s)."""

EARLY_S = 0.3
"""How long before the end of the speech so far the next piece should leave (s): the time to the
first byte of the TTS."""

OVERDUE_S = 0.6
"""How long after that a piece may also end between any two words, or before the model can keep up
(s)."""

_NEXT_CHARS = 22
"""Length of the text that the next piece needs (characters): about four words."""

_SHORTEST_PART_S = 1.1
"""Least length of a piece that ends without a comma (s): about sixteen letters."""

_SENTENCE_END = re.compile(
    r"(?P<mark>[.!?…؟۔।॥։።။៕]+)(?P<closing>[\"'”’»)\]]*)(?=\s)"
    r"|[。！？｡]++[!?！？。…]*+[」』】）”’》\"']*+(?=(?s:.))"  # needs no space after it
    r"|[!?]+(?=[\u3040-\u30ff\u3400-\u9fff])"
    r"|\n+"
)
_MAY_END = re.compile(r"[.!?…\n,;:–—。！？｡，；：、،؛؟۔।॥։።။៕\u0e00-\u0e7f]|\s-\s")
_SURELY_FITS = LONGEST_CHARS // 3
_CLAUSE_END = re.compile(
    r"(?P<mark>[,;:،؛](?=\s)|\s[–—-](?=\s))|[，；：、]|(?<=[\u0e00-\u0e7f])\s(?=[\u0e00-\u0e7f])"
)
_DAY_BEFORE = re.compile(r"\b(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\.?$")
_NAME_BEFORE = re.compile(r"(?:^|[\s.(\"'“])[^\W\d_a-zà-ÿ][^\W\d_]*$")
_WORD_BEFORE = re.compile(r"(?:^|[\s\"'“‘(])([^\W\d_]+(?:['’-][^\W\d_]+)*)$")
_DIGITS_BEFORE = re.compile(r"\bdigits\b[^.,;!?]{0,30}$")
_NUMBER_BEFORE = re.compile(r"(?:^|\s)\d{1,6}$")
_AFTER_NUMBERS = frozenset("and but because if when while although which who so".split())
_TIGHT = frozenset(
    "a an the of to my your our his her their its this that these those is are am be been by at in "
    "on as not very too so every each any some no would will shall can could should may might must "
    "have has had do does did was were i you he she it we they who which there "
    "only same next last first other own new good great best more most "
    "der die das den dem des ein eine einen einem einer le la les un une des du de el los las il "
    "lo gli o os as um uma het een zu zum zur".split()
)


class Sentences:
    """Cuts one reply. `feed` and `end` return the pieces that may be spoken, in order.

    language: of the reply, such as "en" or "cmn".
    """

    def __init__(self, language: str = "en") -> None:
        self._language = language_of(language)
        self._plain = PlainText()
        self._text = ""
        self._first = True
        self._began_at: float | None = None
        self._fed_chars = 0
        self._heard_by = 0.0

    def feed(self, delta: str, now: float = 0.0) -> list[str]:
        """Take the next part of the stream, cut anywhere; return the complete pieces.

        now: when the part came, on any clock (s).
        """
        if self._began_at is None:
            if not delta:
                return []
            self._began_at, self._heard_by = now, now + FIRST_S + EARLY_S
        self._fed_chars += _length(delta)
        self._text += self._plain.feed(delta)
        return self.due(now)

    def due(self, now: float) -> list[str]:
        """Return the pieces that are complete or must leave now, without further text."""
        pieces: list[str] = []
        while cut := self._cut(now):
            self._add(self._text[:cut], pieces, now)
            self._text = self._text[cut:]
        return pieces

    def due_at(self, now: float) -> float | None:
        """When `due` should be asked next if no text comes until then; None for never."""
        if self._began_at is None or not self._text.strip():
            return None
        due = self._heard_by - EARLY_S
        return next((at for at in (due, due + OVERDUE_S + 0.01) if at > now), None)

    def end(self) -> list[str]:
        """The stream is complete: return the pieces that are left."""
        pieces: list[str] = []
        # The last mark of a text has no space after it.
        self._text += self._plain.end() + "\n"
        while cut := self._cut(None):
            self._add(self._text[:cut], pieces, 0.0)
            self._text = self._text[cut:]
        self._add(self._text, pieces, 0.0)
        self._text = ""
        return pieces

    def _add(self, piece: str, pieces: list[str], now: float) -> None:
        spoken = without_emoji(piece)
        if spoken:
            begins = now + EARLY_S if self._first else max(self._heard_by, now + EARLY_S)
            self._heard_by = begins + speech_seconds(spoken)
            self._first = False
            pieces.append(spoken)

    def _cut(self, now: float | None) -> int:
        """Return the end of the next piece; 0 while the end is not known.

        now: the current time (s); None at the end of the text.
        """
        late = now is not None and self._is_late(now)
        if not late and _MAY_END.search(self._text) is None and len(self._text) < _SURELY_FITS:
            return 0
        end, known = _sentence_end(self._text, self._language)
        if self._first:
            clauses = _clause_ends(self._text)
            long = (at for at in clauses if _length(self._text[:at]) >= FIRST_CLAUSE_CHARS)
            clause = next(long, 0)
            if clause and (not end or clause < end):
                end, known = clause, True
        # Space around a piece is not spoken, so its length must not decide where to cut.
        if _length(self._text[: end or None].strip()) > LONGEST_CHARS:
            return _break_long(self._text)
        if known and end:
            return end
        return self._part_end(now) if late and now is not None else 0

    def _is_late(self, now: float) -> bool:
        return self._began_at is not None and now >= self._heard_by - EARLY_S

    def _part_end(self, now: float) -> int:
        """Return the end of a piece that must leave before its sentence is complete; 0 for none."""
        assert self._began_at is not None
        late = now - (self._heard_by - EARLY_S)
        text = self._text
        passed = max(now - self._began_at, 0.05)
        needed = _NEXT_CHARS * passed / max(self._fed_chars, 1)  # for the words of the next piece
        if late > OVERDUE_S:
            needed /= 2
        # A pause after a comma is natural, should the next words come late.
        ends = [at for at in _clause_ends(text) if 2 * _seconds(text[:at]) > needed]
        if ends and len(text[: ends[-1]].split()) + _length(text[: ends[-1]]) // 9 > 1:
            return ends[-1]
        parts = self._part_ends(text, anywhere=late > OVERDUE_S)
        needed = max(needed, _SHORTEST_PART_S)
        return next((at for at in reversed(parts) if _seconds(text[:at]) >= needed), 0)

    def _part_ends(self, text: str, *, anywhere: bool) -> list[int]:
        """Gaps between two words of letters where a voice may pause."""
        found = []
        for gap in re.finditer(r"\s+(?=([^\W\d_]+)\s)", text):
            said, following = text[: gap.start()], gap[1].lower()
            before = _WORD_BEFORE.search(said)
            good = following in self._language.parts
            if before is None:
                if following in _AFTER_NUMBERS and _NUMBER_BEFORE.search(said):
                    found.append(gap.end())
                continue
            if before[1].lower() in _TIGHT or before[1].lower() in self._language.parts:
                continue
            if not good and not (anywhere and len(before[1]) > 3):
                continue
            links = following in NUMBER_LINKS or _DIGITS_BEFORE.search(said)
            if links and LEADS_TO_NUMBER.search(said):
                continue
            found.append(gap.end())
        return found


def sentences_of(text: str, language: str = "en") -> list[str]:
    """The pieces of a whole text, cut as a stream of the text would be."""
    sentences = Sentences(language)
    return [*sentences.feed(text), *sentences.end()]


def _seconds(text: str) -> float:
    return speech_seconds(text.strip())


def _length(text: str) -> int:
    """The length of a text (characters), measured by the time that a voice needs for it."""
    return len(text) if text.isascii() else round(speech_seconds(text) * 14)


def _sentence_end(text: str, language: Language) -> tuple[int, bool]:
    """Return the end of the first sentence (0 for none yet), and whether the end is certain."""
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        if match["mark"] == ".":
            stop = match.end("mark")
            ends = ends_sentence(text[:stop], text[end:], language)
            if ends is None and "\n" not in text[end:]:  # a line break ends it
                return end, False
            if not ends or (match["closing"] and _goes_on(text[end:])):
                continue
        return end, True
    return 0, True


def _goes_on(after: str) -> bool:
    """Whether a sentence goes on after a full stop and a bracket or a closing quotation mark."""
    return after.lstrip()[:1].islower()


def _clause_ends(text: str) -> list[int]:
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


def _break_long(text: str) -> int:
    limit = LONGEST_CHARS
    while _length(text[:limit]) > LONGEST_CHARS:
        limit -= max(1, (_length(text[:limit]) - LONGEST_CHARS) // 3)
    window = text[:limit]
    clauses = [at for at in _clause_ends(window) if at >= FIRST_CLAUSE_CHARS]
    if clauses:
        return clauses[-1]
    space = window.rfind(" ")
    return space + 1 if space > 0 else limit
