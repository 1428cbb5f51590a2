"""Speech to text (STT): which engine hears the callers. The only place that chooses one.

A further engine is a file with its `protocol.Recogniser`, a row in ENGINES, and its settings.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from avr_sts_speechmatics.services.announced_ends import ModelInUse
from avr_sts_speechmatics.services.stt import openai, realtime
from avr_sts_speechmatics.services.stt.openai import OpenAiStt
from avr_sts_speechmatics.services.stt.protocol import (
    Recogniser,
    SessionWatch,
    SttListener,
    SttStream,
)
from avr_sts_speechmatics.services.stt.realtime import RealtimeStt, realtime_url
from avr_sts_speechmatics.services.stt.reconnecting import ReconnectingStt
from avr_sts_speechmatics.services.stt.speechmatics import (
    MODEL,
    SpeechmaticsStt,
    region_url,
    with_agent_path,
)
from avr_sts_speechmatics.services.use import server_of
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import Secret, VocabEntry


@dataclass(frozen=True, slots=True)
class Engine:
    """A recogniser that the setting STT names.

    address: function that returns the vendor's address for settings; None if it is not set up.
    recogniser: function that makes a recogniser from settings, address, language and vocabulary.
    model: function that returns the name of the model.
    """

    address: Callable[[Settings], str | None]
    recogniser: Callable[[Settings, str, str, Sequence[VocabEntry]], Recogniser]
    model: Callable[[Settings], str]


def _speechmatics_base(settings: Settings) -> str | None:
    if settings.speechmatics_rt_url is None and settings.speechmatics_api_key is not None:
        return region_url(settings.speechmatics_region)
    return settings.speechmatics_rt_url


def _agent_address(settings: Settings) -> str | None:
    base = _speechmatics_base(settings)
    return None if base is None else with_agent_path(base)


def _agent(settings: Settings, url: str, language: str, vocab: Sequence[VocabEntry]) -> Recogniser:
    return SpeechmaticsStt(
        url,
        settings.speechmatics_api_key,
        language=language,
        model=_agent_model(settings),
        vocab=vocab,
        proxy=settings.proxies.for_url(url),
    )


def _agent_model(settings: Settings) -> str:
    return settings.speechmatics_model or MODEL


def _realtime_address(settings: Settings) -> str | None:
    base = _speechmatics_base(settings)
    return None if base is None else realtime_url(base)


def _realtime(
    settings: Settings, url: str, language: str, vocab: Sequence[VocabEntry]
) -> Recogniser:
    return RealtimeStt(
        url,
        settings.speechmatics_api_key,
        language=language,
        silence_s=settings.stt_silence_ms / 1000,
        max_delay_s=settings.stt_max_delay_ms / 1000,
        model=_realtime_model(settings),
        vocab=vocab,
        proxy=settings.proxies.for_url(url),
    )


def _realtime_model(settings: Settings) -> str:
    return settings.speechmatics_model or realtime.MODEL


def _openai_address(settings: Settings) -> str | None:
    return settings.openai_stt_url or openai.BASE_URL


def _openai(settings: Settings, url: str, language: str, vocab: Sequence[VocabEntry]) -> Recogniser:
    return OpenAiStt(
        url,
        settings.openai_stt_key,
        language=language,
        silence_s=settings.stt_silence_ms / 1000,
        model=_openai_model(settings),
        vocab=vocab,
        proxy=settings.proxies.for_url(url),
    )


def _openai_model(settings: Settings) -> str:
    return settings.openai_stt_model or openai.MODEL


ENGINES = {
    "agent": Engine(_agent_address, _agent, _agent_model),
    "realtime": Engine(_realtime_address, _realtime, _realtime_model),
    "openai": Engine(_openai_address, _openai, _openai_model),
}
"""The engines, by the values of the setting STT. While the chosen engine is not set up, the sandbox
hears."""


def stt_models(settings: Settings) -> Iterator[ModelInUse]:
    """The recogniser's model, if its vendor announces the ends of models."""
    if settings.stt == "openai":
        url = settings.openai_stt_url or openai.BASE_URL
        if url.startswith("ws"):  # models are described over HTTP
            url = "http" + url.removeprefix("ws")
        name = _openai_model(settings)
        yield ModelInUse("OPENAI_STT_MODEL", name, url, settings.openai_stt_key)


class Stt:
    """STT for all calls of the process.

    settings: choose the engine.
    sandbox_url: HTTP address of the sandbox; needed only where `offline` is True.
    watch: counts the sessions of all calls, or None.
    """

    def __init__(
        self, settings: Settings, sandbox_url: str = "", watch: SessionWatch | None = None
    ) -> None:
        self._watch = watch
        self._settings = settings
        self._sandbox_url = sandbox_url
        self._engine = ENGINES[settings.stt]
        self._address = self._engine.address(settings)
        self._recognisers: dict[tuple[str, tuple[VocabEntry, ...]], Recogniser] = {}

    @property
    def address(self) -> str | None:
        """Address of the engine; None where the sandbox hears."""
        return self._address

    @property
    def offline(self) -> bool:
        """Whether the engine is not set up, so that the sandbox hears."""
        return self._address is None

    @property
    def source(self) -> tuple[str, str]:
        """Server and model, for reports of use."""
        if self._address is not None:
            return server_of(self._address), self._engine.model(self._settings)
        return server_of(self._sandbox_url), _agent_model(self._settings)

    def recogniser(self, language: str, vocab: tuple[VocabEntry, ...]) -> Recogniser:
        """Return the recogniser for a language and vocabulary. Calls with equal values share it."""
        kind = language, vocab
        if kind not in self._recognisers:
            self._recognisers[kind] = self._make(*kind)
        return self._recognisers[kind]

    def open(
        self, language: str, vocab: tuple[VocabEntry, ...], listener: SttListener
    ) -> SttStream:
        """Return the STT stream of one call. The stream connects in its `run`, not before."""
        recogniser = self.recogniser(language, vocab)
        return ReconnectingStt(recogniser, listener, watch=self._watch, source=self.source)

    def _make(self, language: str, vocab: tuple[VocabEntry, ...]) -> Recogniser:
        if self._address is not None:
            return self._engine.recogniser(self._settings, self._address, language, vocab)
        url = with_agent_path(self._sandbox_url.replace("http:", "ws:") + "/v2")
        # The sandbox wants a key, as the cloud does, and takes any.
        model = _agent_model(self._settings)
        return SpeechmaticsStt(url, Secret("sandbox"), language=language, model=model, vocab=vocab)
