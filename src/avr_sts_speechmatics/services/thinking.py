"""What a call asks of whoever finds the answers: a model in a cloud, or a script."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from avr_sts_speechmatics.conversation import Message


class Thinking(Protocol):
    """Finds what the agent says next."""

    def reply(self, instructions: str, history: Sequence[Message]) -> AsyncGenerator[str, None]:
        """Stream the answer's text in pieces, cut anywhere.

        Closing the generator (or cancelling its task) stops the work at once.
        Raises ServiceError; once text has come, an answer is never begun anew.
        """

    async def warm_up(self) -> None:
        """Load what the first answer would wait for, beside the event loop."""

    async def close(self) -> None: ...
