"""The observer that shows one call live: a small picture of the call, and events of its changes."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    Flushed,
    KeyReceived,
    Observed,
    ToolRan,
)
from avr_sts_speechmatics.console.live_calls import LiveCalls
from avr_sts_speechmatics.console.live_view import TurnState, View
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.speech.speaker import ServiceFailed

TEXT_MAX = 1000
"""Longest words that are shown (characters); the end of longer ones is shown."""

NAME_MAX = 100
"""Longest name or number that is shown (characters): callers choose them."""


class LiveObserver:
    """Shows one call. Implements `call.observer.Observer`.

    live: where the call is shown.
    caller: the caller, with the facts that the transport received.
    summary: returns the call's summary by the columns of the table `calls`, when it has ended.
    """

    def __init__(
        self,
        live: LiveCalls,
        caller: Caller,
        summary: Callable[[CallEnded], Mapping[str, Any]],
    ) -> None:
        self._live = live
        self._caller = caller
        self._summary = summary
        self._agent = ""
        self._began = 0.0
        self._began_ms = 0
        self._state: TurnState = "arriving"
        self._reply = 0  # number of the reply under way; 0: none
        self._caller_says: tuple[str, bool] | None = None  # words, and whether they are final
        self._agent_says: tuple[str, bool] | None = None

    def shown(self) -> View:
        facts = self._caller.facts
        return {
            "key": self._caller.key,
            "uuid": self._caller.uuid[:NAME_MAX],
            "transport": self._caller.transport,
            "agent": self._agent,
            "caller_number": _number(facts, "from"),
            "called_number": _number(facts, "to"),
            "began": iso(self._began_ms),
            "began_ms": self._began_ms,
            "state": self._state,
            "caller_says": _words(self._caller_says),
            "agent_says": _words(self._agent_says),
        }

    # --- reports of the call -------------------------------------------------------------------

    def event(self, at: float, event: Observed) -> None:
        if (report := _EVENTS.get(type(event))) is not None:
            report(self, at, event)

    def command(self, at: float, command: ev.Command) -> None:
        if (report := _COMMANDS.get(type(command))) is not None:
            report(self, at, command)

    def _call_began(self, at: float, event: CallBegan) -> None:
        self._agent = event.agent
        self._began, self._began_ms = at, int(time.time() * 1000)
        self._live.began(self._caller.key, self)

    def _agent_answered(self, at: float, event: AgentAnswered) -> None:
        self._agent = event.agent
        self._enter("listening", at)

    def _voice_started(self, at: float, event: ev.VoiceStarted) -> None:
        if event.reply == self._reply:
            self._enter("speaking", at)

    def _reply_ended(self, at: float, event: ev.ReplyEnded | ev.ReplyFailed) -> None:
        if event.reply == self._reply:
            self._reply = 0
            self._enter("listening", at)

    def _flushed(self, at: float, event: Flushed) -> None:
        if any(one.heard < 1 for one in event.dropped):
            self._enter("interrupted", at)

    def _words_heard(self, at: float, event: ev.WordsHeard) -> None:
        if self._live.words and event.text:
            self._caller_says = event.text, False
            self._tell_words(at, "caller", event.text, final=False)

    def _sentence_ready(self, at: float, event: ev.SentenceReady) -> None:
        if self._live.words:
            self._agent_says = event.text, False
            self._tell_words(at, "agent", event.text, final=False)

    def _key_received(self, at: float, event: KeyReceived) -> None:
        # What a caller types may be a secret, as words are.
        self._tell(at, "key", digit=event.digit if self._live.words else None)

    def _tool_ran(self, at: float, event: ToolRan) -> None:
        took_ms = round(event.took_s * 1000)
        self._tell(at, "tool", name=event.name, took_ms=took_ms, failed=event.failed)

    def _service_failed(self, at: float, event: ServiceFailed) -> None:
        self._tell(at, "failure", service=event.name, error=event.error[:TEXT_MAX])

    def _call_ended(self, at: float, event: CallEnded) -> None:
        self._live.ended(
            self._caller.key,
            lambda: {
                "key": self._caller.key,
                "uuid": self._caller.uuid[:NAME_MAX],
                **self._summary(event),
            },
        )

    # --- commands of the dialogue --------------------------------------------------------------

    def _start_reply(self, at: float, command: ev.StartReply) -> None:
        if not command.tentative:
            self._think(command.reply, at)

    def _reply_begins(
        self, at: float, command: ev.ConfirmReply | ev.Say | ev.GoOnWithReply
    ) -> None:
        self._think(command.reply, at)

    def _reply_stops(self, at: float, command: ev.CancelReply | ev.HoldReply) -> None:
        if command.reply == self._reply:
            self._reply = 0
            self._enter("listening", at)

    def _pause(self, at: float, _: ev.Pause) -> None:
        self._enter("interrupted", at)

    def _resume(self, at: float, _: ev.Resume) -> None:
        self._enter("speaking", at)

    def _said(self, at: float, command: ev.SendTranscript) -> None:
        if not self._live.words:
            return
        if command.role == "user":
            self._caller_says = command.text, True
            self._tell_words(at, "caller", command.text, final=True)
        else:
            self._agent_says = command.text, True
            self._tell_words(at, "agent", command.text, final=True)

    def _end_call(self, at: float, _: ev.EndCall) -> None:
        self._enter("leaving", at)

    # --- telling -------------------------------------------------------------------------------

    def _think(self, reply: int, at: float) -> None:
        self._reply = reply
        self._enter("thinking", at)

    def _enter(self, state: TurnState, at: float) -> None:
        if state != self._state:
            self._state = state
            if self._live.listened:
                self._tell(at, "state", state=state, agent=self._agent)

    def _tell_words(self, at: float, speaker: str, text: str, *, final: bool) -> None:
        if self._live.listened:
            self._tell(at, "words", speaker=speaker, text=text[-TEXT_MAX:], final=final)

    def _tell(self, at: float, kind: Any, **fields: object) -> None:
        if self._live.listened:
            at_ms = round((at - self._began) * 1000)
            self._live.publish(kind, {"key": self._caller.key, "at_ms": at_ms, **fields})


_EVENTS: Mapping[type[Any], Callable[[LiveObserver, float, Any], None]] = {
    CallBegan: LiveObserver._call_began,
    AgentAnswered: LiveObserver._agent_answered,
    ev.VoiceStarted: LiveObserver._voice_started,
    ev.ReplyEnded: LiveObserver._reply_ended,
    ev.ReplyFailed: LiveObserver._reply_ended,
    Flushed: LiveObserver._flushed,
    ev.WordsHeard: LiveObserver._words_heard,
    ev.SentenceReady: LiveObserver._sentence_ready,
    KeyReceived: LiveObserver._key_received,
    ToolRan: LiveObserver._tool_ran,
    ServiceFailed: LiveObserver._service_failed,
    CallEnded: LiveObserver._call_ended,
}

_COMMANDS: Mapping[type[Any], Callable[[LiveObserver, float, Any], None]] = {
    ev.StartReply: LiveObserver._start_reply,
    ev.ConfirmReply: LiveObserver._reply_begins,
    ev.Say: LiveObserver._reply_begins,
    ev.GoOnWithReply: LiveObserver._reply_begins,
    ev.CancelReply: LiveObserver._reply_stops,
    ev.HoldReply: LiveObserver._reply_stops,
    ev.Pause: LiveObserver._pause,
    ev.Resume: LiveObserver._resume,
    ev.SendTranscript: LiveObserver._said,
    ev.EndCall: LiveObserver._end_call,
}


def iso(at_ms: int) -> str:
    """Return a time as ISO 8601 in UTC. at_ms: since 1970."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(facts: Mapping[str, str], name: str) -> str | None:
    return facts[name][:NAME_MAX] if facts.get(name) else None


def _words(says: tuple[str, bool] | None) -> dict[str, object] | None:
    return None if says is None else {"text": says[0][-TEXT_MAX:], "final": says[1]}
