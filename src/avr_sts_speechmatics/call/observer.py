"""Observers: receive reports of everything that happens in a call and return nothing.

A call reports each event when the dialogue handles the event, each command before the command is
carried out, and the observations below: facts that the dialogue does not need, for example when
the model's first text arrived. Turn times, log lines, records for the caller's side, webhooks and
traces are derived from these reports, so a new metric needs one new observer and no change of the
call.

A `DialogueAdviser` is an observer that also tells the dialogue something: that a limit is reached.

An observer must not block: it runs on the event loop, between two frames of audio. An observer that
raises an exception is logged once and then left out for the rest of the call; the call goes on.
Reports come a few times in a turn and never for each frame.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeAlias

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.services.llm.protocol import Usage
from avr_sts_speechmatics.services.use import Use
from avr_sts_speechmatics.speech.speaker import (
    AudioStarted,
    ClauseReady,
    ServiceFailed,
    TextStarted,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The call began. Always the first report, except for DTMF digits that came before.

    caller: the caller, with the facts that the transport received.
    agent: name of the agent; the web service may still be asked for the instructions.
    """

    caller: Caller
    agent: str


@dataclass(frozen=True, slots=True)
class AgentAnswered:
    """The agent and its instructions are known: the dialogue begins with the next event.

    agent: name of the agent.
    manners: how the agent behaves, with the caller's facts filled into the welcome.
    """

    agent: str
    manners: Manners


@dataclass(frozen=True, slots=True)
class KeyReceived:
    """The transport reported a DTMF digit. KeyPressed follows when the agent is known.

    digit: one of 0-9 * # A-D.
    """

    digit: str


@dataclass(frozen=True, slots=True)
class NoticeGiven:
    """The caller has heard a notice to its end: that a machine speaks, or that it records.

    kind: what the notice is about.
    text: the notice, as it was said.
    """

    kind: ev.NoticeKind
    text: str


@dataclass(frozen=True, slots=True)
class CallerStopped:
    """The recogniser reported the end of the caller's voice.

    stopped: when the caller's last sound arrived, monotonic seconds.
    """

    stopped: float


@dataclass(frozen=True, slots=True)
class Flushed:
    """A Flush was carried out; this is its answer to the dialogue.

    dropped: every utterance that was not heard to its end.
    """

    dropped: tuple[ev.UtteranceDropped, ...]


@dataclass(frozen=True, slots=True)
class UtteranceHeard:
    """An utterance left the playout, played or dropped.

    utterance: number of the utterance.
    first_sent: when its first frame left, monotonic seconds; None if no frame left.
    share: share of its audio that was played, 0 to 1.
    """

    utterance: int
    first_sent: float | None
    share: float


@dataclass(frozen=True, slots=True)
class ReplyOver:
    """The work for a reply ended: the reply was played to its end, failed or was cancelled.

    reply: number of the reply.
    cancelled: True if the reply was cancelled.
    """

    reply: int
    cancelled: bool


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """A request to the model is over.

    reply: number of the reply.
    prompt: tokens of the request.
    cached: tokens of the request that came from the server's cache, included in `prompt`.
    completion: tokens of the answer, reasoning included.
    server: the model's server: host, and port if it is not the usual one.
    model: name of the model.
    estimated: the server did not report the tokens, for example of a request that was dropped.
    """

    reply: int
    prompt: int
    cached: int
    completion: int
    server: str = ""
    model: str = ""
    estimated: bool = False

    @classmethod
    def of(cls, reply: int, usage: Usage) -> Self:
        """Return the observation of a usage that the model's client reports."""
        tokens = usage.prompt, usage.cached, usage.completion
        return cls(reply, *tokens, usage.server, usage.model, usage.estimated)


@dataclass(frozen=True, slots=True)
class ToolRan:
    """A tool ended.

    name: name of the tool.
    took_s: how long it ran, seconds.
    failed: True if the tool did not do what it was asked for.
    """

    name: str
    took_s: float
    failed: bool


@dataclass(frozen=True, slots=True)
class ErrorSent:
    """An error was sent to the other end of the line.

    message: what went wrong, in words.
    """

    message: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call ended and its line is closed. Always the last report.

    reason: why the call ended.
    transferred_to: extension to which the call was transferred; empty if it was not.
    error: what failed; empty unless the reason is "failure".
    """

    reason: ev.EndReason = field(default="caller", compare=False)
    transferred_to: str = field(default="", compare=False)
    error: str = field(default="", compare=False)


Observation: TypeAlias = (
    CallBegan
    | AgentAnswered
    | KeyReceived
    | NoticeGiven
    | CallerStopped
    | TextStarted
    | ClauseReady
    | AudioStarted
    | ServiceFailed
    | Flushed
    | UtteranceHeard
    | ReplyOver
    | TokensUsed
    | Use
    | ToolRan
    | ErrorSent
    | CallEnded
)

Observed: TypeAlias = ev.Event | Observation


class Observer(Protocol):
    """Receives the reports of one call. Each call has its own observers.

    at: time of the report, monotonic seconds.
    """

    def event(self, at: float, event: Observed) -> None:
        """Receive an event of the dialogue or an observation."""

    def command(self, at: float, command: ev.Command) -> None:
        """Receive a command of the dialogue, before the call carries the command out."""


class DialogueAdviser(ABC):
    """An observer that may tell the dialogue of an event, once the report is over."""

    tell: Callable[[ev.Event], None]
    """Function that takes the event; set by the call."""

    def tell_soon(self, event: ev.Event) -> None:
        """Tell the dialogue of an event when all observers have the present report."""
        asyncio.get_running_loop().call_soon(self.tell, event)

    @abstractmethod
    def event(self, at: float, event: Observed) -> None: ...

    @abstractmethod
    def command(self, at: float, command: ev.Command) -> None: ...


class Observers:
    """The observers of one call. No method raises an exception.

    observers: in the order in which they receive reports.
    tell: function that takes an event for the dialogue; None if no observer needs the function.
    """

    def __init__(
        self, observers: Iterable[Observer], tell: Callable[[ev.Event], None] | None = None
    ) -> None:
        self._observers = tuple(observers)
        for observer in self._observers:
            if isinstance(observer, DialogueAdviser) and tell is not None:
                observer.tell = tell

    def event(self, event: Observed) -> None:
        at = time.monotonic()
        for observer in self._observers:
            try:
                observer.event(at, event)
            except Exception:
                self._leave_out(observer)

    def command(self, command: ev.Command) -> None:
        at = time.monotonic()
        for observer in self._observers:
            try:
                observer.command(at, command)
            except Exception:
                self._leave_out(observer)

    def close(self, ended: CallEnded | None = None) -> None:
        """Report the end of the call. Later reports, such as a late key, are dropped."""
        self.event(ended or CallEnded())
        self._observers = ()

    def _leave_out(self, failed: Observer) -> None:
        self._observers = tuple(other for other in self._observers if other is not failed)
        _log.exception(
            "%s failed and observes this call no longer; please report it", type(failed).__name__
        )
