"""An agent as it is for one call: instructions, manners, voice, language, model and tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.values import VocabEntry

Engine = Literal["speechmatics", "openai"]
"""The TTS service that makes a voice."""


class VoiceChoice(NamedTuple):
    """A requested voice. A field that is None falls back to the settings."""

    engine: Engine | None = None
    name: str | None = None


class Voicing(NamedTuple):
    """Everything that decides how a phrase sounds. Agents with equal values share kept phrases."""

    engine: Engine | None
    voice: str | None
    language: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, as it is for one call.

    name: name in logs; "default" for the agent made of the settings.
    instructions: instructions for the model, with placeholders such as `{from}`.
    manners: how the agent behaves, including the welcome.
    language: language of the caller, as a Speechmatics code.
    voice: name of the voice; None for the voice of the settings.
    voice_engine: TTS service of the voice; None if the settings choose it by the language.
    vocabulary: words that callers are likely to say, for the STT.
    model: name of the LLM; None for the model of the settings.
    tools: names of the tools that the agent may use; None for all tools.
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
    """Parse `sarah` (a Speechmatics voice) or `{engine: openai, name: alloy}`.

    If the mapping has no name, the engine's own setting chooses the voice. Raises InvalidValue.
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
