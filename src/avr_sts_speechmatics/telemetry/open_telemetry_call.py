"""The observer that makes a trace of one call.

    call                                   the phone call, from its first report to its last
      say                                  a fixed text: the welcome, a question, an apology
      turn                                 the caller's turn and the answer
        hearing                            from the caller's first sound to the end of the turn
          end of turn                      the wait after the caller's last sound
        chat <model>                       a request to the model; also requests that were dropped
        execute_tool <tool>
        voice                              a sentence: from its text to its first audio
        playout                            from the first frame to the last
      recogniser lost                      the time in which nobody was heard

The ids of spans are known from their begin, so that log lines and requests to other services name
them; the spans are made when their part is over. What callers and agents say, keys and facts of the
call are recorded only with LOG_TRANSCRIPTS.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    CallerStopped,
    ErrorSent,
    Flushed,
    KeyReceived,
    Observed,
    ReplyOver,
    TokensUsed,
    UtteranceHeard,
)
from avr_sts_speechmatics.conversation import Entry
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.speech.speaker import AudioStarted, ServiceFailed, TextStarted
from avr_sts_speechmatics.telemetry.open_telemetry_link import CallLink, enter
from avr_sts_speechmatics.telemetry.open_telemetry_reply import (
    Model,
    Reply,
    Request,
    request_span,
    spans_of,
    turn_attributes,
)
from avr_sts_speechmatics.telemetry.open_telemetry_span import (
    TEXT_MAX,
    Kind,
    Span,
    new_span_id,
)
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

DROPPED_MAX = 20
"""Dropped requests that are remembered for the next turn."""


class CallSpans(CallLink):
    """Makes the spans of one call.

    caller: the caller.
    context: the span of the call.
    send: takes each span that is complete.
    summary: returns the summary of the call, see `CallSummary.columns`.
    words: whether spans may hold what callers and agents say, keys and facts.
    model_of: returns the model of an agent, by the agent's name.
    masked: removes secrets from the text of an error.
    """

    def __init__(
        self,
        caller: Caller,
        context: TraceContext,
        send: Callable[[Span], None],
        *,
        summary: Callable[[CallEnded], Mapping[str, object]],
        words: bool,
        model_of: Callable[[str], Model],
        masked: Callable[[str], str] = lambda text: text,
    ) -> None:
        super().__init__(context)
        self._send = send
        self._summary = summary
        self._words = words
        self._model_of = model_of
        self._masked = masked
        now = time.monotonic()
        self._zero_ns = time.time_ns() - int(now * 1e9)
        above = caller.trace
        self._call = self._make(
            "call", context.span_id, "" if above is None else above.span_id, now, now, "server"
        )
        self._call.remote_parent = above is not None
        for what in ("key", "uuid", "transport"):
            self._call.attributes[f"avr.call.{what}"] = getattr(caller, what)
        if words:
            for name, fact in caller.facts.items():
                self._call.attributes[f"avr.call.fact.{name}"] = fact
        self._uuid = caller.uuid
        self._agent = ""
        self._model = Model("", "")
        self._replies: dict[int, Reply] = {}
        self._reply_of: dict[int, Reply] = {}  # by utterance
        self._dropped: list[Request] = []
        self._tools: dict[int, Span] = {}
        self._asked_by: dict[str, str] = {}  # id of a tool call to the span of its turn
        self._lost: Span | None = None
        self._heard_since: float | None = None
        self._heard_words = False
        self._stopped: float | None = None
        self._waits: TurnTimes | None = None

    # --- reports -------------------------------------------------------------------------------

    def command(self, at: float, command: ev.Command) -> None:
        take = _COMMANDS.get(type(command))
        if take is not None:
            take(self, at, command)

    def event(self, at: float, event: Observed) -> None:
        take = _EVENTS.get(type(event))
        if take is not None:
            take(self, at, event)

    def turn(self, times: TurnTimes) -> None:
        """Take the times of a finished turn, right before the report that its reply is over."""
        self._waits = times

    def _began(self, at: float, event: CallBegan) -> None:
        super().event(at, event)
        self._call.began = at
        self._set_agent(event.agent)

    def _answered(self, at: float, event: AgentAnswered) -> None:
        self._set_agent(event.agent)
        if event.manners.language:
            self._call.attributes["avr.call.language"] = event.manners.language
        self._call.happened(at, "agent answered")

    def _key(self, at: float, event: KeyReceived) -> None:
        if self._words:
            self._call.happened(at, "key", avr__key=event.digit)
        else:
            self._call.happened(at, "key")

    def _transcript(self, at: float, command: ev.SendTranscript) -> None:
        if self._words:
            text = command.text[:TEXT_MAX]
            self._call.happened(at, "transcript", avr__role=command.role, avr__text=text)

    def _error_sent(self, at: float, event: ErrorSent) -> None:
        self._call.happened(at, "error sent", avr__error=self._masked(event.message))

    # --- hearing -------------------------------------------------------------------------------

    def _speech_started(self, at: float, _: ev.CallerSpeechStarted) -> None:
        # A sound without words long before the turn is not part of the turn.
        if self._heard_since is None or not self._heard_words:
            self._heard_since = at

    def _words_heard(self, at: float, _: ev.WordsHeard | ev.SegmentHeard) -> None:
        self._heard_words = True
        if self._heard_since is None:
            self._heard_since = at

    def _caller_stopped(self, _: float, event: CallerStopped) -> None:
        self._stopped = event.stopped

    def _stt_lost(self, at: float, _: ev.SttLost) -> None:
        self._lost = self._lost or self._below("recogniser lost", at)

    # --- replies -------------------------------------------------------------------------------

    def _start_reply(self, at: float, command: ev.StartReply) -> None:
        reply = self._begin_reply(at, command.reply, "turn")
        if command.history is not None:
            self._ask(at, reply, command.history)
        if not command.tentative:
            self._confirm(at, reply)

    def _confirm_reply(self, at: float, command: ev.ConfirmReply) -> None:
        if (reply := self._replies.get(command.reply)) is not None:
            self._confirm(at, reply)

    def _continue_reply(self, at: float, command: ev.ContinueReply) -> None:
        if (reply := self._replies.get(command.reply)) is not None:
            self._ask(at, reply, command.history)

    def _say(self, at: float, command: ev.Say) -> None:
        self._begin_reply(at, command.reply, "say").confirmed = at

    def _begin_reply(self, at: float, number: int, name: str) -> Reply:
        span = self._below(name, at)
        reply = self._replies[number] = Reply(span, enter(span))
        return reply

    def _ask(self, at: float, reply: Reply, history: Sequence[Entry]) -> None:
        request = Request(new_span_id(), at, tuple(history) if self._words else None)
        reply.requests.append(request)
        if reply.name is not None:
            reply.name.request = self._context_of(request.span_id)

    def _confirm(self, at: float, reply: Reply) -> None:
        if reply.confirmed is not None:
            return
        reply.confirmed = at
        reply.heard_since, reply.stopped = self._heard_since, self._stopped
        self._heard_since = self._stopped = None
        self._heard_words = False
        span = reply.span
        for began in (reply.heard_since, reply.stopped, *(one.began for one in self._dropped)):
            if began is not None and began < span.began:
                span.began = began
        if self._dropped:
            self._send_dropped(at, span.context.span_id)

    def _text_started(self, at: float, event: TextStarted) -> None:
        request = self._open_request(event.reply)
        if request is not None and request.first_text is None:
            request.first_text = at

    def _tokens_used(self, at: float, event: TokensUsed) -> None:
        if (request := self._open_request(event.reply)) is not None:
            request.used, request.ended = event, at

    def _sentence(self, at: float, event: ev.SentenceReady) -> None:
        if (reply := self._replies.get(event.reply)) is not None:
            reply.sentence(at, event.utterance, event.text, words=self._words)
            self._reply_of[event.utterance] = reply

    def _voice_started(self, at: float, event: ev.VoiceStarted) -> None:
        reply = self._replies.get(event.reply) if event.filler else None
        if reply is not None and reply.utterances:
            filler = next(reversed(reply.utterances.values()))
            filler.filler, filler.audio = True, at

    def _audio_started(self, at: float, event: AudioStarted) -> None:
        if (reply := self._reply_of.get(event.utterance)) is not None:
            utterance = reply.utterances[event.utterance]
            utterance.audio, utterance.kept = at, event.kept

    def _utterance_heard(self, at: float, event: UtteranceHeard) -> None:
        if (reply := self._reply_of.pop(event.utterance, None)) is not None:
            heard = reply.utterances[event.utterance]
            heard.first_frame, heard.left, heard.share = event.first_sent, at, event.share

    def _reply_failed(self, _: float, event: ev.ReplyFailed) -> None:
        if (reply := self._replies.get(event.reply)) is not None:
            reply.span.failed("the reply failed")

    def _reply_is_over(self, at: float, event: ReplyOver) -> None:
        if (reply := self._replies.pop(event.reply, None)) is not None:
            self._reply_over(at, reply, cut=event.cancelled)

    def _reply_over(self, at: float, reply: Reply, *, cut: bool) -> None:
        waits, self._waits = self._waits, None
        if reply.confirmed is None:
            for request in reply.requests:
                request.ended = request.ended or at
            self._dropped += reply.requests
            if len(self._dropped) > DROPPED_MAX:
                self._send_dropped(at, self._call.context.span_id)
            return
        for span in spans_of(reply, self._make, self._model, at, cut=cut):
            self._chat(span)
        if waits is not None:
            reply.span.attributes |= turn_attributes(waits.as_dict())
        for utterance in [n for n, owner in self._reply_of.items() if owner is reply]:
            del self._reply_of[utterance]
        self._send(reply.span.end(at))

    def _send_dropped(self, at: float, parent_id: str) -> None:
        """Send the requests whose answers nobody heard, as parts of the turn they were for."""
        dropped, self._dropped = self._dropped, []
        for number, request in enumerate(dropped, start=1):
            span = request_span(self._make, request, number, self._model, parent_id, at)
            span.attributes["avr.request.dropped"] = True
            self._chat(span)

    def _chat(self, span: Span) -> None:
        if "gen_ai.operation.name" in span.attributes:
            attributes = {"gen_ai.conversation.id": self._uuid, "gen_ai.agent.name": self._agent}
            span.attributes |= attributes
        self._send(span)

    def _open_request(self, number: int) -> Request | None:
        reply = self._replies.get(number)
        return None if reply is None else reply.open_request()

    def _flushed(self, at: float, event: Flushed) -> None:
        """Record that the caller cut the agent off."""
        dropped = event.dropped
        if all(one.heard >= 1 for one in dropped):
            return
        self._call.happened(at, "interruption")
        for one in dropped:
            for reply in self._replies.values():
                if one.utterance in reply.utterances:
                    reply.span.happened(at, "interruption", avr__heard_share=round(one.heard, 3))
                    return

    # --- services and tools --------------------------------------------------------------------

    def _service_failed(self, at: float, event: ServiceFailed) -> None:
        name, error = event.name, self._masked(event.error)
        self._call.happened(at, "service failed", avr__service=name, avr__error=error)
        newest = reversed(self._replies.values())
        if name == "stt":
            lost, self._lost = self._lost or self._below("recogniser lost", at), None
            lost.failed(error)
            self._send(lost.end(at))
        elif name == "llm":
            asked = (reply.open_request() for reply in newest)
            if (request := next(filter(None, asked), None)) is not None:
                request.error, request.ended = error, at
        elif name == "tts":
            waiting = (reply.waiting_utterance() for reply in newest)
            if (utterance := next(filter(None, waiting), None)) is not None:
                utterance.error = error
                utterance.left = utterance.left or at

    def _restored(self, at: float, _: object) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            self._send(lost.end(at))

    def _tools_called(self, at: float, event: ev.ToolsCalled) -> None:
        reply = self._replies.get(event.reply)
        if reply is None:
            return
        if (request := reply.open_request()) is not None:
            request.ended = at
        for one in event.requests:
            self._asked_by[one.call.id] = reply.span.context.span_id

    def _run_tool(self, at: float, command: ev.RunTool) -> None:
        tool = command.request.call
        parent_id = self._asked_by.pop(tool.id, self._call.context.span_id)
        span = self._make(f"execute_tool {tool.name}", None, parent_id, at, at)
        span.attributes |= {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool.name,
            "gen_ai.tool.call.id": tool.id,
            "gen_ai.tool.type": "function",
        }
        if self._words:
            span.attributes["gen_ai.tool.call.arguments"] = tool.arguments[:TEXT_MAX]
        self._tools[command.number] = span
        enter(span)

    def _tool_done(self, at: float, event: ev.ToolDone) -> None:
        span = self._tools.pop(event.number, None)
        if span is None:
            return
        if self._words:
            span.attributes["gen_ai.tool.call.result"] = event.result[:TEXT_MAX]
        if event.failed:
            span.failed(self._masked(event.result) if self._words else "the tool failed")
        self._chat(span.end(at))

    # --- the call ------------------------------------------------------------------------------

    def _ended(self, at: float, ended: CallEnded) -> None:
        for reply in self._replies.values():
            reply.span.attributes["avr.cut_by_end"] = True
            self._reply_over(at, reply, cut=True)
        self._replies.clear()
        self._send_dropped(at, self._call.context.span_id)
        for tool in self._tools.values():
            tool.attributes["avr.cut_by_end"] = True
            self._chat(tool.end(at))
        self._tools.clear()
        self._restored(at, ended)
        call = self._call
        for name, value in self._summary(ended).items():
            hidden = name == "error" or (name == "transferred_to" and not self._words)
            if isinstance(value, str | int | float) and not hidden:
                call.attributes[f"avr.call.{name}"] = value
        if ended.reason == "failure":
            call.failed(self._masked(ended.error) or "failure")
        self._send(call.end(at))

    def _set_agent(self, agent: str) -> None:
        self._agent = self._call.attributes["gen_ai.agent.name"] = agent
        self._model = self._model_of(agent)

    # --- spans ---------------------------------------------------------------------------------

    def _below(self, name: str, at: float) -> Span:
        return self._make(name, None, self._call.context.span_id, at, at)

    def _make(
        self,
        name: str,
        span_id: str | None,
        parent_id: str,
        began: float,
        ended: float,
        kind: Kind = "internal",
    ) -> Span:
        context = self._context_of(span_id or new_span_id())
        if ended < began:
            ended = began
        return Span(name, context, parent_id, began, ended, self._zero_ns, kind)

    def _context_of(self, span_id: str) -> TraceContext:
        trace = self._context
        return TraceContext(trace.trace_id, span_id, trace.flags, trace.state)


# Most reports of a call mean nothing here: one look into a table is cheaper than to compare each.
_COMMANDS: Mapping[type, Callable[[CallSpans, float, Any], None]] = {
    ev.StartReply: CallSpans._start_reply,
    ev.ConfirmReply: CallSpans._confirm_reply,
    ev.ContinueReply: CallSpans._continue_reply,
    ev.Say: CallSpans._say,
    ev.RunTool: CallSpans._run_tool,
    ev.SendTranscript: CallSpans._transcript,
}
_EVENTS: Mapping[type, Callable[[CallSpans, float, Any], None]] = {
    CallBegan: CallSpans._began,
    AgentAnswered: CallSpans._answered,
    KeyReceived: CallSpans._key,
    ErrorSent: CallSpans._error_sent,
    ev.CallerSpeechStarted: CallSpans._speech_started,
    ev.WordsHeard: CallSpans._words_heard,
    ev.SegmentHeard: CallSpans._words_heard,
    CallerStopped: CallSpans._caller_stopped,
    ev.SttLost: CallSpans._stt_lost,
    ev.SttRestored: CallSpans._restored,
    TextStarted: CallSpans._text_started,
    TokensUsed: CallSpans._tokens_used,
    ev.SentenceReady: CallSpans._sentence,
    ev.VoiceStarted: CallSpans._voice_started,
    AudioStarted: CallSpans._audio_started,
    UtteranceHeard: CallSpans._utterance_heard,
    ev.ReplyFailed: CallSpans._reply_failed,
    ReplyOver: CallSpans._reply_is_over,
    Flushed: CallSpans._flushed,
    ServiceFailed: CallSpans._service_failed,
    ev.ToolsCalled: CallSpans._tools_called,
    ev.ToolDone: CallSpans._tool_done,
    CallEnded: CallSpans._ended,
}
