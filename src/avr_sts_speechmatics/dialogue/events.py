"""Events that can happen in a call, and commands that the dialogue can give. Values only.

Events are named in the past tense, commands in the imperative. Times inside them are seconds on the
call's audio clock (0 is the caller's first sample). A reply is one speech act of the agent (an
answer, the welcome, an apology). A reply consists of utterances; an utterance is a clause or
sentence that is spoken as one piece. The dialogue numbers replies, the call numbers utterances.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

from avr_sts_speechmatics.conversation import Entry, ToolCall

Role: TypeAlias = Literal["user", "agent"]

NoticeKind: TypeAlias = Literal["recording", "disclosure"]
"""What a notice tells the caller: that the call is recorded, or that a machine speaks."""

EndReason: TypeAlias = Literal[
    "caller", "agent", "transfer", "silence", "longest_call", "audio_over", "failure", "shutdown"
]
"""Why a call ended: the caller hung up, the agent hung up, the call was transferred, the caller
stayed silent, the call lasted MAX_CALL_S, a posted recording was answered, a service or this
program failed, this program was told to end."""


class Timer(Enum):
    """The timers of a call, each with the question it answers. One of each kind runs at a time."""

    CONFIRM = "sound while the agent speaks: are there words?"
    OVERDUE = "words were settled, and the end of their turn never came"
    FILLER = "the answer is slow: should the caller be told?"
    NO_INPUT = "the caller says nothing: should they be asked?"
    MAX_CALL = "the call has lasted long enough"
    PATIENCE = "nobody listens for a moment: should the caller be told?"
    KEYS = "the caller types digits: is that all?"
    SETTLE = "no more audio comes: is everything answered?"
    DICTATION = "the caller is in the middle of a number or a sentence: is more to come?"
    EDGE = "few words over the agent: did they come at the end of what it says?"
    ECHO = "the agent has just spoken: does the line still return its voice?"
    CLOSING = "the call must end: is the sentence that is being said over?"
    FAREWELL = "the last word is on its way to the ear"


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
    """

    call: ToolCall
    leaves: Literal["", "hang_up", "transfer"] = ""
    refused: str = ""


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
