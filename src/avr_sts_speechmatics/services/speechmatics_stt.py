"""Hearing by Speechmatics Agent STT: one session after another, and not a word lost between them.

The service groups words into segments and turns and says when the caller has finished. A session
can end at any time: a network drops, a quota is full, a server restarts. This client then opens a
new one and replays the audio of the turn in progress, from the last word that was settled, so that
the caller need not say it again. For that it keeps

  - what has not been sent (before the session is open, or while it cannot take more), and
  - what has been sent but not settled: the turn in progress up to REPLAY_S, in silence less.

`EndOfTurn` and times are the service's; only the times are changed: a new session counts from 0,
the listener's clock goes on. Frames are counted here, because the service wants their number back
at the end. [Agent STT reference, 3, 4, 7, 10]
"""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
)

from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, RATE, SAMPLE_BYTES, seconds
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.hearing import HearingListener
from avr_sts_speechmatics.settings import Secret, VocabEntry
from avr_sts_speechmatics.websocket import NO_CODE, Messages, close_reason, connect

CONNECT_S = 5.0
"""Longest wait for a connection, and again for the session to start (s). Loading additional words
may take the service longer; then the next try finds them loaded."""

KEEP_S = 12.0
"""Audio kept at most, sent or not (s); what no session took by then is lost, and that is logged."""

REPLAY_S = 10.0
"""Audio of a turn in progress that a new session hears again, at most (s)."""

SILENT_REPLAY_S = 2.0
"""The same while nobody speaks (s): speech is reported up to a second after it began."""

DEAF_MAX_S = 12.0
"""How long a call may be without ears before hearing is given up (s)."""

SHORT_LIVED_S = 10.0
SHORT_LIVED_MAX = 8
"""This many sessions in a row that each lived less than SHORT_LIVED_S: hearing is given up."""

STALLED_S = 5.0
"""Audio is sent and nothing comes back for so long: the session is dead (s). Every frame is
acknowledged, so silence of the service is a sure sign."""

WATCH_S = 1.0
"""How often a session is looked after (s)."""

QUOTA_WAIT_S = 5.0
"""Wait after "too many sessions" (s). [Agent STT reference, 7: at least 5]"""

CATCH_UP = 4
"""What was kept is sent at this many times real time: the service reads no faster for long."""

_CHUNK_BYTES = BYTES_PER_SECOND // 10
_PUMP_S = 0.02
_FIRST_PUMP_BYTES = BYTES_PER_SECOND // 2
_PUMP_BYTES = round(BYTES_PER_SECOND * _PUMP_S * CATCH_UP)
_FAREWELL_S = 0.5

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


class _ServerMessage(msgspec.Struct):
    """Every message of the service; fields that a message does not have keep their defaults."""

    # Most messages are acknowledgements, 50 a second: their defaults are shared, not made.

    message: str
    seq_no: int = 0
    segment: _Segment = _NO_SEGMENT
    metadata: _Metadata = _NO_METADATA
    type: str = ""
    reason: str = ""
    id: str | None = None


_decode = msgspec.json.Decoder(_ServerMessage).decode


