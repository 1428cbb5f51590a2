"""TTS by OpenAI's speech endpoint, or another server of that endpoint: many languages, 24 kHz.

    POST <base>/audio/speech   {"model", "voice", "input", "response_format": "pcm"}

The answer is streamed as s16le mono without a header, or as a WAV file where that is asked for; how
the answers of other servers differ is in `sound`. A sentence may have 4096 characters. The fields
`instructions` and `speed` are not sent, because not every server knows them.
[OpenAI API reference, Create speech; guide Text to speech, Supported output formats]

OpenAI has announced to shut down all its models for this endpoint on 6 January 2027; then the
endpoint answers 404. Other servers are not affected. [openai 3, audio/speech_create_params.py]

`pcm_over_http` sends the requests and reads the audio.
"""

from collections.abc import AsyncGenerator, Mapping

from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.services.tts.pcm_over_http import PcmOverHttp, below
from avr_sts_speechmatics.values import Secret

BASE_URL = "https://api.openai.com/v1"

PATIENCE_S = 3.0
"""Longest wait for the first byte, and between two reads of the body (s). OpenAI's models need
about one second to the first byte, occasionally two."""

REMEDY = "set OPENAI_TTS_FORMAT to wav, or to pcm if it is wav, or make the server send PCM"

_REFUSALS = {
    400: "the request was refused (400); check OPENAI_TTS_VOICE and OPENAI_TTS_MODEL",
    401: "the key is not accepted (401); check OPENAI_TTS_API_KEY, or OPENAI_API_KEY",
    403: "the key is not allowed to do this (403); check OPENAI_TTS_API_KEY, or OPENAI_API_KEY",
    404: "there is no such model or address (404); check OPENAI_TTS_MODEL and OPENAI_TTS_URL",
    422: "the request was refused (422); check OPENAI_TTS_VOICE and OPENAI_TTS_MODEL",
    429: "too many requests, or the account's credit is used up (429)",
}


class OpenAiTts:
    """One voice for the process. Implements `services.tts.protocol.Tts`.

    key: the API key; None for a server without keys.
    model: name of the TTS model.
    voice: name of the voice.
    url: base address; `/audio/speech` is appended.
    form: the format to ask for, "pcm" or "wav"; see `sound`.
    refusals: the error message for an HTTP status; None for messages that name OPENAI_TTS_….
    patience: longest wait for the first byte, and between two reads of the body (s).
    proxy: the HTTP proxy to connect through, or None.
    """

    rate = 24000

    def __init__(
        self,
        key: Secret | None,
        model: str,
        voice: str,
        url: str = BASE_URL,
        *,
        form: str = "pcm",
        refusals: Mapping[int, str] | None = None,
        patience: float = PATIENCE_S,
        proxy: Proxy | None = None,
    ) -> None:
        self._http = PcmOverHttp(
            below(url, "/audio/speech"),
            key,
            _REFUSALS if refusals is None else refusals,
            patience,
            rate=self.rate,
            remedy=REMEDY,
            proxy=proxy,
            model=model,
        )
        self._request = {"model": model, "voice": voice, "response_format": form}

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        return self._http.speak({**self._request, "input": text}, len(text))

    async def close(self) -> None:
        await self._http.close()
