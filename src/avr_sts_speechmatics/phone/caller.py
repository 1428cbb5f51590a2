"""A caller's side of a conversation: speak, listen to the answer, speak again, hang up.

Everything happens in one coroutine that sends one frame every 20 ms against absolute
deadlines, speech or silence: a phone line is never without frames, so each wait below is
a stretch of silence that is being sent. What arrives meanwhile goes to the tape at once.

`hold` is a patient caller: it never talks over the agent, and presses keys only at the end.
The steps it is made of are there for callers with another plan, see `script_run`.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from avr_sts_speechmatics.phone.connection import AnswerTimes, Connection
from avr_sts_speechmatics.phone.tape import FRAME, FRAME_SECONDS, Tape, end_of_speech, seconds

# A welcome may pause between its sentences; after this much quiet it is over.
_WELCOME_OVER_SECONDS = 0.7
_ANSWER_OVER_SECONDS = 1.0
# An agent that never stops (music, a loop) must not keep the caller for ever.
_LONGEST_ANSWER_SECONDS = 120.0
# A person at a keypad is no faster than this.
_KEY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Line:
    """Something the caller is going to say.

    said: its words, or the name of the recording.
    pcm: its sound, s16le at 8 kHz.
    """

    said: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Spoken:
    """A transcript message: when it came, in seconds on the tape; role "user" or "agent"."""

    at: float
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A tool that ran.

    turn: the caller's turn in which it ended, 1 for the first; at: when, in seconds on the tape.
    """

    turn: int
    at: float
    name: str
    took_ms: int


@dataclass(slots=True)
class Turn:
    """One thing the caller said, and when it was answered; times in seconds on the tape.

    spoken_at: where the last sound of it ended, or its last key was pressed.
    answered_at: where the agent's voice began after that; None when it did not.
    answers: what the service told of those it gave, one that it had to think again included.
    """

    said: str
    began_at: float
    spoken_at: float
    answered_at: float | None = None
    answers: list[AnswerTimes] = field(default_factory=list)

    @property
    def latency_ms(self) -> int | None:
        """How long the caller waited for the agent's voice."""
        waited = None if self.answered_at is None else self.answered_at - self.spoken_at
        return None if waited is None else round(1000 * waited)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the caller waits for the agent's voice, in seconds."""

    welcome: float
    answer: float


HUNG_UP = "the caller hung up"
"""How a call ended that the caller ended."""


class HungUpError(Exception):
    """The call is over, whatever was still to be said."""


class Conversation:
    """One call as the caller's phone lives it: the `Listener` of its own connection.

    tell: is given each thing that happens, as a line for a person to read.

    Afterwards `tape`, `turns`, `spoken`, `cuts` (when the service reported interruptions),
    `tools`, `errors` and `ended`, the reason for the end, say how it was. The answers of turns and
    the tools are known only of a service that tells them.

    What it does on the line ends with HungUpError as soon as the call is over.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._began = time.perf_counter()
        self._frames = 0
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

        Returns when everything is said and heard, or as soon as the call has ended.
        The connection stays open: whoever opened it hangs up.
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

    def begin(self) -> None:
        """Start the tape: the first frame is due now."""
        self._began = time.perf_counter()

    def end(self, reason: str) -> None:
        """End the call before the next frame; the first reason given counts."""
        self.ended = self.ended or reason

    def audio(self, pcm: bytes) -> None:
        self.tape.heard(pcm, self.now())

    def interruption(self) -> None:
        self.tape.drop_queued(self.now())
        self.cuts.append(self.now())
        self._tell("(interrupted)")

    def transcript(self, role: str, text: str) -> None:
        self.spoken.append(Spoken(self.now(), role, text))
        self._tell(f"{'caller' if role == 'user' else role}: {text}")

    def answer_ended(self, times: AnswerTimes) -> None:
        if not self.turns:
            return  # an answer to nothing; ours sends none
        turn = self.turns[-1]
        if times.frame_ms is not None:
            # The caller may be in the next turn by now: what was heard began after its own.
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
        """How often the service reported that the caller interrupted it."""
        return len(self.cuts)

    async def say(self, line: Line, connection: Connection) -> None:
        """Speak, whoever else may be speaking: the next turn."""
        began = seconds(self.tape.caller)
        self.turns.append(Turn(line.said, began, began + end_of_speech(line.pcm)))
        for start in range(0, len(line.pcm), len(FRAME)):
            await self._send(
                line.pcm[start : start + len(FRAME)].ljust(len(FRAME), b"\0"), connection
            )

    async def press(self, digits: str, connection: Connection) -> None:
        """Press keys at a person's pace: the next turn."""
        turn = Turn(f"keys {digits}", self.now(), self.now())
        self.turns.append(turn)
        for digit in digits:
            await self.silence_until(lambda: False, connection, _KEY_SECONDS)
            connection.press(digit)
            turn.spoken_at = self.now()

    async def hear_welcome(self, connection: Connection, patience: Patience) -> None:
        """Give the agent time to begin a welcome, and hear it out."""
        if await self.silence_until(
            lambda: bool(self.tape.utterances), connection, patience.welcome
        ):
            await self.hear_out(connection, _WELCOME_OVER_SECONDS)

    async def hear_answer(self, connection: Connection, patience: Patience) -> None:
        """Give the agent time to begin its answer to the last turn, and hear it out."""
        # Counted from the end of the speech: a recording may go on in silence after it.
        at_most = self.turns[-1].spoken_at + patience.answer - self.now()
        if await self.silence_until(self.note_answer, connection, at_most):
            await self.hear_out(connection)

    def note_answer(self) -> bool:
        """Write down when the last turn was answered; False when it is not yet."""
        turn = self.turns[-1]
        answer = self.tape.first_after(turn.spoken_at)
        turn.answered_at = answer.start if answer else None
        return answer is not None

    async def hear_out(self, connection: Connection, quiet: float | None = None) -> None:
        """Listen until the agent has been quiet for so long, see `quiet_for`."""
        await self.silence_until(lambda: self.quiet_for(quiet), connection, _LONGEST_ANSWER_SECONDS)

    def quiet_for(self, quiet: float | None = None, since: float = 0.0) -> bool:
        """Whether the agent has been quiet for so long (s), counted from `since` at the earliest.

        Without `quiet` so long as between two answers.
        """
        quiet = _ANSWER_OVER_SECONDS if quiet is None else quiet
        return self.now() - max(self.tape.quiet_since(), since) >= quiet

    async def silence_until(
        self, happened: Callable[[], bool], connection: Connection, at_most: float
    ) -> bool:
        """Send silence until something has happened; False when it did not within `at_most` s."""
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
        # Also when late: the wait of 0 lets in what has arrived.
        due = self._began + self._frames * FRAME_SECONDS
        await asyncio.sleep(max(0.0, due - time.perf_counter()))

    def now(self) -> float:
        """The moment on the tape. A frame carries the 20 ms before it is sent, hence one more."""
        return time.perf_counter() - self._began + FRAME_SECONDS
