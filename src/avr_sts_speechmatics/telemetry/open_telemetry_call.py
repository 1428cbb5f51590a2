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
from dataclasses import replace

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
from avr_sts_speechmatics.call_in_log import CallName, current_call
from avr_sts_speechmatics.conversation import Entry
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.speech.speaker import AudioStarted, ServiceFailed, TextStarted
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
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes, TurnTimesObserver

DROPPED_MAX = 20
"""Dropped requests that are remembered for the next turn."""


class CallLink:
    """Gives the call of an observer its place in a trace, for the log and for other services.

    context: the span of the call.
    """

    def __init__(self, context: TraceContext) -> None:
        self._context = context

    def event(self, at: float, event: Observed) -> None:
        if isinstance(event, CallBegan):
            name = current_call.get()
            if isinstance(name, CallName):
                # In place: the connection of the call has the same name.
                name.span = self._context

    def command(self, at: float, command: ev.Command) -> None:
        pass


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
        self._call.attributes |= {
            "avr.call.key": caller.key,
            "avr.call.uuid": caller.uuid,
            "avr.call.transport": caller.transport,
        }
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
        self._times = TurnTimesObserver(self._take_waits)

    # --- reports -------------------------------------------------------------------------------

    def command(self, at: float, command: ev.Command) -> None:
        self._times.command(at, command)
        match command:
            case ev.StartReply(number, history, tentative):
                reply = self._begin_reply(at, number, "turn", asks=True)
                if history is not None:
                    self._ask(at, reply, history)
                if not tentative:
                    self._confirm(at, reply)
            case ev.ConfirmReply(number):
                if (confirmed := self._replies.get(number)) is not None:
                    self._confirm(at, confirmed)
            case ev.ContinueReply(number, history):
                if (continued := self._replies.get(number)) is not None:
                    self._ask(at, continued, history)
            case ev.Say(number):
                self._begin_reply(at, number, "say", asks=False).confirmed = at
            case ev.RunTool(number, request):
                self._run_tool(at, number, request)
            case ev.SendTranscript(role, text):
                if self._words:
                    self._call.happened(at, "transcript", avr__role=role, avr__text=text[:TEXT_MAX])
            case ev.EndCall(_, _, reason):
                self._call.happened(at, "end asked for", avr__call__reason=reason)

    def event(self, at: float, event: Observed) -> None:
        super().event(at, event)
        self._times.event(at, event)
        match event:
            case CallBegan(_, agent):
                self._call.began = at
                self._set_agent(agent)
            case AgentAnswered(agent, manners):
                self._set_agent(agent)
                if manners.language:
                    self._call.attributes["avr.call.language"] = manners.language
                self._call.happened(at, "agent answered")
            case ev.CallerSpeechStarted():
                if self._heard_since is None or not self._heard_words:
                    self._heard_since = at
            case ev.WordsHeard() | ev.SegmentHeard():
                self._heard_words = True
                self._heard_since = self._heard_since or at
            case CallerStopped(stopped):
                self._stopped = stopped
            case KeyReceived(digit):
                if self._words:
                    self._call.happened(at, "key", avr__key=digit)
                else:
                    self._call.happened(at, "key")
            case ev.SttLost():
                self._lost = self._lost or self._below_call("recogniser lost", at)
            case ev.SttRestored():
                self._restored(at)
            case Flushed(dropped):
                self._interrupted(at, dropped)
            case ErrorSent(message):
                self._call.happened(at, "error sent", avr__error=self._masked(message))
            case ServiceFailed(name, error):
                self._service_failed(at, name, self._masked(error))
            case ev.ToolsCalled(number, requests):
                self._tools_called(at, number, requests)
            case ev.ToolDone(number, result, failed):
                self._tool_done(at, number, result, failed=failed)
            case CallEnded():
                self._end(at, event)
            case _:
                self._reply_event(at, event)

    def _reply_event(self, at: float, event: Observed) -> None:
        """Take a report about one reply."""
        match event:
            case TextStarted(number):
                if (request := self._open_request(number)) is not None:
                    request.first_text = request.first_text or at
            case TokensUsed(number):
                if (request := self._open_request(number)) is not None:
                    request.used, request.ended = event, at
            case ev.SentenceReady(number, utterance, text):
                if (reply := self._replies.get(number)) is not None:
                    reply.sentence(at, utterance, text, words=self._words)
                    self._reply_of[utterance] = reply
            case ev.VoiceStarted(number, filler) if filler:
                if (reply := self._replies.get(number)) is not None and reply.utterances:
                    filling = next(reversed(reply.utterances.values()))
                    filling.filler, filling.audio = True, at
            case AudioStarted(utterance, kept):
                if (reply := self._reply_of.get(utterance)) is not None:
                    one = reply.utterances[utterance]
                    one.audio, one.kept = at, kept
            case UtteranceHeard(utterance, first_sent, share):
                if (reply := self._reply_of.pop(utterance, None)) is not None:
                    heard = reply.utterances[utterance]
                    heard.first_frame, heard.left, heard.share = first_sent, at, share
            case ev.ReplyFailed(number):
                if (reply := self._replies.get(number)) is not None:
                    reply.span.failed("the reply failed")
            case ReplyOver(number, cancelled):
                if (reply := self._replies.pop(number, None)) is not None:
                    self._reply_over(at, reply, cut=cancelled)

    # --- replies -------------------------------------------------------------------------------

    def _begin_reply(self, at: float, number: int, name: str, *, asks: bool) -> Reply:
        parent_id = self._call.context.span_id
        reply = self._replies[number] = Reply(self._make(name, None, parent_id, at, at), asks)
        reply.name = self._enter(reply.span)
        return reply

    def _ask(self, at: float, reply: Reply, history: Sequence[Entry]) -> None:
        request = Request(new_span_id(), at, tuple(history) if self._words else None)
        reply.requests.append(request)
        if reply.name is not None:
            reply.name.request = replace(self._call.context, span_id=request.span_id)

    def _confirm(self, at: float, reply: Reply) -> None:
        if reply.confirmed is not None:
            return
        reply.confirmed = at
        reply.heard_since, reply.stopped = self._heard_since, self._stopped
        self._heard_since = self._stopped = None
        self._heard_words = False
        began = [reply.span.began, reply.heard_since, reply.stopped]
        began += [request.began for request in self._dropped]
        reply.span.began = min(time for time in began if time is not None)
        self._send_dropped(at, reply.span.context.span_id)

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
            span.attributes |= {"gen_ai.conversation.id": self._uuid}
            span.attributes |= {"gen_ai.agent.name": self._agent}
        self._send(span)

    def _open_request(self, number: int) -> Request | None:
        reply = self._replies.get(number)
        return None if reply is None else reply.open_request()

    def _interrupted(self, at: float, dropped: tuple[ev.UtteranceDropped, ...]) -> None:
        """Record that the caller cut the agent off."""
        if all(one.heard >= 1 for one in dropped):
            return
        self._call.happened(at, "interruption")
        for one in dropped:
            for reply in self._replies.values():
                if one.utterance in reply.utterances:
                    reply.span.happened(at, "interruption", avr__heard_share=round(one.heard, 3))
                    return

    # --- services and tools --------------------------------------------------------------------

    def _service_failed(self, at: float, name: str, error: str) -> None:
        self._call.happened(at, "service failed", avr__service=name, avr__error=error)
        newest = reversed(self._replies.values())
        if name == "stt":
            lost, self._lost = self._lost or self._below_call("recogniser lost", at), None
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

    def _restored(self, at: float) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            self._send(lost.end(at))

    def _tools_called(self, at: float, number: int, requests: tuple[ev.ToolRequest, ...]) -> None:
        reply = self._replies.get(number)
        if reply is None:
            return
        if (request := reply.open_request()) is not None:
            request.ended = at
        for one in requests:
            self._asked_by[one.call.id] = reply.span.context.span_id

    def _run_tool(self, at: float, number: int, request: ev.ToolRequest) -> None:
        tool = request.call
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
        self._tools[number] = span
        self._enter(span)

    def _tool_done(self, at: float, number: int, result: str, *, failed: bool) -> None:
        span = self._tools.pop(number, None)
        if span is None:
            return
        if self._words:
            span.attributes["gen_ai.tool.call.result"] = result[:TEXT_MAX]
        if failed:
            span.failed(self._masked(result) if self._words else "the tool failed")
        self._chat(span.end(at))

    # --- the call ------------------------------------------------------------------------------

    def _end(self, at: float, ended: CallEnded) -> None:
        for reply in self._replies.values():
            reply.span.attributes["avr.cut_by_end"] = True
            self._reply_over(at, reply, cut=True)
        self._replies.clear()
        self._send_dropped(at, self._call.context.span_id)
        for tool in self._tools.values():
            tool.attributes["avr.cut_by_end"] = True
            self._chat(tool.end(at))
        self._tools.clear()
        self._restored(at)
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

    def _take_waits(self, times: TurnTimes) -> None:
        self._waits = times

    # --- spans ---------------------------------------------------------------------------------

    def _below_call(self, name: str, at: float) -> Span:
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
        context = replace(self._context, span_id=span_id or new_span_id())
        ended = max(began, ended)
        return Span(name, context, parent_id, began, ended, self._zero_ns, kind)

    def _enter(self, span: Span) -> CallName | None:
        """Make the code that is started next a part of a span: its log lines and its requests.

        The call restores the name when the event is handled.
        """
        name = current_call.get()
        if not isinstance(name, CallName):
            return None
        within = name.within(span.context)
        current_call.set(within)
        return within
