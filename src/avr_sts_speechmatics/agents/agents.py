"""Which agent answers a call, and where its instructions come from.

    the call has                      | answered by
    ----------------------------------+---------------------------------------------------------
    `?agent=<name>`                   | that agent; if there is none: the default, and a warning
    a called number that an agent has | that agent: a number itself before a pattern
    neither                           | `default.yaml`, or else the agent made of the settings

The called number is the first of NUMBER_FACTS that an agent has. An agent's own instructions stand;
one without takes those of the settings: SPEECHMATICS_INSTRUCTIONS, or else what
SPEECHMATICS_URL_INSTRUCTIONS says for this call, or else SPEECHMATICS_FILE_INSTRUCTIONS, or else
the default text. [AVR protocol, 10]

Files of instructions are read again when they change. The agents themselves are read once, at the
start: there a mistake is seen by whoever made it, and each voice has time for its phrases.
"""

import difflib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from avr_sts_speechmatics.agents.agent import Agent, Voicing
from avr_sts_speechmatics.agents.called_numbers import CalledNumbers
from avr_sts_speechmatics.agents.instructions import (
    DEFAULT_INSTRUCTIONS,
    InstructionsFile,
    InstructionsService,
    NotInstructed,
)
from avr_sts_speechmatics.agents.placeholders import has_placeholders
from avr_sts_speechmatics.errors import InvalidValue, SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.settings import Settings

if TYPE_CHECKING:
    from avr_sts_speechmatics.agents.agent_file import WrittenAgent

AGENT_FACT = "agent"
"""The fact of a call that names its agent."""

NUMBER_FACTS = ("to", "dnid", "did", "exten", "called")
"""The facts of a call that may be the number called, as dialplans name them."""

DEFAULT = "default"

_TONGUE_OF_MANNERS = "en"
"""What language the phrases of `Manners` are in."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An agent. asks: whether the web service is asked for its instructions; file: whose text
    they are otherwise; with neither they stand in the agent. written: None if it is made of the
    settings."""

    agent: Agent
    asks: bool
    file: InstructionsFile | None
    written: "WrittenAgent | None"


