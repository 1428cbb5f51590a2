"""A conversation as text: what the dialogue writes down and whoever thinks reads."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    """One entry, oldest first in a conversation. content: plain text, never empty."""

    role: Literal["user", "assistant"]
    content: str
