"""Metrics of calls: counts what happens in each call. See `metrics` for what there is.

The series of an agent are looked up once in a call. A report then costs one or two additions.
"""

from collections.abc import Callable, Collection
from typing import get_args

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    Flushed,
    Observed,
    TokensUsed,
    ToolRan,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.errors import FailureKind
from avr_sts_speechmatics.services.use import AudioSent, Retried, TextSent
from avr_sts_speechmatics.speech.speaker import ServiceFailed
from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes
from avr_sts_speechmatics.tools.protocol import RESERVED
from avr_sts_speechmatics.tools.tool_runner import Toolbox

SERVICES = ("stt", "llm", "tts")

_COUNTED = frozenset(
    {
        *(AgentAnswered, AudioSent, CallBegan, CallEnded, Flushed),
        *(Retried, ServiceFailed, TextSent, TokensUsed, ToolRan),
    }
)


class CallsMetrics:
    """The metrics of all calls of this process.

    metrics: the series.
    agents, tools: return the names that labels may have.
    """

    def __init__(
        self,
        metrics: m.Metrics,
        agents: Callable[[], Collection[str]],
        tools: Callable[[], Collection[str]],
    ) -> None:
        self.metrics = metrics
        self._agents = m.KnownNames(agents)
        self._tools = m.KnownNames(tools)
        self._of_agents: dict[str, AgentSeries] = {}
        self._of_calls: dict[tuple[str, str], CallSeries] = {}
        # A series that appears with its first failure has no increase for Prometheus to see.
        for service in SERVICES:
            self.retried(service, by=0)
            for kind in get_args(FailureKind):
                self.failed(service, kind, by=0)
        for name in tuple(agents())[:1]:
            self.of_agent(name)
            # An autoscaler waits for the number of calls of each pod, also of a pod without any.
            self.of_calls(m.TRANSPORTS[0], name)

    def observer(self, summary: CallSummary) -> "CallMetrics":
        """Return the observer of a new call. summary: observes the call before this observer."""
        return CallMetrics(self, summary)

    def of_agent(self, name: str) -> "AgentSeries":
        """Return the series of an agent."""
        label = self._agents.label(name)
        found = self._of_agents.get(label)
        if found is None:
            found = self._of_agents[label] = AgentSeries(self.metrics, label)
        return found

    def of_calls(self, transport: str, agent: str) -> "CallSeries":
        """Return the series of the calls by a transport to an agent."""
        if transport not in m.TRANSPORTS:
            transport = m.OTHER
        key = transport, self._agents.label(agent)
        found = self._of_calls.get(key)
        if found is None:
            found = self._of_calls[key] = CallSeries(self.metrics, *key)
        return found

    def failed(self, service: str, kind: str, by: int = 1) -> None:
        """Count a failure of a service."""
        self.metrics.counter(m.FAILURES, service, kind).add(by)

    def retried(self, service: str, by: int = 1) -> None:
        """Count a retry."""
        self.metrics.counter(m.RETRIES, service).add(by)

    def tool_ran(self, ran: ToolRan) -> None:
        """Count a tool."""
        tool = self._tools.label(ran.name)
        for result in ("done", "failed"):
            this = result == ("failed" if ran.failed else "done")
            self.metrics.counter(m.TOOL_CALLS, tool, result).add(this)
        self.metrics.histogram(m.TOOL_SECONDS, tool).observe(ran.took_s)


def calls_metrics_of(metrics: m.Metrics, agents: Agents, toolbox: Toolbox) -> CallsMetrics:
    """Make the metrics of calls; their labels have the names of agents and tools that there are."""
    return CallsMetrics(
        metrics,
        lambda: [agent.name for agent in agents.all],
        lambda: toolbox.names() | set(RESERVED),
    )


class CallSeries:
    """The series of the calls by one transport to one agent."""

    __slots__ = ("begun", "ended", "length", "running")

    def __init__(self, metrics: m.Metrics, transport: str, agent: str) -> None:
        self.running = metrics.gauge(m.CALLS, transport, agent)
        self.begun = metrics.counter(m.BEGUN, transport, agent)
        self.length = metrics.histogram(m.CALL_SECONDS, transport, agent)
        self.ended = {
            reason: metrics.counter(m.ENDED, reason, transport, agent)
            for reason in (*get_args(ev.EndReason), m.LOST)
        }


