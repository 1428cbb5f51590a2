"""What a call asks of whoever finds the answers: a model in a cloud, or a script."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from avr_sts_speechmatics.conversation import Entry, ToolCall, ToolSpec


@dataclass(frozen=True, slots=True)
class Brief:
    """What whoever thinks is told besides the conversation.

    model: None for the one of the settings. tools: what may be asked for.
    """

    instructions: str
    tools: tuple[ToolSpec, ...] = ()
    model: str | None = None


class Llm(Protocol):
    """Finds what the agent says next."""

    def reply(self, brief: Brief, history: Sequence[Entry]) -> AsyncGenerator[str | ToolCall, None]:
        """Stream the answer: text in pieces, cut anywhere, then the tools it asks for, each whole.

        history: each ToolCall in it is followed by its ToolResult, before any Message.
        Closing the generator (or cancelling its task) stops the work at once.
        Raises ServiceError; once text has come, an answer is never begun anew.
        """

    async def warm_up(self) -> None:
        """Load what the first answer would wait for, beside the event loop."""

    async def close(self) -> None: ...
