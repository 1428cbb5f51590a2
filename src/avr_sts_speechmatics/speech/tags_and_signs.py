"""Tags and signs within a line: HTML, LaTeX, addresses of the web, smileys, control codes."""

import html
import re
from html.entities import html5

from avr_sts_speechmatics.speech.formulas import formula
from avr_sts_speechmatics.speech.markup_reader import (
    ADDRESS_CHARS,
    LABEL_CHARS,
    MarkupReader,
    Step,
)

# Control characters, bidirectional marks, invisible joiners, lone surrogates, private use.
_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ud800-\udfff\ue000-\ue1ff\ue203-\uf8ff\ufeff\ufff0-\ufffd\U000f0000-\U0010ffff]"
)
_BREAKS = str.maketrans(dict.fromkeys("\r\x0b\x0c\x85\u2028\u2029", "\n"))
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
_COMMANDS_WITH_N = frozenset("nabla ne neq neg newline ngeq nleq not nu".split())
_SILENT_CONTENT = frozenset({"script", "style", "head", "svg"})


def without_control(text: str) -> str:
    """Return a text without characters that have no sound; all line breaks are "\\n"."""
    return _CONTROL.sub("", text).translate(_BREAKS)


def is_ascii_word(text: str) -> bool:
    return text.isascii() and text.isalnum()


class TagsAndSigns(MarkupReader):
    """Reads tags and signs; each method begins at its sign."""

    def _tag(self, at: int) -> Step | None:
        text = self._held
        if at + 1 == len(text):
            return None
        if not re.match(r"[/!?A-Za-z|]", text[at + 1]):
            return Step(at + 1, "<")
        tag = _TAG.match(text, at)
        if tag is None:
            window = text[at + 1 : at + LABEL_CHARS]
            is_open = not re.search(r"[<>]", window)
            comment = window.startswith("!-") or "!--".startswith(window)
            if len(window) < LABEL_CHARS - 1 and (comment or is_open) and not self._complete:
                return None
            # A tag that the end of the text cut off is not spoken either.
            return Step(self._word_end(at, LABEL_CHARS) if is_open else at + 1)
        inside = tag[0].strip("<>")
        if "@" in inside or re.match(r"https?://|tel:", inside):  # an address in Markdown
            return self._put(at, re.sub(r"^(?:mailto|tel):", "", inside), tag.end())
        name = re.split(r"[\s/]", inside)[0].lower()
        if name in _SILENT_CONTENT:
            self._skipping = f"</{name}>"
            return Step(tag.end())
        parts = re.fullmatch(r"/?(?:br|p|li|tr|div|h[1-6]|ul|ol|table|hr)\b.*", inside, re.I | re.S)
        cells = re.fullmatch(r"/(?:td|th)", inside, re.I)
        return Step(tag.end(), "\n" if parts else ", " if cells else "")

    def _entity(self, at: int) -> Step | None:
        text = self._held
        entity = _ENTITY.match(text, at)
        if entity is None:
            so_far = _MAY_BE_ENTITY.match(text, at)
            if so_far is not None and so_far.end() == len(text) and len(so_far[0]) < 34:
                return None
            return Step(at + 1, "&")
        if entity[0][1] != "#" and entity[0][1:] not in html5:
            return Step(at + 1, "&")
        sign = html.unescape(entity[0])
        sign = without_control(sign).replace("\xa0", " ")
        if sign == "&":
            # The rest may form an entity of its own, as in "&amp;lt;".
            follows = _MAY_BE_ENTITY.match("&" + text[entity.end() :])
            if follows is not None and follows.end() == 1 + len(text) - entity.end():
                return None
            if _ENTITY.match("&" + text[entity.end() :]) is None:
                return Step(entity.end(), "&")
        if sign == "<":  # an escaped tag is not spoken either
            tag = _ESCAPED_TAG.match(text, at)
            if tag is None:
                closed = self._until("&gt;", entity.end(), LABEL_CHARS)
                after = text[entity.end() : entity.end() + 1]
                if closed is None and (after in ("", "/") or after.isalpha()):
                    return None
                return Step(entity.end(), "<")
            return self._put(at, f"<{tag[1]}>", tag.end())
        return self._put(at, sign, entity.end())

    def _backslash(self, at: int) -> Step | None:
        text = self._held
        if at + 1 == len(text):
            return None
        after = text[at + 1]
        if after in "([":
            end = self._until("\\" + {"(": ")", "[": "]"}[after], at + 2, LABEL_CHARS)
            if end is None:
                return None
            return Step(at + 2) if end < 0 else Step(end + 2, formula(text[at + 2 : end]))
        if not after.isascii() or not after.isalpha():
            if after.isspace() or after == "|":
                return Step(at + (1 if after == "\n" else 2), "" if after == "\n" else " ")
            return Step(at + 2, after)
        name = re.match(r"[A-Za-z]+", text[at + 1 :])
        assert name is not None
        end = at + 1 + name.end()
        if name[0][0] == "n" and name[0] not in _COMMANDS_WITH_N and end < len(text):
            return Step(at + 2, "\n")  # a line break, spelt out
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
        return Step(end, formula(text[at:end]))

    def _dollar(self, at: int) -> Step | None:
        """Read a formula between dollar signs, or an amount of money."""
        text = self._held
        double = text.startswith("$$", at)
        if at + 1 == len(text):
            return None
        begin = at + 2 if double else at + 1
        if not double:
            if text[begin].isspace():
                return Step(begin, "$")
            amount = re.match(r"[\d.,]+", text[begin:])
            if amount is not None:
                rest = text[begin + amount.end() :]
                if rest in ("", " "):
                    return None
                if not re.match(r"[\\^_{]| ?=", rest):
                    return Step(begin, "$")
        end = self._until("$$" if double else "$", begin, LABEL_CHARS)
        if end is None:
            return None
        if end < 0:
            return Step(begin, "" if double else "$")
        if not double:
            if end + 1 == len(text):
                return None
            inside = text[begin:end]
            is_formula = re.search(r"[\\^_=+{<>]", inside) or len(inside) <= 2
            if inside[-1:].isspace() or text[end + 1].isdecimal() or not is_formula:
                return Step(begin, "$")
        return Step(end + (2 if double else 1), formula(text[begin:end]))

    def _smiley(self, at: int) -> Step | None:
        text = self._held
        if self._said and not self._said[-1].isspace():
            return Step(at + 1, text[at])
        smiley = _SMILEY.match(text, at)
        if smiley is not None:
            return Step(smiley.end())
        may_be = _MAY_BE_SMILEY.match(text, at)
        if may_be is not None and may_be.end() == len(text):
            return None
        return Step(at + 1, text[at])

    def _ansi(self, at: int) -> Step | None:
        code = _ANSI.match(self._held, at)
        if code is not None:
            return Step(code.end())
        so_far = _ANSI_SO_FAR.match(self._held, at)
        if so_far is not None and so_far.end() == len(self._held):
            return None
        return Step(at + 1)

    def _address(self, at: int) -> Step | None:
        """Read a web address. Only the name of the server is said."""
        text = self._held
        found = _ADDRESS.match(text, at)
        assert found is not None
        if is_ascii_word(self._said[-1:]):  # the end of a word
            return Step(at + 1, text[at])
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
            return Step(end + 1, said + "\n")  # a full stop would be taken for a "dot"
        return Step(end, said)
