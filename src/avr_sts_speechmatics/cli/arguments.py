"""Types of command line options: a wrong value is one sentence of the parser, never a traceback."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from avr_sts_speechmatics.errors import InvalidValue

_T = TypeVar("_T")


def checked(check: Callable[[str], _T]) -> Callable[[str], _T]:
    """Return the type of an option whose value passes a check of the settings."""

    def convert(text: str) -> _T:
        try:
            return check(text)
        except InvalidValue as wrong:
            raise argparse.ArgumentTypeError(f"{text!r}: {wrong}") from None

    return convert


def plain_text(text: str) -> str:
    """Return text that can be sent. A shell may pass on bytes that are not text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not text in UTF-8") from None
    return text


def file_path(text: str) -> Path:
    """Return the path of a file. The path can be shown in messages."""
    return Path(plain_text(text))


def words(text: str) -> str:
    """Return text with at least one letter or digit, so that there is something to say."""
    if not any(c.isalnum() for c in plain_text(text)):
        raise argparse.ArgumentTypeError(f"{text!r} has no words; give what the caller says")
    return text
