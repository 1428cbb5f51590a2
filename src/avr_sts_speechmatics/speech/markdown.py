"""Markdown within a line: emphasis, code, links, images, notes, cells of a table."""

import re

from avr_sts_speechmatics.speech.markup_reader import (
    ADDRESS_CHARS,
    LABEL_CHARS,
    MarkupReader,
    Step,
)
from avr_sts_speechmatics.speech.telephone_keys import ASKS_FOR_KEYS

_CITATION = re.compile(
    r"\^.*|\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*|.*†.*|[\d:,;\s–-]*\s*(?:source|cite|citation|ref)\b.*"
    r"|/?(?:INST|SYS|BOS|EOS|END|TOOL_CALLS|AVAILABLE_TOOLS)",
    re.IGNORECASE,
)
_CITED_BY_NUMBERS = re.compile(r"[\d:,;\s–-]*")
_NOTE = re.compile(r"\^.*|\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*|.*†.*")
_RAISED = re.compile(r"~(\w{1,4})~")
_MAY_BE_RAISED = re.compile(r"~\w{0,4}\Z")
_FILE_NAME = re.compile(r"[\w.-]*\.(?:png|jpe?g|gif|svg|webp|bmp)|(?:img|image)?[\d_-]*", re.I)
_QUOTES = frozenset("\"'“”‘’«»")
_OPENING = frozenset("([{\"'“‘«¿¡—–-/")
_KEYS = re.compile(r"[*#\d]+")


class Markdown(MarkupReader):
    """Reads the marks of Markdown; each method begins at its mark."""

    def _code_span(self, at: int) -> Step | None:
        text, begin = self._held, self._run(at)
        if begin == len(text):
            return None
        end = self._until(text[at:begin], begin, LABEL_CHARS)
        if end is None:
            return None
        if end < 0:
            return Step(begin)
        code, rest = text[begin:end].strip(), end + begin - at
        if _KEYS.fullmatch(code):
            return Step(rest, code)
        return self._put(at, code, rest)

    def _stars(self, at: int) -> Step | None:
        """Read emphasis, or the star key of a telephone."""
        text, end = self._held, self._run(at)
        if end + 1 >= len(text) and not text.endswith("\n"):
            return None
        size, before, after = end - at, self._said[-1:], text[end]
        if size >= 4:  # a rule, or the hidden part of a number
            hides = re.match(r"[ -]?[\d*]", text[end:])
            return Step(end, text[at:end] if hides else "")
        if before.isalnum() and after.isalnum() and size == 1 and not self._emphasis:
            return Step(end, "*")  # 5*4
        if not before.isalnum() and (after.isdecimal() or after == "#"):
            return self._star_key(at, end)
        if size > 1:
            return Step(end)
        if before in _QUOTES and after in _QUOTES:
            return Step(end, "*")  # the "*" key
        if before and not before.isspace() and not (before in _OPENING and after.isalnum()):
            keeps = before in "#*0123456789" and not self._emphasis
            self._emphasis = False
            return Step(end, "*" if keeps else "")
        if after.isspace() or after in ".,;!?)":
            return Step(end, "*")
        self._emphasis = True
        return Step(end)

    def _star_key(self, at: int, end: int) -> Step | None:
        """Read a star key: *72 is dialled; in *72 hours* and **72** the number is stressed."""
        text = self._held
        code = _KEYS.match(text, at)
        assert code is not None
        if code.end() == len(text):
            return None
        keys, stars = code[0], text[at:end]
        if ASKS_FOR_KEYS.search(self._said):
            # "press **9**" is stressed: two stars are no key.
            stressed = len(stars) > 1 and keys.endswith(stars) and "#" not in keys
            return Step(code.end(), keys.strip("*") if stressed else keys)
        if keys.endswith(stars) and keys.strip("*").isdecimal():
            return Step(code.end(), keys.strip("*"))
        if re.search(r"[*#]", keys[len(stars) :]):
            return Step(code.end(), keys)
        closing = self._until(stars, code.end(), 80)
        while closing is not None and closing > 0 and text[closing - 1].isspace():
            closing = self._until(stars, closing + 1, 80)
        if closing is None:
            return None
        if closing < 0 and len(stars) == 1:
            return Step(code.end(), keys)
        self._emphasis = len(stars) == 1
        return Step(end)

    def _underscores(self, at: int, c: str) -> Step | None:
        text, end = self._held, self._run(at)
        if end == len(text):
            return None
        before, after = self._said[-1:], text[end]
        if c == "_" and before.isalnum() and after.isalnum():
            return Step(end, text[at:end])  # a_name
        if c == "~" and end - at == 1:
            if (lowered := _RAISED.match(text, at)) is not None:  # H~2~O
                return Step(lowered.end(), lowered[1])
            if _MAY_BE_RAISED.match(text, at):
                return None
        if c == "~" and end - at == 1 and (after.isdecimal() or after in " $€£"):
            return Step(end, "~")  # about 5
        return Step(end)

    def _brackets(self, at: int) -> Step | None:
        """Read a link, an image, a footnote, or words in brackets."""
        text = self._held
        is_image = text[at] == "!"
        begin = at + 2 if is_image else at + 1
        end = self._closing(begin, "[", "]", LABEL_CHARS)
        if end is None:
            return None
        if end < 0:
            return Step(begin)
        label = text[begin:end].strip()
        if end + 1 == len(text):
            return None
        after = text[end + 1]
        rest = end + 1
        if after == "(":
            close = self._closing(end + 2, "(", ")", ADDRESS_CHARS)
            if close is None:
                return None
            rest = close + 1 if close >= 0 else self._word_end(end + 2, ADDRESS_CHARS)
        elif after == "[":
            close = self._closing(end + 2, "[", "]", LABEL_CHARS)
            if close is None:
                return None
            if close >= 0 and not _CITATION.fullmatch(text[end + 2 : close].strip()):
                rest = close + 1
        kind = _NOTE if after == "(" else _CITATION
        cites = kind.fullmatch(label.strip("[]")) and not (
            label.isdecimal() and ASKS_FOR_KEYS.search(self._said)
        )
        if cites or (is_image and _FILE_NAME.fullmatch(label)):
            label = ""
        # The label may hold markup of its own.
        return self._put(at, label, rest)

    def _citation(self, at: int) -> Step | None:
        text = self._held
        closes = "】" if text[at] == "【" else "\ue201"
        end = self._until(closes, at + 1, LABEL_CHARS)
        if end is None:
            return None
        if end < 0:
            return Step(at + 1)
        label = text[at + 1 : end]
        cites = _CITATION.fullmatch(label) or _CITED_BY_NUMBERS.fullmatch(label)
        if closes == "】" and not cites:
            return self._put(at, label, end + 1)
        return Step(end + 1)

    def _cell(self, at: int) -> Step | None:
        """Read the line between two cells of a table: a comma, unless a cell is empty."""
        text, end = self._held, at
        while end < len(text) and text[end] in "| \t":
            end += 1
        if end == len(text):
            return None
        last = self._said.rstrip(" \t")[-1:]
        parts = text[end] != "\n" and (last.isalnum() or last in "%)\"'”°")
        return Step(end, ", " if parts else " ")
