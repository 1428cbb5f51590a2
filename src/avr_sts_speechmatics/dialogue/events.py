"""What can happen in a call, and what can be asked for. Values only.

Events are named for the past, commands are orders. Times inside them are seconds on the call's
audio clock (0 = the caller's first sample); the time an event happened is given beside it.
A reply is one speech act of the agent (an answer, the welcome, an apology); it consists of
utterances, each a clause or sentence that is spoken as one piece. Both are numbered by whoever
makes them: replies by the dialogue, utterances by the call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

from avr_sts_speechmatics.conversation import Entry, ToolCall

Role: TypeAlias = Literal["user", "agent"]


class Timer(Enum):
    """What a timer is for. One of each kind runs at a time."""

    CONFIRM = "sound while the agent speaks: are there words?"
    OVERDUE = "words were settled, and the end of their turn never came"
    FILLER = "the answer is slow: should the caller be told?"
    NO_INPUT = "the caller says nothing: should they be asked?"
    MAX_CALL = "the call has lasted long enough"
    PATIENCE = "nobody listens for a moment: should the caller be told?"
    KEYS = "the caller types digits: is that all?"
    SETTLE = "no more audio comes: is everything answered?"
    DICTATION = "the caller says a number or the like: is that all of it?"
    FAREWELL = "the last word is on its way to the ear"


# --- what can happen ---------------------------------------------------------------------------


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
    """A guess at the caller's words that still may change. end: of the audio it covers (s)."""

    text: str
    end: float


@dataclass(frozen=True, slots=True)
class SegmentHeard:
    """The recogniser settled a piece of the caller's turn. text: punctuated. end: of it (s)."""

    text: str
    end: float


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The caller has finished: the cue to answer. A turn may have several segments, or none."""

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
    """The first audio of an utterance is there, and is played unless forbidden now.

    filler: it is only the phrase that was asked for by Fill.
    """

    reply: int
    filler: bool = False


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call, and what whoever owns the call knows of it.

    leaves: how it ends the agent's part of the phone call, if it does. refused: why it is not even
    tried, for the model.
    """

    call: ToolCall
    leaves: Literal["", "hang_up", "transfer"] = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class ToolsCalled:
    """The model asks for tools, after all the text it had; the reply waits for ContinueReply."""

    reply: int
    requests: tuple[ToolRequest, ...]


@dataclass(frozen=True, slots=True)
class ToolDone:
    """A tool has ended, well or not. result: for the model. failed: it did not do it."""

    number: int
    result: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class UtterancePlayed:
    """The caller has heard all of it."""

    utterance: int


@dataclass(frozen=True, slots=True)
class UtteranceDropped:
    """It was flushed, or the voice broke off. heard: share of it that was played (0..1)."""

    utterance: int
    heard: float


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A reply has no more utterances, and all it had have been played."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The model or the voice failed for good; what was ready before has been played."""

    reply: int


@dataclass(frozen=True, slots=True)
class SttLost:
    """Nobody listens just now; what the caller says is kept and will be heard later."""


@dataclass(frozen=True, slots=True)
class SttRestored:
    """The recogniser listens again."""


@dataclass(frozen=True, slots=True)
class SttFailed:
    """The recogniser is gone and does not come back: nothing the caller says is heard."""


@dataclass(frozen=True, slots=True)
class AudioEnded:
    """The caller's audio has ended though the line has not: a file was piped in."""


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
    | TimerFired
)


# --- what can be asked for ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartReply:
    """Ask the model.

    history: the conversation so far, oldest first; None: a tool still runs, it comes with
    ContinueReply. tentative: nothing of it may be spoken or done before ConfirmReply.
    """

    reply: int
    history: Sequence[Entry] | None
    tentative: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmReply:
    """The turn a tentative reply answers is over with the words it was begun with."""

    reply: int


@dataclass(frozen=True, slots=True)
class ContinueReply:
    """The reply's tools have ended: ask the model again. tools: whether it may ask for more."""

    reply: int
    history: Sequence[Entry]
    tools: bool = True


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool, once; answered by a ToolDone with its number."""

    number: int
    request: ToolRequest


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a fixed text, as a reply of its own."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Fill:
    """Say a phrase ahead of a reply that is still being thought, as part of it."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop thinking and speaking for this reply; what it still would say is never heard."""

    reply: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop sending the agent's audio before the next frame; keep it."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on from the very sample where Pause stopped."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop the agent's audio and tell the line so; answered by an UtteranceDropped for each."""


@dataclass(frozen=True, slots=True)
class SendTranscript:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Start the timer, anew if it runs. after: seconds from now."""

    timer: Timer
    after: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    timer: Timer


@dataclass(frozen=True, slots=True)
class EndCall:
    """End the call. error: what to tell the other end when it did not end well.

    hang_up: whether the phone call is still there to be ended.
    """

    error: str | None = None
    hang_up: bool = True


Command: TypeAlias = (
    StartReply
    | ConfirmReply
    | ContinueReply
    | RunTool
    | Say
    | Fill
    | CancelReply
    | Pause
    | Resume
    | Flush
    | SendTranscript
    | SetTimer
    | CancelTimer
    | EndCall
)
