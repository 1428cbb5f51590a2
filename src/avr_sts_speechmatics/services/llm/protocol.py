"""The interface of an LLM client: a cloud model, or the scripted receptionist."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from avr_sts_speechmatics.conversation import Entry, ToolCall, ToolSpec


@dataclass(frozen=True, slots=True)
class Brief:
    """The part of a request that is not the conversation.

    instructions: the system prompt.
    tools: the tools that the model may call.
    model: name of the model; None for the model of the settings.
    """

    instructions: str
    tools: tuple[ToolSpec, ...] = ()
    model: str | None = None


class Llm(Protocol):
    """Generates what the agent says next."""

    def reply(self, brief: Brief, history: Sequence[Entry]) -> AsyncGenerator[str | ToolCall, None]:
        """Stream an answer: pieces of text, cut anywhere, then complete tool calls.

        brief: instructions, tools and model.
        history: the conversation. Each ToolCall is followed by its ToolResult before the next
            Message.

        Closing the generator, or cancelling its task, ends the request at once.
        Raises ServiceError. A request is not repeated after its first text has been yielded.
        """

    async def warm_up(self) -> None:
        """Load libraries in a thread, so that the first answer does not wait for them."""

    async def close(self) -> None: ...
