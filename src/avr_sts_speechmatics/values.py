"""Small values that every package may import. This module imports nothing of the project."""

from dataclasses import dataclass

MASKED_FROM = 8
"""Shortest text that is masked in the log (characters). A shorter text occurs inside ordinary
words, and a mask in a known word would reveal the text."""


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 call" or "2 calls".

    noun: in the singular; its plural ends in s.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Secret:
    """A key or password. Only `reveal` shows the text, so that no log or error can leak it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class VocabEntry:
    """A word that the recogniser should expect.

    content: the word as it is written.
    sounds_like: spellings of how callers say the word; may be empty.
    """

    content: str
    sounds_like: tuple[str, ...] = ()