class SpeechmaticsStt:
    """The recogniser as the process knows it: where it is, and what was learned about it.

    url: WebSocket address of `/v2/agent`. key: None for a server that wants none.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None,
        *,
        language: str = "en",
        model: str = "linden-1",
        vocab: Sequence[VocabEntry] = (),
    ) -> None:
        self.url = url
        self.headers = {} if key is None else {"Authorization": f"Bearer {key.reveal()}"}
        self.tls = ssl.create_default_context() if url.startswith("wss:") else None
        # Telephone audio as it is; some versions of the service take 16 000 Hz only, and a
        # refusal counts for the whole process.
        self.rate = RATE
        self._language = language
        self._model = model
        self._vocab = [
            {"content": entry.content, "sounds_like": list(entry.sounds_like)}
            if entry.sounds_like
            else entry.content
            for entry in vocab
        ]

    def open(self, listener: HearingListener) -> "SpeechmaticsHearing":
        """The ears of one call; nothing is connected before `run`."""
        return SpeechmaticsHearing(self, listener)

    def start_message(self) -> bytes:
        config: dict[str, Any] = {
            "language": self._language,
            "model": self._model,
            "enable_partials": True,
        }
        if self._vocab:
            config["additional_vocab"] = self._vocab
        return msgspec.json.encode(
            {
                "message": "StartRecognition",
                "audio_format": {
                    "type": "raw",
                    "encoding": "pcm_s16le",
                    "sample_rate": self.rate,
                },
                "transcription_config": config,
                "turn_config": {"turn_detection_mode": "vad"},
            }
        )


class SpeechmaticsHearing:
    """The ears of one call; see the module's text. Implements `hearing.Hearing`."""

    def __init__(self, stt: SpeechmaticsStt, listener: HearingListener) -> None:
        self._stt = stt
        self._listener = listener
        self._session: _Session | None = None
        self._audio = bytearray()
        # Positions on the call's audio clock, in bytes.
        self._start = 0  # of the oldest byte kept
        self._sent = 0  # up to here the present session has it
        self._settled = 0  # up to here every word is known
        self._turn_open = False
        self._lost = False
        self._trim_at = BYTES_PER_SECOND
        self._pump_handle: asyncio.TimerHandle | None = None

    def hear(self, pcm: bytes) -> None:
        self._audio += pcm
        session = self._session
        if session is not None and self._pump_handle is None and session.writable:
            session.send(pcm)
            self._sent += len(pcm)
        if len(self._audio) > self._trim_at:
            self._trim()

    async def run(self) -> None:
        deaf_since = time.monotonic()
        tries = short_lived = 0
        while True:
            session = _Session(self._stt, self)
            try:
                await session.run()
            except ServiceError as error:
                now = time.monotonic()
                if session.started_at is not None:
                    deaf_since = now
                    tries = 0
                    lived = now - session.started_at
                    short_lived = short_lived + 1 if lived < SHORT_LIVED_S else 0
                if session.refused_rate and self._stt.rate == RATE:
                    self._stt.rate = 2 * RATE
                    _log.info("hearing: 8000 Hz is refused, sending 16000 Hz from now on")
                    continue
                if not error.retryable:
                    raise
                if not self._lost:
                    self._lost = True
                    self._listener.hearing_lost()
                wait = error.retry_after or min(4.0, 0.25 * 2**tries) * random.uniform(1, 2)
                tries += 1
                if now + wait - deaf_since > DEAF_MAX_S or short_lived > SHORT_LIVED_MAX:
                    raise ServiceError(
                        "hearing", f"given up after {tries} tries: {error}", retryable=False
                    ) from error
                _log.warning("%s; trying again in %.1f s", error, wait)
                await asyncio.sleep(wait)
            finally:
                self._detach()

    # --- called by the session -----------------------------------------------------------------

    def started(self, session: "_Session") -> float:
        """A session takes audio from now on; returns where its clock begins on ours (s)."""
        self._sent = max(self._start, self._wanted() & ~1)
        self._turn_open = False
        self._session = session
        if self._lost:
            self._lost = False
            self._listener.hearing_restored()
        base = self._sent
        self._pump(_FIRST_PUMP_BYTES)
        return seconds(base)

    def heard(self, message: _ServerMessage, base: float) -> None:
        """One message about the caller's speech, in the order of the service."""
        meta = message.metadata
        match message.message:
            case "SpeechStarted":
                self._turn_open = True
                self._listener.speech_started(base + meta.start_time)
            case "SpeechEnded":
                self._listener.speech_ended(base + meta.end_time)
            case "AddPartialSegment":
                self._turn_open = True
                if message.segment.transcript:
                    self._listener.words_heard(message.segment.transcript, base + meta.end_time)
            case "AddSegment":
                self._settle(base + meta.end_time)
                if message.segment.transcript:
                    self._listener.segment_heard(message.segment.transcript, base + meta.end_time)
            case "EndOfTurn":
                self._settle(base + meta.end_time)
                self._turn_open = False
                self._listener.turn_ended(base + meta.end_time)

    def resume_sending(self) -> None:
        """The session's socket takes data again."""
        if self._pump_handle is None:
            self._pump(_PUMP_BYTES)

    # --- the audio that is kept ----------------------------------------------------------------

    @property
    def _end(self) -> int:
        return self._start + len(self._audio)

    def _settle(self, at: float) -> None:
        position = int(at * RATE) * SAMPLE_BYTES
        self._settled = max(self._settled, min(position, self._end))

    def _wanted(self) -> int:
        """Where a new session would have to begin."""
        replay_s = REPLAY_S if self._turn_open else SILENT_REPLAY_S
        return max(self._settled, self._sent - int(replay_s * BYTES_PER_SECOND))

    def _trim(self) -> None:
        keep = self._wanted()
        oldest = self._end - int(KEEP_S * BYTES_PER_SECOND)
        if oldest > keep:
            if oldest > self._sent:
                _log.warning("hearing: no session for %.0f s, the oldest audio is lost", KEEP_S)
            keep = oldest
        if keep > self._start:
            del self._audio[: keep - self._start]
            self._start = keep
            self._sent = max(self._sent, keep)
        self._trim_at = len(self._audio) + BYTES_PER_SECOND

    def _pump(self, budget: int) -> None:
        """Send what waits, up to `budget` bytes now, the rest a little later."""
        self._pump_handle = None
        session = self._session
        while session is not None and session.writable and budget > 0:
            at = self._sent - self._start
            chunk = bytes(self._audio[at : at + min(_CHUNK_BYTES, budget)])
            if not chunk:
                return
            session.send(chunk)
            self._sent += len(chunk)
            budget -= len(chunk)
        if session is not None and session.writable:
            loop = asyncio.get_running_loop()
            self._pump_handle = loop.call_later(_PUMP_S, self._pump, _PUMP_BYTES)

    def _detach(self) -> None:
        self._session = None
        if self._pump_handle is not None:
            self._pump_handle.cancel()
            self._pump_handle = None


