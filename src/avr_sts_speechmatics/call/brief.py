"""The brief of a call: the instructions, tools and model of the agent that answers."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.placeholders import briefed_with
from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.services.llm.protocol import Brief


def brief_for(
    agent: Agent, tools: Iterable[ToolSpec], facts: Mapping[str, str], began: datetime
) -> Brief:
    """Return the brief of a call.

    agent: the agent that answers.
    tools: all tools that could be offered; the agent's own list selects from them.
    facts: facts of the call.
    began: when the call began, in the agent's time zone.
    """
    offered = (tool for tool in tools if agent.tools is None or tool.name in agent.tools)
    instructions = briefed_with(agent.instructions, facts, began)
    return Brief(instructions, tuple(offered), agent.model, agent.language)
