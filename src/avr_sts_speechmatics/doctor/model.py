"""Check of the model (LLM): requests as in a call, by the client that calls use.

The requests have the agent's instructions and welcome, the agent's tools, and one round of a tool.
A refusal that a shorter request would not cause is therefore found here. One tool is added to the
agent's tools: the added tool returns a code word and does nothing. Other tools are not run.
"""

import logging
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import replace

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.agents.call_time import now_in
from avr_sts_speechmatics.assembly import parts as assembly
from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import AgentAudio
from avr_sts_speechmatics.call.brief import brief_for, manners_for
from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolResult, ToolSpec
from avr_sts_speechmatics.doctor.advice import NO_TOOLS, TOOL_SCHEMA
from avr_sts_speechmatics.doctor.check import Check, answered
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.line import Line
from avr_sts_speechmatics.services.llm.protocol import Brief, Llm
from avr_sts_speechmatics.settings import Settings

LINE_CHECK = ToolSpec(
    "avr_line_check",
    "The operator's test of this telephone line. Returns the code word of the test. Use it when "
    "the code word is asked for.",
    {"type": "object", "properties": {}, "additionalProperties": False},
)
_QUESTION = (
    "This is the operator, who tests this line. What is the code word of the test? Use the tool "
    "avr_line_check, then say the word."
)
_CODE_WORD = "The code word is Saturn."
_NOT_RUN = "Not run: this is a test. The code word is Saturn."

_SCRIPT = "For a model set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own."
_NOBODY = "Set OPENAI_API_KEY or OPENAI_BASE_URL; or FAQ_FILE, or THINKING=receptionist."
_BY_ITSELF = "Nothing to do: the service does so in calls as well."
_TOOLS_UNUSED = (
    "Choose a model that calls tools when it should: the agents' tools, hang-up and transfer "
    "depend on it."
)

_CLIENT = logging.getLogger("avr_sts_speechmatics.services.llm")
_remarks: ContextVar[list[str] | None] = ContextVar("remarks", default=None)


def models(chosen: Settings, agents: Agents) -> dict[str, Agent]:
    """Return the models that calls may have, each with its agent of the longest instructions.

    If the receptionist answers, only the model of the settings is returned.
    """
    if not chosen.has_llm:
        return {chosen.openai_model: agents.all[0]}
    found: dict[str, Agent] = {}
    for agent in agents.all:
        longest = found.setdefault(agent.model or chosen.openai_model, agent)
        if len(agent.instructions) > len(longest.instructions):
            found[agent.model or chosen.openai_model] = agent
    return found


async def llm(
    chosen: Settings,
    client: Llm,
    model: str,
    agent: Agent,
    own_tools: Awaitable[Sequence[ToolSpec]],
) -> Check:
    """Check that a model answers as in a call, and calls a tool. Raises ServiceError.

    client: the client that calls use.
    model: name of the model.
    agent: an agent that has the model.
    own_tools: gives the operator's tools, once they are loaded.
    """
    if chosen.nobody_answers:
        what = "no model: callers hear one sentence, then ON_FAILURE is carried out"
        return Check("llm", "failed", what, _NOBODY)
    if not chosen.has_llm:
        return Check("llm", "ok", "no model: a scripted receptionist answers", _SCRIPT)
    own = await own_tools
    offered = (*_departures(chosen), *own)
    began = now_in(agent.time_zone)
    brief = replace(brief_for(agent, offered, {}, began), model=model)
    manners = manners_for(agent, {}, began)
    first = (*(notice.text for notice in manners.notices), manners.welcome)
    welcome = " ".join(text for text in first if text)
    needs_tools = bool(own or chosen.transfer_allow)
    with _listening_to_the_client() as remarks:
        found = await _answers(client, brief, welcome, needs_tools=needs_tools)
    if not remarks or found.state == "failed":
        return found
    said = "; ".join(dict.fromkeys(_plain(remark, model) for remark in remarks))
    advice = found.advice or _BY_ITSELF
    if "without tools" in said:
        advice = NO_TOOLS
    elif "without the tool" in said:
        advice = TOOL_SCHEMA
    return replace(found, state="warning", detail=f"{found.detail}; {said}", advice=advice)


