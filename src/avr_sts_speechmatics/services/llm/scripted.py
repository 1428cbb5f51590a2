"""The scripted receptionist behind the interface of an LLM client, for use without a model."""

import uuid
from collections.abc import AsyncGenerator, Callable, Sequence

from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.receptionist import FaqError, Receptionist, load_faq
from avr_sts_speechmatics.services.llm.chat_messages import chat_messages
from avr_sts_speechmatics.services.llm.protocol import Brief, LlmState, Usage

__all__ = ["FaqError", "Receptionist", "ScriptedLlm", "load_faq"]


class ScriptedLlm:
    """The receptionist as an LLM client. Implements `services.llm.protocol.Llm`.

    receptionist: answers from its FAQ file.
    """

    def __init__(self, receptionist: Receptionist) -> None:
        self._receptionist = receptionist

    async def reply(
        self,
        brief: Brief,
        history: Sequence[Entry],
        used: Callable[[Usage], None] | None = None,
    ) -> AsyncGenerator[str | ToolCall, None]:
        offered = frozenset(tool.name for tool in brief.tools)
        reply = self._receptionist.reply(chat_messages("", history), offered)
        yield reply.text
        if reply.tool is not None:
            yield ToolCall(f"call_{uuid.uuid4()}", reply.tool.name, reply.tool.arguments_json())

    def state(self) -> LlmState:
        return LlmState()

    async def warm_up(self) -> None:
        """Do nothing: there is nothing to load."""

    async def close(self) -> None:
        """Do nothing: no connection is open."""
