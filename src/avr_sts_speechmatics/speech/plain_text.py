"""Plain text: a stream of text without the markup that a model writes into it.

A model may be told to write for a telephone and still writes Markdown, HTML, LaTeX, citations and
emoji. A voice would say "asterisk asterisk" or read an address letter by letter. So markup is
removed before the text is cut into sentences, and what stays is what a person would read aloud: the
words of a link, the cells of a table, the name of a web server.

The stream may be cut anywhere. The text that may still become markup is held back, so the result
does not depend on the cuts. What is held back is bounded, see the limits.
"""

import html
import re
from html.entities import html5
from typing import NamedTuple

from avr_sts_speechmatics.speech.formulas import formula
from avr_sts_speechmatics.speech.telephone_keys import ASKS_FOR_KEYS

LABEL_CHARS = 300
"""Longest text of a link, a code span or a formula; what is longer is text (characters)."""

ADDRESS_CHARS = 2000
"""Longest address of a link (characters)."""

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
# Control characters, bidirectional marks, joiners of nothing, halves of characters, private use.
_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ud800-\udfff\ue000-\ue1ff\ue203-\uf8ff\ufeff\ufff0-\ufffd\U000f0000-\U0010ffff]"
)
_BREAKS = str.maketrans(dict.fromkeys("\r\x0b\x0c\x85\u2028\u2029", "\n"))

_SPECIAL = re.compile(
    r"[\n`*_~\[!<&\\$^【|:;\x1b\u200c\u200d\ue200-\ue202]|(?<![^\W_])(?:https?://|www\.)"
)
_MAY_BE_ADDRESS = re.compile(
    r"(?<![^\W_])(?:h|ht|htt|http|https|https?:|https?:/|w|ww|www)$"
)

