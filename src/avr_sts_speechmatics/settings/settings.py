"""Settings: every one with its environment variable, default, unit and check, declared once.

The README's table, the error for a wrong value and the values themselves all come from the
declarations below. A variable's name is the field's name in capitals; the environment wins over
`.env` in the working directory. An empty value means "not set", so that a compose file may pass
`OPENAI_API_KEY=${OPENAI_API_KEY}` through; only where emptiness means something (no extra port,
no welcome) is it taken as a value.

A wrong value stops the start with one sentence that names variable, value and what is allowed;
so do values that cannot be had together. A variable that looks like ours but is not is reported,
with the nearest name, never ignored.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values

from avr_sts_speechmatics.dialogue.manners import BACKCHANNELS
from avr_sts_speechmatics.errors import InvalidValue, SettingsError
from avr_sts_speechmatics.pbx.dial_patterns import Pattern
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.tools.mcp_config import McpServers
from avr_sts_speechmatics.values import Secret, VocabEntry

__all__ = ["Settings", "load", "strangers", "table"]

LANGUAGES_SPOKEN = frozenset({"en"})
"""Languages Speechmatics' voices speak. [TTS reference: English only]"""

AUDIOSOCKET_PORT = 5001
HTTP_PORT = 6001
"""Where dialplans made for avr-core expect them."""

Law = Literal["auto", "ulaw", "alaw"]

REGIONS = ("eu", "us", "global")
LOG_LEVELS = ("debug", "info", "warning", "error")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

FOREIGN = frozenset(
    {
        # The openai SDK reads these itself; they are not ours, nor are they mistakes.
        *("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS", "OPENAI_LOG"),
        # The compose files do; compose reads the same `.env`.
        *("STS_TARGET", "EXTERNAL_ADDRESS", "SIP_PASSWORD"),
    }
)

# Nobody else's variables begin so. AMI_, MCP_, TOOL_, WEBHOOK_ and the like may be other programs'.
_OUR_PREFIXES = ("SPEECHMATICS_", "OPENAI_", "AMBIENT_NOISE", "AUDIOSOCKET_", "BARGE")

# Names of other programs for the same thing, which no likeness of letters would lead to.
_MEANT = {"OPENAI_URL": "OPENAI_BASE_URL", "OPENAI_API_BASE": "OPENAI_BASE_URL"}

_NEAR = 0.85
"""How alike a name must be to one of ours to be taken for it, where its prefix does not tell."""

MASKED_FROM = 8
"""Shortest text that is kept out of the log (characters). A shorter one would be found in ordinary
words, and a mask in a known word would tell it."""

_OPENAI = "https://api.openai.com/v1"

_PASSWORD = re.compile(r"//[^@]*@")

DEFAULT_INSTRUCTIONS = (
    "You are a friendly telephone agent. Your words are spoken aloud to a caller: answer in one "
    "or two short sentences of plain speech, without lists, headings, links or symbols. Ask one "
    "thing at a time. If you did not understand, say so and ask. Never invent facts; if you do "
    "not know, say that and offer what you can do instead."
)


