"""Thinking without a model: the receptionist, behind the same interface as a cloud."""

from collections.abc import AsyncGenerator, Sequence

from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.services.receptionist import FaqError, Receptionist, load_faq

__all__ = ["FaqError", "Receptionist", "ScriptedThinking", "load_faq"]


class ScriptedThinking:
    """Implements `thinking.Thinking`."""

    def __init__(self, receptionist: Receptionist) -> None:
        self._receptionist = receptionist

    async def reply(
        self, instructions: str, history: Sequence[Message]
    ) -> AsyncGenerator[str, None]:
        entries = [{"role": entry.role, "content": entry.content} for entry in history]
        yield self._receptionist.reply(entries).text

    async def warm_up(self) -> None:
        """There is nothing to load."""

    async def close(self) -> None:
        """Nothing is held open."""
