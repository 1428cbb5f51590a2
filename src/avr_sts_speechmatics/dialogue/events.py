"""Events that can happen in a call, and commands that the dialogue can give. Values only.

Events are named in the past tense, commands in the imperative. Times inside them are seconds on the
call's audio clock (0 is the caller's first sample). A reply is one speech act of the agent (an
answer, the welcome, an apology). A reply consists of utterances; an utterance is a clause or
sentence that is spoken as one piece. The dialogue numbers replies, the call numbers utterances.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.dialogue.timer import Timer as Timer

Role: TypeAlias = Literal["user", "agent"]

NoticeKind: TypeAlias = Literal["recording", "disclosure"]
"""What a notice tells the caller: that the call is recorded, or that a machine speaks."""

EndReason: TypeAlias = Literal[
    "caller",
    "agent",
    "operator",
    "transfer",
    "silence",
    "longest_call",
    "cost_limit",
    "audio_over",
    "failure",
    "shutdown",
]
"""Why a call ended: the caller hung up, the agent hung up, the operator ended or transferred the
call through the API, the model transferred the call, the caller stayed silent, the call lasted
MAX_CALL_S, the call cost MAX_COST, a posted recording was answered, a service or this program
failed, this program was told to end."""


# --- events ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The line is open in both directions."""


@dataclass(frozen=True, slots=True)
class CallerSpeechStarted:
    """Voice activity on the line: perhaps words, perhaps a cough."""


@dataclass(frozen=True, slots=True)
class CallerSpeechEnded:
    """Voice activity stopped. Not the end of the turn."""


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """The recogniser guesses at the caller's words; the guess may still change.

    text: all words since the last settled segment.
    end: of the audio that the guess covers (s).
    """

    text: str
    end: float


@dataclass(frozen=True, slots=True)
class SegmentHeard:
    """The recogniser settled a piece of the caller's turn.

    text: as transcribed, punctuated.
    end: of the segment's audio (s).
    """

    text: str
    end: float


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The caller has finished: the cue to answer. A turn may have several segments, or none.

    end: of the turn's audio (s).
    """

    end: float


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed a key of the phone: one of 0-9 * # A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class SentenceReady:
    """A piece of a reply goes to the voice."""

    reply: int
    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """The first audio of an utterance has come; it is played unless a Pause follows at once.

    filler: the audio is only the phrase that a Fill asked for.
    """

    reply: int
    filler: bool = False


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call, and what the call knows about the tool.

    leaves: how the tool ends the agent's part of the phone call; empty if it does not.
    refused: why the tool is not run, for the model; empty if it may run.
    by_operator: the operator asked for this, not the model.
    """

    call: ToolCall
    leaves: Literal["", "hang_up", "transfer"] = ""
    refused: str = ""
    by_operator: bool = False

    @property
    def end_reason(self) -> EndReason:
        """Why the call ends if the tool ends the agent's part of the call."""
        if self.by_operator:
            return "operator"
        return "transfer" if self.leaves == "transfer" else "agent"


@dataclass(frozen=True, slots=True)
class ToolsCalled:
    """The model asked for tools after all its text; the reply waits for ContinueReply."""

    reply: int
    requests: tuple[ToolRequest, ...]


@dataclass(frozen=True, slots=True)
class ToolDone:
    """A tool has ended.

    result: text for the model.
    failed: the tool did not do what it was asked for.
    """

    number: int
    result: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class UtterancePlayed:
    """The caller has heard all of an utterance."""

    utterance: int


@dataclass(frozen=True, slots=True)
class UtteranceDropped:
    """An utterance was flushed, or the voice broke off.

    heard: share of the utterance's audio that was played, 0 to 1.
    """

    utterance: int
    heard: float


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A reply has no more utterances, and all of its utterances have been played."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The model or the voice failed for good; audio that was ready before has been played."""

    reply: int


@dataclass(frozen=True, slots=True)
class SttLost:
    """The STT session is gone for the moment; the caller's audio is kept and heard later."""


@dataclass(frozen=True, slots=True)
class SttRestored:
    """A new STT session hears the caller."""


@dataclass(frozen=True, slots=True)
class SttFailed:
    """STT is gone for good: nothing that the caller says will be heard."""


