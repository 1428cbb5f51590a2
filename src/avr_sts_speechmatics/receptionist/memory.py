"""The state of a conversation, derived from its messages.

Nothing is stored between two replies: names, numbers and appointments are looked up in the
messages. So a question that the caller did not hear, because the caller interrupted it and the
history was cut, counts as not asked.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avr_sts_speechmatics.receptionist import entities, wording

_NOTE = re.compile(r"\[(?:The|Note)\b.*\]", re.DOTALL)
"""A note of the service in the place of the caller's words."""

_FAILED = re.compile(
    r"\b(error|fail(ed|ure)?|could ?n.t|could not|can ?not|unable|unavailable|refused|denied"
    r"|not found|timed? ?out|timeout|exception|invalid)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool.

    tool: name of the tool; empty if unknown.
    failed: whether the result reports a failure.
    """

    tool: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call so far.

    text: the caller's words since the last answer; empty if there are none.
    said: `text` in plain form, without keys.
    result: the tool result to which the reply belongs; None if the last message is not one.
    last_answer: the agent's last answer as the caller heard it; empty before the first.
    turns: number of answers so far.
    earlier: all sentences of the caller, oldest first, those of `text` included.
    tools: names of the offered tools.
    """

    text: str
    said: str
    result: ToolResult | None
    last_answer: str
    turns: int
    earlier: tuple[str, ...]
    tools: frozenset[str]

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]) -> "Conversation":
        messages = _to_be_answered(messages)
        texts = [(message["role"], _text(message)) for message in messages]
        answers = [text for role, text in texts if role == "assistant" and text]
        users = [text for role, text in texts if role == "user" and text]
        latest: list[str] = []
        for role, text in reversed(texts):
            if role in ("assistant", "tool"):
                break
            if role == "user" and text:
                latest.insert(0, text)
        text = " ".join(latest)
        return cls(
            text=text,
            said=entities.plain(entities.without_keys(text)),
            result=_result(messages),
            last_answer=answers[-1] if answers else "",
            turns=len(answers),
            earlier=tuple(users),
            tools=tools,
        )

    def asked(self, question: str | re.Pattern[str]) -> bool:
        """Whether the last answer contains this question, or matches this pattern."""
        if isinstance(question, str):
            return question in self.last_answer
        return bool(question.search(self.last_answer))

    @property
    def caller_name(self) -> str | None:
        """The last name that the caller gave; None if the caller gave none."""
        names = [name for name in map(entities.name, self.earlier) if name]
        return names[-1] if names else None

    @property
    def cancelling(self) -> bool:
        """Whether the caller recently asked to cancel, so that a number names what to cancel."""
        return any(wording.CANCEL.search(entities.plain(text)) for text in self.earlier[-6:])

    @property
    def appointment_day(self) -> str | None:
        days = [day for day in map(entities.day, self._booking()) if day]
        return days[-1] if days else None

    @property
    def appointment_time(self) -> str | None:
        times = [time for time in map(entities.time_of_day, self._booking()) if time]
        return times[-1] if times else None

    @property
    def appointment(self) -> str:
        """The requested appointment in words."""
        time = self.appointment_time or ""
        joint = "in the" if time.lower() in ("morning", "afternoon", "evening") else "at"
        return f"an appointment for {self.appointment_day} {joint} {time}"

    def _booking(self) -> Iterator[str]:
        """The caller's sentences since the first mention of an appointment.

        Without a mention (the caller named only a day): the last three sentences.
        """
        texts = self.earlier
        first = (i for i, text in enumerate(texts) if wording.BOOK.search(entities.plain(text)))
        yield from texts[next(first, -3) :]


def _to_be_answered(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The messages without notes of the service. After a note, the last question is answered."""
    words = [m for m in messages if not (m["role"] == "user" and _NOTE.fullmatch(_text(m)))]
    if words and words[-1] is not messages[-1]:
        end = len(words)
        while end and words[end - 1]["role"] == "assistant":
            end -= 1
        words = words[:end] or words
    return words


def _text(message: Mapping[str, Any]) -> str:
    """The message's text; `content` may be a string, a list of parts, or absent."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") or "" for part in content if isinstance(part, dict))
        return " ".join(parts).strip()
    return content.strip() if isinstance(content, str) else ""


def _result(messages: Sequence[Mapping[str, Any]]) -> ToolResult | None:
    if not messages or messages[-1]["role"] != "tool":
        return None
    called = messages[-1].get("tool_call_id")
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    names = [call["function"]["name"] for call in calls if call.get("id") == called]
    return ToolResult(names[-1] if names else "", _failed(_text(messages[-1])))


def _failed(result: str) -> bool:
    """Whether a tool's result reports a failure: by its JSON fields if it has them, else by its
    words."""
    try:
        fields = json.loads(result)
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        if fields.get("error") or fields.get("ok") is False or fields.get("success") is False:
            return True
        if fields.get("ok") is True or fields.get("success") is True:
            return False
    return bool(_FAILED.search(result))
