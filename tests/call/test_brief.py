"""What the model is told of an agent."""

from dataclasses import replace
from datetime import UTC, datetime

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.call.brief import brief_for
from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.settings import Settings

BEGAN = datetime(2026, 12, 4, 9, 30, tzinfo=UTC)
TOOLS = [ToolSpec(name, "", {}) for name in ("avr_hangup", "find", "book")]


def test_an_agent_is_offered_the_tools_of_its_list_and_all_without_one() -> None:
    agent = Agents.load(Settings(speechmatics_instructions="Greet {from}.")).all[0]
    brief = brief_for(replace(agent, model="m"), TOOLS, {"from": "Ann"}, BEGAN)
    assert brief.instructions.startswith('Greet "Ann".')
    assert "Friday, 2026-12-04" in brief.instructions
    assert (brief.tools, brief.model) == (tuple(TOOLS), "m")
    fewer = brief_for(replace(agent, tools=frozenset({"find"})), TOOLS, {}, BEGAN)
    assert [tool.name for tool in fewer.tools] == ["find"]
