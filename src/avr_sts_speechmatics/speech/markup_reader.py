"""Reading markup in a stream: what is held back, what was said, and where something is closed.

The modules of each kind of markup (`markdown`, `tags_and_signs`) read on from here; `plain_text`
puts them together.
"""

import re
from typing import NamedTuple

LABEL_CHARS = 300
"""Longest text of a link, a code span or a formula; what is longer is text (characters)."""

ADDRESS_CHARS = 2000
"""Longest address of a link (characters)."""


class Step(NamedTuple):
    """What became of markup: where the text goes on, and what is said instead."""

    at: int
    words: str = ""


class MarkupReader:
    """The state of a text that is read. Methods return None if the text so far does not decide."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._held = ""
        self._complete = False
        self._said = ""  # the last of what was returned
        self._skipping = ""  # what ends the part that is left out
        self._emphasis = False  # whether a single star may close one

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

    def _put(self, at: int, markup: str, rest: int) -> Step:
        """Read markup, or what it stands for, in the place of the text up to `rest`."""
        self._held = self._held[:at] + markup + self._held[rest:]
        return Step(at)
