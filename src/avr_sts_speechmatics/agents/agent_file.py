"""Agent files: one YAML file for each agent. Every mistake is found before the first call.

    instructions: |                   # or instructions_file: a text file beside this one
      You are the host of a small restaurant. ...
    welcome: Good evening, Riverside Restaurant.
    voice: theo                       # of the first voice (TTS), or {engine: openai, name: alloy}
    language: en
    time_zone: Europe/London          # IANA name; absent: the one of the settings
    vocabulary: [Brandvoll, {content: Siobhan, sounds_like: [shiv awn]}]
    model: gpt-6-luna
    tools: [avr_transfer]             # absent: all; []: none
    numbers: [600, _61X]              # called numbers and dial patterns
    outcome:                          # filled by the model after a call; see outcome_form.py
      reason: Why the caller called
    manners:
      no_input_s: 10                  # names and units of the settings, in small letters
      fillers: [One moment.]          # phrases have no setting; see dialogue/manners.py

Values that a file does not set come from the settings. A value is checked by the check of its
setting. `agents` decides which agent answers a call.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from avr_sts_speechmatics.agents.agent import VoiceChoice, voice_choice
from avr_sts_speechmatics.agents.instructions import InstructionsFile, instructions_text, tool_name
from avr_sts_speechmatics.agents.placeholders import has_placeholders
from avr_sts_speechmatics.dialogue.manners import PHRASE_LISTS, PHRASES
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import DECLARATIONS
from avr_sts_speechmatics.values import VocabEntry
from avr_sts_speechmatics.yaml_text import YamlError, YamlMapping, parse_yaml, shown

if TYPE_CHECKING:
    from avr_sts_speechmatics.agents.outcome_form import OutcomeForm

KEYS = (
    *("instructions", "instructions_file", "welcome", "voice", "language", "vocabulary"),
    *("time_zone", "model", "tools", "numbers", "outcome", "manners"),
)

_WELCOME = "speechmatics_welcome_message"
"""The setting behind the key `welcome`, which is not a key of `manners`."""

TUNABLE = tuple(
    name
    for name, declaration in DECLARATIONS.items()
    if declaration.manner is not None and name != _WELCOME
)
"""Settings that an agent file may set under `manners`."""

PHRASE_MAX = 2_000
"""Longest phrase (characters)."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WrittenAgent:
    """One agent as written in its file.

    A value that the file does not set is None; a mapping holds only the keys that the file sets.

    path: path of the file; its stem is the agent's name.
    lines: the line of each key, for mistakes that can only be found later.
    settings: values by the name of their setting.
    phrases: values by the name of their field of Manners.
    numbers: called numbers and dial patterns.
    outcome: the fields that are filled after a call.
    """

    path: Path
    lines: Mapping[str, int]
    settings: Mapping[str, Any]
    phrases: Mapping[str, Any]
    instructions: str | None
    instructions_file: InstructionsFile | None
    voice: VoiceChoice
    tools: frozenset[str] | None
    numbers: tuple[str, ...]
    outcome: "OutcomeForm | None" = None

    @property
    def name(self) -> str:
        return self.path.stem

    def where(self, key: str) -> str:
        """Return file, line and key, the beginning of an error message about the key."""
        return f"{self.path}, line {self.lines[key]}: {key}"


def read_agent(path: Path, mistakes: list[str]) -> WrittenAgent | None:
    """Read an agent file. Returns None if nothing of the file can be used.

    mistakes: a sentence is added for each mistake.
    """
    try:
        raw = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        mistakes.append(f"{path}: cannot be read ({error.strerror}).")
        return None
    except UnicodeDecodeError:
        mistakes.append(f"{path}: not text in UTF-8; save the file as UTF-8.")
        return None
    except YamlError as error:
        mistakes.append(f"{path}, {error}; write the agent as YAML.")
        return None
    if not isinstance(raw, YamlMapping):
        mistakes.append(f"{path}: no agent; write its keys, of {', '.join(KEYS)}.")
        return None
    agent = _Part(raw, path, "", mistakes)
    agent.only(KEYS)
    if "instructions" in raw and "instructions_file" in raw:
        agent.complain(
            "instructions_file", "instructions are given too; remove one of the two keys"
        )
    own = {
        _WELCOME: agent.take("welcome", _welcome),
        "speechmatics_language": agent.take("language", _by_setting("speechmatics_language")),
        "speechmatics_additional_vocab": agent.take("vocabulary", _vocabulary),
        "time_zone": agent.take("time_zone", _by_setting("time_zone")),
        "openai_model": agent.take("model", _by_setting("openai_model")),
    }
    phrases: dict[str, Any] = {}
    if (manners := agent.take("manners", _mapping)) is not None:
        part = _Part(manners, path, "manners.", mistakes)
        part.only((*TUNABLE, *PHRASES, *PHRASE_LISTS))
        own |= {name: part.take(name, _by_setting(name)) for name in TUNABLE}
        phrases |= {name: part.take(name, _phrase) for name in PHRASES}
        phrases |= {name: part.take(name, _each(_phrase)) for name in PHRASE_LISTS}
    return WrittenAgent(
        path=path,
        lines=raw.lines,
        settings=_given(own),
        phrases=_given(phrases),
        instructions=agent.take("instructions", instructions_text),
        instructions_file=agent.take("instructions_file", _file_beside(path)),
        voice=agent.take("voice", voice_choice) or VoiceChoice(),
        tools=agent.take("tools", _tools),
        numbers=agent.take("numbers", _numbers) or (),
        outcome=agent.take("outcome", _outcome),
    )


