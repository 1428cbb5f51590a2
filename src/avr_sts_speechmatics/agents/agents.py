"""The agents of the process: chooses the agent of a call and the source of its instructions.

    the call has                      | answered by
    ----------------------------------+---------------------------------------------------------
    `?agent=<name>`                   | that agent; if it is unknown, the default, with a warning
    a called number that an agent has | that agent; numbers are compared before patterns
    neither                           | `default.yaml`, or else the agent made of the settings

The called number is the first of NUMBER_FACTS that an agent has. An agent's own instructions win.
An agent without instructions takes the first source that is set and works:
SPEECHMATICS_INSTRUCTIONS, the reply of SPEECHMATICS_URL_INSTRUCTIONS for this call,
SPEECHMATICS_FILE_INSTRUCTIONS, the default text. [AVR protocol, 10]

Files of instructions are read again when they change. Agent files are read once, at the start: the
operator sees a mistake before the first call, and each voice has time to prepare its phrases.
"""

import difflib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from avr_sts_speechmatics.agents import notices
from avr_sts_speechmatics.agents.agent import Agent, Voicing
from avr_sts_speechmatics.agents.called_numbers import CalledNumbers
from avr_sts_speechmatics.agents.instructions import (
    InstructionsFile,
    InstructionsService,
    NotInstructed,
)
from avr_sts_speechmatics.agents.placeholders import has_placeholders, unusual_placeholders
from avr_sts_speechmatics.dialogue.manners import PHRASE_LISTS, PHRASES, Manners
from avr_sts_speechmatics.errors import InvalidValue, SettingsError
from avr_sts_speechmatics.language_packs import ENGLISH, base_language, pack_for
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.settings import Settings

if TYPE_CHECKING:
    from avr_sts_speechmatics.agents.agent_file import WrittenAgent

AGENT_FACT = "agent"
"""The fact of a call that names its agent."""

NUMBER_FACTS = ("to", "dnid", "did", "exten", "called")
"""The facts of a call that may hold the called number, as dialplans name them."""

DEFAULT = "default"

NOBODY = ENGLISH.nobody
"""All that an English caller hears while no model answers, unless the agent's file has a
`farewell`."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An agent and where its instructions come from.

    asks: the instructions come from the web service.
    file: otherwise the instructions are the text of this file. With neither, they are
        `agent.instructions`.
    written: the agent's file; None for the agent made of the settings.
    """

    agent: Agent
    asks: bool
    file: InstructionsFile | None
    written: "WrittenAgent | None"


