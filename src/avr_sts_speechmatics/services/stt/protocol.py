"""Speech to text (STT): what a call asks of a recogniser, and what a recogniser's session does.

A call sees an `SttStream` and is its `SttListener`. `reconnecting` makes that stream out of one
vendor session after another; a vendor's file has a `Recogniser` and its `SttSession`.
"""

from dataclasses import dataclass
from typing import Protocol

from avr_sts_speechmatics.errors import ServiceError


class SttListener(Protocol):
    """Receives the reports of a recogniser. Implemented by the call.

    Times are seconds on the call's audio clock: 0 is the first sample that was given to
    `SttStream.hear`, whatever happened to sessions in between.

    Called from the event loop, in the order of the recogniser's messages; must not block.
    """

    def speech_started(self, at: float) -> None:
        """The caller makes a sound."""

    def speech_ended(self, at: float) -> None:
        """The caller's sound has stopped. Not the end of the turn."""

    def words_heard(self, text: str, end: float) -> None:
        """A partial text of the words since the last segment arrived; the text may still change.

        end: end of the audio that the text covers (s).
        """

    def segment_heard(self, text: str, end: float) -> None:
        """The text of a piece of the turn is final.

        end: end of the segment's audio (s).
        """

    def turn_ended(self, end: float) -> None:
        """The caller has finished the turn.

        end: end of the turn's audio (s).
        """

    def stt_lost(self) -> None:
        """There is no session at the moment; a new one is being opened."""

    def stt_restored(self) -> None:
        """A new session hears the caller, and is given the audio since the last settled word."""


class SttStream(Protocol):
    """The recogniser of one call."""

    def hear(self, pcm: bytes) -> None:
        """Take caller audio: s16le mono at 8 kHz, any whole number of samples.

        Never blocks. Audio that cannot be sent now is buffered and sent later, so that the turn in
        progress is not lost (at most `reconnecting.KEEP_S` are buffered).
        """

    async def run(self) -> None:
        """Keep a session open until cancelled; the session is closed on the way out.

        Raises ServiceError when the recogniser is gone for good.
        """


class SessionListener(Protocol):
    """Takes the reports of a session. Times are seconds of the audio sent to the session."""

    def started(self) -> None:
        """The session takes audio from now on."""

    def resume_sending(self) -> None:
        """The session's socket takes data again."""

    def closing(self) -> None:
        """The session is about to be closed and takes its last audio now."""

    def speech_started(self, at: float) -> None: ...
    def speech_ended(self, at: float) -> None: ...
    def words_heard(self, text: str, end: float) -> None: ...
    def segment_heard(self, text: str, end: float) -> None:
        """The text of a piece of the turn is final.

        text: empty if the piece has no words.
        end: end of the segment's audio (s).
        """

    def turn_ended(self, end: float) -> None: ...


class SttSession(Protocol):
    """One connection to a vendor's recogniser.

    started_at: when the session began to take audio (`running_time`, s); None before.
    writable: False while the socket takes no data.
    """

    @property
    def started_at(self) -> float | None: ...
    @property
    def writable(self) -> bool: ...

    async def run(self) -> None:
        """Open the session and stay until it ends; nothing is left open afterwards.

        Always raises ServiceError: `retryable` tells whether a new session may succeed.
        """

    def send(self, pcm: bytes) -> None:
        """Send caller audio: s16le mono at 8 kHz, whole samples. Only while `writable`."""


class Recogniser(Protocol):
    """A vendor's recogniser with one language and vocabulary, for all calls of the process."""

    def session(self, listener: SessionListener) -> SttSession:
        """Return a new session that is not connected yet.

        listener: receives the reports of the session.
        """

    async def try_out(self) -> "TriedOut":
        """Open a session and have it take half a second of silence. Raises ServiceError."""


class SessionWatch(Protocol):
    """Counts the sessions of all calls, and learns when the vendor has no further one.

    Called from the event loop; must not block.
    """

    def started(self) -> None:
        """A session takes audio."""

    def ended(self) -> None:
        """A session that took audio is closed."""

    def refused(self) -> None:
        """The vendor refused a session because there are too many."""


@dataclass(frozen=True, slots=True)
class TriedOut:
    """Result of a successful trial of a recogniser.

    took_s: time from the connection attempt until the session took audio (s).
    what: name of the recogniser for the operator, such as the name of its model.
    advice: what the operator could improve; empty if there is nothing to improve.
    """

    took_s: float
    what: str
    advice: str = ""


class TooManySessions(ServiceError):
    """A session was refused because the vendor allows no more sessions at the moment.

    retry_after: how long to wait before the next try (s).
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__("stt", message, retryable=True, retry_after=retry_after, kind="full")


class OpenAnotherSession(ServiceError):
    """A session was refused for a cause that the recogniser has removed: open another now."""

    def __init__(self, message: str) -> None:
        super().__init__("stt", message, retryable=True)
