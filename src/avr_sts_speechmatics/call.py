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
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace

from avr_sts_speechmatics.audio.pcm import RATE, seconds, silence
from avr_sts_speechmatics.audio.playout import Played, Playout, PlayoutClock
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.turns import Dialogue
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.facts import briefed_with, spoken_with
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.phrases import Phrases
from avr_sts_speechmatics.services.hearing import Hearing, HearingListener
from avr_sts_speechmatics.services.thinking import Thinking
from avr_sts_speechmatics.services.voice import Voice
from avr_sts_speechmatics.speaking import Speaker
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

QUIET_LINE_S = 0.5
"""A line that brings no audio for so long is given silence instead (s). Recognisers need audio to
find the end of a turn, and some telephones stop sending when nobody speaks. Longer than any
network's hiccup, whose frames come late but come."""

FILL_S = 0.1
"""Then silence is given in pieces of this length (s)."""

_GUESSED_CHARS_PER_SECOND = 14.0

_log = logging.getLogger(__name__)

current_call: ContextVar[str] = ContextVar("current_call", default="")
"""Name of the call the running code belongs to, for the log."""


@dataclass(frozen=True, slots=True)
class Services:
    """Who hears, thinks and speaks, for all calls of the process."""

    open_hearing: Callable[[HearingListener], Hearing]
    thinking: Thinking
    voice: Voice
    phrases: Phrases
    instructions: str


class Call:
    """See the module's text. Implements `line.CallerSide` and `hearing.HearingListener`."""

    def __init__(
        self, caller: Caller, line: Line, services: Services, clock: PlayoutClock, manners: Manners
    ) -> None:
        self.caller = caller
        self._line = line
        self._services = services
        self._instructions = briefed_with(services.instructions, caller.facts)
        welcome = spoken_with(manners.welcome, caller.facts)
        self._dialogue = Dialogue(replace(manners, welcome=welcome))
        self._playout = Playout(clock, line.send_audio, self._utterance_finished)
        self._speaker = Speaker(services.voice, services.phrases, self._playout, self._tell)
        self._hearing = services.open_hearing(self)
        self._texts: dict[int, str] = {}  # of the utterances that have not been heard to their end
        self._replies: dict[int, asyncio.Task[None]] = {}
        self._times: TurnTimes | None = None  # of the answer under way
        self._heard_bytes = 0
        self._stopped_at: float | None = None
        self._timers: dict[ev.Timer, asyncio.TimerHandle] = {}
        self._over = asyncio.Event()
        self._fault: Exception | None = None
        self._audio_at = time.monotonic()
        self._tasks: asyncio.TaskGroup | None = None
        self._before: list[ev.Event] = []  # what happened before `run` had begun

    async def run(self) -> None:
        """Live through the call; returns when nothing of it is left.

        A fault of our own ends this call loudly, and no other.
        """
        current_call.set(self.caller.uuid)
        begun = self._audio_at = time.monotonic()
        _log.info("call begins (%s)", self.caller.door)
        failed = False
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._listen())
                self._tasks.create_task(self._watch_quiet_line())
                for event in (ev.CallStarted(), *self._before):
                    self._tell(event)
                await self._over.wait()
                raise self._fault or _CallOver
        except* _CallOver:
            pass
        except* Exception:
            failed = True
            _log.exception("call ends by a fault of this service; please report it")
            self._line.send_error("internal error")
        finally:
            self._stop()
            self._line.close(failed=failed)
            _log.info("call ends after %.1f s", time.monotonic() - begun)

    # --- the caller's side, told by the transport ----------------------------------------------

    def hear(self, pcm: bytes) -> None:
        self._audio_at = time.monotonic()
        self._heard_bytes += len(pcm)
        self._hearing.hear(pcm)

    def press(self, digit: str) -> None:
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

    def hearing_lost(self) -> None:
        self._tell(ev.HearingLost())

    def hearing_restored(self) -> None:
        self._tell(ev.HearingRestored())

    async def _listen(self) -> None:
        try:
            await self._hearing.run()
        except ServiceError as error:
            _log.error("%s", error)
            self._tell(ev.HearingFailed())

    async def _watch_quiet_line(self) -> None:
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
            self._hearing.hear(fill)
            filled_to = now
            await asyncio.sleep(FILL_S)

    # --- the dialogue --------------------------------------------------------------------------

    def _tell(self, event: ev.Event) -> None:
        # A session that is being closed still reports what it heard; nobody is there to answer.
        if self._over.is_set():
            return
        if self._tasks is None:
            self._before.append(event)
            return
        if isinstance(event, ev.SentenceReady):
            self._texts[event.utterance] = event.text
            if self._times is not None:
                self._times.words_said += len(event.text.split())
        try:
            for command in self._dialogue.handle(event):
                self._do(command)
        except Exception as error:
            # Told by a timer or a socket, where nobody of this call would see it: `run` shall.
            self._fault = error
            self._over.set()

    def _do(self, command: ev.Command) -> None:
        match command:
            case ev.StartReply(reply, history):
                text = self._services.thinking.reply(self._instructions, history)
                self._times = TurnTimes(self._stopped_at, time.monotonic())
                self._stopped_at = None
                self._start(reply, text, self._times)
            case ev.Say(reply, text):
                self._start(reply, _fixed(text))
            case ev.Fill(reply, text):
                self._speaker.fill(reply, text)
            case ev.CancelReply(reply):
                task = self._replies.pop(reply, None)
                if task is not None:
                    task.cancel()
            case ev.Pause():
                self._playout.pause()
            case ev.Resume():
                self._playout.resume()
            case ev.Flush():
                dropped = self._playout.flush()
                self._line.send_interruption()
                for played in dropped:
                    share = self._share(played)
                    self._tell(ev.UtteranceDropped(played.number, share))
            case ev.SendTranscript(role, text):
                if role == "agent" and self._times is not None:
                    self._times.words_heard += len(text.split())
                self._line.send_transcript(role, text)
            case ev.SetTimer(timer, after):
                self._set_timer(timer, after)
            case ev.CancelTimer(timer):
                self._cancel_timer(timer)
            case ev.EndCall(error):
                if error is not None:
                    self._line.send_error(error)
                self._line.close(failed=error is not None)
                self._over.set()

    def _start(
        self, reply: int, text: AsyncGenerator[str, None], times: TurnTimes | None = None
    ) -> None:
        assert self._tasks is not None
        task = self._tasks.create_task(self._speaker.speak(reply, text, times))
        self._replies[reply] = task

        def done(task: asyncio.Task[None]) -> None:
            self._replies.pop(reply, None)
            if times is not None:
                times.interrupted = task.cancelled()
                _log.info("turn: %s", _summary(times), extra={"turn": times.as_dict()})

        task.add_done_callback(done)

    def _utterance_finished(self, played: Played) -> None:
        if played.total is None:  # the voice broke off
            self._tell(ev.UtteranceDropped(played.number, self._share(played)))
        else:
            self._texts.pop(played.number, None)
            self._tell(ev.UtterancePlayed(played.number))
        self._speaker.played(played.number)

    def _share(self, played: Played) -> float:
        """Share of an utterance's audio that was heard (0..1)."""
        text = self._texts.pop(played.number, "")
        total = played.total
        if total is None:
            # The voice had not finished it: guess its length by its letters.
            total = int(len(text) / _GUESSED_CHARS_PER_SECOND * RATE)
        return min(1.0, played.samples / total) if total else 0.0

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
        self._playout.flush()
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()


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


async def _fixed(text: str) -> AsyncGenerator[str, None]:
    yield text
