"""One vendor session after another, and not a word lost between them.

A session can end at any time: a network drops, a quota is full, a server restarts.
`ReconnectingStt` then opens a new one and replays the audio of the turn in progress, from the last
word that was settled, so that the caller need not repeat it. For that it keeps

  - audio that has not been sent (before the session is open, or while it cannot take more), and
  - audio that was sent and is not settled: the current turn, at most REPLAY_S of it
    (SILENT_REPLAY_S while nobody speaks).

Each message to a recogniser costs an acknowledgement, and two system calls for both. While no turn
is open, audio is therefore sent in pieces of QUIET_PIECE_BYTES. In an open turn each frame is sent
at once, because any frame may be the one that ends the turn.

A new session counts its times from 0; the listener's clock goes on. Nothing here knows a vendor.
"""

import asyncio
import logging
import random

from avr_sts_speechmatics.audio.pcm import (
    BYTES_PER_SECOND,
    FRAME_BYTES,
    RATE,
    SAMPLE_BYTES,
    seconds,
)
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.runtime.tracebacks import drop_traceback
from avr_sts_speechmatics.services import use
from avr_sts_speechmatics.services.stt.protocol import (
    OpenAnotherSession,
    Recogniser,
    SessionWatch,
    SttListener,
    SttSession,
    TooManySessions,
)

KEEP_S = 12.0
"""Most audio that is kept, sent or not (s). Older audio is lost, and the loss is logged."""

REPLAY_S = 10.0
"""Most audio of the turn in progress that a new session is given again (s)."""

SILENT_REPLAY_S = 2.0
"""Most audio that a new session is given again while nobody speaks (s). A recogniser reports
speech up to a second late."""

DOWN_MAX_S = 12.0
"""How long a call may be without a session before its STT is given up (s)."""

SHORT_LIVED_S = 10.0
SHORT_LIVED_MAX = 8
"""STT is given up after more than SHORT_LIVED_MAX sessions in a row that each lived less than
SHORT_LIVED_S."""

CATCH_UP = 4
"""Kept audio is sent at this many times real time: recognisers read no faster for long."""

QUIET_PIECE_BYTES = 2 * FRAME_BYTES
"""Size of the pieces that are sent while no turn is open (bytes): 40 ms, so that the beginning of
speech reaches the recogniser up to 20 ms later."""

_CHUNK_BYTES = BYTES_PER_SECOND // 10
_PUMP_S = 0.02
_FIRST_PUMP_BYTES = BYTES_PER_SECOND // 2
_PUMP_BYTES = round(BYTES_PER_SECOND * _PUMP_S * CATCH_UP)

_log = logging.getLogger(__name__)