class _Part:
    """A mapping of an agent file that is being read.

    where: text before the mapping's keys in errors, such as "manners.".
    """

    def __init__(self, raw: YamlMapping, path: Path, where: str, mistakes: list[str]) -> None:
        self._raw = raw
        self._path = path
        self._where = where
        self._mistakes = mistakes

    def take(self, key: str, check: Callable[[object], _T]) -> _T | None:
        """Return the checked value of a key; None if the key is absent or its value is a mistake.

        check: function that takes the raw value and returns the value to use; raises InvalidValue.
        """
        if key not in self._raw:
            return None
        value = self._raw[key]
        try:
            return check(value)
        except InvalidValue as wrong:
            self.complain(key, f"{shown(value)} cannot be used: {wrong}")
            return None

    def only(self, allowed: Sequence[str]) -> None:
        """Report every key that is not in `allowed` as a mistake."""
        for key in self._raw.keys() - set(allowed):
            near = difflib.get_close_matches(key.lower(), allowed, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(allowed)}"
            self.complain(key, f"not known; {meant}")

    def complain(self, key: str, problem: str) -> None:
        end = "" if problem.endswith("?") else "."
        line = self._raw.lines[key]
        self._mistakes.append(f"{self._path}, line {line}: {self._where}{key}: {problem}{end}")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _by_setting(name: str) -> Callable[[object], Any]:
    """Return a function that checks a value of an agent file by the check of a setting.

    A YAML list is checked as the comma-separated text that the setting takes.
    """
    parse, may_be_empty = DECLARATIONS[name].parse, DECLARATIONS[name].may_be_empty

    def check(value: object) -> Any:
        if may_be_empty and value in ("", []):
            return parse("")
        if may_be_empty and isinstance(value, list):
            return parse(",".join(_items(_text, value)))
        return parse(_text(value))

    return check


def _text(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise InvalidValue("give one text, or remove the key")
    return text


def _welcome(value: object) -> str:
    return "" if value == "" else _bounded(_text(value))


def _bounded(text: str) -> str:
    if len(text) > PHRASE_MAX:
        raise InvalidValue(f"give at most {PHRASE_MAX} characters")
    return " ".join(text.split())


def _phrase(value: object) -> str:
    text = _bounded(_text(value))
    if has_placeholders(text):
        # The synthesised phrase is cached, the same audio for all callers.
        raise InvalidValue("facts of the call can stand in the instructions and the welcome only")
    return text


def _each(check: Callable[[object], _T]) -> Callable[[object], tuple[_T, ...]]:
    """Return a function that checks every item of a list with `check`.

    A value that is not a list is checked as a list of one item.
    """

    def check_all(value: object) -> tuple[_T, ...]:
        if not isinstance(value, list):
            return (check(value),)
        if not value:
            raise InvalidValue("give at least one, or remove the key")
        return tuple(_items(check, value))

    return check_all


def _items(check: Callable[[object], _T], values: list[object]) -> Iterator[_T]:
    for number, value in enumerate(values, start=1):
        try:
            yield check(value)
        except InvalidValue as wrong:
            raise InvalidValue(f"item {number}, {shown(value)}: {wrong}") from None


def _mapping(value: object) -> YamlMapping:
    if not isinstance(value, YamlMapping):
        raise InvalidValue(f"write under it one or more of {', '.join((*TUNABLE, *PHRASES))}")
    return value


def _vocabulary(value: object) -> tuple[VocabEntry, ...]:
    if not isinstance(value, list):
        raise InvalidValue("give a list of words, or of {content: ..., sounds_like: [...]}")
    return tuple(_items(_word, value))


def _word(value: object) -> VocabEntry:
    if isinstance(value, dict):
        if "content" not in value or value.keys() - {"content", "sounds_like"}:
            raise InvalidValue(
                f"a word has the keys {', '.join(value)}; give content and sounds_like"
            )
        alike = _each(_text)(value["sounds_like"]) if "sounds_like" in value else ()
        return VocabEntry(_text(value["content"]), alike)
    return VocabEntry(_text(value))


def _tools(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise InvalidValue("give a list of names, [] for none; remove the key to allow all tools")
    return frozenset(_items(tool_name, value))


def _numbers(value: object) -> tuple[str, ...]:
    """Check the value of `numbers`: return its called numbers and dial patterns, one text each.

    YAML reads `600, 610` without brackets as one text, so each text is split at its commas.
    Raises InvalidValue.
    """
    return tuple(_text(part) for text in _each(_text)(value) for part in text.split(","))


def _outcome(value: object) -> "OutcomeForm":
    # The library of JSON Schema takes long to import, and few agents declare an outcome.
    from avr_sts_speechmatics.agents.outcome_form import outcome_form

    return outcome_form(value)


def _file_beside(path: Path) -> Callable[[object], InstructionsFile]:
    return lambda value: InstructionsFile(path.parent / _text(value))
