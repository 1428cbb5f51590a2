"""Who answers a call: what the operator decided of it, or another service said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.values import VocabEntry

Engine = Literal["speechmatics", "openai"]
"""Who makes a voice."""


class VoiceChoice(NamedTuple):
    """What was asked for of a voice; None: nothing was, the settings decide."""

    engine: Engine | None = None
    name: str | None = None


class Voicing(NamedTuple):
    """All that decides how a phrase sounds, so that it can be kept."""

    engine: Engine | None
    voice: str | None
    language: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, as it is for one call.

    name: for logs; "default" for the one of the settings. instructions: with `{from}` and the like.
    manners: among them the welcome. voice: its name, or None for the one of the settings.
    voice_engine: whose voice; None where the settings decide, by the language.
    language: of the caller, as Speechmatics names it. model: None for the one of the settings.
    tools: names of those it may use, None for all.
    """

    name: str
    instructions: str
    manners: Manners
    language: str
    voice: str | None = None
    voice_engine: Engine | None = None
    vocabulary: tuple[VocabEntry, ...] = field(default=())
    model: str | None = None
    tools: frozenset[str] | None = None

    @property
    def voicing(self) -> Voicing:
        return Voicing(self.voice_engine, self.voice, self.language)


def voice_choice(value: object) -> VoiceChoice:
    """From `sarah`, a voice of Speechmatics, or `{engine: openai, name: alloy}`.

    Without a name the engine's own setting decides. Raises Wrong.
    """
    if isinstance(value, str) and value.strip():
        return VoiceChoice("speechmatics", check.voice(value.strip()))
    if isinstance(value, Mapping) and not value.keys() - {"engine", "name"}:
        engine, name = value.get("engine"), value.get("name")
        if engine in ("speechmatics", "openai"):
            if name is None:
                return VoiceChoice(engine)
            if isinstance(name, str) and name:
                named = check.voice if engine == "speechmatics" else check.name
                return VoiceChoice(engine, named(name))
    raise InvalidValue(
        "give the name of one of Speechmatics' voices, such as sarah, or the engine too, "
        "speechmatics or openai, as {engine: openai, name: alloy}"
    )
