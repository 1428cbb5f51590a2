"""The operator's settings: declared by topic, loaded from the environment, shown as tables.

    chosen = settings.load()
    chosen.port, chosen.manners.no_input_s

A new setting is one declaration in the file of its topic; `declaration` says how.
"""

from avr_sts_speechmatics.settings.loading import Loaded, Origin, load, load_and_warn
from avr_sts_speechmatics.settings.settings import (
    DECLARATIONS,
    DEFAULTS,
    TOPICS,
    Settings,
)
from avr_sts_speechmatics.settings.table import table

__all__ = [
    "DECLARATIONS",
    "DEFAULTS",
    "TOPICS",
    "Loaded",
    "Origin",
    "Settings",
    "load",
    "load_and_warn",
    "table",
]
