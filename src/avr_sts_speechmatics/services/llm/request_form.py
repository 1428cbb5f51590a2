"""The form of the requests to one model, as its server has accepted them.

A refusal that another form would cure changes the form, and the request is sent again. A form that
worked is remembered for the process, so that no later answer waits for a refusal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from avr_sts_speechmatics.conversation import GO_ON, Entry, ToolSpec
from avr_sts_speechmatics.services.llm.answer_objects import (
    HOW,
    OBJECTS,
    Objects,
    answer_fields,
    told_in_words,
)
from avr_sts_speechmatics.services.llm.chat_messages import (
    PLAIN,
    MessageForm,
    chat_messages,
    chat_tools,
)
from avr_sts_speechmatics.services.llm.history_budget import estimated_tokens, within_budget
from avr_sts_speechmatics.services.llm.protocol import AnswerForm
from avr_sts_speechmatics.services.llm.refusals import Refusal

LEAST_TOKENS = 64
"""A history is not shortened below this estimate (tokens). The last turn is always kept."""

_OPTIONAL = ("stream_options", "reasoning_effort", "temperature", "parallel_tool_calls")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request before it has a form.

    instructions: the system prompt; empty for none.
    tools: the offered tools.
    history: the conversation, oldest first.
    answer: the form of the answer; None for words.
    """

    instructions: str
    tools: tuple[ToolSpec, ...]
    history: Sequence[Entry]
    answer: AnswerForm | None = None


@dataclass(frozen=True, slots=True)
class RequestForm:
    """The form of requests to one model.

    parameters: fields that every request has, `model` among them.
    server: address of the server, for opaque fields that only this server gets back.
    history_tokens: longest conversation (tokens, estimated); None for no limit.
    tools: the model takes tools.
    refused_tools: names of tools that the server refuses.
    messages: the form of the messages.
    objects: how the server is asked for an answer of a form: by a schema that it keeps strictly or
        not, for any object, or in words only.
    reasons_first: the answers begin with reasoning that has no opening tag, or may do so.
    proven: an answer has shown whether the model reasons first.
    changes: changes to the form, each with its reason, one sentence each.
    """

    parameters: Mapping[str, Any]
    server: str = ""
    history_tokens: int | None = None
    tools: bool = True
    refused_tools: frozenset[str] = frozenset()
    messages: MessageForm = PLAIN
    objects: Objects = "strict"
    reasons_first: bool = False
    proven: bool = False
    changes: tuple[str, ...] = ()

    def body(self, asked: Asked) -> dict[str, Any]:
        """Return the body of a request."""
        history = self._history(asked)
        body: dict[str, Any] = dict(self.parameters)
        instructions = asked.instructions
        if asked.answer is not None:
            body |= answer_fields(asked.answer, self.objects, self.parameters)
            instructions += told_in_words(asked.answer, self.objects)
        messages = chat_messages(instructions, history, self._message_form, self.server)
        if messages and messages[-1]["role"] == "assistant":
            # Many servers answer only the user and the results of tools.
            messages.append({"role": "user", "content": GO_ON})
        body["messages"] = messages
        if tools := self.offered(asked):
            body["tools"] = chat_tools(tools)
        else:
            body.pop("parallel_tool_calls", None)
        return body

    def offered(self, asked: Asked) -> list[ToolSpec]:
        """Return the tools that the request offers."""
        if not self.tools:
            return []
        return [tool for tool in asked.tools if tool.name not in self.refused_tools]

    @property
    def _message_form(self) -> MessageForm:
        # A server without tools may have no tool messages either.
        return self.messages if self.tools else replace(self.messages, tool_messages=False)

    def _history(self, asked: Asked) -> Sequence[Entry]:
        if self.history_tokens is None:
            return asked.history
        return within_budget(asked.history, self.history_tokens)

    def cured(self, refusal: Refusal, asked: Asked) -> "RequestForm | None":
        """Return a form that the server may accept; None if no other form can help."""
        if not refusal.may_be_cured:
            return None
        for cure in _CURES:
            form = cure(self, refusal, asked)
            if form is not None and _differs(self, form, asked):
                return form
        return None

    def with_reasoning(self, reasons: bool) -> "RequestForm":
        """Return the form after an answer.

        reasons: the answer began with reasoning that had no opening tag.
        """
        if self.proven and (self.reasons_first or not reasons):
            return self
        if not reasons:
            return replace(self, reasons_first=False, proven=True)
        change = "answers wait for the end of the reasoning, which has no opening tag"
        changes = (*self.changes, change)
        return replace(self, reasons_first=True, proven=True, changes=changes)

    def changed(self, what: str, refusal: Refusal, **fields: Any) -> "RequestForm":
        """Return the form with other fields.

        what: the change, in words for the operator.
        refusal: the reason for the change.
        fields: the new values.
        """
        change = f"{what} (the server: {refusal.reason})"
        return replace(self, changes=(*self.changes, change), **fields)


def _differs(one: RequestForm, other: RequestForm, asked: Asked) -> bool:
    return one.body(asked) != other.body(asked)


# --- cures, in the order in which they are tried -------------------------------------------------