class AgentSeries:
    """The series of one agent."""

    __slots__ = (
        *("cached", "characters", "clause", "completion", "confirm", "dropped", "failed"),
        *("frame", "heard", "interrupted", "label", "model", "prompt", "resumed", "stopped"),
        *("voice", "voice_to_voice", "whole"),
    )

    def __init__(self, metrics: m.Metrics, agent: str) -> None:
        self.label = agent
        counter, histogram = metrics.counter, metrics.histogram
        self.voice_to_voice = histogram(m.VOICE_TO_VOICE, agent)
        self.confirm = histogram(m.PARTS, "confirm", agent)
        self.model = histogram(m.PARTS, "model", agent)
        self.clause = histogram(m.PARTS, "clause", agent)
        self.voice = histogram(m.PARTS, "voice", agent)
        self.frame = histogram(m.PARTS, "frame", agent)
        self.whole = counter(m.ANSWERS, "whole", agent)
        self.interrupted = counter(m.ANSWERS, "interrupted", agent)
        self.dropped = counter(m.ANSWERS, "dropped", agent)
        self.failed = counter(m.ANSWERS, "failed", agent)
        self.stopped = counter(m.BARGE_INS, "interrupted", agent)
        self.resumed = counter(m.BARGE_INS, "resumed", agent)
        self.prompt = counter(m.TOKENS, "prompt", agent)
        self.cached = counter(m.TOKENS, "cached", agent)
        self.completion = counter(m.TOKENS, "completion", agent)
        self.characters = counter(m.CHARACTERS, agent)
        self.heard = counter(m.RECOGNISED, agent)

    def answered(self, times: TurnTimes) -> None:
        """Count a finished answer."""
        if times.first_frame is None:
            (self.dropped if times.interrupted else self.failed).add()
            return
        (self.interrupted if times.interrupted else self.whole).add()
        if times.confirmed is None:
            return
        if times.stopped is not None:  # a turn of keys has no last sound
            self.voice_to_voice.observe(times.first_frame - times.stopped)
            self.confirm.observe(max(0.0, times.confirmed - times.stopped))
        at = times.confirmed
        for part, reached in (
            (self.model, times.first_token),
            (self.clause, times.first_clause),
            (self.voice, times.first_audio),
            (self.frame, times.first_frame),
        ):
            if reached is None:
                continue
            # Reached before the turn was over, while the agent answered ahead: no wait.
            part.observe(max(0.0, reached - at))
            at = max(at, reached)


class CallMetrics:
    """Counts what happens in one call. Implements `call.observer.Observer`."""

    __slots__ = ("_agent", "_all", "_began", "_calls", "_summary", "_transport")

    def __init__(self, calls: CallsMetrics, summary: CallSummary) -> None:
        self._all = calls
        self._summary = summary
        self._began = 0.0
        self._transport = ""
        self._calls: CallSeries | None = None
        self._agent: AgentSeries | None = None

    def event(self, at: float, event: Observed) -> None:
        if type(event) not in _COUNTED:  # most are not; a `match` would try every class
            return
        agent = self._agent
        match event:
            case CallBegan(caller, name):
                self._began, self._transport = at, caller.transport
                self._calls = self._all.of_calls(caller.transport, name)
                self._calls.begun.add()
                self._calls.running.add()
                self._agent = self._all.of_agent(name)
            case _ if agent is None:
                return  # a key that came before the call began
            case Flushed(dropped):
                # Only silence behind the last word is no interruption.
                if any(one.heard < 1 for one in dropped):
                    agent.stopped.add()
            case TokensUsed():
                agent.prompt.add(max(0, event.prompt - event.cached))
                agent.cached.add(event.cached)
                agent.completion.add(event.completion)
            case TextSent():
                agent.characters.add(event.characters)
            case AudioSent():
                agent.heard.add(event.seconds)
            case ToolRan():
                self._all.tool_ran(event)
            case ServiceFailed():
                self._all.failed(event.name, event.kind)
            case Retried(service):
                self._all.retried(service)
            case AgentAnswered(name, _):
                self._answers(name)
            case CallEnded():
                self._ended(at, event)

    def command(self, at: float, command: ev.Command) -> None:
        if isinstance(command, ev.Resume) and self._agent is not None:
            self._agent.resumed.add()

    def turn(self, times: TurnTimes) -> None:
        """Take the times of a finished answer."""
        if self._agent is not None:
            self._agent.answered(times)

    def _answers(self, name: str) -> None:
        """Take note of the agent that answers, if it is another than was expected."""
        calls = self._all.of_calls(self._transport, name)
        if self._calls is not None and calls is not self._calls:
            self._calls.running.add(-1)
            calls.running.add()
            self._calls = calls
            self._agent = self._all.of_agent(name)

    def _ended(self, at: float, ended: CallEnded) -> None:
        calls, agent = self._calls, self._agent
        assert calls is not None
        calls.running.add(-1)
        calls.ended[ended.reason].add()
        calls.length.observe(at - self._began)
        columns = self._summary.columns(ended)
        cost, currency = columns["cost"], columns["currency"]
        if isinstance(cost, (int, float)) and isinstance(currency, str):
            assert agent is not None
            self._all.metrics.counter(m.COST, currency, agent.label).add(cost)
        self._calls = self._agent = None