class Agents:
    """All agents of the process. Made by `load`.

    warnings: one sentence each, for the operator.
    """

    def __init__(
        self,
        entries: Mapping[str, _Entry],
        numbers: CalledNumbers,
        service: InstructionsService | None,
        warnings: Sequence[str],
        settings: Settings,
    ) -> None:
        self.warnings = tuple(warnings)
        self._entries = entries
        self._numbers = numbers
        self._service = service
        self._settings = settings
        self._warned: set[str] = set()

    @classmethod
    def load(cls, settings: Settings) -> "Agents":
        """Read and check all agents.

        Raises SettingsError with every mistake, each with its file, line and key.
        """
        mistakes: list[str] = []
        written = _read_all(settings.agents_dir, mistakes) if settings.agents_dir else []
        numbers = CalledNumbers(written, mistakes)
        if mistakes:
            raise SettingsError(f"AGENTS_DIR={settings.agents_dir}: " + "\n".join(mistakes))
        shared, service = _sources(settings)
        asks = service is not None and not settings.nobody_answers
        default = _Entry(_agent(settings), asks, shared, None)
        entries = {DEFAULT: default}
        for one in written:
            own = one.instructions is not None or one.instructions_file is not None
            entries[one.name] = _Entry(
                agent=_agent(settings, one),
                asks=asks and not own,
                file=one.instructions_file if own else shared,
                written=one,
            )
        warnings = [
            *_unused(settings),
            *_foreign(settings, entries.values()),
            *_unfilled(settings, entries.values()),
            *notices.unannounced({name: _own(settings, e.written) for name, e in entries.items()}),
        ]
        return cls(entries, numbers, service, warnings, settings)

    @property
    def all(self) -> tuple[Agent, ...]:
        return tuple(entry.agent for entry in self._entries.values())

    def phrases(self) -> dict[Voicing, tuple[str, ...]]:
        """Return, by voice, the phrases whose speech is cached in memory.

        Phrases with placeholders are left out, because they differ from call to call.
        """
        kept: dict[Voicing, dict[str, None]] = {}
        for agent in self.all:
            phrases = notices.opening(agent.manners, agent.language).phrases
            said = (text for text in phrases if text and not has_placeholders(text))
            kept.setdefault(agent.voicing, {}).update(dict.fromkeys(said))
        return {voicing: tuple(texts) for voicing, texts in kept.items()}

    def unknown_tools(self, known: Collection[str]) -> Iterator[str]:
        """Yield a sentence for each tool that an agent names and that does not exist.

        known: names of the tools that exist.
        """
        for entry in self._entries.values():
            for tool in sorted((entry.agent.tools or frozenset()) - set(known)):
                assert entry.written is not None  # the settings name no tools
                near = difflib.get_close_matches(tool, known, n=1)
                meant = f"did you mean {near[0]}?" if near else "remove the name, or add the tool."
                yield f"{entry.written.where('tools')}: there is no tool '{tool}'; {meant}"

    def for_call(self, caller: Caller) -> Agent:
        """The agent of a call, before the web service has been asked. Does not wait."""
        entry = self._entries[self._name_for(caller.facts)]
        if entry.file is None:
            return entry.agent
        return replace(entry.agent, instructions=entry.file.text())

    def needs_brief(self, agent: Agent) -> bool:
        """Return True if `brief` asks the web service; otherwise `brief` returns immediately."""
        return self._entries[agent.name].asks

    async def brief(self, agent: Agent, caller: Caller) -> Agent:
        """Return the agent with the web service's reply for this call; unchanged if that fails.

        Takes `instructions.ASK_S` (s) at most. Cancelling is safe.
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
        if told.language is not None:
            agent = self._in_language(agent, told.language, welcome=told.welcome)
        agent = replace(agent, instructions=told.instructions)
        if told.welcome is not None:
            agent = replace(agent, manners=replace(agent.manners, welcome=told.welcome))
        if told.voice is not None:
            agent = replace(agent, voice_engine=told.voice.engine, voice=told.voice.name)
        if told.tools is not None:
            agent = replace(agent, tools=told.tools)
        return agent

    async def close(self) -> None:
        if self._service is not None:
            await self._service.close()

    def _in_language(self, agent: Agent, language: str, *, welcome: str | None) -> Agent:
        """Return an agent with the language that the web service chose, and its phrases.

        Phrases that the operator wrote stay as they are, in the language of the operator.

        welcome: the web service's; None for none.
        """
        if base_language(language) == base_language(agent.language):
            return replace(agent, language=language)
        written = self._entries[agent.name].written
        made = _agent(self._settings, written, language=language)
        own_welcome = made.manners.welcome == agent.manners.welcome != "" and welcome is None
        own_phrases = written is not None and written.phrases
        if pack_for(language) is None or own_welcome or own_phrases:
            self._warn_once(agent, language)
        return replace(agent, language=language, manners=made.manners)

    def _warn_once(self, agent: Agent, language: str) -> None:
        if language not in self._warned:
            self._warned.add(language)
            _log.warning(
                "SPEECHMATICS_URL_INSTRUCTIONS: the service chose language %s, but phrases of "
                "agent %s are not in that language; write an agent in that language and choose it "
                "by ?agent=",
                language,
                agent.name,
            )

    def _name_for(self, facts: Mapping[str, str]) -> str:
        if name := facts.get(AGENT_FACT, "").strip():
            if name in self._entries:
                return name
            near = difflib.get_close_matches(name, self._entries, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            _log.warning("there is no agent %.40r: the default agent answers%s", name, meant)
            return DEFAULT
        for fact in NUMBER_FACTS:
            if claimed := self._numbers.agent_of(facts.get(fact, "")):
                return claimed
        return DEFAULT


def _read_all(folder: Path, mistakes: list[str]) -> "list[WrittenAgent]":
    """Read and return the agents of a folder, in the order of file names.

    mistakes: a sentence is added for each mistake.
    """
    # YAML takes long to import, and most operators have one agent.
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
            mistakes.append(f"{path}: {path.stem}.yaml exists too; keep one of the two files.")
    agents = [read_agent(path, mistakes) for path in paths]
    return [agent for agent in agents if agent is not None]


def _agent(
    settings: Settings, written: "WrittenAgent | None" = None, *, language: str | None = None
) -> Agent:
    """Make an agent from the values of its file, completed by the values of the settings and by
    the texts of its language.

    language: in place of the language of the file and the settings; None for no other.
    """
    own = _own(settings, written)
    if language is not None:
        own = replace(own, speechmatics_language=language)
    language = own.speechmatics_language
    instructions, manners = _in_language(own)
    if settings.nobody_answers:
        # What is said first is also the last: see `services.stt.nobody`.
        silent = replace(manners, recording_notice="", disclosure="", welcome="")
        manners = replace(silent, farewell=(pack_for(language) or ENGLISH).nobody)
    agent = Agent(
        name=DEFAULT,
        instructions=settings.speechmatics_instructions or instructions,
        manners=manners,
        language=language,
        vocabulary=own.speechmatics_additional_vocab,
        time_zone=own.time_zone,
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
        outcome=written.outcome,
    )


def _own(settings: Settings, written: "WrittenAgent | None") -> Settings:
    """Return the settings of an agent: those of its file win."""
    return settings if written is None else replace(settings, **written.settings)


def _in_language(own: Settings) -> tuple[str, Manners]:
    """Return the instructions and the manners of an agent whose operator wrote no text.

    own: the agent's settings. A text that they set is used whatever the language.
    """
    language = own.speechmatics_language
    pack = pack_for(language)
    texts = pack or ENGLISH
    instructions = texts.instructions
    if pack is None:
        instructions += f" Speak the language of the caller, whose code is {language}."
    manners = replace(
        own.manners, **{name: getattr(texts, name) for name in (*PHRASES, *PHRASE_LISTS)}
    )
    manners = notices.in_language(manners, own, texts)
    if own.speechmatics_welcome_message is None:
        manners = replace(manners, welcome=texts.welcome)
    if own.barge_in_backchannels is None:
        manners = replace(manners, backchannels=texts.backchannels)
    if own.busy_message is None:
        # Without a pack nothing is said: an English word would not be understood.
        manners = replace(manners, busy=texts.busy if pack else "")
    return instructions, manners


def _sources(settings: Settings) -> tuple[InstructionsFile | None, InstructionsService | None]:
    """Return the instructions file and the web service of the settings, each None if not set.

    Both are None if SPEECHMATICS_INSTRUCTIONS holds the text. Raises SettingsError.
    """
    if settings.speechmatics_instructions is not None:
        return None, None
    path, url = settings.speechmatics_file_instructions, settings.speechmatics_url_instructions
    try:
        file = None if path is None else InstructionsFile(path)
    except InvalidValue as wrong:
        raise SettingsError(f"SPEECHMATICS_FILE_INSTRUCTIONS={path}: {wrong}.") from wrong
    if url is None:
        return file, None
    return file, InstructionsService(url, proxy=settings.proxies.for_url(url))


def _unused(settings: Settings) -> Iterator[str]:
    """Warnings about sources of instructions that another source overrides."""
    if settings.speechmatics_instructions is None:
        return
    for name in ("speechmatics_url_instructions", "speechmatics_file_instructions"):
        if getattr(settings, name) is not None:
            yield f"{name.upper()} has no effect: SPEECHMATICS_INSTRUCTIONS is set too and wins."


def _foreign(settings: Settings, entries: Collection[_Entry]) -> Iterator[str]:
    """Warnings about agents with phrases in a language other than their own."""
    for entry in entries:
        language, written = entry.agent.language, entry.written
        missing = ", ".join(_missing(entry, settings))
        if missing and written is None:
            yield (
                f"SPEECHMATICS_LANGUAGE={language}, but some phrases of the agent are English; "
                f"write a default.yaml in AGENTS_DIR, with {missing}."
            )
        elif missing and written is not None:
            yield (
                f"{written.path}: language is {language}, but some phrases of the agent are in "
                f"another language; write {missing}."
            )


def _unfilled(settings: Settings, entries: Collection[_Entry]) -> Iterator[str]:
    """Warnings about names in braces that most calls have no fact for."""
    texts: dict[str, str] = {}
    for entry in entries:
        agent, written = entry.agent, entry.written
        welcome, instructions = "SPEECHMATICS_WELCOME_MESSAGE", "SPEECHMATICS_INSTRUCTIONS"
        if written is not None and "speechmatics_welcome_message" in written.settings:
            welcome = written.where("welcome")
        if written is not None and written.instructions is not None:
            instructions = written.where("instructions")
        texts[welcome] = agent.manners.welcome
        if entry.file is not None:
            texts[str(entry.file.path)] = entry.file.text()
        else:
            texts[instructions] = agent.instructions
    for where, text in texts.items():
        for name, near in unusual_placeholders(text):
            meant = f"did you mean {{{near}}}?" if near else "nothing stands there if it does not."
            yield f"{where}: {{{name}}} is empty unless the dialplan sends {name}; {meant}"


def _missing(entry: _Entry, settings: Settings) -> Iterator[str]:
    """Yield the keys that an agent must set because its phrase is in another language.

    A phrase may be the operator's, written for the language of the settings, or of the English pack
    because the agent's language has no pack.
    """
    agent, written = entry.agent, entry.written
    own_welcome = written is not None and "speechmatics_welcome_message" in written.settings
    given = settings.speechmatics_welcome_message is not None
    has_pack = pack_for(agent.language) is not None
    is_foreign = base_language(agent.language) != base_language(settings.speechmatics_language)
    if agent.manners.welcome and not own_welcome and (is_foreign if given else not has_pack):
        yield "welcome"
    if not settings.nobody_answers:
        own = _own(settings, written)
        yield from notices.foreign(own, settings, {} if written is None else written.settings)
    if has_pack:
        return
    for name in agent.manners.said():
        if written is None or name not in written.phrases:
            yield f"manners.{name}"
    says_busy = settings.audiosocket_port is not None and settings.on_busy != "refuse"
    if says_busy and settings.busy_message is None and not agent.manners.busy:
        yield "manners.busy_message"
