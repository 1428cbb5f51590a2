"""Reading markup in a stream: the text held back, the text said, and the ends of markup.

The modules of each kind of markup (`markdown`, `tags_and_signs`) build on this one; `plain_text`
combines them.
"""

import re
from typing import NamedTuple

LABEL_CHARS = 300
"""Longest text of a link, a code span or a formula (characters); longer parts are plain text."""

ADDRESS_CHARS = 2000
"""Longest address of a link (characters)."""


class Step(NamedTuple):
    """The result of reading markup.

    at: place where the text goes on.
    words: text that is said instead of the markup.
    """

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
        """Return the place of `end` on this line from `at` on; -1 if absent, None if undecided."""
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
        """Return where a bracket before `at` is closed on this line; -1 if nowhere.

        Returns None if the text so far does not decide.
        """
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
        """Read `markup` in place of the text up to `rest`."""
        self._held = self._held[:at] + markup + self._held[rest:]
        return Step(at)
