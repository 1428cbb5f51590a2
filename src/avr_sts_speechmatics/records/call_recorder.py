"""The recorder: observes one call and makes the changes of the records.

The call's row is made when the call begins and gets its other columns when the call ends. A speech
of either side is one row of `turns`: the caller's when the caller's words are answered, the agent's
when the reply is over. Tools, keys, transfers, failures and notes become rows when they happen, so
a process that is killed loses the speech that was under way and nothing else.

`HISTORY=calls` keeps what happened and when, and no word of it:

- kept: uuid, transport, agent, the numbers of caller and called, and where a call was transferred
  (that is the record of a call, as an exchange keeps it); times, counts of words, tokens; names of
  tools; that a key was pressed; errors of services, as the log shows them.
- not kept: other facts of the call (they may name a person), words of caller and agent, which key,
  arguments and results of tools.

From `transcripts` on all of it is kept. Times are ms since the call began. The recorder does no
I/O; `add` takes a change without blocking.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from avr_sts_speechmatics.agents.agents import NUMBER_FACTS
from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    CallerStopped,
    KeyReceived,
    NoticeGiven,
    Observed,
    ReplyOver,
    UtteranceHeard,
)
from avr_sts_speechmatics.call_in_log import current_trace_id
from avr_sts_speechmatics.conversation import TRANSFER
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import heard_words
from avr_sts_speechmatics.dialogue.words import count_words
from avr_sts_speechmatics.line import Caller, began_ms_of
from avr_sts_speechmatics.pbx.departures import extension_of
from avr_sts_speechmatics.records.change import Change, TableName
from avr_sts_speechmatics.records.kept_values import arguments_of, clean, fact_of, kinds_of
from avr_sts_speechmatics.records.numbers import backwards
from avr_sts_speechmatics.speech.speaker import ServiceFailed
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

CALLER_FACTS = ("from", "callerid", "caller", "clid", "ani")
"""The facts of a call that may hold the caller's number, as dialplans name them."""

CUT = "…"
"""Ends the words of a sentence that the caller heard in part."""

_PAUSE_S = 5.0
"""A sound this long after the end of words that came to nothing begins a new speech (s)."""

_WORDS_FROM = frozenset({"transcripts", "recordings"})


@dataclass(slots=True)
class _Speech:
    """A reply that is being spoken.

    number: of the row.
    at: the first sentence went to the voice, monotonic seconds.
    """

    number: int
    at: float
    kind: str
    until: float | None = None
    first_sent: float | None = None
    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    words_said: int = 0
    words_heard: int = 0


@dataclass(frozen=True, slots=True)
class _Over:
    """A reply that is over, at a time (monotonic seconds)."""

    at: float
    reply: int
    cancelled: bool


@dataclass(slots=True)
class _Tool:
    """A tool that runs. number: of the row."""

    number: int
    at: float
    request: ev.ToolRequest


