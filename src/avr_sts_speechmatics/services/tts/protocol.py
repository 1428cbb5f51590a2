"""The interface of a TTS client."""

from collections.abc import AsyncGenerator
from typing import Protocol


class Tts(Protocol):
    """Turns sentences into speech.

    rate: sample rate of the audio (Hz).
    """

    rate: int

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Stream a sentence as s16le mono at `rate` Hz, whole samples in every piece.

        text: one sentence, as it is to be spoken.

        Closing the generator ends the request at once. Raises ServiceError. Before the first
        piece, another voice may say the sentence; after the first piece, the sentence stays cut.
        """

    async def close(self) -> None: ...
