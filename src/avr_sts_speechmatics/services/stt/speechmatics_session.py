"""A session with Speechmatics: the wire of Agent STT, and what both of its services share.

Frames are counted, because the service wants their number back at the end. A service that sends
nothing while audio is sent is dead, whatever TCP says. [Agent STT reference, 3, 4, 7, 10]
"""

import logging
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from picows import WSMsgType, WSTransport

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.stt.protocol import SessionListener
from avr_sts_speechmatics.services.stt.websocket_session import Place, WebSocketSession

STALLED_S = 5.0
"""A session that gets audio and sends nothing for this long is dead (s). Every frame is
acknowledged, so silence of the service is a sure sign."""

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY

_FATAL_TYPES = frozenset(
    {
        "invalid_message",
        "invalid_config",
        "invalid_model",
        "invalid_language",
        "invalid_audio_type",
        "protocol_error",
        "not_authorised",
        "not_allowed",
        "timelimit_exceeded",
    }
)
_SETTING_OF = {
    "not_authorised": "SPEECHMATICS_API_KEY",
    "invalid_language": "SPEECHMATICS_LANGUAGE",
    "invalid_model": "SPEECHMATICS_MODEL",
}
"""The setting that an operator should check, by the type of an Error."""

_log = logging.getLogger(__name__)


class _Segment(msgspec.Struct, frozen=True):
    transcript: str = ""


class _Metadata(msgspec.Struct, frozen=True):
    start_time: float = 0.0
    end_time: float = 0.0


_NO_SEGMENT = _Segment()
_NO_METADATA = _Metadata()


class ServerMessage(msgspec.Struct):
    """Every message of the service; fields that a message does not have keep their defaults."""

    # Most messages are acknowledgements, 50 a second: their defaults are shared, not made.

    message: str
    seq_no: int = 0
    segment: _Segment = _NO_SEGMENT
    metadata: _Metadata = _NO_METADATA
    type: str = ""
    reason: str = ""
    id: str | None = None


class SpeechmaticsSession(WebSocketSession):
    """A session without what it says of the caller's speech: see `_report`.

    place: where the service is.
    rate: sample rate that is sent (Hz).
    start: the StartRecognition message, with the same rate.
    listener: takes the reports.
    rate_refused: is called with `rate` when the service refuses that rate; may return the error to
        end with.

    frames: audio frames sent so far.
    acknowledged: audio frames that the service confirmed so far.
    """

    # [Agent STT reference, 7]
    fatal_codes: ClassVar[frozenset[int]] = frozenset({1003, 4001, 4003, 4004, 4006})
    busy_codes: ClassVar[frozenset[int]] = frozenset({4005})

    decode: Any = msgspec.json.Decoder(ServerMessage).decode

    def __init__(
        self,
        place: Place,
        rate: int,
        start: bytes,
        listener: SessionListener,
        rate_refused: Callable[[int], ServiceError | None] = lambda rate: None,
    ) -> None:
        super().__init__(place, rate, listener)
        self._start_message = start
        self._rate_refused = rate_refused
        self.frames = 0
        self.acknowledged = 0

    def send(self, pcm: bytes) -> None:
        """Send one frame of audio: s16le mono at 8 kHz, whole samples."""
        if self._resampler is not None:
            pcm = self._resampler.feed(pcm)
        assert self._transport is not None
        self._transport.send(_BINARY, pcm)
        self.frames += 1

    @property
    def has_confirmed_all(self) -> bool:
        """Whether the service has confirmed all audio."""
        return self.acknowledged >= self.frames

    def ask_for_confirmation(self) -> None:
        """Nothing to do: every frame is confirmed unasked."""

    def _opened(self, transport: WSTransport) -> None:
        transport.send(_TEXT, self._start_message)

    def _say_goodbye(self, transport: WSTransport) -> bool:
        goodbye = {"message": "EndOfStream", "last_seq_no": self.frames}
        transport.send(_TEXT, msgspec.json.encode(goodbye))
        return True

    def _check(self, now: float) -> None:
        # A service that has never acknowledged a frame is not expected to.
        if 0 < self.acknowledged < self.frames and now - self._quiet_since > STALLED_S:
            self._fail(f"nothing came back for {STALLED_S:.0f} s", retryable=True, kind="timeout")

    def _take(self, message: ServerMessage) -> None:
        if message.message == "AudioAdded":
            self.acknowledged = message.seq_no
        elif message.message == "RecognitionStarted":
            self._begin(message.id)
        elif message.message == "Error":
            self._take_error(message)
        elif message.message == "EndOfTranscript":
            self._end()
        elif message.message in ("Warning", "Info"):
            _log.info("stt: %s %s: %s", message.message, message.type, message.reason)
        elif self._error is None:
            self._report(message)

    @abstractmethod
    def _report(self, message: ServerMessage) -> None:
        """Report a message about the caller's speech; other messages are ignored."""

    def _take_error(self, message: ServerMessage) -> None:
        kind = message.type
        if kind == "invalid_audio_type" and self.started_at is None and self._error is None:
            self._error = self._rate_refused(self._rate)
        retryable = kind not in _FATAL_TYPES
        setting = _SETTING_OF.get(kind)
        check = f"; check {setting}" if setting else ""
        self._fail(f"{kind}: {message.reason}{check}", retryable=retryable, busy="quota" in kind)


class Session(SpeechmaticsSession):
    """A session of Agent STT. Implements `protocol.SttSession`."""

    def _report(self, message: ServerMessage) -> None:
        listener, text, meta = self._listener, message.segment.transcript, message.metadata
        match message.message:
            case "SpeechStarted":
                listener.speech_started(meta.start_time)
            case "SpeechEnded":
                listener.speech_ended(meta.end_time)
            case "AddPartialSegment":
                listener.words_heard(text, meta.end_time)
            case "AddSegment":
                listener.segment_heard(text, meta.end_time)
            case "EndOfTurn":
                listener.turn_ended(meta.end_time)
