"""Arrival: a call until it is known which agent answers it, and with which instructions.

The instructions may come from the operator's own service, which takes a moment. The caller may
already speak, press keys or leave. What happens meanwhile is kept here, and the call takes it over
when the agent is known.
"""

from collections.abc import Callable, Iterator

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller

EARLY_S = 5.0
"""Audio that is kept while it is not known yet who answers (s)."""


class Arrival:
    """A call whose agent is not known yet.

    agents: all agents of the service.
    caller: the caller, with the facts that choose the agent.
    early_s: longest audio that is kept, in seconds; later audio is dropped.
    """

    def __init__(self, agents: Agents, caller: Caller, *, early_s: float = EARLY_S) -> None:
        self._agents = agents
        self._caller = caller
        self._early_bytes = early_s * BYTES_PER_SECOND
        self._audio = bytearray()
        self._events: list[ev.Event] = []
        self.agent = agents.for_call(caller)
        """The agent by the called number. Its instructions may have to be asked for."""

    @property
    def must_ask(self) -> bool:
        """Whether the operator's service has to be asked for the instructions."""
        return self._agents.needs_brief(self.agent)

    async def answering_agent(self) -> Agent:
        """Ask for the instructions. Returns the agent that answers.

        Never raises: an agent whose instructions cannot be had has those of its file.
        """
        return await self._agents.brief(self.agent, self._caller)

    def hear(self, pcm: bytes) -> None:
        """Keep caller audio: s16le 8 kHz mono."""
        if len(self._audio) < self._early_bytes:
            self._audio += pcm

    def keep(self, event: ev.Event) -> None:
        """Keep an event for the dialogue."""
        self._events.append(event)

    def hand_over_audio(self, hear: Callable[[bytes], None]) -> None:
        """Pass the kept audio on, in one piece if there is any, and forget it."""
        if self._audio:
            audio, self._audio = bytes(self._audio), bytearray()
            hear(audio)

    def hand_over_events(self) -> Iterator[ev.Event]:
        """The beginning of the dialogue: CallStarted, then the kept events in order."""
        yield ev.CallStarted()
        events, self._events = self._events, []
        yield from events
