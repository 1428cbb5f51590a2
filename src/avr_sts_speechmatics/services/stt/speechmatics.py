"""Hearing by Speechmatics Agent STT: one session after another, and not a word lost between them.

The service groups words into segments and turns and says when the caller has finished. A session
can end at any time: a network drops, a quota is full, a server restarts. This client then opens a
new one and replays the audio of the turn in progress, from the last word that was settled, so that
the caller need not say it again. For that it keeps

  - what has not been sent (before the session is open, or while it cannot take more), and
  - what has been sent but not settled: the turn in progress up to REPLAY_S, in silence less.

`EndOfTurn` and times are the service's; only the times are changed: a new session counts from 0,
the listener's clock goes on. [Agent STT reference, 4, 7, 10]
"""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, RATE, SAMPLE_BYTES, seconds
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.stt.protocol import SttListener
from avr_sts_speechmatics.services.stt.speechmatics_session import Owner, ServerMessage, Session
from avr_sts_speechmatics.values import Secret, VocabEntry

KEEP_S = 12.0
"""Audio kept at most, sent or not (s); what no session took by then is lost, and that is logged."""

REPLAY_S = 10.0
"""Audio of a turn in progress that a new session hears again, at most (s)."""

SILENT_REPLAY_S = 2.0
"""The same while nobody speaks (s): speech is reported up to a second after it began."""

DOWN_MAX_S = 12.0
"""How long a call may be without ears before hearing is given up (s)."""

SHORT_LIVED_S = 10.0
SHORT_LIVED_MAX = 8
"""This many sessions in a row that each lived less than SHORT_LIVED_S: hearing is given up."""

CATCH_UP = 4
"""What was kept is sent at this many times real time: the service reads no faster for long."""

_CHUNK_BYTES = BYTES_PER_SECOND // 10
_PUMP_S = 0.02
_FIRST_PUMP_BYTES = BYTES_PER_SECOND // 2
_PUMP_BYTES = round(BYTES_PER_SECOND * _PUMP_S * CATCH_UP)

_log = logging.getLogger(__name__)


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

    def open(self, listener: SttListener) -> "SpeechmaticsSttStream":
        """The ears of one call; nothing is connected before `run`."""
        return SpeechmaticsSttStream(self, listener)

    def session(self, owner: Owner) -> Session:
        """A session that is not connected yet."""
        return Session(self.url, self.headers, self.tls, self.rate, self._start_message(), owner)

    def _start_message(self) -> bytes:
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


class SpeechmaticsSttStream:
    """The ears of one call; see the module's text. Implements `hearing.Hearing`."""

    def __init__(self, stt: SpeechmaticsStt, listener: SttListener) -> None:
        self._stt = stt
        self._listener = listener
        self._session: Session | None = None
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
        down_since = time.monotonic()
        tries = short_lived = 0
        while True:
            session = self._stt.session(self)
            try:
                await session.run()
            except ServiceError as error:
                now = time.monotonic()
                if session.started_at is not None:
                    down_since = now
                    tries = 0
                    lived = now - session.started_at
                    short_lived = short_lived + 1 if lived < SHORT_LIVED_S else 0
                if session.refused_rate and self._stt.rate == RATE:
                    self._stt.rate = 2 * RATE
                    _log.info("stt: 8000 Hz is refused, sending 16000 Hz from now on")
                    continue
                if not error.retryable:
                    raise
                if not self._lost:
                    self._lost = True
                    self._listener.stt_lost()
                wait = error.retry_after or min(4.0, 0.25 * 2**tries) * random.uniform(1, 2)
                tries += 1
                if now + wait - down_since > DOWN_MAX_S or short_lived > SHORT_LIVED_MAX:
                    raise ServiceError(
                        "stt", f"given up after {tries} tries: {error}", retryable=False
                    ) from error
                _log.warning("%s; trying again in %.1f s", error, wait)
                await asyncio.sleep(wait)
            finally:
                self._detach()

    # --- called by the session -----------------------------------------------------------------

    def started(self, session: Session) -> float:
        """A session takes audio from now on; returns where its clock begins on ours (s)."""
        self._sent = max(self._start, self._wanted() & ~1)
        self._turn_open = False
        self._session = session
        if self._lost:
            self._lost = False
            self._listener.stt_restored()
        base = self._sent
        self._pump(_FIRST_PUMP_BYTES)
        return seconds(base)

    def heard(self, message: ServerMessage, base: float) -> None:
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
                _log.warning("stt: no session for %.0f s, the oldest audio is lost", KEEP_S)
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
