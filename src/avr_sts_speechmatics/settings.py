"""Settings: every one with its environment variable, default, unit and check, declared once.

The README's table, the error for a wrong value and the values themselves all come from the
declarations below. A variable's name is the field's name in capitals; the environment wins over
`.env` in the working directory. An empty value means "not set", so that a compose file may pass
`OPENAI_API_KEY=${OPENAI_API_KEY}` through; only where emptiness means something (no extra port,
no welcome) is it taken as a value.

A wrong value stops the start with one sentence that names variable, value and what is allowed.
A variable that looks like ours but is not is reported, with the nearest name, never ignored.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values

from avr_sts_speechmatics.dialogue.manners import BACKCHANNELS
from avr_sts_speechmatics.errors import SettingsError

LANGUAGES_SPOKEN = frozenset({"en"})
"""Languages Speechmatics' voices speak. [TTS reference: English only]"""

REGIONS = ("eu", "us", "global")
LOG_LEVELS = ("debug", "info", "warning", "error")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# The openai SDK reads these itself; they are not ours, nor are they mistakes.
FOREIGN = frozenset({"OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS", "OPENAI_LOG"})

_PASSWORD = re.compile(r"//[^@]*@")

DEFAULT_INSTRUCTIONS = (
    "You are a friendly telephone agent. Your words are spoken aloud to a caller: answer in one "
    "or two short sentences of plain speech, without lists, headings, links or symbols. Ask one "
    "thing at a time. If you did not understand, say so and ask. Never invent facts; if you do "
    "not know, say that and offer what you can do instead."
)


class Secret:
    """A value that shows itself only when asked, so that no log or error can leak it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class VocabEntry:
    """A word the recogniser should know. sounds_like: spellings of how it is said."""

    content: str
    sounds_like: tuple[str, ...] = ()


class Wrong(ValueError):
    """A value cannot be used; the text says what is allowed."""


def _text(value: str) -> str:
    return value


def _secret(value: str) -> Secret:
    if not value.isascii() or any(c.isspace() or not c.isprintable() for c in value):
        raise Wrong("a key is plain letters, without spaces or line breaks; copy it again")
    return Secret(value)


def _number(low: float, high: float, unit: str = "") -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise Wrong(f"give a number{unit and ' of ' + unit} from {low:g} to {high:g}")
        return number

    return parse


def _whole(low: int, high: int, unit: str = "") -> Callable[[str], int]:
    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise Wrong(f"give a whole number{unit and ' of ' + unit} from {low} to {high}")
        return number

    return parse


def _port(value: str) -> int:
    try:
        return _whole(1, 65535)(value)
    except Wrong:
        raise Wrong("not a port; give a number from 1 to 65535") from None


def _ports(value: str) -> tuple[int, ...]:
    try:
        return tuple(
            dict.fromkeys(_port(part.strip()) for part in value.split(",") if part.strip())
        )
    except Wrong:
        raise Wrong(
            "give ports from 1 to 65535, separated by commas, or nothing for none"
        ) from None


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in allowed:
            raise Wrong(f"give one of {', '.join(allowed)}")
        return value.lower()

    return parse


def _yes_or_no(value: str) -> bool:
    try:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
            value.lower()
        ]
    except KeyError:
        raise Wrong("give true or false") from None


def _phrases(value: str) -> tuple[str, ...]:
    """Phrases in lower case, without punctuation, as they are compared with what is heard."""
    kept = ("".join(c if c.isalnum() or c == " " else "" for c in p) for p in value.split(","))
    return tuple(" ".join(phrase.lower().split()) for phrase in kept if phrase.strip())


def _host(value: str) -> str:
    try:
        value.encode("idna")  # as resolvers do: no empty label, none too long
    except UnicodeError:
        raise Wrong("give a host name or an address") from None
    if not value or any(c.isspace() or c == "/" for c in value):
        raise Wrong("give a host name or an address")
    return value


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in schemes and bool(parts.hostname)
            usable = usable and not any(c.isspace() or not c.isprintable() for c in value)
            _host(parts.hostname or "")
            _ = parts.port  # urlsplit checks the port only when it is read
        except ValueError:
            usable = False
        if not usable:
            raise Wrong(
                f"give an address that begins with {' or '.join(s + '://' for s in schemes)}"
            )
        if parts.username or parts.password:
            raise Wrong("give the address without a user name or password")
        return value if parts.query else value.rstrip("/")

    return parse


def _language(value: str) -> str:
    if not value.replace("_", "").replace("-", "").isalpha() or len(value) > 15:
        raise Wrong("give a language code such as en, de or es")
    return value


def _name(value: str) -> str:
    if not all(c.isalnum() or c in "-_.:/" for c in value) or len(value) > 200:
        raise Wrong("give a plain name: letters, digits, and - _ . : /")
    return value


def _voice(value: str) -> str:
    if not all(c.isalnum() or c in "-_" for c in value) or len(value) > 60:
        raise Wrong("give a voice's name, such as sarah, theo, megan or jack")
    return value


def _file(value: str) -> Path:
    try:
        path = Path(value).expanduser()
        there = path.is_file()
    except (OSError, RuntimeError):  # too long, not to be looked at; a home that is nobody's
        there = False
    if not there:
        raise Wrong("there is no such file; give the path of a readable file")
    return path


def _vocab(value: str) -> tuple[VocabEntry, ...]:
    """A comma-separated list of words, or the service's own JSON list with `sounds_like`."""
    if not value.lstrip().startswith("["):
        return tuple(VocabEntry(word.strip()) for word in value.split(",") if word.strip())
    try:
        entries = msgspec.json.decode(value, type=list[str | VocabEntry])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Wrong(
            'give words separated by commas, or a JSON list such as ["Brandvoll", '
            f'{{"content": "Siobhan", "sounds_like": ["shiv awn"]}}] ({error})'
        ) from None
    words = (VocabEntry(entry) if isinstance(entry, str) else entry for entry in entries)
    return tuple(word for word in words if word.content.strip())


