"""The operator's settings."""

from avr_sts_speechmatics.settings.settings import (
    AUDIOSOCKET_PORT,
    DEFAULT_INSTRUCTIONS,
    HTTP_PORT,
    LANGUAGES_SPOKEN,
    MASKED_FROM,
    Settings,
    load,
    strangers,
    table,
    with_agent_path,
)

__all__ = [
    "AUDIOSOCKET_PORT",
    "DEFAULT_INSTRUCTIONS",
    "HTTP_PORT",
    "LANGUAGES_SPOKEN",
    "MASKED_FROM",
    "Settings",
    "load",
    "strangers",
    "table",
    "with_agent_path",
]
