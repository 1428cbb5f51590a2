"""One call, from its first frame to its last.

A call is one task group: hearing, the reply being thought and spoken, and the watch over a quiet
line live in it and die with it. It owns no rules: everything that happens becomes an event for the
dialogue, everything that is done is a command of the dialogue. What is done here is only the
carrying: audio to the recogniser, text to the voice, frames to the line.

The hot path, 50 times a second: `hear` gives the frame to the recogniser. No task, no queue.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.agents.placeholders import briefed_with, spoken_with
from avr_sts_speechmatics.audio.ambient import Ambience
from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, RATE, seconds, silence
from avr_sts_speechmatics.audio.playout import Played, PlayoutClock
from avr_sts_speechmatics.call.answer import Answer
from avr_sts_speechmatics.conversation import HANG_UP, TRANSFER, Entry, ToolCall
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.driver import Driver
from avr_sts_speechmatics.dialogue.history import heard_words
from avr_sts_speechmatics.dialogue.turns import Dialogue
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.pbx.departures import Departures
from avr_sts_speechmatics.pbx.protocol import PbxError
from avr_sts_speechmatics.services.llm.protocol import Brief, Llm
from avr_sts_speechmatics.services.stt.protocol import SttListener, SttStream
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases
from avr_sts_speechmatics.speech.speaker import Speaker
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes
from avr_sts_speechmatics.telemetry.webhooks import EventName, Webhooks
from avr_sts_speechmatics.tools.toolbox import Toolbox

QUIET_LINE_S = 0.5
"""A line that brings no audio for so long is given silence instead (s). Recognisers need audio to
find the end of a turn, and some telephones stop sending when nobody speaks. Longer than any
network's hiccup, whose frames come late but come."""

FILL_S = 0.1
"""Then silence is given in pieces of this length (s)."""

EARLY_S = 5.0
"""Audio that is kept while it is not known yet who answers (s)."""

_GUESSED_CHARS_PER_SECOND = 14.0

_log = logging.getLogger(__name__)

current_call: ContextVar[str] = ContextVar("current_call", default="")
"""Name of the call the running code belongs to, for the log."""


@dataclass(frozen=True, slots=True)
class Services:
    """What calls are made of, for all calls of the process.

    voice_of: gives an agent's TTS and the phrases that are kept of its voice.
    ambience: the sound of a room behind every agent, or None.
    on_failure: value of the setting ON_FAILURE, carried out after the apology.
    log_transcripts: True if the log may contain what is said.
    """

    agents: Agents
    open_stt: Callable[[Agent, SttListener], SttStream]
    llm: Llm
    voice_of: Callable[[Agent], tuple[Tts, KeptPhrases]]
    toolbox: Toolbox
    departures: Departures
    webhooks: Webhooks | None = None
    ambience: Ambience | None = None
    on_failure: str = "hangup"
    log_transcripts: bool = False


