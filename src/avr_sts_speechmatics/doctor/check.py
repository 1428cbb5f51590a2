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
"""Latencies from which callers wonder whether anybody is there (ms)."""

_SLOW = "Run this again; if it stays: a nearer region, a quicker model, a better network."


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what was found.

    what: the part that was looked at, such as "stt" or "port 6040".
    state: "failed" if calls would not go as they are set up; "warning" if something is missing
    that calls can do without, or is replaced by something else; "skipped" if it is not set up.
    detail: what was found.
    advice: what to do; empty if there is nothing to do.
    latency_ms: from asking a service to the beginning of its answer; None if none was asked.
    """

    what: str
    state: State
    detail: str
    advice: str = ""
    latency_ms: int | None = None


def answered(what: str, detail: str, took_s: float) -> Check:
    """Make a check of a service that did what it was asked; a warning if it is slow for callers.

    took_s: from the request to the beginning of the answer (s).
    """
    took = round(took_s * 1000)
    slow = took > SLOW_MS.get(what, took)
    return Check(what, "warning" if slow else "ok", detail, _SLOW if slow else "", took)


def check_from(what: str, state: State, sentence: str, separator: str, otherwise: str) -> Check:
    """Make a check of a sentence that says what is wrong and then what to do.

    separator: stands between the two parts of the sentence.
    otherwise: the advice if the sentence has no second part.
    """
    detail, _, advice = sentence.partition(separator)
    if not advice:
        return Check(what, state, detail, otherwise)
    end = "" if advice.endswith(("?", ".")) else "."
    return Check(what, state, detail, advice[0].upper() + advice[1:] + end)
