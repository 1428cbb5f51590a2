"""The steps of a caller's script, and the comparison of expectations with what the agent did.

`script_file` reads a script from YAML; `script_run` plays a script on a call.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDED = {
    "agent": "ended by the agent",
    "caller": "ended by the caller",
    "transferred": "transferred",
    "error": "ended with an error",
}
"""The ways in which a call can end, with the words for messages."""

ANY = "any"
"""Instead of a tool's name: every tool."""


@dataclass(frozen=True, slots=True)
class Speak:
    """The caller says something.

    words: text for a synthetic voice, or the file of a recording.
    interrupt: interrupt the agent after this much of the agent's speech, ms; None waits for the
        agent to finish.
    """

    words: str | Path
    interrupt: int | None = None

    def __str__(self) -> str:
        return f"{'play' if isinstance(self.words, Path) else 'say'}: {self.words}"


@dataclass(frozen=True, slots=True)
class Press:
    """The caller sends DTMF digits.

    keys: the digits, of 0-9, *, # and A-D.
    interrupt: as in `Speak`, ms.
    """

    keys: str
    interrupt: int | None = None

    def __str__(self) -> str:
        return f"keys: {self.keys}"


@dataclass(frozen=True, slots=True)
class Pause:
    """The caller is silent for `seconds`."""

    seconds: float

    def __str__(self) -> str:
        return f"pause: {self.seconds:g}"


@dataclass(frozen=True, slots=True)
class Expect:
    """Conditions on the agent since the caller's last turn began. All that are set must hold.

    says: texts; the agent said at least one. Empty: no condition.
    matches: regular expressions; at least one matches what the agent said. Empty: no condition.
    tool: names of tools, or ANY; at least one ran. Empty: no condition.
    no_tool: names of tools, or ANY; none ran. Empty: no condition.
    interrupted: whether the caller's last turn interrupted the agent. None: no condition.
    ended: how the call ended, a key of ENDED. None: no condition.
    within: time limit, s; None for --answer-timeout.
    """

    says: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    no_tool: tuple[str, ...] = ()
    interrupted: bool | None = None
    ended: str | None = None
    within: float | None = None

    @property
    def words(self) -> bool:
        """Whether the agent has to say something."""
        return bool(self.says or self.matches)

    def found_in(self, heard: str) -> bool:
        """Whether the text `heard` meets `says` and `matches`."""
        heard = _plain(heard)
        said = any(_plain(text) in heard for text in self.says)
        matched = any(re.search(pattern, heard, re.IGNORECASE) for pattern in self.matches)
        return (said or not self.says) and (matched or not self.matches)

    def forbids(self, ran: Collection[str]) -> bool:
        """Whether a tool in `ran` is excluded by `no_tool`."""
        return _among(self.no_tool, ran)

    def uses(self, ran: Collection[str]) -> bool:
        """Whether the tools in `ran` meet `tool` and `no_tool`."""
        return not self.forbids(ran) and (not self.tool or _among(self.tool, ran))

    @property
    def asks(self) -> str:
        """The conditions as the end of a sentence that begins with "expected"."""
        parts = []
        if self.says:
            parts.append(f"the agent to say {_any_of(self.says)}")
        if self.matches:
            parts.append(f"the agent to say what matches {_any_of(self.matches)}")
        if self.tool:
            parts.append(f"{_tools(self.tool)} to run")
        if self.no_tool:
            parts.append(f"{_tools(self.no_tool)} not to run")
        if self.interrupted is not None:
            parts.append(f"the agent {'' if self.interrupted else 'not '}to be interrupted")
        if self.ended is not None:
            parts.append(f"the call to be {ENDED[self.ended]}")
        return " and ".join(parts)

    def __str__(self) -> str:
        return f"expect: {self.asks}"


Step = Speak | Press | Pause | Expect


@dataclass(frozen=True, slots=True)
class Script:
    """The steps of a call.

    path: the script's file, for messages.
    """

    path: Path
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Outcome:
    """The result of one step.

    number: of the step, from 1.
    at: start of the step, seconds on the tape.
    until: end of the step, seconds on the tape.
    passed: None if the call did not reach the step.
    expected: the step's condition in words; empty without a condition.
    instead: what happened instead, in words; empty if the step passed.
    heard: what the agent had said by the end of the step.
    tools: names of the tools that had run by the end of the step.
    """

    number: int
    step: Step
    at: float = 0.0
    until: float = 0.0
    passed: bool | None = None
    expected: str = ""
    instead: str = ""
    heard: str = ""
    tools: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        """Why the step failed, as the end of a sentence; empty if it did not fail."""
        return f"expected {self.expected}; heard {self.instead}" if self.passed is False else ""

    def document(self) -> dict[str, Any]:
        """The result for a machine. Times are seconds from the caller's first frame."""
        reached = self.passed is not None
        kind, _, text = str(self.step).partition(": ")
        return {
            "step": self.number,
            "kind": kind,
            "text": text,
            "result": {None: "not reached", True: "passed", False: "failed"}[self.passed],
            "at": round(self.at, 2) if reached else None,
            "seconds": round(self.until - self.at, 2) if reached else None,
            "heard": self.heard,
            "tools": list(self.tools),
            "problem": self.problem,
        }


def verdict(script: Script, outcomes: Sequence[Outcome]) -> str:
    """The result of a script in one sentence."""
    for outcome in outcomes:
        if outcome.passed is False:
            kind = str(outcome.step).partition(":")[0]
            return f"{script.path}: step {outcome.number} ({kind}) failed: {outcome.problem}"
    passed = "the one step" if len(outcomes) == 1 else f"all {len(outcomes)} steps"
    return f"{script.path}: {passed} passed"


def _plain(text: str) -> str:
    """The text in lower case, on one line, with straight apostrophes."""
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower().split())


def _any_of(texts: tuple[str, ...]) -> str:
    return " or ".join(f'"{text}"' for text in texts)


def _among(tools: tuple[str, ...], ran: Collection[str]) -> bool:
    return bool(ran) if tools == (ANY,) else not set(ran).isdisjoint(tools)


def _tools(names: tuple[str, ...]) -> str:
    return "any tool" if names == (ANY,) else f"the tool {' or '.join(names)}"