class Call:
    """See the module's text. Implements `line.CallerSide` and `hearing.HearingListener`.

    turns: the times of every answer so far, oldest first.
    """

    def __init__(self, caller: Caller, line: Line, services: Services, clock: PlayoutClock) -> None:
        self.caller = caller
        self.turns: list[TurnTimes] = []
        self._line = line
        self._services = services
        self._agent = services.agents.for_call(caller)
        self._brief = Brief("")
        pacing = Pacing(clock, services.ambience)
        self._playout = line.open_playout(pacing, self._utterance_finished)
        self._stt: SttStream | None = None  # until it is known who answers
        self._driver: Driver | None = None
        self._early = bytearray()
        self._texts: dict[int, tuple[str, TurnTimes | None]] = {}  # of what is not yet heard
        self._replies: dict[int, _Reply] = {}
        self._dropped_requests = 0
        self._heard_bytes = 0
        self._stopped_at: float | None = None
        self._timers: dict[ev.Timer, asyncio.TimerHandle] = {}
        self._over = asyncio.Event()
        self._fault: Exception | None = None
        self._audio_at = time.monotonic()
        self._tasks: asyncio.TaskGroup | None = None
        self._before: list[ev.Event] = []  # what happened before the dialogue could be told

    async def run(self) -> None:
        """Live through the call; returns when nothing of it is left.

        A fault of our own ends this call loudly, and no other.
        """
        current_call.set(self.caller.uuid)
        begun = self._audio_at = time.monotonic()
        facts = self.caller.facts
        told = "".join(f", {name} {value!r}" for name, value in facts.items())
        _log.info("call begins (%s, agent %s%s)", self.caller.transport, self._agent.name, told)
        self._publish("call_started", facts)
        self._playout.start()
        failed = False
        try:
            async with asyncio.TaskGroup() as self._tasks:
                agents = self._services.agents
                if agents.needs_brief(self._agent):
                    self._tasks.create_task(self._ask_for_brief())
                else:
                    self._begin(self._agent)
                await self._over.wait()
                raise self._fault or _CallOver
        except* _CallOver:
            pass
        except* Exception:
            failed = True
            _log.exception("call ends by a fault of this service; please report it")
            self._send_error("internal error")
        finally:
            self._stop()
            self._line.close(failed=failed)
            self._publish("call_ended", {})
            _log.info("call ends after %.1f s", time.monotonic() - begun)

    async def _ask_for_brief(self) -> None:
        self._begin(await self._services.agents.brief(self._agent, self.caller))

    def _begin(self, agent: Agent) -> None:
        """It is known who answers: the call begins for its agent."""
        assert self._tasks is not None
        services, facts = self._services, self.caller.facts
        self._agent = agent
        tools = (*services.departures.specs(self._line), *services.toolbox.specs(None))
        self._brief = Brief(
            briefed_with(agent.instructions, facts),
            tuple(tool for tool in tools if agent.tools is None or tool.name in agent.tools),
            agent.model,
        )
        welcome = spoken_with(agent.manners.welcome, facts)
        voice, phrases = services.voice_of(agent)
        self._speaker = Speaker(voice, phrases, self._playout, self._tell)
        self._stt = services.open_stt(agent, self)
        if self._early:
            self._stt.hear(bytes(self._early))
            self._early.clear()
        self._tasks.create_task(self._listen(self._stt))
        self._tasks.create_task(self._watch_quiet_line(self._stt))
        self._driver = Driver(Dialogue(replace(agent.manners, welcome=welcome)), self._do)
        for event in (ev.CallStarted(), *self._before):
            self._tell(event)

    # --- the caller's side, told by the transport ----------------------------------------------

    def hear(self, pcm: bytes) -> None:
        self._audio_at = time.monotonic()
        self._heard_bytes += len(pcm)
        if self._stt is not None:
            self._stt.hear(pcm)
        elif len(self._early) < EARLY_S * BYTES_PER_SECOND:
            self._early += pcm

    def press(self, digit: str) -> None:
        self._publish("dtmf_digit", {"digit": digit})
        self._tell(ev.KeyPressed(digit))

    def audio_ended(self) -> None:
        self._tell(ev.AudioEnded())

    def leave(self) -> None:
        self._over.set()

    # --- what the recogniser hears -------------------------------------------------------------

    def speech_started(self, at: float) -> None:
        self._tell(ev.CallerSpeechStarted())

    def speech_ended(self, at: float) -> None:
        self._stopped_at = self._audio_at - (seconds(self._heard_bytes) - at)
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
        try:
            await stt.run()
        except ServiceError as error:
            _log.error("%s", error)
            self._tell(ev.SttFailed())

    async def _watch_quiet_line(self, stt: SttStream) -> None:
        """Give the recogniser silence while the line brings nothing at all."""
        filled_to = 0.0
        while True:
            now = time.monotonic()
            lively_for = self._audio_at + QUIET_LINE_S - now
            if lively_for > 0:
                # Woken no more often than needed: this runs beside every call.
                await asyncio.sleep(lively_for)
                continue
            fill = silence(now - max(filled_to, self._audio_at))
            self._heard_bytes += len(fill)
            stt.hear(fill)
            filled_to = now
            await asyncio.sleep(FILL_S)

    # --- the dialogue --------------------------------------------------------------------------

    def _tell(self, event: ev.Event) -> None:
        # A session that is being closed still reports what it heard; nobody is there to answer.
        if self._over.is_set():
            return
        if self._driver is None:
            self._before.append(event)
            return
        if isinstance(event, ev.SentenceReady):
            reply = self._replies.get(event.reply)
            times = None if reply is None else reply.times
            self._texts[event.utterance] = event.text, times
            if times is not None:
                times.words_said += len(event.text.split())
        try:
            self._driver.tell(event)
        except Exception as error:
            # Told by a timer or a socket, where nobody of this call would see it: `run` shall.
            self._fault = error
            self._over.set()

    def _do(self, command: ev.Command) -> ev.Answer:
        match command:
            case ev.StartReply(number, history, tentative):
                self._start_answer(number, history, tentative=tentative)
            case ev.ConfirmReply(number):
                self._confirm(self._replies.get(number))
            case ev.ContinueReply(number, history, tools):
                reply = self._replies.get(number)
                if reply is not None and reply.answer is not None and reply.times is not None:
                    reply.times.requests += 1
                    reply.answer.go_on(history, tools=tools)
            case ev.RunTool(number, tool):
                self._spawn(self._run_tool(number, tool))
            case ev.Say(number, text):
                self._start(number, _Reply(), _fixed(text))
            case ev.Fill(number, text):
                self._speaker.fill(number, text)
            case ev.CancelReply(number):
                reply = self._replies.pop(number, None)
                if reply is not None and reply.task is not None:
                    reply.task.cancel()
            case ev.Pause():
                self._playout.pause()
            case ev.Resume():
                self._playout.resume()
            case ev.Flush():
                return self._flush()
            case ev.SendTranscript(role, text):
                self._line.send_transcript(role, text)
                self._publish("transcription", {"role": role, "text": text})
                if self._services.log_transcripts:
                    _log.info("%s: %s", role, text)
            case ev.SetTimer(timer, after):
                self._set_timer(timer, after)
            case ev.CancelTimer(timer):
                self._cancel_timer(timer)
            case ev.EndCall(error, hang_up):
                self._spawn(self._end(error, hang_up=hang_up))
        return None

    def _start_answer(
        self, number: int, history: Sequence[Entry] | None, *, tentative: bool
    ) -> None:
        answer = Answer(
            self._services.llm, self._brief, lambda calls: self._ask_tools(number, calls)
        )
        times = TurnTimes(time.monotonic(), requests=0 if history is None else 1)
        reply = _Reply(answer, times)
        if not tentative:
            self._confirm(reply)
        if history is not None:
            answer.go_on(history)
        self._start(number, reply, answer.text())

    def _confirm(self, reply: "_Reply | None") -> None:
        if reply is None or reply.answer is None or reply.times is None:
            return
        reply.answer.confirm()
        times = reply.times
        times.stopped, self._stopped_at = self._stopped_at, None
        times.confirmed = time.monotonic()
        times.requests += self._dropped_requests
        self._dropped_requests = 0

    def _start(self, number: int, reply: "_Reply", text: AsyncGenerator[str | None, None]) -> None:
        self._replies[number] = reply
        times = reply.times
        reply.task = self._spawn(self._speaker.speak(number, text, times))

        def done(task: asyncio.Task[None]) -> None:
            self._replies.pop(number, None)
            if times is None:
                return
            if times.confirmed is None:
                self._dropped_requests += 1
                return
            # A farewell is heard to its end, and its reply cancelled then.
            heard_out = 0 < times.words_said == times.words_heard
            times.interrupted = task.cancelled() and not heard_out
            self.turns.append(times)
            self._line.send_record("turn", times.as_dict())
            _log.info("turn: %s", _summary(times), extra={"turn": times.as_dict()})

        reply.task.add_done_callback(done)

    def _flush(self) -> ev.Answer:
        dropped = self._playout.flush()
        self._line.send_interruption()
        self._publish("interruption", {})
        return tuple(ev.UtteranceDropped(one.number, self._share(one)) for one in dropped)

    def _utterance_finished(self, played: Played) -> None:
        share = self._share(played)
        if played.total is None:  # the voice broke off
            self._tell(ev.UtteranceDropped(played.number, share))
        else:
            self._tell(ev.UtterancePlayed(played.number))
        self._speaker.played(played.number)

    def _share(self, played: Played) -> float:
        """Share of an utterance's audio that was heard (0..1), as it is written down."""
        text, times = self._texts.pop(played.number, ("", None))
        total = played.total
        if total is None:
            # The voice had not finished it: guess its length by its letters.
            total = int(len(text) / _GUESSED_CHARS_PER_SECOND * RATE)
        share = min(1.0, played.samples / total) if total else 0.0
        if times is not None:
            times.frame(played.first_sent)
            times.words_heard += len(heard_words(text, share).split())
        return share

    # --- tools, and the end --------------------------------------------------------------------

    def _ask_tools(self, number: int, calls: tuple[ToolCall, ...]) -> None:
        departures, allowed = self._services.departures, self._agent.tools
        requests = tuple(departures.request(call, allowed=allowed) for call in calls)
        self._tell(ev.ToolsCalled(number, requests))

    async def _run_tool(self, number: int, tool: ToolCall) -> None:
        services, failed, begun = self._services, False, time.monotonic()
        if tool.name in (HANG_UP, TRANSFER):
            try:
                result = await services.departures.run(tool, self.caller, self._line)
            except PbxError as error:
                _log.warning("%s: %s", tool.name, error)
                result, failed = str(error), True
        else:
            result = await services.toolbox.run(tool, self.caller, allowed=self._agent.tools)
        took_ms = round(1000 * (time.monotonic() - begun))
        self._line.send_record("tool", {"name": tool.name, "took_ms": took_ms, "failed": failed})
        self._tell(ev.ToolDone(number, result, failed))

    async def _end(self, error: str | None, *, hang_up: bool) -> None:
        """End the phone call as far as it can be ended, then the line."""
        if error is not None:
            self._send_error(error)
        services = self._services
        action = "hangup" if error is None else services.on_failure
        try:
            if action.startswith("transfer:"):
                extension = action.removeprefix("transfer:")
                await services.departures.transfer(extension, self.caller, self._line)
            elif action == "hangup" and hang_up:
                await services.departures.hang_up(self.caller, self._line)
        except PbxError as trouble:
            _log.warning("the call is only closed: %s", trouble)
        self._line.close(failed=error is not None)
        self._over.set()

    def _send_error(self, message: str) -> None:
        self._line.send_error(message)
        self._publish("error", {"message": message})

    def _publish(self, event: EventName, payload: Mapping[str, object]) -> None:
        if self._services.webhooks is not None:
            self._services.webhooks.send(self.caller.uuid, event, payload)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        assert self._tasks is not None
        return self._tasks.create_task(work)

    # --- timers --------------------------------------------------------------------------------

    def _set_timer(self, timer: ev.Timer, after: float) -> None:
        self._cancel_timer(timer)
        loop = asyncio.get_running_loop()
        self._timers[timer] = loop.call_later(after, self._timer_fired, timer)

    def _cancel_timer(self, timer: ev.Timer) -> None:
        handle = self._timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def _timer_fired(self, timer: ev.Timer) -> None:
        del self._timers[timer]
        self._tell(ev.TimerFired(timer))

    def _stop(self) -> None:
        self._playout.close()
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()


@dataclass(slots=True, eq=False)
class _Reply:
    """One that thinks or speaks. answer, times: None for a fixed text."""

    answer: Answer | None = None
    times: TurnTimes | None = None
    task: asyncio.Task[None] | None = None


class _CallOver(Exception):
    """Ends the task group of a call that ended as calls do."""


def _summary(times: TurnTimes) -> str:
    """A turn in a line for people."""
    waits = times.as_dict()
    total = waits["voice_to_voice_ms"]
    parts = ", ".join(f"{part} {waits[f'{part}_ms']}" for part in ("confirm", "model", "voice"))
    ended = "interrupted" if times.interrupted else "whole"
    return (
        f"answered after {total} ms ({parts}), {ended}, "
        f"{times.words_heard} of {times.words_said} words heard"
    )


async def _fixed(text: str) -> AsyncGenerator[str | None, None]:
    yield text
