"""Visible text: the part of an answer for the caller, separated from reasoning and tool calls.

Reasoning (`<think>…</think>` and its relatives), tool calls written as text and special tokens are
taken out of the stream, which may be cut anywhere. Ordinary text is passed on at once: only the
possible beginning of a mark waits for the next piece.

Some servers leave out the opening tag of the reasoning, so that the first mark is a closing tag.
The text before it may have been spoken by then. `closes_unopened` reports it, and with
`reasons_first` the text of later answers waits for the closing tag.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.services.llm import written_calls
from avr_sts_speechmatics.services.llm.written_calls import Written

LONGEST_MARK = 120
"""Longest mark, attributes included (characters); longer text is no mark."""

LONGEST_BLOCK = 20_000
"""Longest tool call written as text (characters)."""

_REASONING = frozenset(
    "think thinking thought thoughts reasoning reason analysis reflection scratchpad seed:think "
    "inner_monologue inner_thoughts mm:think".split()
)
_CALLS = frozenset(
    "tool_call tool_calls toolcall function functioncall function_call function_calls invoke "
    "minimax:tool_call tool_code tool_use seed:tool_call antml:function_calls antml:invoke".split()
)
_DROPPED = frozenset(
    "s eos bos pad unk end_of_turn start_of_turn end_of_utterance eot eom "
    "tools tool_call_begin tool_call_end answer final_answer final response".split()
)
_TAG_NAMES = tuple(_REASONING | _CALLS | _DROPPED)
_TAG = re.compile(r"<(/?)([A-Za-z][\w:]*)([^<>]*)(>?)")
_SPECIAL = re.compile(r"<(/?)[|｜]([^<>|｜]*(?:[|｜][^<>|｜]+)*)(?:[|｜]?>)")
_HALF_SPECIAL = re.compile(r"<(?:/?[|｜][^<>]*)?\Z")
_END_OF_REASONING = re.compile(
    rf"</\s*(?:{'|'.join(_REASONING)})\s*>|\[/think\]|◁/think▷", re.IGNORECASE
)
_OPENED = re.compile(rf"\s*(?:<(?:{'|'.join(_REASONING)})\b|\[think\]|◁think▷)", re.IGNORECASE)
_BEGINNINGS = tuple(
    before + begin
    for before in (
        *(
            "",
            "okay, ",
            "okay. ",
            "ok, ",
            "alright, ",
            "hmm, ",
            "so, ",
            "so ",
            "okay, so ",
            "well, ",
        ),
        *("okay so ", "first, ", "now, ", "wait, "),
    )
    for begin in (
        *("the user", "the caller", "the customer", "this user", "this caller", "user ask"),
        *("user want", "caller ask", "caller want", "they ask", "they want", "i need to respond"),
        *("i need to answer", "we need to respond", "we need to answer", "let me think"),
        *("let's think", "the question is", "the instructions", "the system prompt"),
    )
)
"""Openings with which models begin to reason, and hardly ever begin an answer."""
_JSON_KEYS = (
    "name function function_name type tool tool_name tool_call tool_calls action arguments "
    "parameters recipient_name function_call id"
).split()
_HALF_JSON_CALL = re.compile(r"(?:\[\s*)?(?:\{\s*(?:[\"'][\w-]{0,64}(?:[\"']\s*)?)?)?\Z")
_BRACKETED = ("[tool_calls]", "[tool_call]", "[think]", "[/think]")
_BEFORE_PYTHON = ("", "functions.", "default_api.", "print(", "print(default_api.")
_KIMI = ("◁think▷", "◁/think▷")
_CANDIDATE = re.compile(r"[<\[`{◁]")

# Results of reading the possible start of a mark.
_NONE, _HALF = "none", "half"


class _Marks(NamedTuple):
    """The marks that depend on the names of the offered tools.

    json_call: the beginning of a tool call in JSON.
    python_calls: beginnings of tool calls in Python's notation.
    bracketed: names of tools in brackets.
    tag_names: names of tags.
    """

    json_call: re.Pattern[str]
    python_calls: tuple[str, ...]
    bracketed: tuple[str, ...]
    tag_names: tuple[str, ...]


@lru_cache(maxsize=256)
def _marks(tools: tuple[str, ...]) -> _Marks:
    # Kept: every answer of a call has the same tools.
    keys = "|".join(map(re.escape, (*_JSON_KEYS, *tools)))
    return _Marks(
        re.compile(rf"(?:\[\s*)?\{{\s*[\"'](?:{keys})[\"']\s*:"),
        tuple(f"{before}{name}(" for name in tools for before in _BEFORE_PYTHON),
        tuple(f"[{name}]" for name in tools),
        (*_TAG_NAMES, *map(str.lower, tools)),
    )


class VisibleText:
    """Reads one answer.

    tools: the offered tools.
    reasons_first: the server is known to send reasoning without its opening tag.
    suspicious: the server's habit is not known. Text that begins like reasoning waits too.

    calls: tool calls that were written as text, so far.
    closes_unopened: a closing tag ended reasoning that had no opening tag.
    """

    def __init__(
        self,
        tools: Sequence[ToolSpec] = (),
        *,
        reasons_first: bool = False,
        suspicious: bool = False,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._marks = _marks(tuple(self._tools))
        self._held = ""
        self._mode = "hidden" if reasons_first else "text"
        self._close = _END_OF_REASONING
        self._unproven = reasons_first  # the hidden text may be the answer: no closing tag so far
        self._suspicious = suspicious
        self._begun = False
        self._passed_on = False
        self.calls: list[Written] = []
        self.closes_unopened = False

    def feed(self, delta: str) -> str:
        """Take the next part of the stream; return the text that is visible."""
        plain = self._begun and self._mode == "text" and not self._held
        if plain and not _CANDIDATE.search(delta):
            return delta
        self._held += delta
        shown = ""
        while True:
            unopened = self.closes_unopened
            step = self._step()
            if step is None:
                break
            shown = step if self.closes_unopened and not unopened else shown + step
        if not self._begun and (shown := shown.lstrip()):
            self._begun = True
            # Reasoning that was passed on must not join the answer in one sentence.
            shown = f"\n{shown}" if self._passed_on else shown
        self._passed_on = self._passed_on or bool(shown)
        return shown

    def reasons_elsewhere(self) -> None:
        """Stop holding text back: the server sends the reasoning in a field of its own."""
        if self._unproven:
            self._mode, self._unproven = "text", False

    @property
    def waits_for_reasoning(self) -> bool:
        """Whether the text waits for the end of reasoning that may not be there."""
        return self._unproven

    def end(self, *, cut: bool = False) -> str:
        """End the stream and return the rest of the text.

        cut: the answer ended at the limit of its length, or with tool calls. Reasoning without
            an end is then no answer.
        """
        held, self._held = self._held, ""
        match self._mode:
            case "text":
                if not self._begun and held.strip() in self._tools:
                    self.calls.append((held.strip(), "{}"))
                    return ""
                return held
            case "call":
                self.calls += written_calls.parse(held, self._tools)
                return ""
            case "json" | "fence" | "name":
                return self._call_or_text(held)
            case "hidden" if self._unproven and not cut:
                plain = VisibleText([*self._tools.values()])
                text = plain.feed(held) + plain.end()
                self.calls += plain.calls
                return text
        return ""

    # --- one step: visible text, or None if more of the stream is needed --------------------------

    def _step(self) -> str | None:
        if not self._held:
            return None
        match self._mode:
            case "text":
                return self._text()
            case "hidden":
                return self._hidden()
            case "call":
                return self._call()
            case "header":
                return self._header()
            case "fence":
                end = self._held.find("```", 3)
                return None if end < 0 else self._take_block(end + 3)
            case _:
                start = self._held.find("(") if self._mode == "name" else 0
                end = -1 if start < 0 else written_calls.end_of_value(self._held, start)
                if end < 0 and len(self._held) > LONGEST_BLOCK:
                    end = len(self._held)
                return None if end < 0 else self._take_block(end)

    def _text(self) -> str | None:
        if self._suspicious and not self._begun:
            begin = self._held.lstrip().lower()
            if not begin.startswith(_BEGINNINGS):
                if any(beginning.startswith(begin) for beginning in _BEGINNINGS):
                    return None
                self._suspicious = False
            else:
                self._mode, self._unproven, self._suspicious = "hidden", True, False
                self._close = _END_OF_REASONING
                return ""
        for at in self._candidates():
            mark, length = self._mark(self._held[at:])
            if mark == _NONE:
                continue
            shown = self._held[:at]
            if mark == _HALF:
                self._held = self._held[at:]
                return shown or None
            if mark == "end of reasoning" and not self.closes_unopened:
                self.closes_unopened, shown = True, ""
                self._begun = False
            keeps_mark = mark in ("call", "json", "fence", "name")
            self._held = self._held[at if keeps_mark else at + length :]
            if mark not in ("end of reasoning", "dropped"):
                self._mode = mark
            return shown
        shown, self._held = self._held, ""
        return shown

    def _candidates(self) -> Iterator[int]:
        if not self._begun:  # an answer may be nothing but a call in Python's notation
            yield len(self._held) - len(self._held.lstrip())
        for found in _CANDIDATE.finditer(self._held):
            yield found.start()

    def _hidden(self) -> str | None:
        found = self._close.search(self._held)
        if found is not None and self._unproven:
            # Reasoning with its opening tag needs no waiting.
            opened = _OPENED.match(self._held)
            self.closes_unopened = opened is None
        if found is None:
            if not self._unproven:
                self._held = self._held[-LONGEST_MARK:]
            return None
        self._unproven = False
        self._mode = "text"
        self._held = self._held[found.end() :]
        return ""

    def _call(self) -> str | None:
        found = self._close.search(self._held, 1)
        if found is None and len(self._held) < LONGEST_BLOCK:
            return None
        end = found.end() if found else len(self._held)
        block, self._held = self._held[:end], self._held[end:]
        self._mode = "text"
        self.calls += written_calls.parse(block, self._tools)
        return ""

    def _header(self) -> str | None:
        """Read a part's header in OpenAI's open format: `analysis`, `commentary` or `final`."""
        header, mark, rest = self._held.partition("<|message|>")
        if not mark:
            return None if len(self._held) < LONGEST_MARK else self._show_header()
        self._held, self._mode = rest, "text"
        if recipient := re.search(r"to=([\w.-]+)", header):
            self._mode, self._close = (
                "call",
                re.compile(r"<\|(?:call|end|return)\|>|(?=<\|start\|>)"),
            )
            self._held = f"{recipient[1]} {rest}"
        elif "analysis" in header:
            self._mode = "hidden"
            self._close = re.compile(r"<\|(?:end|return)\|>|(?=<\|(?:start|channel)\|>)")
        return ""

    def _show_header(self) -> str:
        self._mode = "text"
        return ""

    def _take_block(self, end: int) -> str:
        block, self._held = self._held[:end], self._held[end:]
        self._mode = "text"
        return self._call_or_text(block)

    def _call_or_text(self, block: str) -> str:
        """Take the tool call that a block contains, or return the block as text."""
        calls = written_calls.parse(block, self._tools, certain=False)
        self.calls += calls
        return "" if calls else block

    # --- marks ------------------------------------------------------------------------------------

    def _mark(self, rest: str) -> tuple[str, int]:
        """Return kind and length of the mark that begins here, and set the end of its part."""
        match rest[:1]:
            case "<":
                return self._tag(rest)
            case "[":
                return self._bracket(rest)
            case "◁":
                return self._literal(rest, _KIMI)
            case "`":
                if rest.startswith("```"):
                    return "fence", 3
                return (_HALF, 0) if "```".startswith(rest) else (_NONE, 0)
            case "{":
                return self._json(rest)
        if not self._begun:
            return self._python_call(rest, "")
        return _NONE, 0

    def _python_call(self, rest: str, before: str) -> tuple[str, int]:
        if any(rest.startswith(before + call) for call in self._marks.python_calls):
            return "name", 0
        half = rest and any((before + call).startswith(rest) for call in self._marks.python_calls)
        return (_HALF, 0) if half else (_NONE, 0)

    def _json(self, rest: str) -> tuple[str, int]:
        if self._marks.json_call.match(rest):
            return "json", 0
        half = len(rest) < LONGEST_MARK and _HALF_JSON_CALL.match(rest)
        return (_HALF, 0) if half else (_NONE, 0)

    def _bracket(self, rest: str) -> tuple[str, int]:
        found: tuple[str, int] = (_NONE, 0)
        for found in (self._literal(rest, _BRACKETED), self._json(rest)):
            if found[0] != _NONE:
                return found
        if any(rest.startswith(name) for name in self._marks.bracketed):
            return "json", 0
        mark, _ = self._python_call(rest, "[")
        return ("json", 0) if mark == "name" else (mark, 0)

    def _literal(self, rest: str, marks: Sequence[str]) -> tuple[str, int]:
        lower = rest.lower()
        for mark in marks:
            if not lower.startswith(mark):
                continue
            if "/" in mark:
                return "end of reasoning", len(mark)
            if "think" in mark:
                self._close = _END_OF_REASONING
                return "hidden", len(mark)
            self._close = re.compile(r"\[/tool_calls?\]", re.IGNORECASE)
            return "call", len(mark)
        return (_HALF, 0) if any(mark.startswith(lower) for mark in marks) else (_NONE, 0)

    def _tag(self, rest: str) -> tuple[str, int]:
        if rest in ("<", "</") or (rest[1] in "/|｜" and _HALF_SPECIAL.match(rest)):
            return (_HALF, 0) if len(rest) < LONGEST_MARK else (_NONE, 0)
        if special := _SPECIAL.match(rest):
            return self._special(special)
        tag = _TAG.match(rest)
        if tag is None:
            return _NONE, 0
        slash, name, attributes, closed = tag[1], tag[2].lower(), tag[3], tag[4]
        whole = tag.end() < len(rest) or bool(closed)
        if not whole and not attributes:
            known = any(known.startswith(name) for known in self._marks.tag_names)
            return (_HALF, 0) if known else (_NONE, 0)
        if name == "function" and not slash and attributes[:1] in ("=", "("):
            self._close = re.compile(r"</function\s*>")
            return "call", 0
        if name not in self._marks.tag_names or attributes[:1] not in ("", " ", "\n", "\t", "/"):
            return ("dropped", tag.end()) if attributes == "|" and closed else (_NONE, 0)
        if not closed:
            return (_HALF, 0) if not tag.end() < len(rest) < LONGEST_MARK else (_NONE, 0)
        if name in _REASONING:
            self._close = _END_OF_REASONING
            return ("end of reasoning" if slash else "hidden"), tag.end()
        if tag[2] in self._tools and attributes.endswith("/"):
            self._close = re.compile(r"(?<=>)")
            return "call", 0
        if (name in _CALLS or tag[2] in self._tools) and not slash:
            self._close = re.compile(rf"</\s*{re.escape(name)}\s*>", re.IGNORECASE)
            return "call", 0
        return "dropped", tag.end()

    def _special(self, special: re.Match[str]) -> tuple[str, int]:
        name = special[2].lower()
        if name in ("channel", "start"):
            return "header", special.end()
        is_call = any(word in name for word in ("tool", "function", "python_tag", "plugin"))
        if special[1] or name.startswith("/") or not is_call or "end" in name:
            return "dropped", special.end()
        # The end has the name of the beginning; a notation without an end fills the answer.
        end = re.escape(special[2].replace("begin", "end").replace("start", "end"))
        self._close = re.compile(rf"<[/|｜]*{end}[|｜]?>|<\|eo[mt]_id\|>|<tool_call\|>")
        return "call", 0
