"""One call as a timeline for people: who said what and when, and why an answer was late."""

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from avr_sts_speechmatics.cli.call_list import minutes, printable
from avr_sts_speechmatics.cli.moments import zone_shown
from avr_sts_speechmatics.values import counted

_PARTS = {
    "confirm": "until the turn was over",
    "model": "the model's first word",
    "clause": "a clause to speak",
    "voice": "the voice",
    "frame": "until the line had it",
}
"""The parts of the wait for an answer, in their order; they add up to the wait."""

_KINDS = {"answer": "", "words": "", "keys": ""}
"""Kinds of speech that need no name."""


def timeline(call: Mapping[str, Any], zone: tzinfo | None, width: int) -> Iterator[str]:
    """Yield the lines about a call.

    call: all that is kept, as `History.call` returns it.
    zone: of the times.
    width: longest line (characters).
    """
    began = datetime.fromtimestamp(call["began_ms"] / 1000, zone)
    for name, value in _head(call, began):
        yield from _wrapped(f"{name:8}", value, width)
    yield ""
    entries = sorted(_entries(call), key=lambda entry: entry[0])
    for at_ms, who, texts in entries:
        moment = datetime.fromtimestamp((call["began_ms"] + at_ms) / 1000, zone)
        mark = f"{moment:%H:%M:%S}.{moment.microsecond // 100_000} {who:7} "
        for number, text in enumerate(texts):
            yield from _wrapped(" " * len(mark) if number else mark, text, width)
    if not entries:
        yield "Nothing else is kept of this call."


def why_late(turn: Mapping[str, Any]) -> str:
    """Return how long an answer took, with its parts, and which part was the longest."""
    total = turn["voice_to_voice_ms"]
    parts = {name: turn[f"{name}_ms"] for name in _PARTS if turn[f"{name}_ms"] is not None}
    if not parts:
        return ""
    shown = " + ".join(f"{name} {took}" for name, took in parts.items())
    text = f"waited {shown} ms" if total is None else f"answered after {total} ms = {shown}"
    longest = max(parts, key=lambda name: parts[name])
    if total and parts[longest] > 0:
        text += f"; longest: {longest} ({_PARTS[longest]})"
    if (turn["ahead_ms"] or 0) > 0:
        text += f"; the model was asked {turn['ahead_ms']} ms ahead"
    if (turn["requests"] or 1) > 1:
        text += f"; {turn['requests']} requests"
    return text


def _head(call: Mapping[str, Any], began: datetime) -> Iterator[tuple[str, str]]:
    yield "call", printable(call["uuid"])
    yield "key", call["key"]
    yield "began", f"{began:%Y-%m-%d %H:%M:%S} ({zone_shown(began)})"
    yield "from", printable(call["caller_number"] or "-")
    yield "to", printable(call["called_number"] or "-")
    yield "agent", f"{printable(call['agent'])}, by {call['transport']}"
    yield "end", _end(call, began.tzinfo)
    if not call["running"] and call["duration_s"] is not None:
        yield "turns", _turns(call)
        yield "used", _used(call)
    for name in ("outcome", "recording", "trace_id", "service"):
        if value := call[name]:
            yield name.removesuffix("_id"), _plain(value)
    if call["facts"]:
        yield "facts", _plain(call["facts"])


def _end(call: Mapping[str, Any], zone: tzinfo | None) -> str:
    if call["running"]:
        return "the call is going on"
    if call["ended_ms"] is None:
        return "lost: the service was killed during the call"
    ended = datetime.fromtimestamp(call["ended_ms"] / 1000, zone)
    text = f"{ended:%H:%M:%S} after {minutes((call['ended_ms'] - call['began_ms']) / 1000)}"
    text += f": {call['reason'] or 'unknown'}"
    if call["ended_by"] and call["ended_by"] != call["reason"]:
        text += f", by {call['ended_by']}"
    if call["transferred_to"]:
        text += f", transferred to {printable(call['transferred_to'])}"
    return f"{text}; error: {printable(call['error'])}" if call["error"] else text