class CallRecorder:
    """Records one call. `turn` is given to the TurnTimesObserver of the call.

    add: takes a change; never blocks and never raises.
    caller: the caller.
    level: value of HISTORY, other than "off".
    summary: returns the columns of the call's row that are known at its end.
    service: names this process.
    """

    def __init__(
        self,
        add: Callable[[Change], None],
        caller: Caller,
        level: str,
        summary: Callable[[CallEnded], Mapping[str, object]],
        service: str,
    ) -> None:
        self._add = add
        self._caller = caller
        self._words = level in _WORDS_FROM
        self._summary = summary
        self._service = service
        self._zero = 0.0
        self._began_ms = 0
        self._agent = ""
        self._early: list[tuple[float, Observed]] | None = []  # before the call's row is there
        self._counts = {"turns": 0, "tools": 0, "events": 0}
        self._phrases: dict[str, str] = {}  # kind of a phrase, by its text
        self._kinds: dict[int, str] = {}  # of replies that are phrases, by number
        self._speeches: dict[int, _Speech] = {}  # by number of the reply
        self._texts: dict[int, tuple[int, str]] = {}  # reply and text, by utterance
        self._tools: dict[int, _Tool] = {}  # by number of the tool call
        self._times: TurnTimes | None = None  # of the reply whose ReplyOver comes next
        self._over: _Over | None = None  # the reply whose times may come next
        self._caller_at: float | None = None  # the caller's speech or first key
        self._caller_until: float | None = None
        self._caller_words = False
        self._transferred = ""

    # --- reports -------------------------------------------------------------------------------

    def event(self, at: float, event: Observed) -> None:
        if self._over is not None:
            self._finish(None)
        if (take := _EVENTS.get(type(event))) is not None:
            take(self, at, event)

    def command(self, at: float, command: ev.Command) -> None:
        if self._over is not None:
            self._finish(None)
        if (take := _COMMANDS.get(type(command))) is not None:
            take(self, at, command)

    def turn(self, times: TurnTimes) -> None:
        """Take the times of an answer that is over, right before or after its ReplyOver."""
        if self._over is not None:
            self._finish(times)
        else:
            self._times = times

    # --- the call ------------------------------------------------------------------------------

    def _call_began(self, at: float, event: CallBegan) -> None:
        caller = self._caller
        self._zero, self._began_ms, self._agent = at, began_ms_of(caller.key), event.agent
        names = {name.lower(): name for name in reversed(tuple(caller.facts))}
        numbers = [fact_of(caller.facts, names, wanted) for wanted in (CALLER_FACTS, NUMBER_FACTS)]
        (_, caller_number), (_, called_number) = numbers
        others = caller.facts.keys() - {name for name, _ in numbers}
        facts = {name: value for name, value in caller.facts.items() if name in others}
        self._add(
            Change(
                "calls",
                {
                    "key": caller.key,
                    "uuid": clean(caller.uuid),
                    "transport": caller.transport,
                    "agent": clean(event.agent),
                    "caller_number": caller_number,
                    "called_number": called_number,
                    "caller_digits": backwards(caller_number),
                    "called_digits": backwards(called_number),
                    "facts": clean(facts) if self._words else None,
                    "began_ms": self._began_ms,
                    "trace_id": current_trace_id() or None,
                    "seen_ms": self._began_ms,
                    "service": self._service,
                },
            )
        )
        early, self._early = self._early or (), None
        for then, key in early:
            self.event(then, key)

    def _agent_answered(self, at: float, event: AgentAnswered) -> None:
        self._phrases = kinds_of(event.manners)
        if event.agent != self._agent:
            self._update({"agent": clean(event.agent)})

    def _call_ended(self, at: float, event: CallEnded) -> None:
        if self._early is not None:
            return  # the call never began
        for reply in tuple(self._speeches):
            self._over = _Over(at, reply, cancelled=True)
            self._finish(None)
        for tool in self._tools.values():
            self._add_tool(tool, None, failed=False, result=None)
        self._tools.clear()
        if event.transferred_to and event.transferred_to != self._transferred:
            self._event(at, "transfer", {"to": clean(event.transferred_to), "failed": False})
        self._update(
            {**self._summary(event), "ended_ms": self._began_ms + self._ms(at)},
        )

    # --- the caller's side ---------------------------------------------------------------------

    def _speech_started(self, at: float, event: ev.CallerSpeechStarted) -> None:
        stopped = self._caller_until
        if not self._caller_words or (stopped is not None and at - stopped > _PAUSE_S):
            self._caller_at, self._caller_until, self._caller_words = at, None, False

    def _stopped(self, at: float, event: CallerStopped) -> None:
        self._caller_until = event.stopped

    def _some_words(self, at: float, event: ev.WordsHeard | ev.SegmentHeard) -> None:
        self._caller_words = True
        if self._caller_at is None:
            self._caller_at = at

    def _key(self, at: float, event: KeyReceived) -> None:
        if self._early is not None:
            self._early.append((at, event))
            return
        if self._caller_at is None:
            self._caller_at = at
        self._caller_words = True
        self._event(at, "key", {"key": event.digit} if self._words else {})

    def _transcript(self, at: float, command: ev.SendTranscript) -> None:
        if command.role != "user":
            return
        begun = at if self._caller_at is None else self._caller_at
        until = self._caller_until
        text = command.text
        keys = text.startswith("[keys: ")
        self._row(
            "turns",
            {
                "at_ms": self._ms(begun),
                "until_ms": self._ms(until if until is not None and until > begun else at),
                "speaker": "caller",
                "kind": "keys" if keys else "words",
                "said": clean(text) if self._words else None,
                "words_said": None if keys else count_words((text,)),
                "interrupted": False,
            },
        )
        self._caller_at, self._caller_until, self._caller_words = None, None, False

    # --- the agent's side ----------------------------------------------------------------------

    def _say(self, at: float, command: ev.Say) -> None:
        self._kinds[command.reply] = self._phrases.get(command.text, "phrase")

    def _sentence(self, at: float, event: ev.SentenceReady) -> None:
        speech = self._speeches.get(event.reply)
        if speech is None:
            speech = self._begin_speech(event.reply, at)
        speech.said.append(event.text)
        speech.words_said += count_words((event.text,))
        self._texts[event.utterance] = event.reply, event.text

    def _heard(self, at: float, event: UtteranceHeard) -> None:
        reply, text = self._texts.pop(event.utterance, (0, ""))
        speech = self._speeches.get(reply)
        if speech is None:
            return
        if speech.first_sent is None:
            speech.first_sent = event.first_sent
        if words := heard_words(text, event.share):
            speech.heard.append(words if words == text else f"{words}{CUT}")
            speech.words_heard += count_words((words,))
        if event.first_sent is not None:
            speech.until = at

    def _reply_over(self, at: float, event: ReplyOver) -> None:
        self._over = _Over(at, event.reply, event.cancelled)
        if self._times is not None:
            self._finish(self._times)

    def _finish(self, times: TurnTimes | None) -> None:
        """Keep the speech that is over. times: of an answer; None for a phrase, or a draft."""
        over, self._over, self._times = self._over, None, None
        assert over is not None
        speech = self._speeches.pop(over.reply, None)
        if speech is None:
            self._kinds.pop(over.reply, None)
            if times is None:
                return  # a draft, which nobody waits for
            speech = self._begin_speech(over.reply, times.confirmed or over.at)
            del self._speeches[over.reply]
        begun = speech.at if speech.first_sent is None else speech.first_sent
        whole = 0 < speech.words_said == speech.words_heard
        row: dict[str, Any] = {} if times is None else times.as_dict()
        row |= {
            "at_ms": self._ms(begun),
            "until_ms": None if speech.until is None else self._ms(speech.until),
            "speaker": "agent",
            "kind": speech.kind,
            "said": clean(" ".join(speech.said)) if self._words else None,
            "heard": clean(" ".join(speech.heard)) if self._words else None,
            "words_said": speech.words_said,
            "words_heard": speech.words_heard,
            "interrupted": over.cancelled and not whole,
        }
        self._row("turns", row, speech.number)

    def _begin_speech(self, reply: int, at: float) -> _Speech:
        kind = self._kinds.pop(reply, "answer")
        speech = self._speeches[reply] = _Speech(self._next("turns"), at, kind)
        return speech

    # --- tools and the rest --------------------------------------------------------------------

    def _tools_called(self, at: float, event: ev.ToolsCalled) -> None:
        for request in event.requests:
            if request.refused:
                tool = _Tool(self._next("tools"), at, request)
                self._add_tool(tool, None, failed=True, result=request.refused)

    def _run_tool(self, at: float, command: ev.RunTool) -> None:
        self._tools[command.number] = _Tool(self._next("tools"), at, command.request)

    def _tool_done(self, at: float, event: ev.ToolDone) -> None:
        tool = self._tools.pop(event.number, None)
        if tool is None:
            return
        self._add_tool(tool, at, failed=event.failed, result=event.result)
        if tool.request.call.name == TRANSFER:
            to = extension_of(tool.request.call)
            if not event.failed:
                self._transferred = to
            self._event(tool.at, "transfer", {"to": clean(to), "failed": event.failed})

    def _add_tool(self, tool: _Tool, at: float | None, *, failed: bool, result: str | None) -> None:
        call = tool.request.call
        row = {
            "at_ms": self._ms(tool.at),
            "name": clean(call.name),
            "took_ms": None if at is None else round(1000 * (at - tool.at)),
            "failed": failed,
        }
        if self._words:
            row["arguments"] = arguments_of(call.arguments)
            row["result"] = clean(result)
        self._row("tools", row, tool.number)

    def _failed(self, at: float, event: ServiceFailed) -> None:
        self._event(at, "failure", {"service": event.name, "error": clean(event.error)})

    def _notice(self, at: float, event: NoticeGiven) -> None:
        # An operator's sentence, and the proof that it was heard: kept at every level.
        self._event(at, "notice", {"notice": event.kind, "text": clean(event.text)})

    def _note(self, at: float, command: ev.Note) -> None:
        self._event(at, "note", {"text": clean(command.text)})

    def _stt_lost(self, at: float, event: ev.SttLost) -> None:
        self._event(at, "note", {"text": "STT broke off; the caller's audio waits"})

    def _stt_restored(self, at: float, event: ev.SttRestored) -> None:
        self._event(at, "note", {"text": "STT hears the caller again"})

    # --- changes -------------------------------------------------------------------------------

    def _event(self, at: float, kind: str, details: Mapping[str, object]) -> None:
        self._row("events", {"at_ms": self._ms(at), "kind": kind, "details": details})

    def _row(self, table: TableName, row: Mapping[str, object], number: int | None = None) -> None:
        number = self._next(table) if number is None else number
        self._add(Change(table, {"call": self._caller.key, "number": number, **row}))

    def _update(self, columns: Mapping[str, object]) -> None:
        self._add(Change("calls", {"key": self._caller.key, **columns}, update=True))

    def _next(self, table: TableName) -> int:
        self._counts[table] += 1
        return self._counts[table]

    def _ms(self, at: float) -> int:
        return max(0, round(1000 * (at - self._zero)))


