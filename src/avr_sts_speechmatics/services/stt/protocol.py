"""What a call asks of a recogniser, whoever it is."""

from typing import Protocol


class SttListener(Protocol):
    """What a recogniser reports. Times are seconds on the call's audio clock: 0 is the first
    sample that was given to `Hearing.hear`, whatever happened to sessions in between.

    Called from the event loop, in the order of the recogniser's messages; must not block.
    """

    def speech_started(self, at: float) -> None: ...
    def speech_ended(self, at: float) -> None: ...
    def words_heard(self, text: str, end: float) -> None: ...
    def segment_heard(self, text: str, end: float) -> None: ...
    def turn_ended(self, end: float) -> None: ...

    def stt_lost(self) -> None:
        """There is no session now; a new one is being tried for."""

    def stt_restored(self) -> None:
        """A session listens again, and has been given what was said meanwhile."""


class SttStream(Protocol):
    """The ears of one call."""

    def hear(self, pcm: bytes) -> None:
        """Take caller audio (s16le 8 kHz, whole samples). Never blocks, never loses the turn in
        progress: what cannot be sent now is kept, within bounds, and sent later."""

    async def run(self) -> None:
        """Keep a session open until cancelled; sessions are closed on the way out.

        Raises ServiceError when hearing is gone for good.
        """