class Agents:
    """All agents of the process. Made by `load`.

    warnings: what the operator should know, a sentence each.
    """

    def __init__(
        self,
        entries: Mapping[str, _Entry],
        numbers: CalledNumbers,
        service: InstructionsService | None,
        warnings: Sequence[str],
    ) -> None:
        self.warnings = tuple(warnings)
        self._entries = entries
        self._numbers = numbers
        self._service = service
        self._warned: set[str] = set()

    @classmethod
    def load(cls, settings: Settings) -> "Agents":
        """Read and check everything.

        Raises SettingsError with all mistakes, each with its file, line and key.
        """
        mistakes: list[str] = []
        written = _read_all(settings.agents_dir, mistakes) if settings.agents_dir else []
        numbers = CalledNumbers(written, mistakes)
        if mistakes:
            raise SettingsError(f"AGENTS_DIR={settings.agents_dir}: " + "\n".join(mistakes))
        shared, service = _sources(settings)
        default = _Entry(_agent(settings), service is not None, shared, None)
        entries = {DEFAULT: default}
        for one in written:
            own = one.instructions is not None or one.instructions_file is not None
            entries[one.name] = _Entry(
                agent=_agent(settings, one),
                asks=service is not None and not own,
                file=one.instructions_file if own else shared,
                written=one,
            )
        warnings = [*_unused(settings), *_foreign(settings, entries.values())]
        return cls(entries, numbers, service, warnings)

    @property
    def all(self) -> tuple[Agent, ...]:
        return tuple(entry.agent for entry in self._entries.values())

    def phrases(self) -> dict[Voicing, tuple[str, ...]]:
        """All that should be kept as speech; not what facts of a call make another each time."""
        kept: dict[Voicing, dict[str, None]] = {}
        for agent in self.all:
            said = (text for text in agent.manners.phrases if text and not has_placeholders(text))
            kept.setdefault(agent.voicing, {}).update(dict.fromkeys(said))
        return {voicing: tuple(texts) for voicing, texts in kept.items()}

    def strange_tools(self, known: Collection[str]) -> Iterator[str]:
        """A sentence for each tool an agent may use that is not among `known`."""
        for entry in self._entries.values():
            for tool in sorted((entry.agent.tools or frozenset()) - set(known)):
                assert entry.written is not None  # the settings name no tools
                near = difflib.get_close_matches(tool, known, n=1)
                meant = f"did you mean {near[0]}?" if near else "take it out, or add the tool."
                yield f"{entry.written.where('tools')}: there is no tool '{tool}'; {meant}"

    def for_call(self, caller: Caller) -> Agent:
        """Who answers this call, before the web service has been asked. Does not wait."""
        entry = self._entries[self._name_for(caller.facts)]
        if entry.file is None:
            return entry.agent
        return replace(entry.agent, instructions=entry.file.text())

    def needs_brief(self, agent: Agent) -> bool:
        """Whether `brief` would ask; otherwise it gives the agent back at once."""
        return self._entries[agent.name].asks

    async def brief(self, agent: Agent, caller: Caller) -> Agent:
        """The agent with what the web service says for this call, or unchanged if it fails.

        Takes `instructions.ASK_S` at most. Cancelling is safe.
        """
        if self._service is None or not self.needs_brief(agent):
            return agent
        try:
            told = await self._service.ask(caller)
        except NotInstructed as error:
            entry = self._entries[agent.name]
            _log.warning(
                "SPEECHMATICS_URL_INSTRUCTIONS: %s; this call has %s",
                error,
                "the default text" if entry.file is None else "SPEECHMATICS_FILE_INSTRUCTIONS",
            )
            return agent
        agent = replace(agent, instructions=told.instructions)
        if told.welcome is not None:
            agent = replace(agent, manners=replace(agent.manners, welcome=told.welcome))
        if told.voice is not None:
            agent = replace(agent, voice_engine=told.voice.engine, voice=told.voice.name)
        if told.language is not None:
            if _tongue(told.language) != _tongue(agent.language):
                self._warn_once(agent, told.language)
            agent = replace(agent, language=told.language)
        if told.tools is not None:
            agent = replace(agent, tools=told.tools)
        return agent

    async def close(self) -> None:
        if self._service is not None:
            await self._service.close()

    def _warn_once(self, agent: Agent, language: str) -> None:
        if language not in self._warned:
            self._warned.add(language)
            _log.warning(
                "SPEECHMATICS_URL_INSTRUCTIONS: calls are told language %s, but the phrases of "
                "agent %s are in %s; write an agent in that language and call it by ?agent=",
                language,
                agent.name,
                agent.language,
            )

    def _name_for(self, facts: Mapping[str, str]) -> str:
        if name := facts.get(AGENT_FACT, "").strip():
            if name in self._entries:
                return name
            near = difflib.get_close_matches(name, self._entries, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            _log.warning("there is no agent %.40r: the default one answers%s", name, meant)
            return DEFAULT
        for fact in NUMBER_FACTS:
            if claimed := self._numbers.agent_of(facts.get(fact, "")):
                return claimed
        return DEFAULT


def _read_all(folder: Path, mistakes: list[str]) -> "list[WrittenAgent]":
    """The agents of a folder, by name. What is wrong is added to `mistakes`."""
    # YAML takes a while to load, and most services have one agent.
    from avr_sts_speechmatics.agents.agent_file import read_agent

    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        mistakes.append(f"cannot be read ({error.strerror}).")
        return []
    paths = [path for path in found if path.suffix in (".yaml", ".yml")]
    if not paths:
        mistakes.append("no agent in it; write one as a file such as support.yaml.")
    for path in paths:
        if path.suffix == ".yml" and path.with_suffix(".yaml") in paths:
            mistakes.append(f"{path}: {path.stem}.yaml is there too; an agent has one file.")
    agents = [read_agent(path, mistakes) for path in paths]
    return [agent for agent in agents if agent is not None]


def _agent(settings: Settings, written: "WrittenAgent | None" = None) -> Agent:
    """An agent with its own values, and the settings' where it has none."""
    own = settings if written is None else replace(settings, **written.settings)
    agent = Agent(
        name=DEFAULT,
        instructions=settings.speechmatics_instructions or DEFAULT_INSTRUCTIONS,
        manners=own.manners,
        language=own.speechmatics_language,
        vocabulary=own.speechmatics_additional_vocab,
    )
    if written is None:
        return agent
    return replace(
        agent,
        name=written.name,
        instructions=written.instructions or agent.instructions,
        manners=replace(agent.manners, **written.phrases),
        voice=written.voice.name,
        voice_engine=written.voice.engine,
        model=written.settings.get("openai_model"),
        tools=written.tools,
    )


def _sources(settings: Settings) -> tuple[InstructionsFile | None, InstructionsService | None]:
    """The file and the web service of the settings, where they count. Raises SettingsError."""
    if settings.speechmatics_instructions is not None:
        return None, None
    path, url = settings.speechmatics_file_instructions, settings.speechmatics_url_instructions
    try:
        file = None if path is None else InstructionsFile(path)
    except InvalidValue as wrong:
        raise SettingsError(f"SPEECHMATICS_FILE_INSTRUCTIONS={path}: {wrong}.") from wrong
    return file, None if url is None else InstructionsService(url)


def _unused(settings: Settings) -> Iterator[str]:
    """Warnings of sources that another one hides."""
    if settings.speechmatics_instructions is None:
        return
    for name in ("speechmatics_url_instructions", "speechmatics_file_instructions"):
        if getattr(settings, name) is not None:
            yield f"{name.upper()} has no effect: SPEECHMATICS_INSTRUCTIONS is set too and wins."


def _foreign(settings: Settings, entries: Collection[_Entry]) -> Iterator[str]:
    """Warnings of agents that would say something in another language than their own."""
    for entry in entries:
        language, written = entry.agent.language, entry.written
        missing = ", ".join(_missing(entry, settings.speechmatics_language))
        if missing and written is None:
            yield (
                f"SPEECHMATICS_LANGUAGE={language}, but some phrases of the agent are English; "
                f"write a default.yaml in AGENTS_DIR, with {missing}."
            )
        elif missing and written is not None:
            yield (
                f"{written.path}: language is {language}, but some phrases of the agent are in "
                f"another; write {missing}."
            )


def _missing(entry: _Entry, usual: str) -> Iterator[str]:
    """What an agent does not say in its own language. usual: the language of the settings."""
    agent, written = entry.agent, entry.written
    inherits = written is not None and "speechmatics_welcome_message" not in written.settings
    if inherits and agent.manners.welcome and _tongue(agent.language) != _tongue(usual):
        yield "welcome"
    if _tongue(agent.language) == _TONGUE_OF_MANNERS:
        return
    for name in agent.manners.said():
        if written is None or name not in written.phrases:
            yield f"manners.{name}"


def _tongue(language: str) -> str:
    """`en` of `en-GB` and `en_US`."""
    return language.lower().replace("_", "-").split("-")[0]
