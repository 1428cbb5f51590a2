"""Sentences: a stream of text, cut into pieces for TTS.

A model writes a few words at a time; TTS speaks a piece as a whole. The caller waits for the first
piece of a reply, so the first piece ends at the first clause that can stand alone. Later pieces are
whole sentences, because TTS gives a sentence a better melody. A full stop ends a sentence only if
the text after it begins a new one: not in "3.5", "e.g. this", "Dr. Smith", "a.b@example.com".

Markdown, emoji and bare addresses of pages cannot be spoken and are removed.
"""

import re

FIRST_CLAUSE_CHARS = 16
"""A shorter first clause is not worth a TTS request of its own: "Yes," alone sounds cut."""

LONGEST_CHARS = 240
"""Longest piece (characters); longer text is cut at a clause or a space. The first byte of audio
waits for the whole request, and requests should be below 300 characters. [TTS reference, 2]"""

# Abbreviations that never end a sentence, and those that do if a capital follows.
_NEVER_LAST = frozenset("mr mrs ms dr prof st nr vs approx dept ext tel e.g i.e".split())
_PERHAPS_LAST = frozenset("a.m p.m etc inc ltd co jr sr".split())
# The end of a sentence: a mark, perhaps closing quotes, then space; or a line break.
_SENTENCE_END = re.compile(r"([.!?…]+[\"'”’)\]]*)(?=\s)|\n+")
_CLAUSE_END = re.compile(r"[,;:](?=\s)|\s[–—-](?=\s)")
_LAST_WORD = re.compile(r"([\w.]+)\.$")

_UNSPEAKABLE = re.compile(
    "["
    "\U0001f000-\U0001faff"  # pictographs
    "\u2600-\u27bf"  # symbols and dingbats
    "\u2190-\u21ff\u2500-\u25ff\u2b00-\u2bff"  # arrows, boxes, shapes
    "\ufe0f\u200d\u20e3"  # characters that join emoji
    "]+"
)
_MARKDOWN_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_LINE_MARK = re.compile(r"^\s*(?:#{1,6}\s+|[-*+•]\s+|>\s+|\|)", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*|__|~~|`+|(?<!\w)[*_](?=\w)|(?<=[\w.,!?])[*_](?!\w)")
_BARE_URL = re.compile(r"https?://(?:www\.)?([^\s/]+)\S*")


def speakable(text: str) -> str:
    """The part of a text that can be spoken; empty if none can."""
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text = _BARE_URL.sub(r"\1", text)
    text = _LINE_MARK.sub("", text)
    text = _EMPHASIS.sub("", text)
    text = _UNSPEAKABLE.sub(" ", text)
    text = " ".join(text.split())
    return text if any(c.isalnum() for c in text) else ""


class Sentences:
    """Cuts one reply. `feed` and `end` return the pieces that may be spoken, in order."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def feed(self, delta: str) -> list[str]:
        """Take the next part of the stream, cut anywhere; return the complete pieces."""
        self._text += delta
        pieces: list[str] = []
        while cut := self._cut():
            self._add(self._text[:cut], pieces)
            self._text = self._text[cut:]
        return pieces

    def end(self) -> list[str]:
        """The stream is complete: return the pieces that are left."""
        # The last mark of a text has no space after it.
        pieces = self.feed("\n")
        self._add(self._text, pieces)
        self._text = ""
        return pieces

    def _add(self, piece: str, pieces: list[str]) -> None:
        spoken = speakable(piece)
        if spoken:
            self._first = False
            pieces.append(spoken)

    def _cut(self) -> int:
        """Where the next piece ends; 0 while that is not known."""
        end = _sentence_end(self._text)
        if self._first:
            clauses = (match.end() for match in _CLAUSE_END.finditer(self._text))
            clause = next((at for at in clauses if at >= FIRST_CLAUSE_CHARS), 0)
            if clause and (not end or clause < end):
                end = clause
        # Space around a piece is not spoken, so its length must not decide where to cut.
        if len(self._text[: end or None].strip()) > LONGEST_CHARS:
            return _break_long(self._text)
        return end


def sentences_of(text: str) -> list[str]:
    """The pieces of a whole text, cut as a stream of the text would be."""
    sentences = Sentences()
    return [*sentences.feed(text), *sentences.end()]


def _sentence_end(text: str) -> int:
    for match in _SENTENCE_END.finditer(text):
        if match.group(1) is None:  # a line break
            return match.end()
        if match.group(1) == "." and not _ends_here(text, match.end()):
            continue
        return match.end()
    return 0


def _ends_here(text: str, end: int) -> bool:
    """Whether the full stop before `end` ends a sentence, judged by the text so far."""
    word = _LAST_WORD.search(text[:end])
    if word is None:
        return True
    name = word.group(1).lower()
    following = text[end:].lstrip()[:1]
    if name in _PERHAPS_LAST:
        return following.isupper()
    if name == "no":  # a plain answer, unless it is "No. 5"
        return bool(following) and not following.isdigit()
    if text[: end - 1].strip().isdigit():  # "1." at the head of a list
        return False
    # "J." in "J. Smith"
    return name not in _NEVER_LAST and (len(name) > 1 or name == "i" or name.isdigit())


def _break_long(text: str) -> int:
    window = text[:LONGEST_CHARS]
    clauses = [m.end() for m in _CLAUSE_END.finditer(window) if m.end() >= FIRST_CLAUSE_CHARS]
    if clauses:
        return clauses[-1]
    space = window.rfind(" ")
    return space + 1 if space > 0 else LONGEST_CHARS