class _Session(WSListener):
    """One session with the service, from connect to close."""

    def __init__(self, stt: SpeechmaticsStt, hearing: SpeechmaticsHearing) -> None:
        self._stt = stt
        self._hearing = hearing
        self._messages = Messages()
        self._transport: WSTransport | None = None
        self._resampler = Resampler(RATE, stt.rate) if stt.rate != RATE else None
        self._base = 0.0
        self._frames = 0
        self._acknowledged = 0
        self._messages_came = False
        # Over: nothing more is to be expected. Gone: the socket is closed as well.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._error: ServiceError | None = None
        self._close_code = NO_CODE
        self.started_at: float | None = None
        self.writable = True
        self.refused_rate = False

    async def run(self) -> None:
        """Open the session and stay until it ends. Raises ServiceError, saying whether to retry."""
        try:
            self._transport = await connect(
                self, self._stt.url, tls=self._stt.tls, headers=self._stt.headers, timeout=CONNECT_S
            )
        except (OSError, TimeoutError, WSError) as error:
            raise _refused(error) from error
        try:
            self._transport.send(WSMsgType.TEXT, self._stt.start_message())
            await self._watch()
        finally:
            await self._close()
        raise self._error or self._dropped()

    def send(self, pcm: bytes) -> None:
        """One frame of audio, whole samples at 8 kHz."""
        if self._resampler is not None:
            pcm = self._resampler.feed(pcm)
        assert self._transport is not None
        self._transport.send(WSMsgType.BINARY, pcm)
        self._frames += 1

    async def _watch(self) -> None:
        opened = quiet_since = time.monotonic()
        while not self._over.done():
            await asyncio.wait((self._over,), timeout=WATCH_S)
            now = time.monotonic()
            if self._messages_came:
                self._messages_came = False
                quiet_since = now
            if self.started_at is None:
                if now - opened > CONNECT_S:
                    self._fail("the session did not start in time", retryable=True)
            # A service that never acknowledges anything is not expected to.
            elif 0 < self._acknowledged < self._frames and now - quiet_since > STALLED_S:
                self._fail(f"nothing came back for {STALLED_S:.0f} s", retryable=True)

    async def _close(self) -> None:
        """Say goodbye if anybody listens, and leave no socket behind."""
        transport = self._transport
        assert transport is not None
        try:
            if self.started_at is not None and self.writable and not self._over.done():
                self.writable = False
                goodbye = {"message": "EndOfStream", "last_seq_no": self._frames}
                transport.send(WSMsgType.TEXT, msgspec.json.encode(goodbye))
                await asyncio.wait((self._over,), timeout=_FAREWELL_S)
        finally:
            transport.send_close(WSCloseCode.OK)
            # What a stalled service does not take is not waited for.
            unsent = transport.underlying_transport.get_write_buffer_size()
            transport.disconnect(graceful=not unsent)
            await asyncio.wait((self._gone,), timeout=_FAREWELL_S)

    def _fail(self, what: str, *, retryable: bool, retry_after: float | None = None) -> None:
        if self._error is None:
            self._error = ServiceError(
                "hearing", what, retryable=retryable, retry_after=retry_after
            )
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
            "hearing",
            f"the connection was closed ({code})",
            retryable=not fatal,
            retry_after=QUOTA_WAIT_S if code == 4005 else None,
        )

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        try:
            if kind == WSMsgType.TEXT and frame.fin:
                message = _decode(frame.get_payload_as_memoryview())
            elif kind == WSMsgType.CLOSE:
                self._close_code, _ = close_reason(frame)
                self._end()
                return
            elif kind == WSMsgType.PONG or (whole := self._messages.feed(frame)) is None:
                return
            else:
                message = _decode(whole[1])
        except (ValueError, msgspec.MsgspecError):
            # One message we cannot read is not worth a caller's turn.
            _log.warning("hearing: a message of the service could not be read and was skipped")
            return
        self._messages_came = True
        if message.message == "AudioAdded":
            self._acknowledged = message.seq_no
        elif message.message == "RecognitionStarted":
            self._start(message)
        elif message.message == "Error":
            self._take_error(message)
        elif message.message == "EndOfTranscript":
            self._end()
        elif message.message in ("Warning", "Info"):
            _log.info("hearing: %s %s: %s", message.message, message.type, message.reason)
        elif self._error is None:
            self._hearing.heard(message, self._base)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end()
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        if not self._over.done():
            self.writable = True
            self._hearing.resume_sending()

    def _start(self, message: _ServerMessage) -> None:
        if self.started_at is None:
            self.started_at = time.monotonic()
            _log.info("hearing: session %s started at %d Hz", message.id, self._stt.rate)
            self._base = self._hearing.started(self)

    def _take_error(self, message: _ServerMessage) -> None:
        kind = message.type
        self.refused_rate = kind == "invalid_audio_type" and self.started_at is None
        quota = "quota" in kind
        self._fail(
            f"{kind}: {message.reason}",
            retryable=kind not in _FATAL_TYPES,
            retry_after=QUOTA_WAIT_S if quota else None,
        )


def _refused(error: Exception) -> ServiceError:
    """What a failed connect means for the next try."""
    if isinstance(error, WSHandshakeError) and error.response is not None:
        status = int(error.response.status)
        what = "the connection is refused"
        if status in (401, 403):
            what = "the key is not accepted; check SPEECHMATICS_API_KEY"
        return ServiceError("hearing", f"{what} ({status})", retryable=status not in _FATAL_STATUS)
    what = "no answer in time" if isinstance(error, TimeoutError) else str(error)
    return ServiceError("hearing", f"cannot connect: {what}", retryable=True)
