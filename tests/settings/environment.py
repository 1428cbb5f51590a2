"""Loading settings from an environment of a test's own."""

from pathlib import Path

import pytest

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import Settings, load, load_and_warn

NO_FILE = Path("no such file.env")
HERE = str(Path(__file__).parent)

KEYS = [
    "SPEECHMATICS_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_STT_API_KEY",
    "OPENAI_TTS_API_KEY",
    "AMI_PASSWORD",
    "WEBHOOK_SECRET",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
]
"""Variables whose value is a key."""

NEEDS = {
    "STT": {"SPEECHMATICS_API_KEY": "k", "OPENAI_API_KEY": "k"},
    "OPENAI_STT_URL": {"OPENAI_STT_MODEL": "whisper"},
    "TTS": {"OPENAI_TTS_URL": "http://localhost:8880/v1"},
    "VOICE_FALLBACK": {"OPENAI_API_KEY": "k"},
    "AMI_HOST": {"AMI_PASSWORD": "k"},
}
"""Variables that a variable requires."""


def given_that(**environ: str) -> Settings:
    return load(environ, NO_FILE)


def error_of(environ: dict[str, str], env_file: Path = NO_FILE) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environ, env_file)
    return str(caught.value)


def reported(environ: dict[str, str], env_file: Path = NO_FILE) -> list[str]:
    """The warnings about these variables."""
    return list(load_and_warn(environ, env_file).warnings)
