"""Scripts as YAML: what the caller says and presses, and what the agent should do.

A script is a list of steps, each with one of five words:

    - expect: how can I help          # the agent says this; capitals do not matter
    - say: What do you charge?        # spoken by a synthetic voice
    - play: hello.wav                 # a recording in the script's folder
    - keys: 12#
    - pause: 1.5                      # silence, s

`say`, `play` and `keys` first wait until the agent has begun and finished the answer to the line
before; after a `pause` or an `expect` they only wait until the agent has finished speaking. With
`interrupt` they start while the agent speaks:

    - say: Stop, please.
      interrupt: 800                  # after this much of the agent's speech, ms

`expect` takes a text, a list of texts of which one is enough, or a mapping of conditions, all of
which must hold:

    - expect:
        says: [nine to five, nine until five]
        matches: at (4|four)          # a regular expression, or a list; one match is enough
        tool: find_booking            # this tool ran; or a list, one is enough; or: any
        no_tool: avr_transfer         # this tool did not run; or a list, none did; or: any
        interrupted: yes              # the last line interrupted the agent; no: it did not
        ended: agent                  # agent, caller, transferred or error; in the last step only
        within: 5                     # s from the end of the step before; else --answer-timeout

The conditions apply to everything the agent has said and done since the caller's last line or key
began, except the rest of an answer that this line interrupted. A tool counts as run when it has
ended; `no_tool` waits for the end of the agent's answer. `tool` and `no_tool` need a service that
reports its tools, as this service does. The caller hangs up after the last step. `ended: caller`
hangs up too, and fails if the service has ended the call before.

This module only reads scripts; `script_run` plays a script on a call.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avr_sts_speechmatics.phone.script import ANY, ENDED, Expect, Pause, Press, Script, Speak, Step
from avr_sts_speechmatics.yaml_text import YamlError, parse_yaml, shown

KEYS = "0123456789*#ABCD"
"""The DTMF digits that a phone can send."""

_LONGEST_S = 600
_WORDS = ("say", "play", "keys", "pause", "expect")
_EXPECTATIONS = ("says", "matches", "tool", "no_tool", "interrupted", "ended", "within")
# Tool names that the model's API accepts.
_TOOL = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ScriptError(Exception):
    """A script cannot be used. The text is one sentence that tells its author what to correct."""


def read_script(path: Path) -> Script:
    """Read a script. Raises ScriptError for a missing or invalid file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror or error}; check the file name.") from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path}: not a text file; give a script in YAML, in UTF-8.") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Script:
    """Parse the text of a script. Raises ScriptError.

    path: the script's file, for error messages; recordings are looked up in its folder.
    """
    try:
        found = parse_yaml(text, mapping="step")
    except YamlError as error:
        wanted = "text" if error.line is None else "YAML"
        raise ScriptError(f"{path}: {error}; write the steps as {wanted}.") from error
    if not isinstance(found, list) or not found:
        raise ScriptError(
            f"{path}: no steps; write a list of them, each begun with '- ' and "
            f"one of {', '.join(_WORDS)}."
        )
    steps = []
    for number, raw in enumerate(found, start=1):
        try:
            steps.append(_step(raw, path.parent))
            if isinstance(steps[-1], Expect) and steps[-1].ended and number < len(found):
                raise _Wrong("expect.ended: steps follow; give it in the last step only")
        except _Wrong as wrong:
            raise ScriptError(f"{path}, step {number}: {wrong}.") from None
    return Script(path, tuple(steps))


class _Wrong(Exception):
    """A step is invalid; the message says why and what is allowed."""


