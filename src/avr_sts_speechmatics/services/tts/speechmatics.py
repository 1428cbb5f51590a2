"""TTS by Speechmatics: English, 16 kHz, no word timings.

`pcm_over_http` sends the requests and reads the audio. [TTS reference, 1 to 5]
"""

from collections.abc import AsyncGenerator

from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.services.tts.pcm_over_http import PcmOverHttp, below
from avr_sts_speechmatics.values import Secret

LANGUAGES_SPOKEN = frozenset({"en"})
"""Languages that Speechmatics' voices speak. [TTS reference: English only]"""

STATUS = "a preview: no end is announced, and no promise is made"
"""What Speechmatics says about this service. [TTS reference: sources, 8]"""

PATIENCE_S = 2.0
"""Longest wait for the first byte, and between two reads of the body (s). Speechmatics promises
the first byte within 0.2 s and the rest faster than real time."""

_REFUSALS = {
    401: "the key is not accepted (401); check SPEECHMATICS_API_KEY",
    403: "the key is not allowed to do this (403); check SPEECHMATICS_API_KEY",
    404: "there is no such voice (404); check SPEECHMATICS_VOICE",
    429: "too many requests (429)",
}


class SpeechmaticsTts:
    """One voice for the process. Implements `services.tts.protocol.Tts`.

    url: base address; `/generate/<voice>` is appended.
    key: the API key; None for a server without keys.
    voice: name of the voice.
    patience: longest wait for the first byte, and between two reads of the body (s).
    proxy: the HTTP proxy to connect through, or None.
    """

    rate = 16000

    def __init__(
        self,
        url: str,
        key: Secret | None,
        voice: str,
        *,
        patience: float = PATIENCE_S,
        proxy: Proxy | None = None,
    ) -> None:
        base, _, query = url.partition("?")
        base = base.rstrip("/").removesuffix("/generate")
        address = below(f"{base}?{query}", f"/generate/{voice}", "output_format=pcm_16000")
        remedy = "check SPEECHMATICS_TTS_URL"
        self._http = PcmOverHttp(
            address, key, _REFUSALS, patience, rate=self.rate, remedy=remedy, proxy=proxy
        )

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        return self._http.speak({"text": text}, len(text))

    async def close(self) -> None:
        await self._http.close()
