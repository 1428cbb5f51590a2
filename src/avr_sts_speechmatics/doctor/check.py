"""The result of one check of the doctor."""

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
"""Latencies above which a check is a warning (ms): callers begin to doubt that anybody is there."""

_SLOW = "Run this again; if it stays slow: use a nearer region, a quicker model, a better network."


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    what: name of the part that was checked, such as "stt" or "port 6040".
    state: "failed" if calls would not work as configured; "warning" if calls work without the
        part, or with a substitute; "skipped" if the part is not configured.
    detail: the finding.
    advice: what the operator has to do; empty if there is nothing to do.
    latency_ms: time from the request to the beginning of the answer (ms); None without a request.
    """

    what: str
    state: State
    detail: str
    advice: str = ""
    latency_ms: int | None = None


def answered(what: str, detail: str, took_s: float) -> Check:
    """Make the check of a service that answered: "ok", or "warning" if the service is slow.

    what: name of the part that was checked.
    detail: the finding.
    took_s: time from the request to the beginning of the answer (s).
    """
    took = round(took_s * 1000)
    slow = took > SLOW_MS.get(what, took)
    return Check(what, "warning" if slow else "ok", detail, _SLOW if slow else "", took)


def check_from(what: str, state: State, sentence: str, separator: str, otherwise: str) -> Check:
    """Make a check from a sentence that says what is wrong and then what to do.

    what: name of the part that was checked.
    state: state of the check.
    sentence: the finding, the separator and the advice.
    separator: text between the two parts of the sentence.
    otherwise: the advice if the sentence has no second part.
    """
    detail, _, advice = sentence.partition(separator)
    if not advice:
        return Check(what, state, detail, otherwise)
    end = "" if advice.endswith(("?", ".")) else "."
    return Check(what, state, detail, advice[0].upper() + advice[1:] + end)