_EVENTS: Mapping[type, Callable[[CallRecorder, float, Any], None]] = {
    CallBegan: CallRecorder._call_began,
    AgentAnswered: CallRecorder._agent_answered,
    KeyReceived: CallRecorder._key,
    NoticeGiven: CallRecorder._notice,
    ev.CallerSpeechStarted: CallRecorder._speech_started,
    CallerStopped: CallRecorder._stopped,
    ev.WordsHeard: CallRecorder._some_words,
    ev.SegmentHeard: CallRecorder._some_words,
    ev.SentenceReady: CallRecorder._sentence,
    UtteranceHeard: CallRecorder._heard,
    ReplyOver: CallRecorder._reply_over,
    ev.ToolsCalled: CallRecorder._tools_called,
    ev.ToolDone: CallRecorder._tool_done,
    ServiceFailed: CallRecorder._failed,
    ev.SttLost: CallRecorder._stt_lost,
    ev.SttRestored: CallRecorder._stt_restored,
    CallEnded: CallRecorder._call_ended,
}

_COMMANDS: Mapping[type, Callable[[CallRecorder, float, Any], None]] = {
    ev.SendTranscript: CallRecorder._transcript,
    ev.Say: CallRecorder._say,
    ev.RunTool: CallRecorder._run_tool,
    ev.Note: CallRecorder._note,
}