def _setting(
    parse: Callable[[str], Any],
    about: str,
    default: Any = None,
    *,
    default_text: str | None = None,
    may_be_empty: bool = False,
    private: bool = False,
    also: tuple[str, ...] = (),
    heading: str | None = None,
) -> Any:
    """Declare a setting.

    parse: text to value; raises InvalidValue with what is allowed.
    about: what it is for, with its unit, for the README's table.
    default_text: how the table shows the default, where the value itself would not read well.
    may_be_empty: whether an empty value is a value rather than "not set".
    private: whether the value may hold a key, so that no error shows it.
    also: other names under which operators know it; the field's own name wins.
    heading: of the group that begins with this setting.
    """
    meta = {
        "parse": parse,
        "about": about,
        "default_text": default_text,
        "may_be_empty": may_be_empty,
        "private": private or parse is check.secret,
        "also": also,
        "heading": heading,
    }
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided. Made by `load`; every value has been checked."""

    host: str = _setting(
        check.host,
        "Address to listen on. The default keeps a laptop closed to its network; "
        "the container image sets `0.0.0.0`.",
        "127.0.0.1",
        heading="Where it listens",
    )
    port: int = _setting(
        check.port,
        "Port for avr-core (WebSocket, streaming POST) and Asterisk's WebSocket (`/media`), with "
        "`/health` and `/ready`. Busy: an error.",
        6040,
    )
    extra_ports: tuple[int, ...] = _setting(
        check.ports,
        "More ports for the same, separated by commas; empty for none. Busy: a warning. "
        "AVR's page prints both 6040 and 6033.",
        (6033,),
        default_text="`6033`",
        may_be_empty=True,
    )
    max_calls: int = _setting(
        check.whole(1, 100_000),
        "Calls taken at once; a further one is refused with a reason.",
        1000,
    )
    drain_s: float = _setting(
        check.number(0, 3600, "seconds"),
        "How long running calls may go on after SIGTERM before they are ended (s).",
        20.0,
    )
    speechmatics_api_key: Secret | None = _setting(
        check.secret,
        "Key for hearing and voice. Without it the offline sandbox hears and speaks.",
        heading="Hearing and voice",
    )
    speechmatics_region: str = _setting(
        check.one_of(*REGIONS),
        f"Where speech is recognised: {', '.join(f'`{r}`' for r in REGIONS)}.",
        "eu",
    )
    speechmatics_rt_url: str | None = _setting(
        check.base_url("ws", "wss"),
        "Base address of real-time recognition; `/agent` is appended if absent. "
        "Wins over the region.",
        default_text="by region",
    )
    speechmatics_tts_url: str | None = _setting(
        check.base_url("http", "https"),
        "Base address of text-to-speech.",
        default_text="`https://preview.tts.speechmatics.com`",
    )
    speechmatics_language: str = _setting(
        check.language, "Language of the caller, as Speechmatics names it.", "en"
    )
    speechmatics_voice: str = _setting(
        check.voice, "Voice of the agent: `sarah`, `theo` (UK), `megan`, `jack` (US).", "sarah"
    )
    speechmatics_model: str = _setting(check.name, "Recognition model.", "linden-1")
    speechmatics_additional_vocab: tuple[VocabEntry, ...] = _setting(
        check.vocab,
        "Words to expect: separated by commas, or the service's JSON list with `sounds_like`.",
        (),
        default_text="none",
    )
    speechmatics_instructions: str | None = _setting(
        check.text,
        "What the agent is and how it should behave; `{from}` and the like stand for facts of the "
        "call (`OPENAI_INSTRUCTIONS` is read too). Wins over the next two.",
        default_text="a short text made for the phone",
        also=("OPENAI_INSTRUCTIONS",),
        heading="The agent",
    )
    speechmatics_url_instructions: str | None = _setting(
        check.url("http", "https"),
        "Where each call's instructions are asked for: GET with the call's parameters and "
        '`X-AVR-UUID`; the reply is `{"system": "..."}`, with `welcome`, `voice`, `language` and '
        "`tools` if they differ. No answer within 2 s: the next source.",
        also=("OPENAI_URL_INSTRUCTIONS",),
    )
    speechmatics_file_instructions: Path | None = _setting(
        check.file,
        "A text file with the instructions; a change counts from the next call.",
        also=("OPENAI_FILE_INSTRUCTIONS",),
    )
    agents_dir: Path | None = _setting(
        check.directory,
        "Directory of agents, a YAML file each, picked by the number called or by `?agent=`; see "
        "`docs/agents.md`.",
    )
    speechmatics_welcome_message: str = _setting(
        check.text,
        "What the agent says first, with facts of the call as `{from}`; empty: the caller begins.",
        "Hello, how can I help you?",
        may_be_empty=True,
    )
    faq_file: Path | None = _setting(
        check.file,
        "FAQ (YAML) of the scripted receptionist that answers while no model is configured.",
        default_text="built in",
    )
    openai_api_key: Secret | None = _setting(
        check.secret,
        "Key of the model. With neither this nor `OPENAI_BASE_URL` a scripted receptionist "
        "answers.",
        heading="Thinking",
    )
    openai_base_url: str | None = _setting(
        check.base_url("http", "https"),
        "Address of an OpenAI-compatible server (vLLM, Ollama, llama.cpp), such as "
        "`http://localhost:11434/v1`.",
        default_text="OpenAI",
    )
    openai_model: str = _setting(check.name, "Model that thinks.", "gpt-6-luna")
    openai_temperature: float | None = _setting(
        check.number(0, 2), "Sampling temperature, 0 to 2.", default_text="the server's"
    )
    openai_max_tokens: int = _setting(
        check.whole(1, 100_000, "tokens"), "Longest answer (tokens, reasoning included).", 300
    )
    openai_reasoning_effort: str | None = _setting(
        check.one_of(*EFFORTS),
        f"How long the model may reason before it speaks: {', '.join(f'`{e}`' for e in EFFORTS)}.",
        default_text="`none` at OpenAI, not sent to other servers",
    )
    voice_fallback: str | None = _setting(
        check.one_of("openai"),
        "`openai`: OpenAI's voice takes over when Speechmatics' fails, also in mid-call, and for "
        "languages Speechmatics' voices do not speak.",
        heading="A second voice",
    )
    openai_tts_url: str | None = _setting(
        check.base_url("http", "https"),
        "Base address of any server with `/audio/speech` that gives PCM at 24 kHz, such as "
        "`http://localhost:8880/v1`. OpenAI has announced the end of its speech models for "
        "6 January 2027.",
        default_text="OpenAI",
    )
    openai_tts_api_key: Secret | None = _setting(
        check.secret,
        "Key of that server.",
        default_text="`OPENAI_API_KEY`, where `OPENAI_BASE_URL` is the same server",
    )
    openai_tts_model: str = _setting(check.name, "Model of the second voice.", "gpt-4o-mini-tts")
    openai_tts_voice: str = _setting(check.name, "Name of the second voice.", "nova")
    preemptive: str = _setting(
        check.one_of("on", "off"),
        "`on`: the model is asked as soon as the caller's words seem settled; what it says is "
        "heard only if the turn ends with them. Answers come sooner, for more tokens. `off`: not "
        "before the turn's end.",
        "on",
        heading="Turns and manners",
    )
    dictation_ms: float = _setting(
        check.number(0, 10_000, "milliseconds"),
        "How much longer a turn stays open while the caller says a number, a date, an address or "
        "spells (ms).",
        1500.0,
    )
    barge_in: str = _setting(
        check.one_of("words", "speech", "off"),
        "What interrupts the agent: `words` (a sound only pauses it), `speech` (any sound), `off` "
        "(only keys).",
        "words",
    )
    barge_in_confirm_ms: float = _setting(
        check.number(0, 5000, "milliseconds"),
        "How long a sound while the agent speaks may stay without words before the agent goes on "
        "(ms).",
        700.0,
    )
    barge_in_min_words: int = _setting(
        check.whole(1, 20), "How many words take the floor from the agent.", 1
    )
    barge_in_backchannels: tuple[str, ...] = _setting(
        check.phrases,
        "What callers say to a speaker to go on, separated by commas; it does not count as words "
        "while the agent speaks.",
        BACKCHANNELS,
        default_text="mhm, yeah, okay and the like",
        may_be_empty=True,
    )
    welcome_barge_in: bool = _setting(
        check.yes_or_no, "Whether the welcome can be interrupted (`true`, `false`).", True
    )
    no_input_s: float = _setting(
        check.number(0, 600, "seconds"),
        "How long a caller may be silent before they are asked, each time differently (s); "
        "0: for ever.",
        8.0,
    )
    no_input_max: int = _setting(
        check.whole(0, 20),
        "How often they are asked before the agent says goodbye and ends the call.",
        2,
    )
    max_call_s: float = _setting(
        check.number(0, 86_400, "seconds"),
        "Longest call (s), with a warning half a minute before; 0: no limit.",
        0.0,
    )
    filler_after_ms: float = _setting(
        check.number(0, 30_000, "milliseconds"),
        "How long an answer may take before a short phrase fills the silence (ms); 0: none.",
        2000.0,
    )
    dtmf_timeout_ms: float = _setting(
        check.number(100, 30_000, "milliseconds"),
        "How long a pause ends a number typed on the phone (ms); `#` ends it at once, "
        "`*` clears it.",
        3000.0,
    )
    on_failure: str = _setting(
        check.on_failure,
        "What follows the apology when a call cannot go on: `hangup`, `transfer:<extension>` or "
        "`close` (only the line to this service).",
        "hangup",
        heading="Failures, hangup, transfer",
    )
    ami_url: str | None = _setting(
        check.base_url("http", "https"),
        "Address of avr-ami, such as `http://avr-ami:6006`: lets the agent hang up and transfer.",
    )
    ami_host: str | None = _setting(
        check.host,
        "Host of Asterisk's manager interface (AMI): the same without avr-ami. Wins over "
        "`AMI_URL`.",
    )
    ami_port: int = _setting(check.port, "Port of the manager interface.", 5038)
    ami_username: str = _setting(check.name, "User of the manager interface.", "avr")
    ami_password: Secret | None = _setting(
        check.secret, "Password of that user; `AMI_HOST` needs it."
    )
    transfer_allow: tuple[Pattern, ...] = _setting(
        check.patterns,
        "Where a call may be transferred: extensions and dialplan patterns (`700, _2XXX`), "
        "separated by commas. Empty: nowhere, and the agent is not offered it.",
        (),
        default_text="none",
    )
    transfer_context: str = _setting(check.context, "Dialplan context a transfer goes to.", "demo")
    transfer_priority: int = _setting(
        check.whole(1, 999), "Dialplan priority a transfer goes to.", 1
    )
    farewell_margin_ms: float = _setting(
        check.number(0, 10_000, "milliseconds"),
        "How long after the agent's last word the call is ended or transferred (ms): what was "
        "sent is still on its way to the ear.",
        500.0,
    )
    tools_dir: Path | None = _setting(
        check.directory,
        "Directory of your own tools, a Python file each; see `docs/tools.md`.",
        heading="Tools",
    )
    mcp_servers: McpServers | None = _setting(
        check.mcp_servers,
        "MCP servers whose tools the agent may use: JSON, or the path of a JSON or YAML file; see "
        "`docs/tools.md`.",
        private=True,
    )
    tool_timeout_s: float = _setting(
        check.number(0.1, 120, "seconds"), "How long a tool may take (s).", 8.0
    )
    tool_rounds: int = _setting(
        check.whole(1, 50), "How often in a row the model may ask for tools in one answer.", 5
    )
    audiosocket_port: int | None = _setting(
        check.port_or_none,
        "Port of the AudioSocket door, for Asterisk without avr-core; 0: none.",
        AUDIOSOCKET_PORT,
        heading="Straight into Asterisk",
    )
    audiosocket_g711: Law = _setting(
        check.one_of("auto", "ulaw", "alaw"),
        "Law of G.711 audio on AudioSocket, which does not name it: `auto` (by the first packets), "
        "`ulaw`, `alaw`.",
        "auto",
    )
    http_port: int | None = _setting(
        check.port_or_none,
        "Port of `POST /call` and `GET /health`, as dialplans made for avr-core expect them; "
        "0: none.",
        HTTP_PORT,
    )
    require_call: bool = _setting(
        check.yes_or_no,
        "Whether an AudioSocket call must have been announced by `POST /call` (`true`, `false`).",
        False,
    )
    webhook_url: str | None = _setting(
        check.url("http", "https"),
        "Where the events of calls are sent, as avr-core does.",
        private=True,  # many receivers tell their senders by a token in the path
        heading="Around a call",
    )
    webhook_secret: Secret | None = _setting(check.secret, "Sent along as `X-AVR-WEBHOOK-SECRET`.")
    webhook_timeout: float = _setting(
        check.number(1, 60_000, "milliseconds"), "How long a webhook may take (ms).", 3000.0
    )
    webhook_retry: int = _setting(check.whole(0, 10), "How often a webhook is tried again.", 0)
    ambient_noise_file: Path | None = _setting(
        check.file,
        "Background noise under the agent and in the pauses: WAV, or raw s16le 8 kHz mono.",
    )
    ambient_noise_level: float = _setting(check.number(0, 1), "How loud it is, 0 to 1.", 0.1)
    log_transcripts: bool = _setting(
        check.yes_or_no,
        "Whether what is said and what tools are asked is logged (`true`, `false`).",
        False,
        heading="The log",
    )
    log_level: str = _setting(
        check.one_of(*LOG_LEVELS), f"{', '.join(f'`{level}`' for level in LOG_LEVELS)}.", "info"
    )
    log_format: str = _setting(check.one_of("console", "json"), "`console` or `json`.", "console")
    call_trace_dir: Path | None = _setting(
        check.directory,
        "Directory where each call's events and commands are written as JSON lines, a file a call; "
        "without words unless `LOG_TRANSCRIPTS=true`. See `docs/traces.md`.",
    )

    @property
    def stt_url(self) -> str | None:
        """WebSocket address of Agent STT, or None where the sandbox is to hear."""
        base = self.speechmatics_rt_url
        if base is None:
            if self.speechmatics_api_key is None:
                return None
            base = f"wss://{self.speechmatics_region}.rt.speechmatics.com/v2"
        return with_agent_path(base)

    @property
    def tts_url(self) -> str | None:
        """HTTP address of text-to-speech, or None where the sandbox is to speak."""
        if self.speechmatics_tts_url is None and self.speechmatics_api_key is None:
            return None
        return self.speechmatics_tts_url or "https://preview.tts.speechmatics.com"

    @property
    def has_llm(self) -> bool:
        """Whether a model answers, rather than the scripted receptionist."""
        return self.openai_api_key is not None or self.openai_base_url is not None

    @property
    def openai_tts_key(self) -> Secret | None:
        """Key of the second voice. The model's is used at the model's own server, nowhere else."""
        if self.openai_tts_api_key is not None:
            return self.openai_tts_api_key
        same = _origin(self.openai_tts_url or _OPENAI) == _origin(self.openai_base_url or _OPENAI)
        return self.openai_api_key if same else None

    @property
    def second_voice_is_there(self) -> bool:
        """Whether the second voice can be asked: OpenAI wants a key, another server may not."""
        return self.openai_tts_key is not None or self.openai_tts_url is not None

    def secrets(self) -> Iterator[str]:
        """Texts that no log may show."""
        values = (getattr(self, item.name) for item in fields(self))
        hidden = [value.reveal() for value in values if isinstance(value, Secret)]
        for text in () if self.mcp_servers is None else self.mcp_servers.secrets():
            # A library may show the key of `Bearer <key>` alone.
            hidden += (text, *text.split())
        yield from (text for text in hidden if len(text) >= MASKED_FROM)


def with_agent_path(base: str) -> str:
    """`wss://host/v2` becomes `wss://host/v2/agent`; an `/agent` already there is kept.

    A query (a proxy's token, say) stays behind the path.
    """
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    if "agent" not in path.split("/"):
        path += "/agent"
    return parts._replace(path=path).geturl()


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _shown(value: str) -> str:
    """A wrong value as an error shows it: on one line, not too long, no password in an address."""
    value = _PASSWORD.sub("//***@", _line(value))
    return value if len(value) <= 60 else value[:57] + "..."


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Read the settings from the environment, then from `env_file` for what is not set there.

    environ: default, the process's environment. env_file: default, `.env` in the working
    directory; a missing file is no error.
    Raises SettingsError for the first wrong value, or for values that cannot be had together; a
    key's value is never part of the text.
    """
    merged = _merged(environ, env_file)
    values: dict[str, Any] = {}
    for item in fields(Settings):
        meta = item.metadata
        for name in (item.name.upper(), *meta["also"]):
            raw = merged.get(name)
            if raw is None or (not raw.strip() and not meta["may_be_empty"]):
                continue
            try:
                values[item.name] = meta["parse"](raw.strip())
            except InvalidValue as wrong:
                shown = "(not shown)" if meta["private"] else _shown(raw)
                raise SettingsError(f"{name}={shown}: {_line(str(wrong))}.") from None
            break
    settings = Settings(**values)
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    """Raises SettingsError for what is asked for and lacks something to be done with."""
    if settings.voice_fallback and not settings.second_voice_is_there:
        raise SettingsError(
            f"VOICE_FALLBACK={settings.voice_fallback}: it has no key; give OPENAI_TTS_API_KEY, or "
            "in OPENAI_TTS_URL a server that wants none (OPENAI_API_KEY is for the server of "
            "OPENAI_BASE_URL)."
        )
    if settings.ami_host is not None and settings.ami_password is None:
        raise SettingsError(
            f"AMI_HOST={_shown(settings.ami_host)}: AMI_PASSWORD is not set; give the secret of "
            f"{settings.ami_username} in manager.conf."
        )


def strangers(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None
) -> Iterator[str]:
    """One sentence for each variable that looks like a setting of ours and is not.

    Looked at: every name in `env_file`, and in the environment those with a prefix that is ours
    alone and those that are nearly the name of a setting.
    """
    known = {
        name for item in fields(Settings) for name in (item.name.upper(), *item.metadata["also"])
    }
    from_file = _file_values(env_file)
    for name in sorted(_merged(environ, env_file).keys() - known - FOREIGN):
        ours = name.startswith(_OUR_PREFIXES) or name in from_file
        alike = known if ours else {one for one in known if _first_word(one) == _first_word(name)}
        near = difflib.get_close_matches(name, alike, n=1, cutoff=0.6 if ours else _NEAR)
        meant = _MEANT.get(name) or (near[0] if near else None)
        if ours or meant:
            yield f"{name} is not a setting of this version" + (
                f"; did you mean {meant}?" if meant else "; it has no effect."
            )


def _first_word(name: str) -> str:
    return name.partition("_")[0]


def table() -> str:
    """The README's tables of settings, a heading over each, as Markdown."""
    lines: list[str] = []
    for item in fields(Settings):
        if (heading := item.metadata["heading"]) is not None:
            lines += [
                "",
                f"### {heading}",
                "",
                "| variable | default | what it is |",
                "|---|---|---|",
            ]
        shown = item.metadata["default_text"]
        if shown is None:
            shown = "none" if item.default is None else f"`{_plain(item.default)}`"
        lines.append(f"| `{item.name.upper()}` | {shown} | {item.metadata['about']} |")
    return "\n".join(lines[1:]) + "\n"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _file_values(env_file: Path | None) -> dict[str, str]:
    path = env_file if env_file is not None else Path(".env")
    if not path.is_file():
        return {}
    try:
        found = dotenv_values(path)
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not text in UTF-8; save it as UTF-8.") from None
    return {name: value for name, value in found.items() if value is not None}


def _merged(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, str]:
    merged = _file_values(env_file)
    empty_is_a_value = {
        item.name.upper() for item in fields(Settings) if item.metadata["may_be_empty"]
    }
    for name, value in (os.environ if environ is None else environ).items():
        if value.strip() or name in empty_is_a_value or name not in merged:
            merged[name] = value
    return merged
