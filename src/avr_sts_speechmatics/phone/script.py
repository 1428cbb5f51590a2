"""A caller's script: its steps, and whether what the agent said is what was expected.

`script_file` says how a script is written; `script_run` plays a script on a call.
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
"""How a call can end."""

ANY = "any"
"""Stands for every tool."""


@dataclass(frozen=True, slots=True)
class Speak:
    """The caller says something.

    words: for a synthetic voice, or the file of a recording.
    interrupt: ms of the agent's speech after which to say it; None waits for the agent.
    """

    words: str | Path
    interrupt: int | None = None

    def __str__(self) -> str:
        return f"{'play' if isinstance(self.words, Path) else 'say'}: {self.words}"


@dataclass(frozen=True, slots=True)
class Press:
    """The caller presses keys; `interrupt` as in `Speak`."""

    keys: str
    interrupt: int | None = None

    def __str__(self) -> str:
        return f"keys: {self.keys}"


@dataclass(frozen=True, slots=True)
class Pause:
    """The caller is silent for so long (s)."""

    seconds: float

    def __str__(self) -> str:
        return f"pause: {self.seconds:g}"


@dataclass(frozen=True, slots=True)
class Expect:
    """What must have happened by now; everything that is given must hold.

    says, matches: of each, one is to be found in what the agent said; empty asks for nothing.
    tool: one of these is to have run, or ANY. no_tool: none of these, or of all.
    ended: as in ENDED. within: seconds; None for what is usual.
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
        """Whether anything is to be said."""
        return bool(self.says or self.matches)

    def found_in(self, heard: str) -> bool:
        """Whether these words are what the agent was to say."""
        heard = _plain(heard)
        said = any(_plain(text) in heard for text in self.says)
        matched = any(re.search(pattern, heard, re.IGNORECASE) for pattern in self.matches)
        return (said or not self.says) and (matched or not self.matches)

    def forbids(self, ran: Collection[str]) -> bool:
        """Whether one of these tools was not to run."""
        return _among(self.no_tool, ran)

    def uses(self, ran: Collection[str]) -> bool:
        """Whether these are the tools that were to run."""
        return not self.forbids(ran) and (not self.tool or _among(self.tool, ran))

    @property
    def asks(self) -> str:
        """As the end of a sentence that begins "expected"."""
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
    """The steps of a call. path: of the file, for messages."""

    path: Path
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Outcome:
    """What came of a step.

    at, until: seconds on the tape; passed: None if the call did not come so far.
    expected: what was asked for, empty if nothing; instead: what there was when that did not come.
    heard: what the agent had said by then; tools: those that had run.
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
        """What is wrong, as the end of a sentence; empty if nothing is."""
        return f"expected {self.expected}; heard {self.instead}" if self.passed is False else ""

    def document(self) -> dict[str, Any]:
        """For a machine; times in seconds from the caller's first frame."""
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
    """How a script came out, in one sentence."""
    for outcome in outcomes:
        if outcome.passed is False:
            kind = str(outcome.step).partition(":")[0]
            return f"{script.path}: step {outcome.number} ({kind}) failed: {outcome.problem}"
    return f"{script.path}: all {len(outcomes)} steps passed"


def _plain(text: str) -> str:
    """Without what is only writing: capitals, line breaks, the printer's apostrophe."""
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower().split())


def _any_of(texts: tuple[str, ...]) -> str:
    return " or ".join(f'"{text}"' for text in texts)


def _among(tools: tuple[str, ...], ran: Collection[str]) -> bool:
    return bool(ran) if tools == (ANY,) else not set(ran).isdisjoint(tools)


def _tools(names: tuple[str, ...]) -> str:
    return "any tool" if names == (ANY,) else f"the tool {' or '.join(names)}"
