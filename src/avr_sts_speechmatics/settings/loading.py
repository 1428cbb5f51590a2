"""Loading: settings from the environment and from `.env`.

The name of a variable is the name of its setting in capitals. The environment overrides `.env` in
the working directory. An empty value means "not set", so that a compose file may pass
`OPENAI_API_KEY=${OPENAI_API_KEY}` on; only where emptiness has a meaning (no extra port, no
welcome) an empty text is a value.

A wrong value stops the start with one sentence that names the variable, the value and the allowed
values. Values that contradict each other stop the start as well. A variable that resembles a
setting but is not a setting is reported with the nearest name.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from avr_sts_speechmatics.errors import InvalidValue, SettingsError
from avr_sts_speechmatics.settings.settings import DECLARATIONS, Settings

FOREIGN = frozenset(
    {
        # Read by the openai SDK.
        *("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS", "OPENAI_LOG"),
        # Read by the compose files; compose reads the same `.env`.
        *("STS_TARGET", "EXTERNAL_ADDRESS", "SIP_PASSWORD"),
    }
)
"""Variables of other programs that have one of our prefixes or share our `.env`."""

# No other program's variables begin with these. AMI_, MCP_, TOOL_, WEBHOOK_ and the like may belong
# to other programs.
_OUR_PREFIXES = ("SPEECHMATICS_", "OPENAI_", "AMBIENT_NOISE", "AUDIOSOCKET_", "BARGE")

# Names that other programs use for a setting of ours, not similar enough to be found by likeness.
_MEANT = {"OPENAI_URL": "OPENAI_BASE_URL", "OPENAI_API_BASE": "OPENAI_BASE_URL"}

_NEAR = 0.85
"""How similar a name without one of our prefixes must be to be reported (ratio of difflib)."""

_PASSWORD = re.compile(r"//[^@]*@")


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Read the settings from the environment and, where it has no value, from `env_file`.

    environ: the variables; None for the environment of this process.
    env_file: file that may be missing; None for `.env` in the working directory.

    Raises SettingsError for the first wrong value, or for values that contradict each other. The
    text never contains the value of a key.
    """
    merged = _merged(environ, env_file)
    values: dict[str, Any] = {}
    for name, declaration in DECLARATIONS.items():
        for variable in (name.upper(), *declaration.also):
            raw = merged.get(variable)
            if raw is None or (not raw.strip() and not declaration.may_be_empty):
                continue
            try:
                values[name] = declaration.parse(raw.strip())
            except InvalidValue as wrong:
                shown = "(not shown)" if declaration.private else _shown(raw)
                raise SettingsError(f"{variable}={shown}: {_line(str(wrong))}.") from None
            break
    settings = Settings(**values)
    _check_together(settings)
    return settings


def unknown_variables(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None
) -> Iterator[str]:
    """Yield one sentence for each variable that resembles a setting but is not a setting.

    All names in `env_file` are checked, and the names of the environment that begin with one of our
    own prefixes or nearly equal the name of a setting. The arguments are those of `load`.
    """
    known = {
        variable
        for name, declaration in DECLARATIONS.items()
        for variable in (name.upper(), *declaration.also)
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


def _check_together(settings: Settings) -> None:
    """Raises SettingsError when a setting needs another one that is missing."""
    if settings.voice_fallback and not settings.second_voice_is_there:
        raise SettingsError(
            f"VOICE_FALLBACK={settings.voice_fallback}: it has no key; give OPENAI_TTS_API_KEY, or "
            "in OPENAI_TTS_URL a server that needs no key (OPENAI_API_KEY is for the server of "
            "OPENAI_BASE_URL)."
        )
    if settings.ami_host is not None and settings.ami_password is None:
        raise SettingsError(
            f"AMI_HOST={_shown(settings.ami_host)}: AMI_PASSWORD is not set; give the secret of "
            f"{settings.ami_username} in manager.conf."
        )


def _first_word(name: str) -> str:
    return name.partition("_")[0]


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _shown(value: str) -> str:
    """A wrong value for an error: on one line, at most 60 characters, no password in an address."""
    value = _PASSWORD.sub("//***@", _line(value))
    return value if len(value) <= 60 else value[:57] + "..."


def _file_values(env_file: Path | None) -> dict[str, str]:
    path = env_file if env_file is not None else Path(".env")
    if not path.is_file():
        return {}
    try:
        found = dotenv_values(path)
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not text in UTF-8; save the file as UTF-8.") from None
    return {name: value for name, value in found.items() if value is not None}


def _merged(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, str]:
    merged = _file_values(env_file)
    empty_is_a_value = {
        name.upper() for name, declaration in DECLARATIONS.items() if declaration.may_be_empty
    }
    for name, value in (os.environ if environ is None else environ).items():
        if value.strip() or name in empty_is_a_value or name not in merged:
            merged[name] = value
    return merged
