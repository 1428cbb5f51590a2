"""Speaking by OpenAI's speech endpoint, or any server that has one: many languages, 24 kHz.

    POST <base>/audio/speech   {"model", "voice", "input", "response_format": "pcm"}

The answer is streamed as s16le mono without a header. A sentence may have 4096 characters. Only
what every such server takes is sent: `instructions` and `speed` are not known to all.
[OpenAI API reference, Create speech; guide Text to speech, Supported output formats]

OpenAI has announced the end of all its models for this endpoint: 6 January 2027, after which it
answers 404. Other servers of the same request go on. [openai 3, audio/speech_create_params.py]

How the audio is fetched is `pcm_over_http`'s business.
"""

from collections.abc import AsyncGenerator

from avr_sts_speechmatics.services.tts.pcm_over_http import PcmOverHttp, below
from avr_sts_speechmatics.values import Secret

BASE_URL = "https://api.openai.com/v1"

PATIENCE_S = 3.0
"""Longest wait for the first byte, and for each that follows (s). Its models need about a second
for the first, now and then two."""

_REFUSALS = {
    400: "the request was refused (400); check OPENAI_TTS_VOICE and OPENAI_TTS_MODEL",
    401: "the key is not accepted (401); check OPENAI_TTS_API_KEY, or OPENAI_API_KEY",
    403: "the key is not allowed to do this (403); check OPENAI_TTS_API_KEY, or OPENAI_API_KEY",
    404: "there is no such model or address (404); check OPENAI_TTS_MODEL and OPENAI_TTS_URL",
    422: "the request was refused (422); check OPENAI_TTS_VOICE and OPENAI_TTS_MODEL",
    429: "too many requests, or the account's credit is used up (429)",
}


class OpenAiTts:
    """One voice of the process. Implements `voice.Voice`.

    key: None for a server that wants none. url: base address; `/audio/speech` is appended.
    """

    rate = 24000

    def __init__(
        self,
        key: Secret | None,
        model: str,
        voice: str,
        url: str = BASE_URL,
        *,
        patience: float = PATIENCE_S,
    ) -> None:
        self._http = PcmOverHttp(below(url, "/audio/speech"), key, _REFUSALS, patience)
        self._request = {"model": model, "voice": voice, "response_format": "pcm"}

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        return self._http.speak({**self._request, "input": text})

    async def close(self) -> None:
        await self._http.close()