def _setting(
    parse: Callable[[str], Any],
    about: str,
    default: Any = None,
    *,
    default_text: str | None = None,
    may_be_empty: bool = False,
    also: tuple[str, ...] = (),
) -> Any:
    """Declare a setting.

    parse: text to value; raises Wrong with what is allowed.
    about: what it is for, with its unit, for the README's table.
    default_text: how the table shows the default, where the value itself would not read well.
    may_be_empty: whether an empty value is a value rather than "not set".
    also: other names under which operators know it; the field's own name wins.
    """
    meta = {
        "parse": parse,
        "about": about,
        "default_text": default_text,
        "may_be_empty": may_be_empty,
        "also": also,
    }
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided. Made by `load`; every value has been checked."""

    host: str = _setting(
        _host,
        "Address to listen on. The default keeps a laptop closed to its network; "
        "the container image sets `0.0.0.0`.",
        "127.0.0.1",
    )
    port: int = _setting(_port, "Port of both doors, `/health` and `/ready`. Busy: an error.", 6040)
    extra_ports: tuple[int, ...] = _setting(
        _ports,
        "More ports for the same doors, separated by commas; empty for none. Busy: a warning. "
        "AVR's page prints both 6040 and 6033.",
        (6033,),
        default_text="`6033`",
        may_be_empty=True,
    )
    max_calls: int = _setting(
        _whole(1, 100_000), "Calls taken at once; a further one is refused with a reason.", 1000
    )
    drain_s: float = _setting(
        _number(0, 3600, "seconds"),
        "How long running calls may go on after SIGTERM before they are ended (s).",
        20.0,
    )
    speechmatics_api_key: Secret | None = _setting(
        _secret,
        "Key for hearing and voice. Without it the offline sandbox hears and speaks.",
    )
    speechmatics_region: str = _setting(
        _one_of(*REGIONS),
        f"Where speech is recognised: {', '.join(f'`{r}`' for r in REGIONS)}.",
        "eu",
    )
    speechmatics_rt_url: str | None = _setting(
        _url("ws", "wss"),
        "Base address of real-time recognition; `/agent` is appended if absent. "
        "Wins over the region.",
        default_text="by region",
    )
    speechmatics_tts_url: str | None = _setting(
        _url("http", "https"),
        "Base address of text-to-speech.",
        default_text="`https://preview.tts.speechmatics.com`",
    )
    speechmatics_language: str = _setting(
        _language, "Language of the caller, as Speechmatics names it.", "en"
    )
    speechmatics_voice: str = _setting(
        _voice, "Voice of the agent: `sarah`, `theo` (UK), `megan`, `jack` (US).", "sarah"
    )
    speechmatics_model: str = _setting(_name, "Recognition model.", "linden-1")
    speechmatics_additional_vocab: tuple[VocabEntry, ...] = _setting(
        _vocab,
        "Words to expect: separated by commas, or the service's JSON list with `sounds_like`.",
        (),
        default_text="none",
    )
    speechmatics_instructions: str = _setting(
        _text,
        "What the agent is and how it should behave; `{from}` and the like stand for facts of the "
        "call (`OPENAI_INSTRUCTIONS` is read too).",
        DEFAULT_INSTRUCTIONS,
        default_text="a short text made for the phone",
        also=("OPENAI_INSTRUCTIONS",),
    )
    speechmatics_welcome_message: str = _setting(
        _text,
        "What the agent says first, with facts of the call as `{from}`; empty: the caller begins.",
        "Hello, how can I help you?",
        may_be_empty=True,
    )
    faq_file: Path | None = _setting(
        _file,
        "FAQ (YAML) of the scripted receptionist that answers while no model is configured.",
        default_text="built in",
    )
    openai_api_key: Secret | None = _setting(
        _secret,
        "Key of the model. With neither this nor `OPENAI_BASE_URL` a scripted receptionist "
        "answers.",
    )
    openai_base_url: str | None = _setting(
        _url("http", "https"),
        "Address of an OpenAI-compatible server (vLLM, Ollama, llama.cpp), such as "
        "`http://localhost:11434/v1`.",
        default_text="OpenAI",
    )
    openai_model: str = _setting(_name, "Model that thinks.", "gpt-6-luna")
    openai_temperature: float | None = _setting(
        _number(0, 2), "Sampling temperature, 0 to 2.", default_text="the server's"
    )
    openai_max_tokens: int = _setting(
        _whole(1, 100_000, "tokens"), "Longest answer (tokens, reasoning included).", 300
    )
    openai_reasoning_effort: str | None = _setting(
        _one_of(*EFFORTS),
        f"How long the model may reason before it speaks: {', '.join(f'`{e}`' for e in EFFORTS)}.",
        default_text="`none` at OpenAI, not sent to other servers",
    )
    barge_in: str = _setting(
        _one_of("words", "speech", "off"),
        "What interrupts the agent: `words` (a sound only pauses it), `speech` (any sound), `off` "
        "(only keys).",
        "words",
    )
    barge_in_confirm_ms: float = _setting(
        _number(0, 5000, "milliseconds"),
        "How long a sound while the agent speaks may stay without words before the agent goes on "
        "(ms).",
        700.0,
    )
    barge_in_min_words: int = _setting(
        _whole(1, 20), "How many words take the floor from the agent.", 1
    )
    barge_in_backchannels: tuple[str, ...] = _setting(
        _phrases,
        "What callers say to a speaker to go on, separated by commas; it does not count as words "
        "while the agent speaks.",
        BACKCHANNELS,
        default_text="mhm, yeah, okay and the like",
        may_be_empty=True,
    )
    welcome_barge_in: bool = _setting(
        _yes_or_no, "Whether the welcome can be interrupted (`true`, `false`).", True
    )
    no_input_s: float = _setting(
        _number(0, 600, "seconds"),
        "How long a caller may be silent before they are asked, each time differently (s); "
        "0: for ever.",
        8.0,
    )
    no_input_max: int = _setting(
        _whole(0, 20),
        "How often they are asked before the agent says goodbye and ends the call.",
        2,
    )
    max_call_s: float = _setting(
        _number(0, 86_400, "seconds"),
        "Longest call (s), with a warning half a minute before; 0: no limit.",
        0.0,
    )
    filler_after_ms: float = _setting(
        _number(0, 30_000, "milliseconds"),
        "How long an answer may take before a short phrase fills the silence (ms); 0: none.",
        2000.0,
    )
    dtmf_timeout_ms: float = _setting(
        _number(100, 30_000, "milliseconds"),
        "How long a pause ends a number typed on the phone (ms); `#` ends it at once, "
        "`*` clears it.",
        3000.0,
    )
    log_level: str = _setting(
        _one_of(*LOG_LEVELS), f"{', '.join(f'`{level}`' for level in LOG_LEVELS)}.", "info"
    )
    log_format: str = _setting(_one_of("console", "json"), "`console` or `json`.", "console")

    @property
    def hearing_url(self) -> str | None:
        """WebSocket address of Agent STT, or None where the sandbox is to hear."""
        base = self.speechmatics_rt_url
        if base is None:
            if self.speechmatics_api_key is None:
                return None
            base = f"wss://{self.speechmatics_region}.rt.speechmatics.com/v2"
        return with_agent_path(base)

    @property
    def voice_url(self) -> str | None:
        """HTTP address of text-to-speech, or None where the sandbox is to speak."""
        if self.speechmatics_tts_url is None and self.speechmatics_api_key is None:
            return None
        return self.speechmatics_tts_url or "https://preview.tts.speechmatics.com"

    @property
    def thinks_with_model(self) -> bool:
        """Whether a model answers, rather than the scripted receptionist."""
        return self.openai_api_key is not None or self.openai_base_url is not None


def with_agent_path(base: str) -> str:
    """`wss://host/v2` becomes `wss://host/v2/agent`; an `/agent` already there is kept.

    A query (a proxy's token, say) stays behind the path.
    """
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    if "agent" not in path.split("/"):
        path += "/agent"
    return parts._replace(path=path).geturl()


def _shown(value: str) -> str:
    """A wrong value as an error shows it: on one line, not too long, no password in an address."""
    value = _PASSWORD.sub("//***@", "".join(c if c.isprintable() else " " for c in value))
    return value if len(value) <= 60 else value[:57] + "..."


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Read the settings from the environment, then from `env_file` for what is not set there.

    environ: default, the process's environment. env_file: default, `.env` in the working
    directory; a missing file is no error.
    Raises SettingsError for the first wrong value; a key's value is never part of the text.
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
            except Wrong as wrong:
                shown = "(not shown)" if meta["parse"] is _secret else _shown(raw)
                raise SettingsError(f"{name}={shown}: {wrong}.") from None
            break
    return Settings(**values)


def strangers(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None
) -> Iterator[str]:
    """One sentence for each variable that looks like a setting of ours and is not.

    Looked at: names with our prefixes in the environment, and every name in `env_file`.
    """
    known = {
        name for item in fields(Settings) for name in (item.name.upper(), *item.metadata["also"])
    }
    merged = _merged(environ, env_file)
    from_file = _file_values(env_file)
    for name in sorted(merged):
        ours = name.startswith(("SPEECHMATICS_", "OPENAI_")) or name in from_file
        if ours and name not in known and name not in FOREIGN:
            near = difflib.get_close_matches(name, known, n=1)
            yield f"{name} is not a setting of this version" + (
                f"; did you mean {near[0]}?" if near else "; it has no effect."
            )


def table() -> str:
    """The README's table of settings, as Markdown."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for item in fields(Settings):
        shown = item.metadata["default_text"]
        if shown is None:
            shown = "none" if item.default is None else f"`{_plain(item.default)}`"
        rows.append(f"| `{item.name.upper()}` | {shown} | {item.metadata['about']} |")
    return "\n".join(rows) + "\n"


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
