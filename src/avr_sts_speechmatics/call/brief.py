"""What the model is told of an agent in a call: instructions, tools, model."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.placeholders import briefed_with
from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.services.llm.protocol import Brief


def brief_for(
    agent: Agent, tools: Iterable[ToolSpec], facts: Mapping[str, str], began: datetime
) -> Brief:
    """The brief of a call.

    agent: who answers.
    tools: everything that could be offered; the agent's own list decides what is.
    facts: of the call.
    began: when the call began, in the agent's time zone.
    """
    offered = (tool for tool in tools if agent.tools is None or tool.name in agent.tools)
    return Brief(briefed_with(agent.instructions, facts, began), tuple(offered), agent.model)
