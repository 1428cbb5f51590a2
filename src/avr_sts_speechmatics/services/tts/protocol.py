"""What a call asks of a voice."""

from collections.abc import AsyncGenerator
from typing import Protocol


class Tts(Protocol):
    """Speaks one sentence at a time.

    rate: of the samples it gives (Hz).
    """

    rate: int

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Stream a sentence as s16le mono at `rate`, whole samples in every piece.

        Closing the generator stops the request at once. Raises ServiceError: before the first
        piece the request may be tried elsewhere, after it the sentence is cut short.
        """

    async def close(self) -> None: ...