def _shorter(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    if not refusal.too_long or asked.answer is not None:
        return None  # who asks for an object decides what is left out
    size = estimated_tokens(asked.history)
    tokens = size if form.history_tokens is None else min(size, form.history_tokens)
    while (tokens := tokens // 2) >= LEAST_TOKENS:
        what = f"the conversation is shortened to about {tokens} tokens"
        shorter = form.changed(what, refusal, history_tokens=tokens)
        if _differs(form, shorter, asked):
            return shorter
    return None


def _object(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    """Ask for an object in the next looser way."""
    if asked.answer is None or refusal.too_long or not refusal.answer_form:
        return None
    return _looser(form, refusal)


def _object_in_words(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    """Ask for an object in words, because the server does not name the fault."""
    if asked.answer is None or refusal.too_long or not refusal.is_of_the_form:
        return None
    return None if form.objects == "words" else _asked_for_objects(form, refusal, "words")


def _looser(form: RequestForm, refusal: Refusal) -> RequestForm | None:
    place = OBJECTS.index(form.objects) + 1
    if place == len(OBJECTS):
        return None
    return _asked_for_objects(form, refusal, OBJECTS[place])


def _asked_for_objects(form: RequestForm, refusal: Refusal, objects: Objects) -> RequestForm:
    return form.changed(f"outcomes are asked for by {HOW[objects]}", refusal, objects=objects)


def _parameters(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    if refusal.too_long:
        return None
    parameters = dict(form.parameters)
    for name in ("max_completion_tokens", "max_tokens"):
        if name in parameters and refusal.names(name):
            value = parameters.pop(name)
            other = "max_tokens" if name == "max_completion_tokens" else "max_completion_tokens"
            tried = any(change.startswith(f"{other} is not sent") for change in form.changes)
            if not tried and (other == "max_tokens" or refusal.names(other)):
                parameters[other] = value
            return form.changed(f"{name} is not sent", refusal, parameters=parameters)
    for name in _OPTIONAL:
        if name not in parameters or not refusal.names(name):
            continue
        effort = refusal.effort_instead_of(parameters.pop(name))
        if name == "reasoning_effort" and effort is not None:
            parameters[name] = effort
            return form.changed(f"{name} is {effort}", refusal, parameters=parameters)
        return form.changed(f"{name} is not sent", refusal, parameters=parameters)
    return None


def _without_a_tool(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    offered = form.offered(asked)
    place = refusal.tool_place
    refused = {offered[place].name} if place is not None and place < len(offered) else set()
    refused |= {tool.name for tool in offered if refusal.tool_named(tool.name)}
    if not refused:
        return None
    what = f"asked without the tool {', '.join(sorted(refused))}"
    return form.changed(what, refusal, refused_tools=form.refused_tools | refused)


def _without_tools(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    if not form.offered(asked) or not refusal.tools:
        return None
    return form.changed("asked without tools", refusal, tools=False)


def _details(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    """Change details of single messages: identifiers, fields of other servers, missing text."""
    messages = form.messages
    if refusal.ids and not messages.short_ids:
        return form.changed(
            "identifiers of tool calls have nine characters",
            refusal,
            messages=replace(messages, short_ids=True),
        )
    fields = {
        key
        for entry in asked.history
        for opaque in (getattr(entry, "opaque", None),)
        if opaque is not None
        for key in (*opaque.call, *opaque.message)
    }
    named = frozenset(field for field in fields if refusal.names(field))
    if named - messages.dropped and not _is_wanted(refusal):
        return form.changed(
            f"{', '.join(sorted(named))} does not go back to the server",
            refusal,
            messages=replace(messages, dropped=messages.dropped | named),
        )
    if refusal.content and not messages.empty_content and not refusal.system:
        return form.changed(
            "tool calls without text have an empty text",
            refusal,
            messages=replace(messages, empty_content=True),
        )
    return None


def _is_wanted(refusal: Refusal) -> bool:
    return any(word in refusal.text for word in ("missing", "must be passed", "is required"))


def _system(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    if not refusal.system or form.messages.system == "user":
        return None
    developer = form.messages.system == "system" and refusal.wants_developer
    role: Literal["developer", "user"] = "developer" if developer else "user"
    return form.changed(
        f"the instructions are a {role} message",
        refusal,
        messages=replace(form.messages, system=role),
    )


def _roles(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    """Try ever stricter orders of the messages."""
    if not (refusal.roles or refusal.tool_messages or refusal.is_of_the_form):
        return None
    messages = form.messages
    if not messages.alternate:
        stricter = replace(messages, alternate=True)
        form = form.changed("roles alternate, the user first", refusal, messages=stricter)
        if form.body(asked) != replace(form, messages=messages).body(asked):
            return form
        messages = stricter
    if not (refusal.roles or refusal.tool_messages):
        return None
    if messages.tool_messages and refusal.tool_messages:
        return _in_words(form, refusal)
    if messages.system != "user":
        return form.changed(
            "the instructions are a user message",
            refusal,
            messages=replace(messages, system="user"),
        )
    return _in_words(form, refusal) if messages.tool_messages else None


def _fewest(form: RequestForm, refusal: Refusal, asked: Asked) -> RequestForm | None:
    """Leave out optional parts of the request, because the server does not name the fault."""
    if not refusal.is_of_the_form or (refusal.param and not refusal.param.startswith("messages")):
        return None
    if refusal.too_long or "stream_options" not in form.parameters:
        return None
    fewer = {k: v for k, v in form.parameters.items() if k != "stream_options"}
    return form.changed("stream_options is not sent", refusal, parameters=fewer)


def _in_words(form: RequestForm, refusal: Refusal) -> RequestForm:
    messages = replace(form.messages, tool_messages=False)
    return form.changed("results of tools are told in words", refusal, messages=messages)


_CURES = (
    *(_shorter, _object, _parameters, _without_a_tool, _without_tools, _details, _system, _roles),
    *(_fewest, _object_in_words),
)
