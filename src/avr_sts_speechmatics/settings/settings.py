"""All settings of the service in one object.

Each topic declares its settings in a file of its own, with default, unit and check; see
`declaration`. TOPICS names the topics in the order of the tables in docs/settings.md. `loading`
makes the object from environment variables.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.network.proxies import Proxies
from avr_sts_speechmatics.settings.agent_defaults import AgentDefaults
from avr_sts_speechmatics.settings.around_calls import AroundCalls
from avr_sts_speechmatics.settings.asterisk_ports import AsteriskPorts
from avr_sts_speechmatics.settings.declaration import Declaration, declarations
from avr_sts_speechmatics.settings.failures_and_transfer import FailuresAndTransfer
from avr_sts_speechmatics.settings.language_model import LanguageModel
from avr_sts_speechmatics.settings.listening import Listening
from avr_sts_speechmatics.settings.logging_options import LoggingOptions
from avr_sts_speechmatics.settings.many_machines import ManyMachines
from avr_sts_speechmatics.settings.open_telemetry import OpenTelemetry
from avr_sts_speechmatics.settings.proxy_variables import ProxyVariables
from avr_sts_speechmatics.settings.recognisers import Recognisers
from avr_sts_speechmatics.settings.records import Records
from avr_sts_speechmatics.settings.speech_services import SpeechServices
from avr_sts_speechmatics.settings.tool_sources import ToolSources
from avr_sts_speechmatics.settings.turn_taking import TurnTaking
from avr_sts_speechmatics.settings.voice_services import VoiceServices
from avr_sts_speechmatics.values import MASKED_FROM, Secret

TOPICS: Mapping[str, type] = {
    "Where it listens": Listening,
    "Speech (STT and TTS)": SpeechServices,
    "Other recognisers": Recognisers,
    "The agent": AgentDefaults,
    "The model (LLM)": LanguageModel,
    "Voices": VoiceServices,
    "Turns and manners": TurnTaking,
    "Failures, hangup, transfer": FailuresAndTransfer,
    "Tools": ToolSources,
    "Straight into Asterisk": AsteriskPorts,
    "Around a call": AroundCalls,
    "Records of calls": Records,
    "More than one core or machine": ManyMachines,
    "Proxies": ProxyVariables,
    "The log": LoggingOptions,
    "Traces by OpenTelemetry": OpenTelemetry,
}
"""The topics by their headings."""

DECLARATIONS: Mapping[str, Declaration] = {
    name: declaration
    for topic in TOPICS.values()
    for name, declaration in declarations(topic).items()
}
"""Every setting by its name, in the order of the topics."""

_OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, kw_only=True)
class Settings(
    Listening,
    SpeechServices,
    Recognisers,
    AgentDefaults,
    LanguageModel,
    VoiceServices,
    TurnTaking,
    FailuresAndTransfer,
    ToolSources,
    AsteriskPorts,
    AroundCalls,
    Records,
    ManyMachines,
    ProxyVariables,
    LoggingOptions,
    OpenTelemetry,
):
    """The operator's decisions. Made by `load`, which checks every value."""

    @property
    def tts_url(self) -> str | None:
        """HTTP address of Speechmatics' text-to-speech; None if Speechmatics is not set up."""
        if self.speechmatics_tts_url is None and self.speechmatics_api_key is None:
            return None
        return self.speechmatics_tts_url or "https://preview.tts.speechmatics.com"

    @property
    def llm_url(self) -> str:
        """Base address of the model's server."""
        return self.openai_base_url or _OPENAI

    @property
    def has_llm(self) -> bool:
        """Whether a model answers; otherwise the scripted receptionist does, or nobody."""
        configured = self.openai_api_key is not None or self.openai_base_url is not None
        return configured and self.thinking != "receptionist"

    @property
    def nobody_answers(self) -> bool:
        """Whether real callers would meet the sample receptionist of a shop that does not exist.

        Callers are real where a recogniser on another machine hears them. They hear one sentence
        instead.
        """
        chosen = self.has_llm or self.thinking == "receptionist" or self.faq_file is not None
        real = self.speechmatics_api_key is not None or _is_elsewhere(self.speechmatics_rt_url)
        if self.stt == "openai":
            real = _is_elsewhere(self.openai_stt_url or _OPENAI)
        return real and not chosen

    @property
    def openai_tts_key(self) -> Secret | None:
        """Key of the server of voices."""
        return self.openai_tts_api_key or self._models_key_at(self.openai_tts_url)

    @property
    def openai_stt_key(self) -> Secret | None:
        """Key of the recogniser of `STT=openai`."""
        return self.openai_stt_api_key or self._models_key_at(self.openai_stt_url)

    def _models_key_at(self, url: str | None) -> Secret | None:
        """The model's key, if an address is at the model's server; None for any other server.

        url: None for OpenAI.
        """
        same = _origin(url or _OPENAI) == _origin(self.openai_base_url or _OPENAI)
        return self.openai_api_key if same else None

    @property
    def openai_own_key(self) -> Secret | None:
        """Key of OpenAI itself, for a second voice there; None if the key is another server's."""
        return self.openai_api_key if is_openai(self.openai_base_url) else None

    @property
    def voice_server_is_there(self) -> bool:
        """Whether the server of voices can be used: OpenAI needs a key, another server may not."""
        return self.openai_tts_key is not None or self.openai_tts_url is not None

    @property
    def sandbox_speaks(self) -> bool:
        """Whether the voice of the sandbox is the first voice."""
        return self.tts != "http" and self.tts_url is None

    @property
    def manners(self) -> Manners:
        """The manners of an English agent with these settings."""
        decided = {
            declaration.manner.field: declaration.manner.conversion.to_manner(value)
            for name, declaration in DECLARATIONS.items()
            if declaration.manner is not None and (value := getattr(self, name)) is not None
        }
        return Manners(**decided)

    @property
    def proxies(self) -> Proxies:
        """The proxies through which remote services are reached."""
        return Proxies(self.https_proxy, self.http_proxy, self.all_proxy, self.no_proxy)

    def secrets(self) -> Iterator[str]:
        """Texts that must not appear in a log."""
        values = (getattr(self, item.name) for item in fields(self))
        hidden = [value.reveal() for value in values if isinstance(value, Secret)]
        hidden += [token.reveal() for token in self.console_token]
        for proxy in filter(None, (self.https_proxy, self.http_proxy, self.all_proxy)):
            hidden += proxy.secrets()
        if self.redis_url is not None:
            hidden += self.redis_url.secrets()
        if self.otel_exporter_otlp_traces_headers is not None:
            hidden += self.otel_exporter_otlp_traces_headers.secrets()
        if self.database_url is not None:
            hidden += self.database_url.secrets()
        for text in () if self.mcp_servers is None else self.mcp_servers.secrets():
            # A library may show the key of `Bearer <key>` alone.
            hidden += (text, *text.split())
        yield from (text for text in hidden if len(text) >= MASKED_FROM)


def is_openai(url: str | None) -> bool:
    """Whether an address is one of OpenAI itself, which is the default."""
    host = urlsplit(url or _OPENAI).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def _is_elsewhere(url: str | None) -> bool:
    """Whether an address is on another machine."""
    host = "" if url is None else urlsplit(url).hostname or ""
    return host not in ("", "localhost", "::1") and not host.startswith("127.")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    scheme = parts.scheme.replace("ws", "http")
    port = parts.port or {"http": 80, "https": 443}.get(scheme)
    return scheme, parts.hostname, port


DEFAULTS = Settings()
"""The settings of an operator who sets no variable."""
