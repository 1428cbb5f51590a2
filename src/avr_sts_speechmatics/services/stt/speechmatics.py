"""Speechmatics Agent STT: the recogniser as the process knows it.

The service groups words into segments and turns and reports when the caller has finished. Reopening
sessions and replaying audio is left to `reconnecting`, the wire to `speechmatics_session`.
[Agent STT reference, 4, 7, 10]
"""

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.services.stt.protocol import OpenAnotherSession, SessionListener, TriedOut
from avr_sts_speechmatics.services.stt.speechmatics_session import Session
from avr_sts_speechmatics.services.stt.trial import try_once
from avr_sts_speechmatics.services.stt.websocket_session import place
from avr_sts_speechmatics.values import Secret, VocabEntry

MODEL = "linden-1"
"""The model where the operator names none."""

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


def words_to_expect(vocab: Sequence[VocabEntry]) -> list[Any]:
    """Return a vocabulary as `additional_vocab` has it."""
    return [
        {"content": entry.content, "sounds_like": list(entry.sounds_like)}
        if entry.sounds_like
        else entry.content
        for entry in vocab
    ]


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
        model: str = MODEL,
        vocab: Sequence[VocabEntry] = (),
        proxy: Proxy | None = None,
    ) -> None:
        self.place = place(url, key, proxy, key_setting="SPEECHMATICS_API_KEY")
        # Telephone audio is sent as it is. Some versions of the service take 16 000 Hz only; one
        # refusal counts for the whole process.
        self.rate = RATE
        self._language = language
        self._model = model
        self._vocab = words_to_expect(vocab)

    def session(self, listener: SessionListener) -> Session:
        return Session(self.place, self.rate, self._start_message(), listener, self._rate_refused)

    async def try_out(self) -> TriedOut:
        advice = ""
        while True:
            try:
                return TriedOut(await try_once(self.session), self._model, advice)
            except OpenAnotherSession:
                advice = RATE_ADVICE

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
