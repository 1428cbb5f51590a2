"""An agent: who answers a call, as the operator or the instructions service described it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.values import VocabEntry

if TYPE_CHECKING:
    from avr_sts_speechmatics.agents.outcome_form import OutcomeForm

Engine = Literal["speechmatics", "openai"]
"""Vendors of voices."""


class VoiceChoice(NamedTuple):
    """A requested voice.

    engine: the vendor, by its name in `services.tts.ENGINES`; None where the settings decide.
    name: the vendor's name for the voice; None where the settings decide.
    """

    engine: Engine | None = None
    name: str | None = None


class Voicing(NamedTuple):
    """Everything that decides how a phrase sounds. Agents with equal values share cached phrases.

    engine: the vendor; None where the settings and the language decide.
    voice: the vendor's name for the voice; None for the voice of the settings.
    language: of the agent, such as "en".
    """

    engine: Engine | None
    voice: str | None
    language: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, as it is for one call.

    name: for logs; "default" for the agent made of the settings.
    instructions: for the model, with placeholders such as `{from}`.
    manners: how the agent behaves, the welcome included.
    language: of the caller, as Speechmatics names it.
    voice: the vendor's name for the voice; None for the voice of the settings.
    voice_engine: the voice's vendor; None where the settings and the language decide.
    vocabulary: words that the recogniser should expect.
    model: name of the LLM; None for the model of the settings.
    tools: names of the tools that the agent may use; None for all.
    time_zone: time zone of the agent; None for the machine's.
    outcome: the fields that are filled after a call; None for none.
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
    time_zone: ZoneInfo | None = None
    outcome: "OutcomeForm | None" = None

    @property
    def voicing(self) -> Voicing:
        return Voicing(self.voice_engine, self.voice, self.language)


def voice_choice(value: object) -> VoiceChoice:
    """Read a voice as an agent file or the instructions service writes it.

    value: the name of a voice of the first vendor (`TTS`), such as `sarah`, or a mapping such as
        `{engine: openai, name: alloy}`. Without a name the setting of the engine decides.

    Raises InvalidValue.
    """
    if isinstance(value, str) and value.strip():
        return VoiceChoice(None, check.voice(value.strip()))
    if isinstance(value, Mapping) and not value.keys() - {"engine", "name"}:
        engine, name = value.get("engine"), value.get("name")
        if engine == "http":
            engine = "openai"
        if engine == "speechmatics" or engine == "openai":
            if name is None:
                return VoiceChoice(engine)
            if isinstance(name, str) and name:
                named = check.voice if engine == "speechmatics" else check.mixed_name
                return VoiceChoice(engine, named(name))
    raise InvalidValue(
        "give the name of one of Speechmatics' voices, such as sarah, or the engine too, "
        "speechmatics or openai, as {engine: openai, name: alloy}"
    )
