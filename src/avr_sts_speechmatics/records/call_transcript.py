"""The transcript of a call as a model reads it when the call is over: data, not a conversation."""

import json
from collections.abc import Mapping

KEPT_MAX = 400_000
"""Longest transcript that is kept of a running call (characters)."""

_FIRST = 20
"""Lines at the beginning of a call that are kept in any case."""

_CUT = {"speaker": "note", "said": "[Some of the call is left out here.]"}


class CallTranscript:
    """What was said in a call, in order."""

    def __init__(self) -> None:
        self._lines: list[dict[str, str]] = []
        self._size = 0
        self.caller_spoke = False
        """Whether the caller said or typed anything."""

    def add(self, role: str, text: str) -> None:
        """Add a line.

        role: "user" for the caller, "agent" for the agent.
        """
        self.caller_spoke = self.caller_spoke or role == "user"
        self._lines.append({"speaker": "caller" if role == "user" else "agent", "said": text})
        self._size += len(text)
        while self._size > KEPT_MAX and len(self._lines) > _FIRST + 1:
            self._size -= len(self._lines.pop(_FIRST)["said"])

    def text(self, longest: int) -> str:
        """Return the transcript as a JSON list.

        longest: about how many characters of what was said are included. The middle of a longer
            call is left out: callers say why they call first, and what came of it last.
        """
        if self._size <= longest:
            return _json(self._lines)
        first, last = _within(self._lines, longest // 4), _within(self._lines[::-1], longest // 2)
        return _json([*first, _CUT, *last[::-1]])


def facts_text(facts: Mapping[str, str]) -> str:
    """Return the facts of a call as JSON, on one line."""
    return json.dumps(dict(facts), ensure_ascii=False)


def _within(lines: list[dict[str, str]], longest: int) -> list[dict[str, str]]:
    """Return the first lines that fit; the last one is cut if it does not."""
    taken: list[dict[str, str]] = []
    for line in lines:
        if len(line["said"]) > longest:
            return [*taken, {**line, "said": f"{line['said'][:longest]} ..."}]
        longest -= len(line["said"])
        taken.append(line)
    return taken


def _json(lines: list[dict[str, str]]) -> str:
    return json.dumps(lines, ensure_ascii=False)
