"""Sentences: a stream of text, cut into pieces for TTS.

A model writes a few words at a time; TTS speaks a piece as a whole. Later pieces are whole
sentences, because TTS gives a sentence a better melody. A full stop ends a sentence only where
`full_stops` says so. Markup is removed first, see `plain_text`.

A mark at the end of the text so far ends its sentence at once if the word before the mark is an
ordinary word, else QUIET_S later or when more text decides: see `last_marks`. If such an end turns
out to be wrong, the rest is said so that no word changes.

The caller waits for the first piece of a reply, so the first piece ends at the first clause that
can stand alone. If the sentence is long, a piece must leave before its sentence is complete: the
first one FIRST_S after the text began or with FIRST_WORDS words, each following one before the
speech so far has been heard. Such a piece ends at a comma, or else at the best of the `pauses`, and
lasts as long as the model needs for more words. Without time (`now` is always 0) no piece leaves
before its clause is complete.
"""

import re

from avr_sts_speechmatics.dialogue.words import speech_seconds
from avr_sts_speechmatics.speech.full_stops import ends_sentence, wrong_end_is_harmless
from avr_sts_speechmatics.speech.languages import language_of
from avr_sts_speechmatics.speech.last_marks import Mark, after_early_end, last_mark
from avr_sts_speechmatics.speech.pauses import clause_ends, has_words, part_ends
from avr_sts_speechmatics.speech.plain_text import PlainText, speakable, without_emoji

__all__ = ["FIRST_CLAUSE_CHARS", "LONGEST_CHARS", "Sentences", "sentences_of", "speakable"]

FIRST_CLAUSE_CHARS = 16
"""A shorter first clause leaves at once only if the model is slow: "Yes," alone sounds cut."""

LONGEST_CHARS = 240
"""Longest piece (characters); longer text is cut at a clause or a space. The first byte of audio
waits for the whole request, and requests should be below 300 characters. [TTS reference, 2]
A sign that is a syllable counts as three."""

FIRST_S = 0.35
"""How long after the first text the first piece leaves if its sentence is not complete (s)."""

FIRST_WORDS = 8
"""The first piece leaves earlier if the text has so many words, unless the text comes at once."""