def _turns(call: Mapping[str, Any]) -> str:
    parts = [counted(call["caller_turns"] or 0, "turn")]
    if call["voice_to_voice_median_ms"] is not None:
        median, worst = call["voice_to_voice_median_ms"], call["voice_to_voice_worst_ms"]
        parts.append(f"answers after {median} ms (worst {worst} ms)")
    parts.append(counted(call["interruptions"] or 0, "interruption"))
    parts.append(counted(call["failures"] or 0, "failure"))
    return ", ".join(parts)


def _used(call: Mapping[str, Any]) -> str:
    parts = [f"{call['stt_s'] or 0:g} s recognised"]
    if call["prompt_tokens"]:
        asked, cached = call["prompt_tokens"], call["cached_tokens"] or 0
        parts.append(
            f"{asked} tokens asked ({cached} cached), {call['completion_tokens']} answered"
        )
    parts.append(f"{counted(call['tts_characters'] or 0, 'character')} spoken")
    if call["cost"] is not None:
        parts.append(f"cost {call['cost']:.4f} {call['currency'] or ''}".rstrip())
    return ", ".join(parts)


def _entries(call: Mapping[str, Any]) -> Iterator[tuple[int, str, list[str]]]:
    """Yield time (ms), who or what, and texts of everything in a call."""
    for turn in call["turns"]:
        yield turn["at_ms"], turn["speaker"], _speech(turn)
    for tool in call["tools"]:
        yield tool["at_ms"], "tool", _tool(tool)
    for event in call["events"]:
        yield event["at_ms"], event["kind"], _event(event)


def _speech(turn: Mapping[str, Any]) -> list[str]:
    agent = turn["speaker"] == "agent"
    kind = turn["kind"] or ""
    named = f"({kind}) " if _KINDS.get(kind, kind) else ""
    words = turn["heard"] if agent else turn["said"]
    if words is None:
        # Erased after KEEP_DAYS, or never kept.
        count = turn["words_heard"] if agent else turn["words_said"]
        shown = "keys" if kind == "keys" else counted(count or 0, "word")
        texts = [f"{named}[{shown}]"]
    else:
        texts = [f"{named}{printable(words)}" if words else f"{named}[nothing was heard]"]
    if not agent:
        return texts
    if turn["interrupted"] or (turn["words_heard"] or 0) < (turn["words_said"] or 0):
        how = "interrupted" if turn["interrupted"] else "not whole"
        texts.append(f"{how}: {turn['words_heard']} of {turn['words_said']} words heard")
        if turn["said"]:
            texts.append(f"was to be: {printable(turn['said'])}")
    return [*texts, *filter(None, (why_late(turn),))]


def _tool(tool: Mapping[str, Any]) -> list[str]:
    took = "did not run or end" if tool["took_ms"] is None else f"took {tool['took_ms']} ms"
    failed = ", failed" if tool["failed"] else ""
    arguments = "" if tool["arguments"] is None else f" {_plain(tool['arguments'])}"
    texts = [f"{printable(tool['name'])}{arguments}: {took}{failed}"]
    return texts + ([f"-> {printable(tool['result'])}"] if tool["result"] else [])


def _event(event: Mapping[str, Any]) -> list[str]:
    details = event["details"]
    match event["kind"]:
        case "key":
            return [printable(str(details.get("key", "pressed")))]
        case "transfer":
            failed = ", failed" if details.get("failed") else ""
            return [f"to {printable(str(details.get('to')))}{failed}"]
        case "failure":
            texts = [printable(str(details.get("error") or details.get("service")))]
            if event["then"] is None:
                return [*texts, "the caller heard nothing after it"]
            words = f": {printable(event['heard'])}" if event["heard"] else ""
            when = f"{event['then_ms']} ms later" if event["then_ms"] >= 0 else "meanwhile"
            return [*texts, f"the caller heard {when} ({event['then']}){words}"]
    return [_plain(details.get("text", details))]


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(str(name))}={_plain(item)}" for name, item in value.items())
    return printable(str(value))


def _wrapped(mark: str, text: str, width: int) -> Iterator[str]:
    room = max(20, width - len(mark))
    for number, line in enumerate(textwrap.wrap(text, room) or [""]):
        yield f"{' ' * len(mark) if number else mark}{line}".rstrip()
