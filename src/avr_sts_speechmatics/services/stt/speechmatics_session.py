"""One session with Speechmatics Agent STT, from connect to close: the wire, and what its end means.

A session takes audio and reports the service's messages to its listener. Whether another session
follows is decided elsewhere (`reconnecting`), by the `retryable` of the error that ends this one.
Frames are counted, because the service wants their number back at the end. A service that sends
nothing while audio is sent is dead, whatever TCP says. [Agent STT reference, 3, 4, 7, 10]
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping

import msgspec
from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSMsgType,
    WSTransport,
)

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import connection_errors, running_time
from avr_sts_speechmatics.network.proxies import Proxy, ProxyFailed
from avr_sts_speechmatics.network.untrusted_json import ERRORS
from avr_sts_speechmatics.network.websocket import (
    NO_CODE,
    Listener,
    Messages,
    close_reason,
    connect,
)
from avr_sts_speechmatics.services.stt.protocol import SessionListener

CONNECT_S = 5.0
"""Longest wait for a connection, and again for the session to start (s). The service may need
longer to load additional words; the next try then finds them loaded."""

STALLED_S = 5.0
"""A session that gets audio and sends nothing for this long is dead (s). Every frame is
acknowledged, so silence of the service is a sure sign."""

WATCH_S = 1.0
"""How often a session is checked (s)."""

QUOTA_WAIT_S = 5.0
"""Wait after "too many sessions" (s). [Agent STT reference, 7: at least 5]"""

_FAREWELL_S = 0.5

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY

_FATAL_CODES = frozenset({1003, 4001, 4003, 4004, 4006})
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
_FATAL_STATUS = frozenset({400, 401, 403, 404, 405})

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


_decode = msgspec.json.Decoder(ServerMessage).decode


class Session(Listener):
    """Implements `protocol.SttSession`.

    url: WebSocket address of `/v2/agent`.
    headers: of the opening request, with the key.
    tls: None for a `ws:` address.
    rate: sample rate that is sent (Hz).
    start: the StartRecognition message, with the same rate.
    listener: takes the reports.
    rate_refused: is called with `rate` when the service refuses that rate; may return the error to
        end with.
    proxy: the HTTP proxy to connect through, or None.

    frames: audio frames sent so far.
    acknowledged: audio frames that the service confirmed so far.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
        rate: int,
        start: bytes,
        listener: SessionListener,
        rate_refused: Callable[[int], ServiceError | None] = lambda rate: None,
        *,
        proxy: Proxy | None = None,
    ) -> None:
        self._url = url
        self._proxy = proxy
        self._headers = headers
        self._tls = tls
        self._rate = rate
        self._start_message = start
        self._listener = listener
        self._rate_refused = rate_refused
        self._messages = Messages()
        self._transport: WSTransport | None = None
        self._resampler = Resampler(RATE, rate) if rate != RATE else None
        self.frames = 0
        self.acknowledged = 0
        self._messages_came = False
        self._watching = running_time.Alarm()
        self._opened_at = self._quiet_since = 0.0
        # Over: no more messages are expected. Gone: the socket is closed as well.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._error: ServiceError | None = None
        self._close_code = NO_CODE
        self.started_at: float | None = None
        self.writable = True

    async def run(self) -> None:
        """Open the session and stay until it ends. Always raises ServiceError."""
        try:
            self._transport = await connect(
                self,
                self._url,
                tls=self._tls,
                headers=self._headers,
                proxy=self._proxy,
                timeout=CONNECT_S,
            )
        except (OSError, TimeoutError, WSError) as error:
            raise _refused(error, self._url) from error
        try:
            self._transport.send(WSMsgType.TEXT, self._start_message)
            await self._watch()
        finally:
            await self._close()
        raise self._error or self._dropped()

    def send(self, pcm: bytes) -> None:
        """Send one frame of audio: s16le mono at 8 kHz, whole samples."""
        if self._resampler is not None:
            pcm = self._resampler.feed(pcm)
        assert self._transport is not None
        self._transport.send(_BINARY, pcm)
        self.frames += 1

    async def _watch(self) -> None:
        """Return when the session is over. A session that gets no message for too long fails."""
        self._opened_at = self._quiet_since = running_time.now()
        # A callback: a task that wakes up each second in each call costs five times as much.
        self._watching.set(WATCH_S, self._look)
        try:
            await asyncio.wait((self._over,))  # to await the future itself would cancel it
        finally:
            self._watching.stop()

    def _look(self) -> None:
        now = running_time.now()
        if self._messages_came:
            self._messages_came = False
            self._quiet_since = now
        if self.started_at is None:
            if now - self._opened_at > CONNECT_S:
                self._fail("the session did not start in time", retryable=True)
        # A service that has never acknowledged a frame is not expected to.
        elif 0 < self.acknowledged < self.frames and now - self._quiet_since > STALLED_S:
            self._fail(f"nothing came back for {STALLED_S:.0f} s", retryable=True)
        self._watching.set(WATCH_S, self._look)

    async def _close(self) -> None:
        """Send EndOfStream if the service still reads, and leave no socket behind."""
        transport = self._transport
        assert transport is not None
        try:
            if self.started_at is not None and self.writable and not self._over.done():
                self._listener.closing()
                self.writable = False
                goodbye = {"message": "EndOfStream", "last_seq_no": self.frames}
                transport.send(WSMsgType.TEXT, msgspec.json.encode(goodbye))
                await running_time.wait((self._over,), timeout=_FAREWELL_S)
        finally:
            transport.send_close(WSCloseCode.OK)
            # Data that a stalled service does not take is not waited for.
            unsent = transport.underlying_transport.get_write_buffer_size()
            transport.disconnect(graceful=not unsent)
            await asyncio.wait((self._gone,), timeout=_FAREWELL_S)

    def _fail(self, what: str, *, retryable: bool, retry_after: float | None = None) -> None:
        if self._error is None:
            self._error = ServiceError("stt", what, retryable=retryable, retry_after=retry_after)
        self._end()

    def _end(self) -> None:
        self.writable = False
        if not self._over.done():
            self._over.set_result(None)

    def _dropped(self) -> ServiceError:
        code = self._close_code
        # Policy (1008) after a session has run is idleness or its length: a new one may be had.
        fatal = code in _FATAL_CODES or (code == 1008 and self.started_at is None)
        return ServiceError(
            "stt",
            f"the connection was closed ({code})",
            retryable=not fatal,
            retry_after=QUOTA_WAIT_S if code == 4005 else None,
        )

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        try:
            if kind is _TEXT and frame.fin:
                message = _decode(frame.get_payload_as_memoryview())
            elif kind == WSMsgType.CLOSE:
                self._close_code, _ = close_reason(frame)
                self._end()
                return
            elif kind == WSMsgType.PONG or (whole := self._messages.feed(frame)) is None:
                return
            else:
                message = _decode(whole[1])
        except ERRORS:
            # A message that cannot be read is not worth a caller's turn.
            _log.warning("stt: a message of the service could not be read and was skipped")
            return
        self._messages_came = True
        if message.message == "AudioAdded":
            self.acknowledged = message.seq_no
        elif message.message == "RecognitionStarted":
            self._start(message)
        elif message.message == "Error":
            self._take_error(message)
        elif message.message == "EndOfTranscript":
            self._end()
        elif message.message in ("Warning", "Info"):
            _log.info("stt: %s %s: %s", message.message, message.type, message.reason)
        elif self._error is None:
            self._report(message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end()
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        if not self._over.done():
            self.writable = True
            self._listener.resume_sending()

    def _start(self, message: ServerMessage) -> None:
        if self.started_at is None:
            self.started_at = running_time.now()
            _log.info("stt: session %s started at %d Hz", message.id, self._rate)
            self._listener.started()

    def _report(self, message: ServerMessage) -> None:
        """Report a message about the caller's speech; other messages are ignored."""
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

    def _take_error(self, message: ServerMessage) -> None:
        kind = message.type
        if kind == "invalid_audio_type" and self.started_at is None and self._error is None:
            self._error = self._rate_refused(self._rate)
        quota = "quota" in kind
        self._fail(
            f"{kind}: {message.reason}",
            retryable=kind not in _FATAL_TYPES,
            retry_after=QUOTA_WAIT_S if quota else None,
        )


def _refused(error: Exception, url: str) -> ServiceError:
    """The error for a connection that failed, with whether the next try may succeed."""
    if isinstance(error, WSHandshakeError) and error.response is not None:
        status = int(error.response.status)
        what = "the connection is refused"
        if status in (401, 403):
            what = "the key is not accepted; check SPEECHMATICS_API_KEY"
        return ServiceError("stt", f"{what} ({status})", retryable=status not in _FATAL_STATUS)
    if isinstance(error, ProxyFailed):
        return ServiceError("stt", f"cannot connect: {error}", retryable=error.retryable)
    return ServiceError("stt", connection_errors.why(error, url, within=CONNECT_S), retryable=True)
