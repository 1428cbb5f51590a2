"""One thing the doctor looked at, and what was found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]

SLOW_MS = {
    "stt": 2000,
    "tts": 1000,
    "second tts": 2000,
    "llm": 1500,
    "instructions": 1000,
}
"""From here on callers wonder whether anybody is there (ms)."""

_SLOW = "Run this again; if it stays: a nearer region, a quicker model, a better network."


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what was found.

    state: "failed": calls would not go as they are set up; a "warning": something is done without,
    or something else takes its place; "skipped": it is not set up, and need not be.
    advice: what to do; empty where that is nothing.
    latency_ms: from asking a service to the beginning of its answer, where it was asked.
    """

    what: str
    state: State
    detail: str
    advice: str = ""
    latency_ms: int | None = None


def answered(what: str, detail: str, took_s: float) -> Check:
    """A service did what it was asked; a warning if callers would find it slow."""
    took = round(took_s * 1000)
    slow = took > SLOW_MS.get(what, took)
    return Check(what, "warning" if slow else "ok", detail, _SLOW if slow else "", took)


def told(what: str, state: State, sentence: str, parted_by: str, otherwise: str) -> Check:
    """From a sentence that says what is the matter and then what to do.

    parted_by: what stands between the two. otherwise: the advice of a sentence that has none.
    """
    detail, _, advice = sentence.partition(parted_by)
    if not advice:
        return Check(what, state, detail, otherwise)
    end = "" if advice.endswith(("?", ".")) else "."
    return Check(what, state, detail, advice[0].upper() + advice[1:] + end)
