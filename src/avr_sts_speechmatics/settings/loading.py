"""Loading: settings from the environment and from `.env`.

The name of a variable is the name of its setting in capitals. The environment overrides `.env` in
the working directory. An empty value means "not set", so that a compose file may pass
`OPENAI_API_KEY=${OPENAI_API_KEY}` on; only where emptiness has a meaning (no extra port, no
welcome) an empty text is a value.

A wrong value stops the start with one sentence that names the variable, the value and the allowed
values. Values that contradict each other stop the start as well. What was repaired in a value
(`raw_values`), what is odd in the file (`env_file`) and names that resemble a setting (`spelling`)
are reported.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avr_sts_speechmatics.errors import InvalidValue, SettingsError
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings import open_telemetry, panel, spelling
from avr_sts_speechmatics.settings.declaration import Declaration
from avr_sts_speechmatics.settings.env_file import EnvFile, read_env_file
from avr_sts_speechmatics.settings.raw_values import cleaned
from avr_sts_speechmatics.settings.settings import DECLARATIONS, DEFAULTS, Settings, is_openai

_PASSWORD = re.compile(r"//[^@]*@")


_VARIABLES = {
    variable: declaration
    for name, declaration in DECLARATIONS.items()
    for variable in (name.upper(), *declaration.also)
}
"""Every variable that is read, with the declaration of its setting."""

_TAKES_ANY_TEXT = (
    check.text,
    check.phrase,
    check.phrases,
    check.vocab,
    check.mcp_servers,
    open_telemetry.headers,
    open_telemetry.attributes,
    *check.PRIVATE,
)
"""Checks of values to which `#` may belong."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting comes from.

    variable: the variable that was read.
    source: "environment" or ".env".
    text: the value as the operator wrote it; None if it may contain a key.
    """

    variable: str
    source: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and what the operator should know about how they were given.

    warnings: one sentence each. No sentence contains a value that may be a key.
    origins: where each setting that is set comes from, by its name.
    """

    settings: Settings
    warnings: tuple[str, ...]
    origins: Mapping[str, Origin] = field(default_factory=dict)


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Read the settings from the environment and, where it has no value, from `env_file`.

    environ: the variables; None for the environment of this process.
    env_file: file that may be missing; None for `.env` in the working directory.

    Raises SettingsError for the first wrong value, or for values that contradict each other. The
    text never contains the value of a key.
    """
    return load_and_warn(environ, env_file).settings


def load_and_warn(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Loaded:
    """Do what `load` does, and return the warnings too. Raises SettingsError."""
    environ = os.environ if environ is None else environ
    file = _read(environ, env_file)
    warnings = list(file.warnings)
    texts, repairs, in_file = _texts(environ, file)
    origins: dict[str, Origin] = {}
    values: dict[str, Any] = {}
    for name, declaration in DECLARATIONS.items():
        used = ""
        for variable in (name.upper(), *declaration.also):
            if variable in repairs:
                warnings.append(f"{variable}: {repairs[variable]}.")
            if (text := texts.get(variable)) is None:
                continue
            if used:
                if text != texts[used]:
                    warnings.append(f"{variable} is ignored: {used} is set too, and overrides it.")
                continue
            try:
                if declaration.parse not in (check.file, check.directory):
                    _must_be_text(text)
                values[name] = declaration.parse(text)
            except InvalidValue as wrong:
                shown = "(not shown)" if declaration.private else _shown(text)
                raise SettingsError(f"{variable}={shown}: {_line(str(wrong))}.") from None
            used = variable
            source = ".env" if variable in in_file else "environment"
            origins[name] = Origin(variable, source, None if declaration.private else text)
    warnings += _separate_ports(values)
    settings = Settings(**values)
    _check_together(settings)
    warnings += _misspelt(environ, file)
    warnings += panel.advice(settings, environ)
    return Loaded(settings, tuple(warnings), origins)


def _misspelt(environ: Mapping[str, str], file: EnvFile) -> Iterator[str]:
    """Yield one sentence for each variable that resembles a setting but is not a setting."""
    for name in sorted(environ.keys() | file.values.keys()):
        if sentence := spelling.report(name, _VARIABLES, from_file=name in file.values):
            yield sentence


def _read(environ: Mapping[str, str], env_file: Path | None) -> EnvFile:
    return read_env_file(env_file or Path(".env"), _VARIABLES, environ)


def _texts(
    environ: Mapping[str, str], file: EnvFile
) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """The text of each variable that has one, what was repaired in it, and which are from the file.

    A text of the environment wins, unless it means "not set".
    """
    texts: dict[str, str] = {}
    repairs: dict[str, str] = {}
    in_file: set[str] = set()
    for source, from_file in ((file.values, True), (environ, False)):
        for variable, declaration in _VARIABLES.items():
            if (raw := source.get(variable)) is None:
                continue
            one = cleaned(
                raw,
                declaration.parse,
                quotes=_may_lose_quotes(declaration, from_file=from_file),
                takes_any_text=declaration.parse in _TAKES_ANY_TEXT,
            )
            if one.text or (declaration.may_be_empty and one.text is not None):
                texts[variable] = one.text
                repairs.pop(variable, None)
                (in_file.add if from_file else in_file.discard)(variable)
            if one.remark:
                repairs[variable] = one.remark
    return texts, repairs, in_file


def _may_lose_quotes(declaration: Declaration, *, from_file: bool) -> bool:
    """Whether quotes around a value are certainly none of its own.

    In the file, the quotes of a value have been read already: further ones are meant. No API key
    begins with a quote.
    """
    return not from_file or declaration.parse is check.api_key


def _check_together(settings: Settings) -> None:
    """Raises SettingsError when settings contradict each other, or one needs another."""
    owners: dict[int, str] = {}
    for name in ("port", "audiosocket_port", "http_port"):
        port: int | None = getattr(settings, name)
        if port is None:
            continue
        if (other := owners.setdefault(port, name)) != name:
            raise SettingsError(
                f"{other.upper()} and {name.upper()} are both {port}; give one of them another port"
                f", or {name.upper()}=0 for none."
            )
        if name != "port" and port in settings.extra_ports:
            raise SettingsError(
                f"EXTRA_PORTS and {name.upper()} are both {port}; give one of them another port."
            )
    _check_recogniser(settings)
    _check_voices(settings)
    open_telemetry.check_traces(settings)
    if settings.ami_host is not None and settings.ami_password is None:
        raise SettingsError(
            f"AMI_HOST={_shown(settings.ami_host)}: AMI_PASSWORD is not set; give the secret of "
            f"{settings.ami_username} in manager.conf."
        )


def _check_recogniser(settings: Settings) -> None:
    """Raises SettingsError when the recogniser has no server, no key or no model."""
    if settings.stt == "realtime" and not (
        settings.speechmatics_api_key or settings.speechmatics_rt_url
    ):
        raise SettingsError(
            "STT=realtime: it has no server; give SPEECHMATICS_API_KEY, or in SPEECHMATICS_RT_URL "
            "a container of your own (the offline sandbox has Agent STT only)."
        )
    if settings.stt == "openai" and settings.openai_stt_url is None and not settings.openai_stt_key:
        raise SettingsError(
            "STT=openai: it has no key; give OPENAI_STT_API_KEY, or in OPENAI_STT_URL a server "
            "that needs no key (OPENAI_API_KEY is for the server of OPENAI_BASE_URL)."
        )
    if settings.openai_stt_url is not None and settings.openai_stt_model is None:
        raise SettingsError(
            f"OPENAI_STT_URL={_shown(settings.openai_stt_url)}: OPENAI_STT_MODEL is not set; give "
            "the name of a model of that server."
        )


def _check_voices(settings: Settings) -> None:
    """Raises SettingsError if the choice of voices contradicts itself or is not complete."""
    fallback = settings.voice_fallback
    if settings.tts == "http":
        if not settings.voice_server_is_there:
            raise SettingsError(
                "TTS=http: no server is set; give its address in OPENAI_TTS_URL, such as "
                "http://localhost:8880/v1, or OPENAI_TTS_API_KEY for OpenAI's."
            )
        if fallback == "openai" and is_openai(settings.openai_tts_url):
            raise SettingsError(
                "VOICE_FALLBACK=openai: with TTS=http that is the first voice already; give "
                "another server in OPENAI_TTS_URL, or VOICE_FALLBACK=speechmatics for English."
            )
        if fallback == "openai" and settings.openai_own_key is None:
            raise SettingsError(
                "VOICE_FALLBACK=openai: with TTS=http that is OpenAI itself, and there is no key "
                "for it; give OPENAI_API_KEY (with another OPENAI_BASE_URL it is not OpenAI's)."
            )
        if fallback == "speechmatics" and settings.tts_url is None:
            raise SettingsError(
                "VOICE_FALLBACK=speechmatics: it has no key; give SPEECHMATICS_API_KEY."
            )
    elif fallback == "speechmatics":
        raise SettingsError(
            "VOICE_FALLBACK=speechmatics: that is the first voice already; give "
            "VOICE_FALLBACK=openai, or TTS=http for a first voice from another server."
        )
    elif fallback and not settings.voice_server_is_there:
        raise SettingsError(
            f"VOICE_FALLBACK={fallback}: it has no key; give OPENAI_TTS_API_KEY, or "
            "in OPENAI_TTS_URL a server that needs no key (OPENAI_API_KEY is for the server of "
            "OPENAI_BASE_URL)."
        )


def _separate_ports(values: dict[str, Any]) -> Iterator[str]:
    """Give up a default port that the operator gave to another setting; yields a warning for each.

    values: the values that are set, by the names of their settings; changed.
    """
    port = values.get("port", DEFAULTS.port)
    taken = {port: "PORT"}
    taken |= {extra: "EXTRA_PORTS" for extra in values.get("extra_ports", ()) if extra != port}
    for name in ("audiosocket_port", "http_port"):
        if name in values and values[name] is not None:
            taken.setdefault(values[name], name.upper())
    for name in ("audiosocket_port", "http_port"):
        default: int = getattr(DEFAULTS, name)
        if name not in values and default in taken:
            values[name] = None
            yield (
                f"{taken[default]} is {default}, the default of {name.upper()}, which is off "
                f"therefore; give {name.upper()} another port if calls should come that way."
            )
    if "extra_ports" not in values:
        values["extra_ports"] = tuple(p for p in DEFAULTS.extra_ports if p not in taken)


def _must_be_text(value: str) -> None:
    """Raise InvalidValue for bytes that are no UTF-8, which Python hands on as lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValue("not text in UTF-8; write the value anew") from None


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _shown(value: str) -> str:
    """A wrong value for an error: on one line, at most 60 characters, no password in an address."""
    value = _PASSWORD.sub("//***@", _line(value))
    return value if len(value) <= 60 else value[:57] + "..."