_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([^`\n]*)\n")
_RULE = re.compile(r"[-*_=~|:+ \t]+")
_CHECKBOX = re.compile(r"\[[ xX]\](?=\s)")
_DEFINITION = re.compile(r"\[[^\]\n]{1,60}\]:(?=\s)")
_LIKE_CODE = re.compile(r"[{}<>=;$\\\[\]|]|\w\(|^\s*(?:#|//|import |from )|[\"'],?\s*$")

_CITATION = re.compile(
    r"\^.*|\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*|.*†.*|[\d:,;\s–-]*\s*(?:source|cite|citation|ref)\b.*",
    re.IGNORECASE,
)
_CITED_BY_NUMBERS = re.compile(r"[\d:,;\s–-]*")
_FILE_NAME = re.compile(r"[\w.-]*\.(?:png|jpe?g|gif|svg|webp|bmp)|(?:img|image)?[\d_-]*", re.I)
_TAG = re.compile(r"<(?:!--.{0,280}?-->|[/!?]?[A-Za-z|][^<>]{0,280}>)", re.DOTALL)
_ESCAPED_TAG = re.compile(r"&lt;([/!?]?[A-Za-z][^<>&\n]{0,280})&gt;")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MAY_BE_ENTITY = re.compile(r"&#?[A-Za-z0-9]{0,32}")
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]*")
_NOT_IN_ADDRESS = re.compile(r"[\"*`<>|\\^{}]")
_HOST = re.compile(r"https?://(?:[^\s/@]*@)?(?:www\.)?([^\s/?#:]+)\S*")
_SMILEY = re.compile(r"[:;][-']?[)(DPp|/\\](?=\s)|:[a-z][a-z0-9_+-]{1,30}:(?=\W)")
_MAY_BE_SMILEY = re.compile(r"[:;](?:[a-z][a-z0-9_+-]{0,30}:?|[-']?[)(DPp|/\\]?)")
_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_ANSI_SO_FAR = re.compile(r"\x1b(?:\[[0-9;]{0,20})?")
_QUOTES = frozenset("\"'“”‘’«»")
_OPENING = frozenset("([{\"'“‘«¿¡—–-/")
_KEYS = re.compile(r"[*#\d]+")
_COMMANDS_WITH_N = frozenset("nabla ne neq neg newline ngeq nleq not nu".split())
_SPACE_BEFORE_STOP = re.compile(r" (?=[,.](?:\s|$))")
_CLOSED_HEADING = re.compile(r"[ \t]#{2,}[ \t]*$", re.MULTILINE)
_SILENT_CONTENT = frozenset({"script", "style", "head", "svg"})


class _Step(NamedTuple):
    """What became of markup: where the text goes on, and what is said instead."""

    at: int
    words: str = ""


class PlainText:
    """Removes the markup of one text. `feed` and `end` return plain text, in order."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._held = ""
        self._complete = False
        self._at_line_start = True
        self._fence = ""  # what closes the block of code that is open
        self._skipping = ""  # what ends the part that is left out
        self._said = ""  # the last of what was returned
        self._emphasis = False  # whether a single star may close one

    def feed(self, delta: str) -> str:
        """Take the next part of the stream, cut anywhere; return what is sure to be text."""
        self._held += _CONTROL.sub("", delta).translate(_BREAKS)
        return self._scan(complete=False)

    def end(self) -> str:
        """The stream is complete: return the text that was held back."""
        # Markup that was begun is complete at the end of a line at the latest.
        self._held += "\n"
        words = self._scan(complete=True)
        self._begin()
        return words[:-1] if words.endswith("\n") else words

    def _scan(self, *, complete: bool) -> str:
        self._complete = complete
        found: list[str] = []
        at = 0
        while at < len(self._held):
            step = self._step(at)
            if step is None:
                break
            at, words = step
            if words:
                found.append(words)
                self._said = (self._said + words)[-40:]
        self._held = self._held[at:]
        return "".join(found)

    def _step(self, at: int) -> _Step | None:
        """Read on at `at`; None if the text that is there does not decide."""
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
                if may_be and (may_be.start() > at or not self._said[-1:].isalnum()):
                    end = min(end, may_be.start())
            return _Step(end, text[at:end]) if end > at else None
        return self._inline(at, text[at])

    def _skip(self, at: int) -> _Step | None:
        end = self._held.lower().find(self._skipping, at)
        if end < 0:  # drop all but what may be the beginning of the end
            self._held = self._held[:at] + self._held[at:][1 - len(self._skipping) :]
            return None
        if self._skipping != "\n":
            end += len(self._skipping)
        self._skipping = ""
        return _Step(end)

    # --- lines -----------------------------------------------------------------------------------

    def _code(self, at: int) -> _Step | None:
        """A line of a block of code: what looks like words is said."""
        text = self._held
        end = text.find("\n", at)
        if end < 0:
            return None
        line = text[at:end]
        if line.strip().startswith(self._fence) and not line.strip(" \t`~"):
            self._fence = ""
            self._at_line_start = True
            return _Step(end + 1)
        return _Step(end + 1, "\n" if _LIKE_CODE.search(line) else line + "\n")

    def _line_start(self, at: int) -> _Step | None:
        """What stands before the words of a line: a heading, a bullet, a quotation, a table."""
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
                return _Step(fence.end())
            if "\n" not in text[first:] and "`" not in text[first:].lstrip("`"):
                return None
        elif c in "-*_=~|:+":
            rule = _RULE.match(text, first)
            assert rule is not None
            if rule.end() == len(text):
                return None
            if text[rule.end()] == "\n":
                return _Step(rule.end())
        if c == "#":
            marks = first
            while marks < len(text) and text[marks] == "#":
                marks += 1
            if marks == len(text):
                return None
            if marks - first <= 6 and text[marks] in " \t":
                return _Step(marks + 1)
        elif c == ">":
            if first + 1 == len(text):
                return None
            if text[first + 1] not in "=0123456789":
                return _Step(first + 1)
        elif c in "•‣◦▪":
            return _Step(first + 1)
        elif c in "-*+–—·":
            if first + 1 == len(text):
                return None
            if text[first + 1] in " \t":
                return _Step(first + 1)
        elif c == "|":
            self._at_line_start = False
            return _Step(first + 1)
        elif c == "[":
            line = text[first:].partition("\n")
            if not line[1] and "]" not in line[0][:-2] and len(line[0]) < 64:
                return None
            box = _CHECKBOX.match(text, first)
            if box:
                return _Step(box.end())
            if _DEFINITION.match(text, first):
                self._skipping = "\n"
                return _Step(first)
        self._at_line_start = False
        return _Step(first, text[at:first])

    # --- within a line ---------------------------------------------------------------------------

    def _inline(self, at: int, c: str) -> _Step | None:
        match c:
            case "\n":
                self._at_line_start = True
                self._emphasis = False
                return _Step(at + 1, "\n")
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
                return self._brackets(at) if self._held[at + 1] == "[" else _Step(at + 1, "!")
            case "<":
                return self._tag(at)
            case "&":
                return self._entity(at)
            case "\\":
                return self._backslash(at)
            case "$":
                return self._dollar(at)
            case "^":
                if at + 1 == len(self._held):
                    return None
                return _Step(at + 1, "" if self._held[at + 1] == "\\" else "^")
            case "【" | "\ue200":
                return self._citation(at)
            case "|":
                return self._cell(at)
            case ":" | ";":
                return self._smiley(at)
            case "\x1b":
                return self._ansi(at)
            case "\u200c" | "\u200d":  # joins letters, or emoji
                return _Step(at + 1, c if self._said[-1:].isalpha() else "")
            case "\ue201" | "\ue202":
                return _Step(at + 1)
            case _:
                return self._address(at)

    def _until(self, end: str, at: int, limit: int) -> int | None:
        """Where `end` is found on this line from `at` on; -1 if nowhere, None if not known."""
        text = self._held
        found = text.find(end, at, at + limit)
        line = text.find("\n", at, at + limit)
        if found >= 0 and (line < 0 or found < line):
            return found
        return -1 if line >= 0 or len(text) >= at + limit else None

    def _run(self, at: int) -> int:
        end = at
        while end < len(self._held) and self._held[end] == self._held[at]:
            end += 1
        return end

    def _code_span(self, at: int) -> _Step | None:
        text, begin = self._held, self._run(at)
        if begin == len(text):
            return None
        end = self._until(text[at:begin], begin, LABEL_CHARS)
        if end is None:
            return None
        if end < 0:
            return _Step(begin)
        return _Step(end + begin - at, text[begin:end].strip())

    def _stars(self, at: int) -> _Step | None:
        """Emphasis, or the star key of a telephone."""
        text, end = self._held, self._run(at)
        if end + 1 >= len(text) and not text.endswith("\n"):
            return None
        size, before, after = end - at, self._said[-1:], text[end]
        if size >= 4:  # a rule, or the hidden part of a number
            hides = re.match(r"[ -]?[\d*]", text[end:])
            return _Step(end, text[at:end] if hides else "")
        if before.isalnum() and after.isalnum() and size == 1:
            return _Step(end, "*")  # 5*4
        if not before.isalnum() and (after.isdecimal() or after == "#"):
            return self._star_key(at, end)
        if size > 1:
            return _Step(end)
        if before in _QUOTES and after in _QUOTES:
            return _Step(end, "*")  # the "*" key
        if before and not before.isspace() and not (before in _OPENING and after.isalnum()):
            keeps = before in "#*0123456789" and not self._emphasis
            self._emphasis = False
            return _Step(end, "*" if keeps else "")
        if after.isspace() or after in ".,;!?)":
            return _Step(end, "*")
        self._emphasis = True
        return _Step(end)

    def _star_key(self, at: int, end: int) -> _Step | None:
        """*72 is dialled; in *72 hours* and **72** the number is stressed."""
        text = self._held
        code = _KEYS.match(text, at)
        assert code is not None
        if code.end() == len(text):
            return None
        keys, stars = code[0], text[at:end]
        if ASKS_FOR_KEYS.search(self._said):
            # "press **9**" is stressed: two stars are no key.
            stressed = len(stars) > 1 and keys.endswith(stars) and "#" not in keys
            return _Step(code.end(), keys.strip("*") if stressed else keys)
        if keys.endswith(stars) and keys.strip("*").isdecimal():
            return _Step(code.end(), keys.strip("*"))
        if re.search(r"[*#]", keys[len(stars) :]):
            return _Step(code.end(), keys)
        closing = self._until(stars, code.end(), 80)
        while closing is not None and closing > 0 and text[closing - 1].isspace():
            closing = self._until(stars, closing + 1, 80)
        if closing is None:
            return None
        if closing < 0 and len(stars) == 1:
            return _Step(code.end(), keys)
        self._emphasis = len(stars) == 1
        return _Step(end)

    def _underscores(self, at: int, c: str) -> _Step | None:
        text, end = self._held, self._run(at)
        if end == len(text):
            return None
        before, after = self._said[-1:], text[end]
        if c == "_" and before.isalnum() and after.isalnum():
            return _Step(end, text[at:end])  # a_name
        if c == "~" and end - at == 1 and (after.isdecimal() or after in " $€£"):
            return _Step(end, "~")  # about 5
        return _Step(end)

    def _brackets(self, at: int) -> _Step | None:
        """A link, an image, a footnote, or words in brackets."""
        text = self._held
        is_image = text[at] == "!"
        begin = at + 2 if is_image else at + 1
        end = self._closing(begin, "[", "]", LABEL_CHARS)
        if end is None:
            return None
        if end < 0:
            return _Step(begin)
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
        cites = _CITATION.fullmatch(label.strip("[]")) and not (
            label.isdecimal() and ASKS_FOR_KEYS.search(self._said)
        )
        if cites or (is_image and _FILE_NAME.fullmatch(label)):
            label = ""
        # The label may hold markup of its own.
        return self._put(at, label, rest)

    def _closing(self, at: int, opens: str, closes: str, limit: int) -> int | None:
        """Where brackets opened before `at` are closed on this line; -1 nowhere, None: unknown."""
        depth = 1
        text = self._held
        for place in range(at, min(len(text), at + limit)):
            c = text[place]
            if c == "\n":
                return -1
            depth += (c == opens) - (c == closes)
            if not depth:
                return place
        return -1 if len(text) >= at + limit else None

    def _word_end(self, at: int, limit: int) -> int:
        window = self._held[at : at + limit]
        space = re.search(r"\s", window)
        return at + (space.start() if space else len(window))

    def _tag(self, at: int) -> _Step | None:
        text = self._held
        if at + 1 == len(text):
            return None
        if not re.match(r"[/!?A-Za-z|]", text[at + 1]):
            return _Step(at + 1, "<")
        tag = _TAG.match(text, at)
        if tag is None:
            window = text[at + 1 : at + LABEL_CHARS]
            is_open = not re.search(r"[<>]", window)
            comment = window.startswith("!-") or "!--".startswith(window)
            if len(window) < LABEL_CHARS - 1 and (comment or is_open) and not self._complete:
                return None
            # A tag that the end of the text cut off is not spoken either.
            return _Step(self._word_end(at, LABEL_CHARS) if is_open else at + 1)
        inside = tag[0].strip("<>")
        if "@" in inside or "://" in inside:  # an address in the way Markdown writes it
            return self._put(at, inside.removeprefix("mailto:"), tag.end())
        name = re.split(r"[\s/]", inside)[0].lower()
        if name in _SILENT_CONTENT:
            self._skipping = f"</{name}>"
            return _Step(tag.end())
        parts = re.fullmatch(r"/?(?:br|p|li|tr|div|h[1-6]|ul|ol|table|hr)\b.*", inside, re.I | re.S)
        cells = re.fullmatch(r"/(?:td|th)", inside, re.I)
        return _Step(tag.end(), "\n" if parts else ", " if cells else "")

    def _entity(self, at: int) -> _Step | None:
        text = self._held
        entity = _ENTITY.match(text, at)
        if entity is None:
            so_far = _MAY_BE_ENTITY.match(text, at)
            if so_far is not None and so_far.end() == len(text) and len(so_far[0]) < 34:
                return None
            return _Step(at + 1, "&")
        if entity[0][1] != "#" and entity[0][1:] not in html5:
            return _Step(at + 1, "&")
        sign = html.unescape(entity[0])
        sign = _CONTROL.sub("", sign).translate(_BREAKS).replace("\xa0", " ")
        if sign == "&":
            # The rest may form an entity of its own, as in "&amp;lt;".
            follows = _MAY_BE_ENTITY.match("&" + text[entity.end() :])
            if follows is not None and follows.end() == 1 + len(text) - entity.end():
                return None
            if _ENTITY.match("&" + text[entity.end() :]) is None:
                return _Step(entity.end(), "&")
        if sign == "<":  # a tag that was escaped is no more spoken than any other
            tag = _ESCAPED_TAG.match(text, at)
            if tag is None:
                closed = self._until("&gt;", entity.end(), LABEL_CHARS)
                after = text[entity.end() : entity.end() + 1]
                if closed is None and (after in ("", "/") or after.isalpha()):
                    return None
                return _Step(entity.end(), "<")
            return self._put(at, f"<{tag[1]}>", tag.end())
        return self._put(at, sign, entity.end())

    def _put(self, at: int, markup: str, rest: int) -> _Step:
        """Read markup, or what it stands for, in the place of the text up to `rest`."""
        self._held = self._held[:at] + markup + self._held[rest:]
        return _Step(at)

    def _backslash(self, at: int) -> _Step | None:
        text = self._held
        if at + 1 == len(text):
            return None
        after = text[at + 1]
        if after in "([":
            end = self._until("\\" + {"(": ")", "[": "]"}[after], at + 2, LABEL_CHARS)
            if end is None:
                return None
            return _Step(at + 2) if end < 0 else _Step(end + 2, formula(text[at + 2 : end]))
        if not after.isascii() or not after.isalpha():
            if after.isspace() or after == "|":
                return _Step(at + (1 if after == "\n" else 2), "" if after == "\n" else " ")
            return _Step(at + 2, after)
        name = re.match(r"[A-Za-z]+", text[at + 1 :])
        assert name is not None
        end = at + 1 + name.end()
        if name[0][0] == "n" and name[0] not in _COMMANDS_WITH_N and end < len(text):
            return _Step(at + 2, "\n")  # a line break, spelt out
        for _ in range(2):  # the arguments
            if end == len(text):
                return None
            if text[end] != "{":
                break
            closing = self._until("}", end + 1, LABEL_CHARS)
            if closing is None:
                return None
            if closing < 0:
                break
            end = closing + 1
        return _Step(end, formula(text[at:end]))

    def _dollar(self, at: int) -> _Step | None:
        """A formula between dollar signs, or an amount of money."""
        text = self._held
        double = text.startswith("$$", at)
        if at + 1 == len(text):
            return None
        begin = at + 2 if double else at + 1
        if not double:
            if text[begin].isspace():
                return _Step(begin, "$")
            amount = re.match(r"[\d.,]+", text[begin:])
            if amount is not None:
                rest = text[begin + amount.end() :]
                if rest in ("", " "):
                    return None
                if not re.match(r"[\\^_{]| ?=", rest):
                    return _Step(begin, "$")
        end = self._until("$$" if double else "$", begin, LABEL_CHARS)
        if end is None:
            return None
        if end < 0:
            return _Step(begin, "" if double else "$")
        if not double:
            if end + 1 == len(text):
                return None
            inside = text[begin:end]
            is_formula = re.search(r"[\\^_=+{<>]", inside) or len(inside) <= 2
            if inside[-1:].isspace() or text[end + 1].isdecimal() or not is_formula:
                return _Step(begin, "$")
        return _Step(end + (2 if double else 1), formula(text[begin:end]))

    def _citation(self, at: int) -> _Step | None:
        text = self._held
        closes = "】" if text[at] == "【" else "\ue201"
        end = self._until(closes, at + 1, LABEL_CHARS)
        if end is None:
            return None
        if end < 0:
            return _Step(at + 1)
        label = text[at + 1 : end]
        if closes == "】" and not (_CITATION.fullmatch(label) or _CITED_BY_NUMBERS.fullmatch(label)):
            return self._put(at, label, end + 1)
        return _Step(end + 1)

    def _cell(self, at: int) -> _Step | None:
        """The line between two cells of a table is a comma, unless a cell is empty."""
        text, end = self._held, at
        while end < len(text) and text[end] in "| \t":
            end += 1
        if end == len(text):
            return None
        last = self._said.rstrip(" \t")[-1:]
        parts = text[end] != "\n" and (last.isalnum() or last in "%)\"'”°")
        return _Step(end, ", " if parts else " ")

    def _smiley(self, at: int) -> _Step | None:
        text = self._held
        if self._said and not self._said[-1].isspace():
            return _Step(at + 1, text[at])
        smiley = _SMILEY.match(text, at)
        if smiley is not None:
            return _Step(smiley.end())
        may_be = _MAY_BE_SMILEY.match(text, at)
        if may_be is not None and may_be.end() == len(text):
            return None
        return _Step(at + 1, text[at])

    def _ansi(self, at: int) -> _Step | None:
        code = _ANSI.match(self._held, at)
        if code is not None:
            return _Step(code.end())
        so_far = _ANSI_SO_FAR.match(self._held, at)
        if so_far is not None and so_far.end() == len(self._held):
            return None
        return _Step(at + 1)

    def _address(self, at: int) -> _Step | None:
        """An address of the web: the name of its server is said."""
        text = self._held
        found = _ADDRESS.match(text, at)
        assert found is not None
        if self._said[-1:].isalnum():  # the end of a word
            return _Step(at + 1, text[at])
        address = found[0]
        if (bad := _NOT_IN_ADDRESS.search(address)) is not None:
            address = address[: bad.start()]
        elif found.end() == len(text) and len(address) < ADDRESS_CHARS:
            return None
        address = address.rstrip(".,;:!?'")
        while address.endswith((")", "]")) and address.count("(") + address.count("[") < (
            address.count(")") + address.count("]")
        ):
            address = address[:-1].rstrip(".,;:!?'")
        said = _HOST.sub(r"\1", address)
        said = re.sub(r"[?#].*", "", said).rstrip("/")
        end = at + max(len(address), 1)
        if text[end:].startswith(".") and text[end + 1 : end + 2].isspace():
            return _Step(end + 1, said + "\n")  # a full stop would be taken for a "dot"
        return _Step(end, said)


def without_emoji(text: str) -> str:
    """A piece of plain text with one space between its words; empty if it has no word."""
    text = _CLOSED_HEADING.sub("", text)
    text = " ".join(_EMOJI.sub(" ", text).split())
    text = _SPACE_BEFORE_STOP.sub("", text)
    return text if any(c.isalnum() for c in text) else ""


def speakable(text: str) -> str:
    """The part of a whole text that can be spoken; empty if none can."""
    plain = PlainText()
    return without_emoji(plain.feed(text) + plain.end())