QUIET_S = 0.03
"""How long a mark in doubt waits for more text (s). Text that comes within this time of the first
text comes at once."""

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
_MARKS = re.compile(r"[.!?…\n。！？｡؟۔।॥։።។៕]")
_MAY_END = re.compile(r"[.!?…\n,;:–—。！？｡，；：、،؛؟۔।॥։።။៕\u0e00-\u0e7f]|\s-\s")
_SURELY_FITS = LONGEST_CHARS // 3


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
        self._fed_at = 0.0
        self._fed_chars = 0
        self._in_doubt = False  # a mark in doubt waits for more text
        self._ended_early = ""  # the end of a sentence whose mark had nothing behind it yet
        self._heard_by = 0.0

    def feed(self, delta: str, now: float = 0.0) -> list[str]:
        """Take the next part of the stream, cut anywhere; return the complete pieces.

        now: when the part came, on any clock (s).
        """
        if self._began_at is None:
            if not delta:
                return []
            self._began_at, self._heard_by = now, now + FIRST_S + EARLY_S
        self._fed_at = now
        self._fed_chars += _length(delta)
        more = self._plain.feed(delta)
        if self._ended_early and more:
            more = self._after_early_end(more)
        self._text += more
        if self._plain.holds_mark and self._mark_is_no_image():
            self._text += self._plain.release_mark()
        return self.due(now)

    def due(self, now: float) -> list[str]:
        """Return the pieces that are complete or must leave now, without further text."""
        if now >= self._fed_at + QUIET_S and self._plain.holds_mark:
            self._text += self._plain.release_mark()
        pieces: list[str] = []
        while cut := self._cut(now):
            has_more = cut < len(self._text) or self._text[-1].isspace()
            self._ended_early = "" if has_more else self._text[-1]
            self._add(self._text[:cut], pieces, now)
            self._text = self._text[cut:]
        return pieces

    def due_at(self, now: float) -> float | None:
        """When `due` should be asked next if no text comes until then; None for never."""
        began = self._began_at
        if began is None or not self._text.strip():
            return None
        late = self._heard_by - EARLY_S
        overdue = late + OVERDUE_S + 0.01
        at = late if late > now else overdue if overdue > now else None
        quiet = self._fed_at + QUIET_S
        if quiet > now and (self._in_doubt or self._plain.holds_mark):
            at = quiet
        if self._first and began + QUIET_S > now and self._has_first_words():
            at = min(began + QUIET_S, at or quiet)
        return at

    def end(self) -> list[str]:
        """The stream is complete: return the pieces that are left."""
        pieces: list[str] = []
        # The last mark of a text has no space after it.
        more = self._plain.end()
        if self._ended_early and more:
            more = self._after_early_end(more)
        self._text += more + "\n"
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

    def _after_early_end(self, more: str) -> str:
        rest = after_early_end(self._ended_early, more)
        if rest is None:
            self._ended_early += more
            return ""
        self._ended_early = ""
        return rest

    def _mark_is_no_image(self) -> bool:
        last = self._text[-1:]
        if last.isspace() and self._language.code == "fr":
            last = self._text.rstrip()[-1:]
        return last.isalnum() or last in ("?", "!", ")", '"', "’", "”", "»")

    def _cut(self, now: float | None) -> int:
        """Return the end of the next piece; 0 while the end is not known.

        now: the current time (s); None at the end of the text.
        """
        self._in_doubt = False
        late = now is not None and self._is_late(now)
        if not late and self._has_no_end():  # most tokens
            return 0
        end, known = self._sentence_end(now)
        if self._first:
            clauses = clause_ends(self._text)
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

    def _has_no_end(self) -> bool:
        text = self._text
        fits = len(text) < (LONGEST_CHARS if text.isascii() else _SURELY_FITS)
        return fits and (_MAY_END if self._first else _MARKS).search(text) is None

    def _sentence_end(self, now: float | None) -> tuple[int, bool]:
        """Return the end of the first sentence (0 for none yet), and whether it is spoken now."""
        text, language = self._text, self._language
        quiet = now is not None and now >= self._fed_at + QUIET_S
        for match in _SENTENCE_END.finditer(text):
            end = match.end()
            if match["mark"] == ".":
                stop = match.end("mark")
                ends = ends_sentence(text[:stop], text[end:], language)
                if ends is None and "\n" not in text[end:]:  # a line break ends it
                    self._in_doubt = wrong_end_is_harmless(text[:stop], language, spaced=True)
                    return end, quiet and self._in_doubt
                if not ends or (match["closing"] and _goes_on(text[end:])):
                    continue
            return end, True
        if now is None:
            return 0, True
        mark = last_mark(text, language)
        self._in_doubt = mark is Mark.DOUBTFUL
        return (len(text) if mark is Mark.SURE or (quiet and self._in_doubt) else 0), True

    def _is_late(self, now: float) -> bool:
        began = self._began_at
        if began is None:
            return False
        if now >= self._heard_by - EARLY_S:
            return True
        return now >= began + QUIET_S and self._has_first_words()

    def _has_first_words(self) -> bool:
        return self._first and has_words(self._text, FIRST_WORDS)

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
        ends = [at for at in clause_ends(text) if 2 * _seconds(text[:at]) > needed]
        if ends and len(text[: ends[-1]].split()) + _length(text[: ends[-1]]) // 9 > 1:
            return ends[-1]
        anywhere = late > OVERDUE_S or (late >= 0 and self._has_first_words())
        needed = max(needed, _SHORTEST_PART_S)
        places = part_ends(text, self._language, anywhere=anywhere)
        fitting = [place for place in places if _seconds(text[: place.at]) >= needed]
        return max(fitting, key=lambda place: (place.rank, place.at)).at if fitting else 0


def sentences_of(text: str, language: str = "en") -> list[str]:
    """The pieces of a whole text, cut as a stream of the text would be."""
    sentences = Sentences(language)
    return [*sentences.feed(text), *sentences.end()]


def _seconds(text: str) -> float:
    return speech_seconds(text.strip())


def _length(text: str) -> int:
    """The length of a text (characters), measured by the time that a voice needs for it."""
    return len(text) if text.isascii() else round(speech_seconds(text) * 14)


def _goes_on(after: str) -> bool:
    """Whether a sentence goes on after a full stop and a bracket or a closing quotation mark."""
    return after.lstrip()[:1].islower()


def _break_long(text: str) -> int:
    limit = LONGEST_CHARS
    while _length(text[:limit]) > LONGEST_CHARS:
        limit -= max(1, (_length(text[:limit]) - LONGEST_CHARS) // 3)
    window = text[:limit]
    clauses = [at for at in clause_ends(window) if at >= FIRST_CLAUSE_CHARS]
    if clauses:
        return clauses[-1]
    space = window.rfind(" ")
    return space + 1 if space > 0 else limit
