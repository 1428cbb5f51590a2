"""Plays a script on a call, step by step, and records the result of each step.

The first step that fails ends the script, because the steps after it were written for a different
conversation. The caller hangs up at the end.

The agent's words are read from transcript messages. A service may send a transcript when the words
have been played, as this service does, or when they have been generated; so an expectation waits
for the words until its time limit, not until the agent pauses. The tools that ran are known only
from the service's own messages.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avr_sts_speechmatics.audio.wav import AudioFileError
from avr_sts_speechmatics.phone.caller import HUNG_UP, Conversation, HungUpError, Line, Patience
from avr_sts_speechmatics.phone.connection import Connection
from avr_sts_speechmatics.phone.script import Expect, Outcome, Pause, Press, Script, Speak, Step
from avr_sts_speechmatics.phone.script_file import ScriptError
from avr_sts_speechmatics.phone.tape import FRAME_SECONDS

# No agent answers a new line sooner (s): a transcript that arrives this soon after an interruption
# belongs to the interrupted answer.
_REST_OF_OLD_ANSWER_SECONDS = 0.2
# Clauses are at most this far apart (s): between two clauses the agent is still speaking.
_SPEAKING_SECONDS = 0.35
# Close code 1000, or no close code, is a normal hang-up; all other codes report an error.
_GOOD_END = re.compile(r"the service hung up( \(1000.*\))?", re.DOTALL)
# The name of the transfer tool in all AVR connectors.
_TRANSFER = "avr_transfer"
_NOT_OFFERED = (
    "an agent is offered avr_transfer only where the service has TRANSFER_ALLOW, and AMI_HOST or "
    "AMI_URL"
)


@dataclass(frozen=True, slots=True)
class Cue:
    """A step, ready to be played.

    line: the sound of a Speak step; None for other steps.
    """

    step: Step
    line: Line | None = None


async def prepare(script: Script, speech: Callable[[str | Path], Awaitable[Line]]) -> list[Cue]:
    """Prepare the sounds of all steps before the call.

    speech: function that returns the sound for a text, or for the file of a recording.

    Raises ScriptError for a recording that cannot be used.
    """
    cues = []
    for number, step in enumerate(script.steps, start=1):
        try:
            line = await speech(step.words) if isinstance(step, Speak) else None
        except AudioFileError as error:
            raise ScriptError(f"{script.path}, step {number}: play: {error}") from error
        cues.append(Cue(step, line))
    return cues


class _Failed(Exception):
    """A step failed."""

    def __init__(self, expected: str, instead: str) -> None:
        super().__init__(expected, instead)
        self.expected, self.instead = expected, instead


class Performance:
    """One script played on one call.

    outcomes: the result of each step, once `perform` has run. The conversation has its turns, as
        in any other call.
    """

    def __init__(self, call: Conversation, connection: Connection, patience: Patience) -> None:
        self._call = call
        self._connection = connection
        self._patience = patience
        self._before: Step | None = None
        self._step_ended = 0.0
        self.outcomes: list[Outcome] = []

    async def perform(self, cues: Sequence[Cue]) -> None:
        """Play the steps. Returns after the last step, or when the call ends or a step fails."""
        self.outcomes = [Outcome(number, cue.step) for number, cue in enumerate(cues, start=1)]
        self._call.begin()
        for cue, outcome in zip(cues, self.outcomes, strict=True):
            outcome.at = self._call.now()
            try:
                await self._do(cue, outcome)
                outcome.passed = True
            except _Failed as failed:
                outcome.passed = False
                outcome.expected, outcome.instead = failed.expected, failed.instead
            except HungUpError:
                outcome.passed = False
                outcome.expected = "the call to go on"
                outcome.instead = f"its end: {self._call.ended}"
            outcome.until = self._call.now()
            self._before = cue.step
            if not outcome.passed:
                break
        self._note_answer()
        self._call.end(HUNG_UP)

    async def _do(self, cue: Cue, outcome: Outcome) -> None:
        call, connection = self._call, self._connection
        match cue.step:
            case Speak(interrupt=interrupt) | Press(interrupt=interrupt):
                await self._await_turn(interrupt)
                self._note_answer()
                if cue.line is not None:
                    await call.say(cue.line, connection)
                elif isinstance(cue.step, Press):
                    await call.press(cue.step.keys, connection)
                self._step_ended = call.turns[-1].spoken_at
            case Pause(seconds):
                # The call may end in a pause: the next step decides whether it should have.
                with contextlib.suppress(HungUpError):
                    await call.silence_until(lambda: False, connection, seconds)
                self._step_ended = call.now()
            case Expect() as step:
                await self._expect(step, outcome)
                self._step_ended = call.now()

    async def _await_turn(self, interrupt: int | None) -> None:
        """Wait until the caller may speak, or until it is time to interrupt the agent."""
        if interrupt is not None:
            await self._await_speech(interrupt)
        elif self._before is None:
            await self._call.hear_welcome(self._connection, self._patience)
        elif isinstance(self._before, Speak | Press):
            await self._call.hear_answer(self._connection, self._patience)
        else:
            await self._call.hear_out(self._connection)

    async def _await_speech(self, interrupt: int) -> None:
        """Wait until the agent has spoken for `interrupt` ms, and is speaking now."""
        call, needed = self._call, interrupt / 1000

        def in_the_middle() -> bool:
            begun = self._spoken_for() >= max(needed, FRAME_SECONDS)
            return begun and not call.quiet_for(_SPEAKING_SECONDS)

        at_most = self._step_ended + self._patience.answer + needed - call.now()
        if not await call.silence_until(in_the_middle, self._connection, at_most):
            spoken = round(1000 * self._spoken_for())
            raise _Failed(
                f"the agent to be speaking, after {interrupt} ms", f"{spoken} ms of speech"
            )

    def _spoken_for(self) -> float:
        """Return how long the agent has spoken since the caller's last turn (s)."""
        now, since = self._call.now(), self._call.turns[-1].spoken_at if self._call.turns else 0.0
        spans = ((max(u.start, since), min(u.end, now)) for u in self._call.tape.utterances)
        return sum(max(0.0, end - start) for start, end in spans)

    async def _expect(self, step: Expect, outcome: Outcome) -> None:
        call = self._call
        within = self._patience.answer if step.within is None else step.within
        left = self._step_ended + within - call.now()
        with contextlib.suppress(HungUpError):
            settled = await call.silence_until(lambda: self._settled(step), self._connection, left)
            if step.ended == "caller" and settled:
                await call.hear_out(self._connection)
                call.end(HUNG_UP)
        outcome.expected = f"{step.asks} within {within:g} s"
        outcome.heard, outcome.tools = self._heard(), self._tools()
        holds = self._holds(step) and (not step.no_tool or self._answer_ended())
        if not holds or (step.ended and step.ended != self._ending()):
            raise _Failed(outcome.expected, self._instead(step))

    def _settled(self, step: Expect) -> bool:
        """Whether the result can no longer change, so that waiting can stop."""
        if step.ended not in (None, "caller"):
            return False  # Only the end of the connection settles it.
        if (step.interrupted is False and self._interrupted()) or step.forbids(self._tools()):
            return True
        if not self._holds(step):
            return False
        if step.no_tool:
            return self._answer_ended()
        if step.words or step.tool or step.interrupted:
            return True
        # "Not interrupted" is certain once the agent has finished speaking. The caller, too, hangs
        # up only then.
        return self._call.quiet_for(since=self._step_ended)

    def _holds(self, step: Expect) -> bool:
        """Whether all conditions hold, apart from the end of the call."""
        as_said = step.found_in(self._heard()) and step.uses(self._tools())
        return as_said and step.interrupted in (None, self._interrupted())

    def _answer_ended(self) -> bool:
        """Whether the service has reported the end of the answer, so that no tool can follow.

        After the end of the call no tool can follow either, but only a service that has reported
        at least one answer counts: other services never report tools.
        """
        turns = self._call.turns
        if self._call.ended and any(turn.answers for turn in turns):
            return True
        return bool(turns) and any(times.frame_ms is not None for times in turns[-1].answers)

    def _tools(self) -> tuple[str, ...]:
        """Names of the tools that have run since the caller's last turn began."""
        return tuple(run.name for run in self._call.tools if run.turn == len(self._call.turns))

    def _interrupted(self) -> bool:
        return any(cut >= self._turn_began() for cut in self._call.cuts)

    def _heard(self) -> str:
        """The agent's words since the caller's last turn began."""
        cuts = (cut + _REST_OF_OLD_ANSWER_SECONDS for cut in self._call.cuts)
        since = max((self._turn_began(), *cuts))
        said = [s.text for s in self._call.spoken if s.role == "agent" and s.at >= since]
        return " ".join(said)

    def _turn_began(self) -> float:
        return self._call.turns[-1].began_at if self._call.turns else 0.0

    def _instead(self, step: Expect) -> str:
        heard = f'"{self._heard()}"' if self._heard() else "nothing"
        if step.tool or step.no_tool:
            heard += f", {', '.join(self._tools()) or 'no tool'}"
            if _TRANSFER in step.tool and not self._tools():
                heard += f" ({_NOT_OFFERED})"
        if step.no_tool and not self._answer_ended():
            heard += ", and the service did not report the end of its answer"
        if step.interrupted is not None:
            heard += f", {'an' if self._interrupted() else 'no'} interruption"
        if self._call.ended:
            return f"{heard}, and the call's end: {self._call.ended}"
        return f"{heard}, and the call went on" if step.ended else heard

    def _note_answer(self) -> None:
        if self._call.turns:
            self._call.note_answer()

    def _ending(self) -> str:
        """The way in which the call has ended, a key of `script.ENDED`; "" during the call."""
        ended = self._call.ended
        if ended in ("", HUNG_UP):
            return "caller" if ended else ""
        if not _GOOD_END.fullmatch(ended):
            return "error"
        moved = max((run.at for run in self._call.tools if run.name == _TRANSFER), default=None)
        # If the agent speaks after the transfer tool, the transfer did not succeed.
        spoke = (said.at for said in self._call.spoken if said.role == "agent")
        return "agent" if moved is None or max(spoke, default=0.0) > moved else "transferred"
