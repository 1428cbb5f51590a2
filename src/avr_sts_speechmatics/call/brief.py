"""The brief of a call: the instructions, tools, model and manners of the agent that answers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.notices import opening
from avr_sts_speechmatics.agents.placeholders import briefed_with, spoken_with
from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.dialogue.manners import Manners
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


def manners_for(agent: Agent, facts: Mapping[str, str], began: datetime) -> Manners:
    """Return the manners of a call, with the caller's facts filled into the welcome.

    The arguments are those of `brief_for`.
    """
    welcome = spoken_with(agent.manners.welcome, facts, began, agent.language)
    manners = replace(agent.manners, welcome=welcome, language=agent.language)
    return opening(manners, agent.language)
