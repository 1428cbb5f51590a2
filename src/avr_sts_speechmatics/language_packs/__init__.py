"""Language packs: what callers hear and models are told that neither operator nor model wrote.

Each language has one YAML file; `packs` reads it.
"""

from avr_sts_speechmatics.language_packs.packs import (
    ENGLISH,
    Currency,
    Figures,
    LanguagePack,
    base_language,
    pack_for,
)

__all__ = ["ENGLISH", "Currency", "Figures", "LanguagePack", "base_language", "pack_for"]
