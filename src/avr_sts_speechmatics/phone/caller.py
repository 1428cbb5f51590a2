"""A caller's side of a conversation: speak, listen to the answer, speak again, hang up.

One coroutine sends one frame every 20 ms against absolute deadlines, speech or silence: a
phone line is never without frames, so each wait below sends silence. Audio that arrives
during a wait is recorded immediately.

`hold` plays a patient caller, who never talks over the agent and presses keys only at the end.
`script_run` combines the steps of `hold` in any other order. `talk` sends what a person says.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from avr_sts_speechmatics.phone.connection import AnswerTimes, Connection
from avr_sts_speechmatics.phone.loudspeaker import Loudspeaker
from avr_sts_speechmatics.phone.tape import (
    FRAME,
    FRAME_SECONDS,
    Tape,
    audible_span,
    end_of_speech,
    seconds,
)

# A welcome may pause between its sentences; after this much quiet the welcome is over.
_WELCOME_OVER_SECONDS = 0.7
_ANSWER_OVER_SECONDS = 1.0
# An agent that never stops (music, a loop) must not keep the caller for ever.
_LONGEST_ANSWER_SECONDS = 120.0
# A microphone in a room is never quite silent; speech is louder than this.
_SPOKEN = 1000
# A person at a keypad is no faster than this.
_KEY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Line:
    """Something the caller is going to say.

    said: the words, or the name of the recording.
    pcm: the sound, s16le at 8 kHz.
    """

    said: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Spoken:
    """A transcript message of the service.

    at: arrival, seconds on the tape.
    role: "user" (the caller) or "agent".
    """

    at: float
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A tool that ran.

    turn: number of the caller's turn in which the tool ended, from 1; 0 before the first turn.
    at: end of the tool, seconds on the tape.
    took_ms: run time as the service reported it, ms.
    """

    turn: int
    at: float
    name: str
    took_ms: int


@dataclass(slots=True)
class Turn:
    """One turn of the caller, and when the agent answered it. Times are seconds on the tape.

    said: words, name of the recording, or DTMF digits.
    spoken_at: end of the last sound of the turn, or the last key press.
    answered_at: start of the agent's voice after `spoken_at`; None if the agent did not speak.
    answers: the service's reports on its answers to this turn, discarded answers included.
    """

    said: str
    began_at: float
    spoken_at: float
    answered_at: float | None = None
    answers: list[AnswerTimes] = field(default_factory=list)

    @property
    def latency_ms(self) -> int | None:
        """Time from the end of the turn to the agent's voice (ms); None without an answer."""
        waited = None if self.answered_at is None else self.answered_at - self.spoken_at
        return None if waited is None else round(1000 * waited)


@dataclass(frozen=True, slots=True)
class Patience:
    """The caller's limits for the wait for the agent's voice (s).

    welcome: at the start of the call.
    answer: after each turn.
    """

    welcome: float
    answer: float


HUNG_UP = "the caller hung up"
"""Value of `Conversation.ended` for a call that the caller ended."""


class HungUpError(Exception):
    """The call is over, so nothing more can be said."""