class ReconnectingStt:
    """The recogniser of one call. Implements `protocol.SttStream` and `protocol.SessionListener`.

    recogniser: opens sessions.
    listener: the call.
    watch: counts the sessions of all calls, or None.
    down_max_s: see DOWN_MAX_S.
    source: server and model, for reports of use.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        listener: SttListener,
        *,
        watch: SessionWatch | None = None,
        down_max_s: float = DOWN_MAX_S,
        source: tuple[str, str] = ("", ""),
    ) -> None:
        self._source = source
        self._watch = watch
        self._recogniser = recogniser
        self._listener = listener
        self._down_max_s = down_max_s
        self._opening: SttSession | None = None
        self._session: SttSession | None = None  # once it takes audio
        self._base = 0.0  # where its clock begins on the call's (s)
        self._audio = bytearray()
        # Positions on the call's audio clock, in bytes.
        self._start = 0  # of the oldest byte kept
        self._sent = 0  # up to here the present session has the audio
        self._sent_from = 0  # from here; moved where audio was lost
        self._settled = 0  # up to here every word is known
        self._turn_open = False
        self._lost = False
        self._trim_at = BYTES_PER_SECOND
        self._pump_handle: asyncio.TimerHandle | None = None

    def hear(self, pcm: bytes) -> None:
        audio = self._audio
        audio += pcm
        session = self._session
        if session is not None and self._pump_handle is None and session.writable:
            unsent = self._start + len(audio) - self._sent
            if self._turn_open or unsent >= QUIET_PIECE_BYTES:
                session.send(pcm if unsent == len(pcm) else bytes(audio[-unsent:]))
                self._sent += unsent
        if len(audio) > self._trim_at:
            self._trim()

    async def run(self) -> None:
        down_since = running_time.now()
        tries = short_lived = 0
        while True:
            session = self._opening = self._recogniser.session(self)
            try:
                await self._run(session)
            except OpenAnotherSession:
                continue
            except ServiceError as error:
                drop_traceback(error)
                if self._watch is not None and isinstance(error, TooManySessions):
                    self._watch.refused()
                now = running_time.now()
                if session.started_at is not None:
                    down_since = now
                    tries = 0
                    lived = now - session.started_at
                    short_lived = short_lived + 1 if lived < SHORT_LIVED_S else 0
                if not error.retryable:
                    raise
                if not self._lost:
                    self._lost = True
                    self._listener.stt_lost()
                wait = error.retry_after or min(4.0, 0.25 * 2**tries) * random.uniform(1, 2)
                tries += 1
                if now + wait - down_since > self._down_max_s or short_lived > SHORT_LIVED_MAX:
                    raise ServiceError(
                        "stt",
                        f"given up after {tries} tries: {error}",
                        retryable=False,
                        kind=error.kind,
                    ) from error
                _log.warning("%s; trying again in %.1f s", error, wait)
                use.report(use.Retried("stt"))
                await running_time.sleep(wait)
            finally:
                self._detach()

    async def _run(self, session: SttSession) -> None:
        try:
            await session.run()
        finally:
            if session.started_at is not None:
                if self._watch is not None:
                    self._watch.ended()
                use.report(use.AudioSent(*self._source, seconds(self._sent - self._sent_from)))

    # --- called by the session -----------------------------------------------------------------

    def started(self) -> None:
        self._sent = self._sent_from = max(self._start, self._wanted() & ~1)
        self._base = seconds(self._sent)
        self._turn_open = False
        self._session = self._opening
        if self._watch is not None:
            self._watch.started()
        if self._lost:
            self._lost = False
            self._listener.stt_restored()
        self._pump(_FIRST_PUMP_BYTES)

    def resume_sending(self) -> None:
        if self._pump_handle is None:
            self._pump(_PUMP_BYTES)

    def closing(self) -> None:
        session, unsent = self._session, self._end - self._sent
        # What is pumped takes too long: nobody waits for the words of a call that is over.
        if session is not None and 0 < unsent < QUIET_PIECE_BYTES:
            session.send(bytes(self._audio[-unsent:]))
            self._sent += unsent

    def speech_started(self, at: float) -> None:
        self._turn_open = True
        self._listener.speech_started(self._base + at)

    def speech_ended(self, at: float) -> None:
        self._listener.speech_ended(self._base + at)

    def words_heard(self, text: str, end: float) -> None:
        self._turn_open = True
        if text:
            self._listener.words_heard(text, self._base + end)

    def segment_heard(self, text: str, end: float) -> None:
        self._settle(self._base + end)
        if text:
            self._listener.segment_heard(text, self._base + end)

    def turn_ended(self, end: float) -> None:
        self._settle(self._base + end)
        self._turn_open = False
        self._listener.turn_ended(self._base + end)

    # --- the audio that is kept ----------------------------------------------------------------

    @property
    def kept_bytes(self) -> int:
        """Audio that is kept now (bytes)."""
        return len(self._audio)

    @property
    def _end(self) -> int:
        return self._start + len(self._audio)

    def _settle(self, at: float) -> None:
        """Note that all text up to `at` (s) is final: a new session does not need that audio."""
        position = int(at * RATE) * SAMPLE_BYTES
        self._settled = max(self._settled, min(position, self._end))

    def _wanted(self) -> int:
        """Return where a new session would have to begin (byte position in the call's audio)."""
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
            if keep > self._sent:
                self._sent_from += keep - self._sent
                self._sent = keep
        self._trim_at = len(self._audio) + BYTES_PER_SECOND

    def _pump(self, budget: int) -> None:
        """Send kept audio, up to `budget` bytes now and the rest a little later."""
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
        self._opening = self._session = None
        if self._pump_handle is not None:
            self._pump_handle.cancel()
            self._pump_handle = None