def _plain(remark: str, model: str) -> str:
    """Return a remark of the client without the server's reasons, which are in the log."""
    return remark.removeprefix("llm: ").removeprefix(f"{model}: ").partition(" (the server: ")[0]


def _departures(chosen: Settings) -> list[ToolSpec]:
    """Return the tools for hang-up and transfer, as on a line that can hang up."""
    # No request goes to the PBX here: the client is made as in a call, and not connected.
    return assembly.departures_of(chosen, assembly.pbx_of(chosen)).specs(_AnyLine())


async def _answers(client: Llm, brief: Brief, welcome: str, *, needs_tools: bool) -> Check:
    """Ask a question that needs a tool, return the tool's result, expect an answer.

    needs_tools: whether the operator has set up tools of their own, or transfers.
    """
    brief = replace(brief, tools=(LINE_CHECK, *brief.tools))
    history: list[Entry] = [Message("assistant", welcome)] if welcome else []
    history.append(Message("user", _QUESTION))
    text, calls, took = await _ask(client, brief, history)
    if not calls:
        if not text:
            return Check("llm", "failed", "gave no words", "Raise OPENAI_MAX_TOKENS.")
        found = answered("llm", "answers, but called no tool when it was asked to", took)
        if needs_tools and found.state == "ok":
            return replace(found, state="warning", advice=_TOOLS_UNUSED)
        return found
    # As in a call, the model is asked once more with tools, then without tools.
    for tools in (brief.tools, ()):
        history += _round(text, calls)
        try:
            text, calls, _ = await _ask(client, replace(brief, tools=tools), history)
        except ServiceError as error:
            failure = str(error).removeprefix(f"{error.service}: ")
            after = f"calls a tool, then: {failure}"
            raise ServiceError("llm", after, retryable=error.retryable) from error
        if not calls:
            break
    if not text:
        advice = "Raise OPENAI_MAX_TOKENS, or choose another model."
        return Check("llm", "failed", "calls a tool, then gives no words", advice)
    return answered("llm", "answers and calls tools", took)


async def _ask(
    client: Llm, brief: Brief, history: Sequence[Entry]
) -> tuple[str, list[ToolCall], float]:
    """Ask once. Returns the text, the tool calls, and the time to the first piece of either (s)."""
    begun = time.monotonic()
    took = 0.0
    text, calls = "", []
    async with aclosing(client.reply(brief, history)) as pieces:
        async for piece in pieces:
            took = took or time.monotonic() - begun
            if isinstance(piece, ToolCall):
                calls.append(piece)
            else:
                text += piece
    return text.strip(), calls, took


def _round(text: str, calls: Sequence[ToolCall]) -> Iterator[Entry]:
    """Yield the entries of a round of tools, as in the history of a call."""
    if text:
        yield Message("assistant", text)
    for call in calls:
        yield call
        yield ToolResult(call.id, _CODE_WORD if call.name == LINE_CHECK.name else _NOT_RUN)


class _AnyLine(Line):
    """A line that can hang up, so that every tool of a call is offered."""

    can_hang_up = True

    def open_playout(self, pacing: Pacing, finished: object) -> AgentAudio:
        raise NotImplementedError("nobody is on this line")

    def close(self, *, failed: bool) -> None:
        """Do nothing: nobody is on this line."""


class _Collector(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if (remarks := _remarks.get()) is not None and record.levelno >= logging.WARNING:
            remarks.append(record.getMessage())


@contextmanager
def _listening_to_the_client() -> Iterator[list[str]]:
    """Collect the client's warnings in this task: each says how later requests will differ."""
    handler = _Collector()
    remarks: list[str] = []
    token = _remarks.set(remarks)
    _CLIENT.addHandler(handler)
    try:
        yield remarks
    finally:
        _CLIENT.removeHandler(handler)
        _remarks.reset(token)
