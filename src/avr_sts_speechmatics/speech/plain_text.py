"""Plain text: a stream of text without the markup that a model writes into it.

A model may be told to write for a telephone and still writes Markdown, HTML, LaTeX, citations and
emoji. A voice would say "asterisk asterisk" or read an address letter by letter. So markup is
removed before the text is cut into sentences. The text that stays is the text that a person would
read aloud: the words of a link, the cells of a table, the name of a web server.

The stream may be cut anywhere. The text that may still become markup is held back, so the result
does not depend on the cuts. The length of the text held back is bounded: see LABEL_CHARS and
ADDRESS_CHARS.
"""

import re

from avr_sts_speechmatics.speech.markdown import Markdown
from avr_sts_speechmatics.speech.markup_reader import Step
from avr_sts_speechmatics.speech.tags_and_signs import TagsAndSigns, is_ascii_word, without_control

_EMOJI = re.compile(
    "["
    "\U0001f000-\U0001faff"  # pictographs
    "\U000e0000-\U000e007f"  # tags of flags
    "\u2600-\u27bf"  # symbols and dingbats
    "\u2300-\u23ff\u2190-\u21ff\u2500-\u25ff\u2b00-\u2bff"  # technical, arrows, boxes, shapes
    "\ufe0e\ufe0f\u20e3"  # characters that form emoji
    "\u00a9\u00ae\u2122\u2139\u2020\u2021\u3030\u303d"
    "]+"
)
_WORDS = re.compile(r"[A-Za-zÀ-ÿ0-9 ,.?'()\"%€£-]+")
_SPECIAL = re.compile(
    r"[\n`*_~\[!<&\\$^【|:;\x1b\u200c\u200d\ue200-\ue202]|(?<![A-Za-z0-9])(?:https?://|www\.)"
)
_MAY_BE_ADDRESS = re.compile(r"(?<![A-Za-z0-9])(?:h|ht|htt|http|https|https?:|https?:/|w|ww|www)$")
_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([^`\n]*)\n")
_RULE = re.compile(r"[-*_=~|:+ \t]+")
_CHECKBOX = re.compile(r"\[[ xX]\](?=\s)")
_DEFINITION = re.compile(r"\[[^\]\n]{1,60}\]:(?=\s)")
_LIKE_CODE = re.compile(r"[{}<>=;$\\\[\]|]|\w\(|^\s*(?:#|//|import |from )|[\"'],?\s*$")
_SPACE_BEFORE_STOP = re.compile(r" (?=[,.](?:\s|$))")
_HIGHLIGHT = re.compile(r"==(?=\w)|(?<=\w)==")
_DASHES = re.compile(r"(?<!\S)-{2,}(?!\S)|(?<=\w)-{2,}(?=\w)")
_NUMBERED = re.compile(r"^(\d{1,2})\) ")
_CLOSED_HEADING = re.compile(r"[ \t]#{2,}[ \t]*$", re.MULTILINE)


class PlainText(Markdown, TagsAndSigns):
    """Removes the markup of one text. `feed` and `end` return plain text, in order."""

    def _begin(self) -> None:
        super()._begin()
        self._at_line_start = True
        self._fence = ""  # what closes the block of code that is open

    def feed(self, delta: str) -> str:
        """Take the next part of the stream, cut anywhere; return the part that is surely text."""
        is_open = self._held or self._at_line_start or self._fence or self._skipping
        if not is_open and _WORDS.fullmatch(delta) and not _MAY_BE_ADDRESS.search(delta):
            self._said = (self._said + delta)[-40:]  # most of a stream is words
            return delta
        self._held += without_control(delta)
        return self._scan(complete=False)

    @property
    def holds_mark(self) -> bool:
        """Whether an exclamation mark is held back, because an image may begin there."""
        return self._held == "!" and not self._skipping

    def release_mark(self) -> str:
        """Return the exclamation mark that is held back: it is no image."""
        self._held = ""
        self._said += "!"
        return "!"

    def end(self) -> str:
        """End the stream and return the text that was held back."""
        # Markup that was begun is complete at the end of a line at the latest.
        self._held += "\n"
        words = self._scan(complete=True)
        if not self._skipping:
            words += self._held  # nothing that may be a word is lost
        self._begin()
        return words[:-1] if words.endswith("\n") else words

    def _scan(self, *, complete: bool) -> str:
        self._complete = complete
        found: list[str] = []
        while self._held:
            step = self._step(0)
            if step is None:
                break
            end, words = step
            if words:
                found.append(words)
                self._said = (self._said + words)[-40:]
            # What was read is gone: the end of a control sequence is not the letter before a word.
            self._held = self._held[end:]
        return "".join(found)

    def _step(self, at: int) -> Step | None:
        """Read on at `at`. Returns None if the text so far does not decide."""
        text = self._held
        if self._skipping:
            return self._skip(at)
        if self._fence:
            return self._code(at)
        if self._at_line_start:
            return self._line_start(at)
        special = _SPECIAL.search(text, at)
        end = special.start() if special else len(text)
        if end > at:
            if not self._complete:
                may_be = _MAY_BE_ADDRESS.search(text, max(at, len(text) - 8))
                if may_be and (may_be.start() > at or not is_ascii_word(self._said[-1:])):
                    end = min(end, may_be.start())
            return Step(end, text[at:end]) if end > at else None
        return self._inline(at, text[at])

    def _skip(self, at: int) -> Step | None:
        end = self._held.lower().find(self._skipping, at)
        if end < 0:  # drop all but what may be the beginning of the end
            self._held = self._held[:at] + self._held[at:][1 - len(self._skipping) :]
            return None
        if self._skipping != "\n":
            end += len(self._skipping)
        self._skipping = ""
        return Step(end)

    # --- lines -----------------------------------------------------------------------------------

    def _code(self, at: int) -> Step | None:
        """Read a line of a block of code. Words are said; code is left out."""
        text = self._held
        end = text.find("\n", at)
        if end < 0:
            return None
        line = text[at:end]
        if line.strip().startswith(self._fence) and not line.strip(" \t`~"):
            self._fence = ""
            self._at_line_start = True
            return Step(end + 1)
        if _LIKE_CODE.search(line):
            return Step(end + 1, "\n")
        words = PlainText()
        return Step(end + 1, words.feed(line) + words.end() + "\n")

    def _line_start(self, at: int) -> Step | None:
        """Read the mark before the words of a line: a heading, a bullet, a quotation, a table."""
        text = self._held
        first = at
        while first < len(text) and text[first] in " \t":
            first += 1
        if first == len(text):
            return None
        c = text[first]
        if text.startswith(("```", "~~~"), first) or (
            c in "`~" and len(text) - first < 3 and not text[first:].strip(c)
        ):
            fence = _FENCE.match(text, first)
            if fence:
                self._fence = fence[1]
                return Step(fence.end())
            if "\n" not in text[first:] and "`" not in text[first:].lstrip("`"):
                return None
        elif c in "-*_=~|:+":
            rule = _RULE.match(text, first)
            assert rule is not None
            if rule.end() == len(text):
                return None
            if text[rule.end()] == "\n":
                return Step(rule.end())
        if c == "#":
            marks = first
            while marks < len(text) and text[marks] == "#":
                marks += 1
            if marks == len(text):
                return None
            if marks - first <= 6 and text[marks] in " \t":
                return Step(marks + 1)
        elif c == ">":
            if first + 1 == len(text):
                return None
            if text[first + 1] not in "=0123456789":
                return Step(first + 1)
        elif c in "•‣◦▪":
            return Step(first + 1)
        elif c in "-*+–—·":
            if first + 1 == len(text):
                return None
            if text[first + 1] in " \t":
                return Step(first + 1)
        elif c == "|":
            self._at_line_start = False
            return Step(first + 1)
        elif c == "[":
            line = text[first:].partition("\n")
            if not line[1] and "]" not in line[0][:-2] and len(line[0]) < 64:
                return None
            box = _CHECKBOX.match(text, first)
            if box:
                return Step(box.end())
            if _DEFINITION.match(text, first):
                self._skipping = "\n"
                return Step(first)
        self._at_line_start = False
        return Step(first, text[at:first])

    # --- within a line ---------------------------------------------------------------------------

    def _inline(self, at: int, c: str) -> Step | None:
        match c:
            case "\n":
                self._at_line_start = True
                self._emphasis = False
                return Step(at + 1, "\n")
            case "`":
                return self._code_span(at)
            case "*":
                return self._stars(at)
            case "_" | "~":
                return self._underscores(at, c)
            case "[":
                return self._brackets(at)
            case "!":
                if at + 1 == len(self._held):
                    return None
                return self._brackets(at) if self._held[at + 1] == "[" else Step(at + 1, "!")
            case "<":
                return self._tag(at)
            case "&":
                return self._entity(at)
            case "\\":
                return self._backslash(at)
            case "$":
                return self._dollar(at)
            case "^":
                return self._raised(at)
            case "【" | "\ue200":
                return self._citation(at)
            case "|":
                return self._cell(at)
            case ":" | ";":
                return self._smiley(at)
            case "\x1b":
                return self._ansi(at)
            case "\u200c" | "\u200d":  # joins letters, or emoji
                return Step(at + 1, c if self._said[-1:].isalpha() else "")
            case "\ue201" | "\ue202":
                return Step(at + 1)
            case _:
                return self._address(at)

    def _raised(self, at: int) -> Step | None:
        """Read a caret: x^2^ is x^2; a caret before LaTeX belongs to the LaTeX."""
        text = self._held
        raised = re.match(r"\^(\w{1,4})\^", text[at:])
        if raised is not None:
            return Step(at + raised.end(), f"^{raised[1]}")
        if re.fullmatch(r"\^\w{0,4}", text[at:]):
            return None
        return Step(at + 1, "" if text[at + 1] == "\\" else "^")


def without_emoji(text: str) -> str:
    """Return plain text with one space between words and no emoji; empty if there is no word."""
    text = _CLOSED_HEADING.sub("", text)
    text = " ".join(_EMOJI.sub(" ", _HIGHLIGHT.sub("", text)).split())
    text = _SPACE_BEFORE_STOP.sub("", text)
    text = _DASHES.sub("–", text).removeprefix("– ")
    text = _NUMBERED.sub(r"\1. ", text)
    return text if any(c.isalnum() for c in text) else ""


def speakable(text: str) -> str:
    """Return the part of a whole text that can be spoken; may be empty."""
    plain = PlainText()
    return without_emoji(plain.feed(text) + plain.end())
