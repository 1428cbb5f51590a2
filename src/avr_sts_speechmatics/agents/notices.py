"""Notices of an agent: what the caller must hear before the welcome, in the agent's language.

A welcome such as "Hello, this is the virtual assistant of Riverside. How can I help you?" says by
itself that a machine speaks. Its words up to that sentence are then the disclosure, which nothing
interrupts, and the rest of it is the welcome.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.language_packs import LanguagePack, base_language, pack_for
from avr_sts_speechmatics.settings import Settings

SETTINGS = ("recording_notice", "disclosure")
"""The settings that decide the notices; each is the name of a field of Manners too."""

_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+")


def in_language(manners: Manners, own: Settings, texts: LanguagePack) -> Manners:
    """Return manners with the notices of a language pack, where the operator wrote none.

    own: the agent's settings.
    """
    chosen = {name: getattr(texts, name) for name in SETTINGS if getattr(own, name) == "on"}
    return replace(manners, **chosen)


def opening(manners: Manners, language: str) -> Manners:
    """Return manners whose disclosure is said only once.

    language: of the agent.
    """
    pack = pack_for(language)
    if not manners.disclosure or pack is None:
        return manners
    disclosed, rest = _split(manners.welcome, pack.discloses)
    return replace(manners, disclosure=disclosed, welcome=rest) if disclosed else manners


def _split(welcome: str, discloses: tuple[str, ...]) -> tuple[str, str]:
    """Split a welcome behind the sentence that discloses the machine.

    Returns the two parts; the first is empty if no sentence does so.
    """
    sentences = _BETWEEN_SENTENCES.split(welcome)
    for number, sentence in enumerate(sentences, start=1):
        if _pattern(discloses).search(sentence):
            return " ".join(sentences[:number]), " ".join(sentences[number:])
    return "", welcome


@lru_cache(maxsize=16)
def _pattern(discloses: tuple[str, ...]) -> re.Pattern[str]:
    phrases = []
    for one in discloses:
        phrase = re.escape(one).replace(r"\*", r"\w*")
        phrases.append(phrase if one.isupper() else f"(?i:{phrase})")
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)")


def foreign(own: Settings, settings: Settings, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of notices that are not in the language of their agent.

    own: the agent's settings.
    settings: the service's settings, whose texts are in the service's language.
    given: the settings of the agent's file.
    """
    elsewhere = base_language(own.speechmatics_language) != base_language(
        settings.speechmatics_language
    )
    for name in SETTINGS:
        chosen = getattr(own, name)
        if chosen == "on":
            is_foreign = pack_for(own.speechmatics_language) is None
        else:
            is_foreign = bool(chosen) and elsewhere and name not in given
        if is_foreign:
            yield f"manners.{name}"


def unannounced(own: Mapping[str, Settings]) -> Iterator[str]:
    """Warn about agents whose callers are not told that their calls are recorded.

    own: the settings of each agent by the agent's name.
    """
    silent = [
        name
        for name, settings in own.items()
        if settings.history == "recordings" and settings.recording_notice is None
    ]
    if silent:
        yield (
            f"HISTORY=recordings: callers of {', '.join(silent)} are not told that the call is "
            "recorded; set RECORDING_NOTICE=on, or RECORDING_NOTICE=off if they need not be told."
        )