def _step(raw: object, folder: Path) -> Step:
    if not isinstance(raw, dict):
        raise _Wrong(f"{shown(raw)} is no step; begin it with one of {', '.join(_WORDS)}")
    words = [word for word in _WORDS if word in raw]
    if len(words) > 1:
        raise _Wrong(f"{' and '.join(words)} are steps of their own; begin each with '- '")
    if not words:
        raise _Wrong(f"{shown(next(iter(raw), ''))} is no step; give one of {', '.join(_WORDS)}")
    word = words[0]
    speaks = word in ("say", "play", "keys")
    _only(raw, "", (word, "interrupt") if speaks else (word,))
    value = raw[word]
    if word == "expect":
        return _expect(value)
    if word == "pause":
        return Pause(_number(value, "pause", _LONGEST_S, "seconds"))
    given = _text(value, word)
    after = raw.get("interrupt")
    limit = 1000 * _LONGEST_S
    interrupt = None if after is None else round(_number(after, "interrupt", limit, "milliseconds"))
    if word == "keys":
        keys = given.upper()
        if set(keys) - set(KEYS):
            raise _Wrong(f"keys: {shown(given)} has keys that no phone has; use 0-9, * and #")
        return Press(keys, interrupt)
    return Speak(folder / given if word == "play" else given, interrupt)


def _expect(value: object) -> Expect:
    if not isinstance(value, dict):
        return Expect(says=_texts(value, "expect"))
    _only(value, "expect.", _EXPECTATIONS)
    if not value.keys() - {"within"}:
        raise _Wrong(f"expect: nothing to expect; give one of {', '.join(_EXPECTATIONS[:-1])}")
    given: dict[str, Callable[[object, str], Any]] = {
        "says": _texts,
        "matches": _patterns,
        "tool": _tools,
        "no_tool": _tools,
        "interrupted": _yes_or_no,
        "ended": lambda raw, key: _one_of(raw, key, tuple(ENDED)),
        "within": lambda raw, key: _number(raw, key, _LONGEST_S, "seconds"),
    }
    return Expect(**{key: given[key](raw, f"expect.{key}") for key, raw in value.items()})


def _only(raw: dict[str, object], where: str, allowed: tuple[str, ...]) -> None:
    for key in raw:
        if key not in allowed:
            raise _Wrong(f"{where}{shown(key)} is not known; allowed: {', '.join(allowed)}")


def _text(value: object, key: str) -> str:
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not text:
        raise _Wrong(f"{key}: {shown(value)} is not a text; give some, in quotes if need be")
    return text


def _texts(value: object, key: str) -> tuple[str, ...]:
    given = value if isinstance(value, list) and value else [value]
    return tuple(_text(text, key) for text in given)


def _patterns(value: object, key: str) -> tuple[str, ...]:
    patterns = _texts(value, key)
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise _Wrong(f"{key}: {shown(pattern)} is no regular expression: {error}") from error
    return patterns


def _tools(value: object, key: str) -> tuple[str, ...]:
    names = _texts(value, key)
    for name in names:
        if not _TOOL.fullmatch(name):
            raise _Wrong(f"{key}: {shown(name)} is no tool's name; use a-z, A-Z, 0-9, _ and -")
    if ANY in names and len(names) > 1:
        raise _Wrong(f"{key}: {ANY} stands for every tool; give it alone")
    return names


def _number(value: object, key: str, most: float, unit: str) -> float:
    try:
        number = float(value) if isinstance(value, str) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise _Wrong(f"{key}: {shown(value)} is not a number of {unit} from 0 to {most:g}")
    return number


def _yes_or_no(value: object, key: str) -> bool:
    """A truth value, in every form in which the settings take one too."""
    words = dict.fromkeys(("yes", "true", "on", "1"), True)
    words |= dict.fromkeys(("no", "false", "off", "0"), False)
    if not isinstance(value, str) or value.lower() not in words:
        raise _Wrong(f"{key}: {shown(value)} is none of yes, no")
    return words[value.lower()]


def _one_of(value: object, key: str, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value.lower() not in allowed:
        raise _Wrong(f"{key}: {shown(value)} is none of {', '.join(allowed)}")
    return value.lower()
