"""Speechmatics Agent STT: the recogniser as the process knows it.

The service groups words into segments and turns and reports when the caller has finished. Reopening
sessions and replaying audio is left to `reconnecting`, the wire to `speechmatics_session`.
[Agent STT reference, 4, 7, 10]
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from avr_sts_speechmatics.audio.pcm import RATE, silence
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.services.stt.protocol import OpenAnotherSession, SessionListener, TriedOut
from avr_sts_speechmatics.services.stt.speechmatics_session import Session
from avr_sts_speechmatics.values import Secret, VocabEntry

TRY_OUT_S = 12.0
"""Longest wait for a session on trial to take audio (s): twice a session's own patience."""

RATE_ADVICE = "Nothing to do: 8000 Hz is refused, so audio is sent at 16000 Hz."

_log = logging.getLogger(__name__)


def region_url(region: str) -> str:
    """Return the base address of real-time recognition in a region: "eu", "us" or "global"."""
    return f"wss://{region}.rt.speechmatics.com/v2"


def with_agent_path(base: str) -> str:
    """Append `/agent` to the path of a base address, unless the path has it already.

    `wss://host/v2` becomes `wss://host/v2/agent`. A query, such as the token of a proxy, stays.
    """
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    if "agent" not in path.split("/"):
        path += "/agent"
    return parts._replace(path=path).geturl()


class SpeechmaticsStt:
    """Implements `protocol.Recogniser`.

    url: WebSocket address of `/v2/agent`.
    key: API key; None for a server without keys.
    language: the caller's language, a code of Speechmatics.
    model: name of a Speechmatics model.
    vocab: words that the recogniser should expect.
    proxy: the HTTP proxy to connect through, or None.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None,
        *,
        language: str = "en",
        model: str = "linden-1",
        vocab: Sequence[VocabEntry] = (),
        proxy: Proxy | None = None,
    ) -> None:
        self.url = url
        self.proxy = proxy
        self.headers = {} if key is None else {"Authorization": f"Bearer {key.reveal()}"}
        self.tls = ssl.create_default_context() if url.startswith("wss:") else None
        # Telephone audio is sent as it is. Some versions of the service take 16 000 Hz only; one
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

    def session(self, listener: SessionListener) -> Session:
        return Session(
            self.url,
            self.headers,
            self.tls,
            self.rate,
            self._start_message(),
            listener,
            self._rate_refused,
            proxy=self.proxy,
        )

    async def try_out(self) -> TriedOut:
        advice = ""
        while True:
            try:
                return TriedOut(await self._try_once(), self._model, advice)
            except OpenAnotherSession:
                advice = RATE_ADVICE

    async def _try_once(self) -> float:
        """Open a session and send silence; return how long the session took to start (s)."""
        begun = running_time.now()
        trial = _Trial()
        session = trial.session = self.session(trial)
        running = asyncio.create_task(session.run())
        acknowledged = asyncio.create_task(trial.acknowledged())
        try:
            await running_time.wait(
                (running, acknowledged), timeout=TRY_OUT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if running.done():
                await running
        finally:
            for task in (running, acknowledged):
                task.cancel()
            await asyncio.wait((running, acknowledged))
        if session.started_at is None or acknowledged.cancelled():
            raise ServiceError("stt", "audio is not acknowledged", retryable=True)
        return session.started_at - begun

    def _rate_refused(self, rate: int) -> ServiceError | None:
        """The service refused the sample rate `rate` (Hz) of a session.

        Returns the error that ends the session; None if no other rate is left. Several sessions
        may be refused side by side: the rate of each decides, not what the process uses by now.
        """
        if rate != RATE:
            return None
        if self.rate == RATE:
            self.rate = 2 * RATE
            _log.info("stt: 8000 Hz is refused, sending 16000 Hz from now on")
        return OpenAnotherSession("the sample rate is refused")

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


class _Trial:
    """Sends half a second of silence once the session takes audio, and waits for the receipt."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self._started = asyncio.Event()

    def started(self) -> None:
        assert self.session is not None
        self.session.send(silence(0.5))
        self._started.set()

    async def acknowledged(self) -> None:
        await self._started.wait()
        session = self.session
        assert session is not None
        while session.acknowledged < session.frames:  # noqa: ASYNC110 - counted, not announced
            await asyncio.sleep(0.02)

    # Silence has no words, and half a second fits into any socket.
    def resume_sending(self) -> None: ...
    def closing(self) -> None: ...
    def speech_started(self, at: float) -> None: ...
    def speech_ended(self, at: float) -> None: ...
    def words_heard(self, text: str, end: float) -> None: ...
    def segment_heard(self, text: str, end: float) -> None: ...
    def turn_ended(self, end: float) -> None: ...
