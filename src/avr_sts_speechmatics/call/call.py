"""One call, from its first frame to its last.

A call is one task group: the STT stream, the reply under way and the watch over a quiet line live
in it and end with it. A call has no rules of its own. Whatever happens becomes an event for the
dialogue, and whatever is done is a command of the dialogue; the call carries audio to the
recogniser, text to the voice and frames to the line.

Logging and measuring are not done here: events and commands are reported to observers, see
`observer`. Until the agent is known, `arrival` keeps audio and events.
The hot path, 50 times a second: `hear` passes the frame to the recogniser. No task, no queue.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from functools import partial

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.call_time import now_in
from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.pcm import RATE, seconds
from avr_sts_speechmatics.audio.playout import Played, PlayoutClock
from avr_sts_speechmatics.call.answer import Answer, ReplyUnderWay, fixed_text
from avr_sts_speechmatics.call.arrival import Arrival, ignore
from avr_sts_speechmatics.call.brief import brief_for, manners_for
from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    CallerStopped,
    ErrorSent,
    Flushed,
    KeyReceived,
    NoticeGiven,
    Observers,
    ReplyOver,
    TokensUsed,
    ToolRan,
    UtteranceHeard,
)
from avr_sts_speechmatics.call.quiet_line import fill_quiet_line
from avr_sts_speechmatics.call.services import Services
from avr_sts_speechmatics.call.timers import Timers
from avr_sts_speechmatics.call_in_log import current_call, named
from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.driver import Driver
from avr_sts_speechmatics.dialogue.turns import Dialogue
from avr_sts_speechmatics.dialogue.words import speech_seconds
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.pbx.departures import extension_of
from avr_sts_speechmatics.pbx.protocol import PbxError
from avr_sts_speechmatics.runtime.task_group import TaskGroup
from avr_sts_speechmatics.runtime.tracebacks import drop_traceback
from avr_sts_speechmatics.services.stt.protocol import SttStream
from avr_sts_speechmatics.services.use import report_to
from avr_sts_speechmatics.speech.speaker import ServiceFailed, Speaker
from avr_sts_speechmatics.tools.tool_runner import NotDone

_log = logging.getLogger(__name__)


class Call:
    """One call. Implements `line.CallerSide` and `SttListener`.

    caller: with the facts that the transport received.
    line: the way to the caller.
    services: shared by all calls.
    clock: the 20 ms clock of the process.
    """

    def __init__(self, caller: Caller, line: Line, services: Services, clock: PlayoutClock) -> None:
        self.caller = caller
        self.name = named(caller.uuid, caller.facts)
        """Name of the call in the log, for `current_call`."""
        self.line = line
        self._services = services
        self._observers = Observers(services.observers(caller, line), self._tell)
        self._arrival = Arrival(services.agents, caller)
        self._hear: Callable[[bytes], None] = self._arrival.hear  # later `hear` of the STT session
        self._tap = services.tap(caller)
        pacing = Pacing(clock, services.ambience, self._tap)
        self._playout = line.open_playout(pacing, self._utterance_finished)
        self._driver: Driver | None = None  # None until the agent is known
        self._texts: dict[int, str] = {}  # text of each utterance not yet heard
        self._replies: dict[int, ReplyUnderWay] = {}
        self._heard_bytes = 0
        self._timers = Timers(self._tell)
        self._over = asyncio.Event()
        self._fault: Exception | None = None
        self._ended: CallEnded | None = None  # how the call ends, as soon as that is known
        self._audio_at = time.monotonic()

    async def run(self) -> None:
        """Run the call to its end; returns when nothing of the call is left.

        An unexpected exception is logged and ends this call only.
        """
        current_call.set(self.name)
        self._observers.event(CallBegan(self.caller, self._arrival.agent.name))
        self._playout.start()
        failed = False
        try:
            async with TaskGroup() as self._tasks:
                if self._arrival.must_ask:
                    self._spawn(self._begin_when_known())
                else:
                    self._begin(self._arrival.agent)
                await self._until_over()
                if self._fault is not None:
                    raise self._fault
                self._tasks.end()
        except* Exception:
            failed = True
            self._ended = CallEnded("failure", error="internal error")
            _log.exception("call ends by a fault of this service; please report it")
            self._send_error("internal error")
        finally:
            self._stop()
            self.line.close(failed=failed)
            self._observers.close(self._ended)
            self._let_go()

    async def _until_over(self) -> None:
        try:
            await self._over.wait()
        except asyncio.CancelledError:
            # A fault in a task of the call also cancels this wait; `run` then reports the fault.
            self._ended = CallEnded("shutdown")
            raise
        finally:
            # What was heard of the sentence that the end of the call cuts off.
            for played in self._playout.flush():
                self._share(played)

    async def _begin_when_known(self) -> None:
        self._begin(await self._arrival.answering_agent())

    def _begin(self, agent: Agent) -> None:
        """Begin the dialogue: the agent is known."""
        services, facts = self._services, self.caller.facts
        self._agent = agent
        began = now_in(agent.time_zone)
        tools = (*services.departures.specs(self.line), *services.toolbox.specs(None))
        self._brief = brief_for(agent, tools, facts, began)
        voice, kept = services.voice_of(agent)
        self._speaker = Speaker(
            voice, kept, self._playout, self._tell, self._observers.event, language=agent.language
        )
        stt = services.open_stt(agent, self)
        self._hear = stt.hear
        self._arrival.hand_over_audio(stt.hear)
        self._spawn(self._listen(stt))
        self._spawn(fill_quiet_line(lambda: self._audio_at, self._hear_silence))
        manners = manners_for(agent, facts, began)
        self._driver = Driver(Dialogue(manners), self._do, self._observers.event)
        self._observers.event(AgentAnswered(agent.name, manners))
        if (notices := manners.notices) and manners.welcome:
            self._spawn(self._speaker.prepare(manners.welcome, [one.text for one in notices]))
        for event in self._arrival.hand_over_events():
            self._tell(event)

    # --- the caller's side, called by the transport --------------------------------------------

    def hear(self, pcm: bytes) -> None:
        self._audio_at = time.monotonic()
        self._heard_bytes += len(pcm)
        self._hear(pcm)
        if self._tap is not None:
            self._tap.caller(self._audio_at, pcm)

    def press(self, digit: str) -> None:
        self._observers.event(KeyReceived(digit))
        self._tell(ev.KeyPressed(digit))

    def write(self, text: str) -> None:
        end = seconds(self._heard_bytes)
        self._observers.event(CallerStopped(time.monotonic()))
        self._tell(ev.SegmentHeard(text, end))
        self._tell(ev.TurnEnded(end))

    def audio_ended(self) -> None:
        self._tell(ev.AudioEnded())

    def leave(self) -> None:
        if self._ended is None:
            self._ended = CallEnded("caller")
        self._over.set()

    def take_leave(self, why: ev.ServiceEnds | ev.OperatorLeaves) -> None:
        self._tell(why)

    # --- reports of the recogniser -------------------------------------------------------------

    def speech_started(self, at: float) -> None:
        self._tell(ev.CallerSpeechStarted())

    def speech_ended(self, at: float) -> None:
        self._observers.event(CallerStopped(self._audio_at - seconds(self._heard_bytes) + at))
        self._tell(ev.CallerSpeechEnded())

    def words_heard(self, text: str, end: float) -> None:
        self._tell(ev.WordsHeard(text, end))

    def segment_heard(self, text: str, end: float) -> None:
        self._tell(ev.SegmentHeard(text, end))

    def turn_ended(self, end: float) -> None:
        self._tell(ev.TurnEnded(end))

    def stt_lost(self) -> None:
        self._tell(ev.SttLost())

    def stt_restored(self) -> None:
        self._tell(ev.SttRestored())

    async def _listen(self, stt: SttStream) -> None:
        report_to(self._observers.event)
        try:
            await stt.run()
        except ServiceError as error:
            drop_traceback(error)
            _log.error("%s", error)
            self._observers.event(ServiceFailed(error.service, str(error), error.kind))
            self._tell(ev.SttFailed())

    def _hear_silence(self, pcm: bytes) -> None:
        self._heard_bytes += len(pcm)
        self._hear(pcm)

    # --- the dialogue --------------------------------------------------------------------------

    def _tell(self, event: ev.Event) -> None:
        # A session still reports recognised words while it is closed; the call is over by then.
        if self._over.is_set():
            return
        if self._driver is None:
            self._arrival.keep(event)
            return
        if isinstance(event, ev.SentenceReady):
            self._texts[event.utterance] = event.text
        # Whoever reports the event: what follows from the event belongs to this call.
        outside = current_call.set(self.name)
        try:
            self._driver.tell(event)
        except Exception as error:
            # Raised in a timer or a socket callback, outside the call's tasks: `run` raises it.
            self._fault = error
            self._over.set()
        finally:
            current_call.reset(outside)

    def _do(self, command: ev.Command) -> ev.Answer:
        self._observers.command(command)
        match command:
            case ev.StartReply(number, history, tentative):
                self._start_answer(number, history, tentative=tentative)
            case ev.ConfirmReply(number):
                if (answer := self._answer(number)) is not None:
                    answer.confirm()
            case ev.ContinueReply(number, history, tools):
                if (answer := self._answer(number)) is not None:
                    answer.go_on(history, tools=tools)
            case ev.RunTool(number, request):
                self._spawn(self._run_tool(number, request))
            case ev.Say(number, text):
                self._start(number, None, fixed_text(text))
            case ev.Fill(number, text):
                self._speaker.fill(number, text)
            case ev.CancelReply(number):
                if (reply := self._replies.pop(number, None)) is not None:
                    reply.task.cancel()
            case ev.HoldReply(number):
                self._speaker.hold(number)
            case ev.GoOnWithReply(number):
                self._speaker.go_on(number)
            case ev.Pause():
                self._playout.pause()
            case ev.Resume():
                self._playout.resume()
            case ev.Flush():
                return self._flush()
            case ev.SendTranscript(role, text):
                self.line.send_transcript(role, text)
            case ev.SetTimer(timer, after):
                self._timers.set(timer, after)
            case ev.CancelTimer(timer):
                self._timers.cancel(timer)
            case ev.ReportNotice(kind, text):
                self._observers.event(NoticeGiven(kind, text))
            case ev.EndCall(error, hang_up, reason):
                if self._ended is None:
                    self._ended = CallEnded(reason, error=error or "")
                self._spawn(self._end(error, reason, hang_up=hang_up))
        return None

    # --- the agent's side ----------------------------------------------------------------------

    def _start_answer(
        self, number: int, history: Sequence[Entry] | None, *, tentative: bool
    ) -> None:
        answer = Answer(
            self._services.llm,
            self._brief,
            partial(self._ask_tools, number),
            lambda usage: self._observers.event(TokensUsed.of(number, usage)),
        )
        if not tentative:
            answer.confirm()
        if history is not None:
            answer.go_on(history)
        self._start(number, answer, answer.text())

    def _answer(self, number: int) -> Answer | None:
        reply = self._replies.get(number)
        return None if reply is None else reply.answer

    def _start(
        self, number: int, answer: Answer | None, text: AsyncGenerator[str | None, None]
    ) -> None:
        task = self._spawn(self._speaker.speak(number, text))
        self._replies[number] = ReplyUnderWay(answer, task)
        task.add_done_callback(partial(self._reply_over, number))

    def _reply_over(self, number: int, task: asyncio.Task[None]) -> None:
        self._replies.pop(number, None)
        self._observers.event(ReplyOver(number, task.cancelled()))

    def _flush(self) -> ev.Answer:
        flushed = self._playout.flush()
        dropped = tuple(ev.UtteranceDropped(one.number, self._share(one)) for one in flushed)
        # Only the silence behind the last word was dropped: nothing was interrupted.
        if not dropped or any(one.heard < 1 for one in dropped):
            self.line.send_interruption()
        self._observers.event(Flushed(dropped))
        return dropped

    def _utterance_finished(self, played: Played) -> None:
        share = self._share(played)
        if played.total is None:  # the TTS failed in the middle of the utterance
            self._tell(ev.UtteranceDropped(played.number, share))
        else:
            self._tell(ev.UtterancePlayed(played.number))
        self._speaker.played(played.number)

    def _share(self, played: Played) -> float:
        """Share of an utterance's audio that was heard, 0 to 1, for the history."""
        text, total = self._texts.pop(played.number, ""), played.total
        if total is None:
            # The TTS had not finished the utterance: estimate the length from the text.
            total = int(speech_seconds(text) * RATE)
        share = min(1.0, played.samples / total) if total else 0.0
        self._observers.event(UtteranceHeard(played.number, played.first_sent, share))
        return share

    # --- tools, and the end --------------------------------------------------------------------

    def _ask_tools(self, number: int, calls: tuple[ToolCall, ...]) -> None:
        departures, allowed = self._services.departures, self._agent.tools
        requests = tuple(departures.request(call, allowed=allowed) for call in calls)
        self._tell(ev.ToolsCalled(number, requests))

    async def _run_tool(self, number: int, request: ev.ToolRequest) -> None:
        services, tool, failed, begun = self._services, request.call, False, time.monotonic()
        if request.leaves:
            # Noted before: the PBX may end the line before it answers.
            to = extension_of(tool)
            self._ended = CallEnded(request.end_reason, to)
            try:
                result = await services.departures.run(tool, self.caller, self.line)
            except PbxError as error:
                _log.warning("%s: %s", tool.name, error)
                result, failed = str(error), True
                self._ended = None
        else:
            result = await services.toolbox.run(tool, self.caller, allowed=self._agent.tools)
            failed, result = isinstance(result, NotDone), str(result)
        self._observers.event(ToolRan(tool.name, time.monotonic() - begun, failed))
        self._tell(ev.ToolDone(number, result, failed))

    async def _end(self, error: str | None, reason: ev.EndReason, *, hang_up: bool) -> None:
        """End or transfer the phone call, if there is a way to do so, then close the line."""
        if error is not None:
            self._send_error(error)
        services = self._services
        wanted = {"failure": services.on_failure, "shutdown": services.on_drain}
        action = wanted.get(reason, "hangup")
        try:
            if action.startswith("transfer:"):
                extension = action.removeprefix("transfer:")
                await services.departures.transfer(extension, self.caller, self.line)
                self._ended = CallEnded(reason, extension, error or "")
            elif action == "hangup" and hang_up:
                await services.departures.hang_up(self.caller, self.line)
        except PbxError as trouble:
            _log.warning("the call is only closed: %s", trouble)
        self.line.close(failed=error is not None)
        self._over.set()

    def _send_error(self, message: str) -> None:
        self.line.send_error(message)
        self._observers.event(ErrorSent(message))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return self._tasks.create_task(work)

    def _stop(self) -> None:
        self._over.set()  # from now on `_tell` drops what is reported
        self._playout.close()
        if self._tap is not None:
            self._tap.end()
        self._timers.cancel_all()

    def _let_go(self) -> None:
        """Drop the parts that refer to this call: as cycles they would wait for the collector."""
        # The transport has the call until the connection is closed, and may still use it.
        self._hear = ignore
        self._driver = self._fault = self._tap = None
        del self._playout, self._tasks, self._timers
        self.__dict__.pop("_speaker", None)  # not there if the agent was never known
