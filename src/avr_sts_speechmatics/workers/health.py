"""`/health` of all workers in one, whichever worker was asked."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Health = dict[str, Any]

_WORST_LAST = ("not tried yet", "ok", "failed")


def of_all(own: Health, number: int, answer: Mapping[str, Any] | None) -> Health:
    """Return the health of the service.

    own: the health of the worker that was asked.
    number: its number.
    answer: what the supervisor says about the others; None if it did not answer.
    """
    entries: list[dict[str, Any]] = [{"number": number, "pid": os.getpid(), "health": own}]
    entries += [] if answer is None else answer["workers"]
    known = [one["health"] for one in entries if one["health"] is not None]
    # Workers that only finish their calls say nothing about new calls, unless there are no others.
    taking = [one for one in known if one["status"] != "draining"] or known
    chosen = next((one for one in taking if one["ready"]), taking[0])
    states = [one["service_states"] for one in taking]
    whole = {
        **chosen,
        "status": _status(taking, chosen),
        "calls": sum(one["calls"] for one in known),
        "calls_refused": sum(one["calls_refused"] for one in known),
        "calls_refused_by_reason": dict(
            sum((Counter(one["calls_refused_by_reason"]) for one in known), Counter())
        ),
        "loop_lag_ms": max(one["loop_lag_ms"] for one in taking),
        "file_descriptors_left": min(one["file_descriptors_left"] for one in taking),
        "service_states": _states(states),
        "phrases_missing": max(
            (one["phrases_missing"] for one in taking if one["phrases_missing"] is not None),
            default=None,
        ),
        "records": _records([one.get("records", {}) for one in known]),
        "log_lines_lost": sum(one["log_lines_lost"] for one in known),
        "spans": _sums([one["spans"] for one in known if one.get("spans") is not None]),
        "warnings": list(dict.fromkeys(text for one in taking for text in one["warnings"])),
    }
    if answer is not None:
        whole["uptime_s"] = answer["uptime_s"]
        whole["log_lines_lost"] += answer["log_lines_lost"]
        whole["warnings"] = list(dict.fromkeys([*answer["warnings"], *whole["warnings"]]))
        whole["workers_died"] = answer["deaths"]
    whole["workers"] = [_shown(one) for one in sorted(entries, key=lambda one: one["number"])]
    return whole


def _status(taking: Sequence[Health], chosen: Health) -> str:
    """The status of the service: a service that takes calls is no worse than its services."""
    if not chosen["ready"]:
        return str(chosen["status"])
    degraded = any(one["status"] == "degraded" for one in taking)
    return "degraded" if degraded else "ok"


def _states(all_states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each service the state of the worker that knows most: a failure, then a success."""
    found: dict[str, Any] = {}
    for states in all_states:
        for name, state in states.items():
            known = found.get(name)
            if known is None or _rank(state) > _rank(known):
                found[name] = state
    return found


def _sums(counts: Sequence[Mapping[str, int]]) -> dict[str, int] | None:
    """The sums of counts by name; None if there are none."""
    return {name: sum(one[name] for one in counts) for name in counts[0]} if counts else None


def _records(all_records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The records of all workers: what waits and what was lost together, one reason."""
    found = {**all_records[0]}
    for name, value in found.items():
        if isinstance(value, int):
            found[name] = sum(one.get(name, 0) for one in all_records)
    away = [one["away"] for one in all_records if one.get("away")]
    return found | {"away": away[0]} if away else found


def _rank(state: Mapping[str, Any]) -> int:
    return _WORST_LAST.index(state["state"])


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    health = entry["health"] or {}
    return {
        "number": entry["number"],
        "pid": entry["pid"],
        "status": health.get("status", "no answer"),
        "calls": health.get("calls"),
        "uptime_s": health.get("uptime_s"),
        "version": health.get("version"),
    }