@dataclass(frozen=True, slots=True)
class AudioEnded:
    """The caller's audio has ended and the line has not: a file was piped in."""


@dataclass(frozen=True, slots=True)
class ServiceEnds:
    """This program is about to end, and the call with it."""


@dataclass(frozen=True, slots=True)
class CostReached:
    """The call has cost as much as a call may cost. May come again while the call goes on."""


@dataclass(frozen=True, slots=True)
class OperatorLeaves:
    """The operator ends the call, or transfers it.

    transfer: the transfer; None if the call is to end.
    """

    transfer: ToolRequest | None = None


@dataclass(frozen=True, slots=True)
class TimerFired:
    timer: Timer


Event: TypeAlias = (
    CallStarted
    | CallerSpeechStarted
    | CallerSpeechEnded
    | WordsHeard
    | SegmentHeard
    | TurnEnded
    | KeyPressed
    | SentenceReady
    | VoiceStarted
    | ToolsCalled
    | ToolDone
    | UtterancePlayed
    | UtteranceDropped
    | ReplyEnded
    | ReplyFailed
    | SttLost
    | SttRestored
    | SttFailed
    | AudioEnded
    | ServiceEnds
    | CostReached
    | OperatorLeaves
    | TimerFired
)


# --- commands ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartReply:
    """Ask the model for an answer.

    history: the conversation so far, oldest first. None while a tool still runs; the history then
        comes with ContinueReply.
    tentative: nothing of the answer may be spoken, and no tool run, before ConfirmReply.
    """

    reply: int
    history: Sequence[Entry] | None
    tentative: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmReply:
    """Speak a tentative reply: the caller's turn ended with the words that the reply answers."""

    reply: int


@dataclass(frozen=True, slots=True)
class ContinueReply:
    """Ask the model again: the tools of the reply have ended.

    tools: the model may call further tools.
    """

    reply: int
    history: Sequence[Entry]
    tools: bool = True


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool once. A ToolDone with the same number follows."""

    number: int
    request: ToolRequest


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a fixed text as a reply."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Fill:
    """Say a phrase ahead of a reply that the model has not begun yet, as part of the reply."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop the model and the voice of a reply; the rest of the reply is never heard."""

    reply: int


@dataclass(frozen=True, slots=True)
class HoldReply:
    """Stop a reply, and keep it: nothing of the reply is spoken before GoOnWithReply."""

    reply: int


@dataclass(frozen=True, slots=True)
class GoOnWithReply:
    """Go on with a reply that was held, from the beginning of the sentence that was cut off."""

    reply: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop sending the agent's audio before the next frame; the audio is kept."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on at the very sample where Pause stopped."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop the agent's audio and tell the line.

    The answer is an UtteranceDropped for each utterance that was not heard to its end.
    """


@dataclass(frozen=True, slots=True)
class SendTranscript:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Start a timer, or start it again if it runs.

    after: from now (s).
    """

    timer: Timer
    after: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    timer: Timer


@dataclass(frozen=True, slots=True)
class Note:
    """Log something about the line that the operator should know, as a warning.

    text: one sentence, without words of caller or agent.
    """

    text: str


@dataclass(frozen=True, slots=True)
class ReportNotice:
    """Report that the caller has heard a notice to its end.

    kind: what the notice is about.
    text: the notice.
    """

    kind: NoticeKind
    text: str


@dataclass(frozen=True, slots=True)
class EndCall:
    """End the call.

    error: what the other end is told; None for a call that ends well.
    hang_up: the phone call still exists and is to be ended.
    reason: why; for people and statistics only.
    """

    error: str | None = None
    hang_up: bool = True
    reason: EndReason = field(default="agent", compare=False)


Command: TypeAlias = (
    StartReply
    | ConfirmReply
    | ContinueReply
    | RunTool
    | Say
    | Fill
    | CancelReply
    | HoldReply
    | GoOnWithReply
    | Pause
    | Resume
    | Flush
    | SendTranscript
    | SetTimer
    | CancelTimer
    | Note
    | ReportNotice
    | EndCall
)

Answer: TypeAlias = Sequence[UtteranceDropped] | None
"""The answer to a command: for a Flush the utterances that it dropped, for all others None."""
