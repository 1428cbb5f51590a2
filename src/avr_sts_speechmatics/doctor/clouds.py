"""STT: each recogniser does the smallest piece of real work for the client that calls use.

It starts a session for an agent and takes half a second of silence. A failure is a ServiceError;
`advice` says what to do about it.
"""

import asyncio
import re
from dataclasses import dataclass, replace

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.doctor.check import Check, answered
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.services.stt.protocol import Recogniser
from avr_sts_speechmatics.values import VocabEntry

_BUSY = (
    "Normal while that many calls go on: the next caller waits for a session. Otherwise end other "
    "programs with this key, or buy more sessions."
)


@dataclass(frozen=True, slots=True)
class Ears:
    """A recogniser that some agents have.

    agents: names of the agents.
    language: of their callers.
    recogniser: the client to ask.
    """

    agents: str
    language: str
    recogniser: Recogniser


def recognisers(stt: Stt, agents: Agents) -> list[Ears]:
    """The recognisers that calls may have: one for each language with its vocabulary."""
    names: dict[tuple[str, tuple[VocabEntry, ...]], list[str]] = {}
    for agent in agents.all:
        names.setdefault((agent.language, agent.vocabulary), []).append(agent.name)
    return [Ears(", ".join(those), kind[0], stt.recogniser(*kind)) for kind, those in names.items()]


async def stt(ears: Ears, one_at_a_time: asyncio.Lock) -> Check:
    """Check that a recogniser takes audio. Raises ServiceError.

    one_at_a_time: a plan may allow two sessions only, and a call may be under way.
    """
    try:
        async with one_at_a_time:
            tried = await ears.recogniser.try_out()
    except ServiceError as error:
        if not re.search(r"too many sessions", str(error)):
            raise
        detail = f"answers, but all sessions of the plan are in use ({_plain(error)})"
        return Check("stt", "warning", detail, _BUSY)
    check = answered("stt", f"{tried.what} listens ({ears.language})", tried.took_s)
    return replace(check, advice=check.advice or tried.advice)


def _plain(error: ServiceError) -> str:
    return str(error).removeprefix(f"{error.service}: ")