class Conversation:
    """One call as the caller's phone records it. It is the `Listener` of the call's connection.

    tell: function that shows a line of text to the operator; called for each event of the call.

    The attributes hold the record of the call:

    tape: the audio of both sides.
    turns: the caller's turns; their `answers` are empty if the service does not report them.
    spoken: the transcript messages.
    cuts: times of the service's interruption messages, seconds on the tape.
    tools: the tools that ran; empty if the service does not report tools.
    errors: error texts.
    ended: why the call ended; "" during the call.

    loudspeaker: plays the agent's audio while it comes; None for none.

    Methods that send on the line raise HungUpError as soon as the call is over.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._began = time.perf_counter()
        self._frames = 0
        self._saying_until = 0.0
        self._person_spoke_at = 0.0
        self.loudspeaker: Loudspeaker | None = None
        self.tape = Tape()
        self.turns: list[Turn] = []
        self.spoken: list[Spoken] = []
        self.cuts: list[float] = []
        self.tools: list[ToolRun] = []
        self.errors: list[str] = []
        self.ended = ""

    async def hold(
        self, connection: Connection, lines: list[Line], digits: str, patience: Patience
    ) -> None:
        """Say `lines` one after another, then press `digits`, listening to each answer.

        Returns after the last answer, or as soon as the call has ended.
        The connection stays open: the code that opened the connection must hang up.
        """
        self.begin()
        try:
            await self.hear_welcome(connection, patience)
            for line in lines:
                await self.say(line, connection)
                await self.hear_answer(connection, patience)
            if digits:
                await self.press(digits, connection)
                await self.hear_answer(connection, patience)
            self.end(HUNG_UP)
        except HungUpError:
            return

    async def talk(self, connection: Connection, take: Callable[[], bytes]) -> None:
        """Send what a person says, until the call has ended.

        take: returns the next 20 ms, s16le at 8 kHz; empty if there is no sound yet.

        A turn begins with each transcript of the caller; it was spoken when the person was last
        heard before.
        """
        self.begin()
        try:
            while True:
                frame = take()
                if frame and audible_span(frame, _SPOKEN):
                    self._person_spoke_at = self.now()
                await self._send(frame or FRAME, connection)
                if self.turns and self.turns[-1].answered_at is None:
                    self.note_answer()
        except HungUpError:
            return

    @property
    def doing(self) -> str:
        """The present moment of the call, in a few words."""
        now = self.now()
        if now < self._saying_until:
            turn = self.turns[-1]
            length = self._saying_until - turn.began_at
            return f"saying: {now - turn.began_at:.1f} of {length:.1f} s"
        if now < self.tape.quiet_since():
            return "the agent speaks"
        if self.turns and self.turns[-1].answered_at is None:
            return f"waiting for an answer: {max(0.0, now - self.turns[-1].spoken_at):.1f} s"
        return "listening"

    def begin(self) -> None:
        """Start the tape: the first frame is due now."""
        self._began = time.perf_counter()

    def end(self, reason: str) -> None:
        """End the call before the next frame; only the first reason is kept."""
        self.ended = self.ended or reason

    def audio(self, pcm: bytes) -> None:
        self.tape.heard(pcm, self.now())
        if self.loudspeaker is not None:
            self.loudspeaker.play(pcm)

    def interruption(self) -> None:
        self.tape.drop_queued(self.now())
        if self.loudspeaker is not None:
            self.loudspeaker.drop()
        self.cuts.append(self.now())
        self._tell("(interrupted)")

    def transcript(self, role: str, text: str) -> None:
        now = self.now()
        self.spoken.append(Spoken(now, role, text))
        if role == "user" and self._person_spoke_at:
            self.turns.append(Turn(text, now, min(now, self._person_spoke_at)))
        self._tell(f"{'caller' if role == 'user' else role}: {text}")

    def answer_ended(self, times: AnswerTimes) -> None:
        if not self.turns:
            return  # An answer before any question; our service sends none.
        turn = self.turns[-1]
        if times.frame_ms is not None:
            # The caller may be in the next turn by now: an answer that was heard belongs to the
            # last turn after which the agent's voice began.
            begun = (t for t in reversed(self.turns) if self.tape.first_after(t.spoken_at))
            turn = next(begun, turn)
        turn.answers.append(times)

    def tool_ran(self, name: str, took_ms: int) -> None:
        self.tools.append(ToolRun(len(self.turns), self.now(), name, took_ms))
        self._tell(f"tool: {name} ({took_ms} ms)")

    def error(self, message: str) -> None:
        self.errors.append(message)
        self._tell(f"error: {message}")

    def closed(self, reason: str) -> None:
        self.end(reason)

    @property
    def interruptions(self) -> int:
        """Number of interruption messages that the service sent."""
        return len(self.cuts)

    async def say(self, line: Line, connection: Connection) -> None:
        """Say a line as the next turn, even while the agent speaks."""
        began = seconds(self.tape.caller)
        self._tell(f"(saying: {line.said}, {seconds(line.pcm):.1f} s)")
        self.turns.append(Turn(line.said, began, began + end_of_speech(line.pcm)))
        self._saying_until = began + seconds(line.pcm)
        for start in range(0, len(line.pcm), len(FRAME)):
            await self._send(
                line.pcm[start : start + len(FRAME)].ljust(len(FRAME), b"\0"), connection
            )

    async def press(self, digits: str, connection: Connection) -> None:
        """Press keys as the next turn, at a person's pace."""
        turn = Turn(f"keys {digits}", self.now(), self.now())
        self.turns.append(turn)
        for digit in digits:
            await self.silence_until(lambda: False, connection, _KEY_SECONDS)
            connection.press(digit)
            turn.spoken_at = self.now()

    async def hear_welcome(self, connection: Connection, patience: Patience) -> None:
        """Wait for the agent's welcome, then listen until the welcome is over."""
        if await self.silence_until(
            lambda: bool(self.tape.utterances), connection, patience.welcome
        ):
            await self.hear_out(connection, _WELCOME_OVER_SECONDS)

    async def hear_answer(self, connection: Connection, patience: Patience) -> None:
        """Wait for the agent's answer to the last turn, then listen until the answer is over."""
        # Counted from the end of the speech: a recording may end with silence.
        at_most = self.turns[-1].spoken_at + patience.answer - self.now()
        if await self.silence_until(self.note_answer, connection, at_most):
            await self.hear_out(connection)

    def note_answer(self) -> bool:
        """Record when the last turn was answered. Returns False if there is no answer yet."""
        turn = self.turns[-1]
        answer = self.tape.first_after(turn.spoken_at)
        turn.answered_at = answer.start if answer else None
        return answer is not None

    async def hear_out(self, connection: Connection, quiet: float | None = None) -> None:
        """Listen until the agent has been quiet for `quiet` seconds, see `quiet_for`."""
        await self.silence_until(lambda: self.quiet_for(quiet), connection, _LONGEST_ANSWER_SECONDS)

    def quiet_for(self, quiet: float | None = None, since: float = 0.0) -> bool:
        """Whether the agent has been quiet long enough.

        quiet: required silence, s; None for the silence that separates two answers.
        since: the silence counts from here at the earliest, seconds on the tape.
        """
        quiet = _ANSWER_OVER_SECONDS if quiet is None else quiet
        return self.now() - max(self.tape.quiet_since(), since) >= quiet

    async def silence_until(
        self, happened: Callable[[], bool], connection: Connection, at_most: float
    ) -> bool:
        """Send silence until `happened()` is true; return False if `at_most` s pass first."""
        give_up = self.now() + at_most
        while not happened():
            if self.now() >= give_up:
                return False
            await self._send(FRAME, connection)
        return True

    async def _send(self, frame: bytes, connection: Connection) -> None:
        if self.ended:
            raise HungUpError
        connection.speak(frame)
        self.tape.sent(frame)
        self._frames += 1
        # A late frame still waits 0 s, so that the event loop can deliver received messages.
        due = self._began + self._frames * FRAME_SECONDS
        await asyncio.sleep(max(0.0, due - time.perf_counter()))

    def now(self) -> float:
        """Return the current position on the tape (s).

        A frame holds the 20 ms of sound that end when the frame is sent. The first frame is sent at
        clock time 0 and covers the tape from 0 to FRAME_SECONDS, so the position on the tape is the
        clock time plus FRAME_SECONDS.
        """
        return time.perf_counter() - self._began + FRAME_SECONDS
