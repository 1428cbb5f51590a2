"""Arrival: the phase of a call before its agent and the agent's instructions are known.

The instructions may come from the operator's own service, which takes a moment. Meanwhile the
caller may speak, send DTMF or hang up. The arrival buffers audio and events; the call processes
both when the agent is known.
"""

from collections.abc import Callable, Iterator

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller

EARLY_S = 5.0
"""Most audio that is kept while the agent is not known (s)."""


def ignore(pcm: bytes) -> None:
    """Take audio that arrives after the end of the call."""


class Arrival:
    """A call whose agent is not known yet.

    agents: all agents of the service.
    caller: the caller, with the facts that choose the agent.
    early_s: longest audio that is kept (s); later audio is dropped.
    """

    def __init__(self, agents: Agents, caller: Caller, *, early_s: float = EARLY_S) -> None:
        self._agents = agents
        self._caller = caller
        self._early_bytes = early_s * BYTES_PER_SECOND
        self._audio = bytearray()
        self._events: list[ev.Event] = []
        self.agent = agents.for_call(caller)
        """The agent chosen by the facts of the call; its instructions may still change."""

    @property
    def must_ask(self) -> bool:
        """Whether the operator's web service must be asked for the instructions."""
        return self._agents.needs_brief(self.agent)

    async def answering_agent(self) -> Agent:
        """Ask the web service for the instructions and return the agent that answers.

        Never raises: if the web service fails, the agent keeps the instructions of the next source.
        """
        return await self._agents.brief(self.agent, self._caller)

    def hear(self, pcm: bytes) -> None:
        """Keep caller audio.

        pcm: s16le mono at 8 kHz, any whole number of samples.
        """
        if len(self._audio) < self._early_bytes:
            self._audio += pcm

    def keep(self, event: ev.Event) -> None:
        """Keep an event for the dialogue."""
        self._events.append(event)

    def hand_over_audio(self, hear: Callable[[bytes], None]) -> None:
        """Pass on the buffered audio in one piece, if there is any, and empty the buffer.

        hear: function that takes s16le mono at 8 kHz.
        """
        if self._audio:
            audio, self._audio = bytes(self._audio), bytearray()
            hear(audio)

    def hand_over_events(self) -> Iterator[ev.Event]:
        """Yield the first events of the dialogue: CallStarted, then the kept events in order."""
        yield ev.CallStarted()
        events, self._events = self._events, []
        yield from events
