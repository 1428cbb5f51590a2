"""Whether outcomes are filled in at all: an agent declares one, and somebody reads it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.services.llm.protocol import Llm
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.webhooks import Webhooks

if TYPE_CHECKING:
    from avr_sts_speechmatics.records.outcome_filling import Outcomes


def outcomes_of(
    agents: Agents,
    llm: Llm,
    add: Callable[[Change], None] | None,
    webhooks: Webhooks | None,
) -> "Outcomes | None":
    """Make what fills in the outcomes of calls; None if no agent declares one, or nobody reads it.

    add: takes changes of the records; None if nothing is kept.
    """
    declared = {agent.name: agent for agent in agents.all if agent.outcome is not None}
    if not declared or (add is None and webhooks is None):
        return None
    # The library of JSON Schema takes long to import.
    from avr_sts_speechmatics.records.outcome_filling import Outcomes

    return Outcomes(llm, declared, add, webhooks)


def unread(settings: Settings, agents: Agents) -> Iterator[str]:
    """Warn about agents whose outcome nobody reads."""
    if settings.history == "off" and settings.webhook_url is None:
        for agent in agents.all:
            if agent.outcome is not None:
                yield f"The outcome of agent {agent.name} goes nowhere: set HISTORY or WEBHOOK_URL."
