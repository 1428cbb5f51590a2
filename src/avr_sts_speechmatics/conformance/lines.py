"""The lines of a conformance report: what is checked, how much it matters, and why.

Sources are the public pages and connectors of Agent Voice Response, as docs/conformance.md cites
them. `must` marks a line without which calls fail or harm each other; `should` marks a line that
callers notice, and that a service may break where its vendor leaves no choice.
"""

from dataclasses import dataclass
from typing import Literal

Level = Literal["must", "should"]
State = Literal["holds", "broken", "not tried"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report.

    name: short name, which stays the same between versions.
    level: `must` or `should`.
    says: the claim, one sentence.
    reason: why the claim matters, one sentence.
    """

    name: str
    level: Level
    says: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a line.

    state: whether the claim holds.
    detail: what was seen, or why the line was not tried; may be empty if the claim holds.
    """

    line: Line
    state: State
    detail: str = ""

    @property
    def fails(self) -> bool:
        """Whether the service does not conform because of this line."""
        return self.state == "broken" and self.line.level == "must"


LINES: tuple[Line, ...] = (
    Line(
        "connects",
        "must",
        "A WebSocket opens on `/` and on any path, with facts of the call in the query.",
        "avr-core connects to STS_URL as it is and appends the dialplan's facts as a query.",
    ),
    Line(
        "init",
        "must",
        "After `init` the connection stays open while silence arrives.",
        "`init` is the first message of every call, and a caller may be silent at first.",
    ),
    Line(
        "messages",
        "must",
        "Every message is a text frame with one JSON object that has a text `type`.",
        "avr-core reads nothing else.",
    ),
    Line(
        "audio-format",
        "must",
        "Audio is base64 of whole 16-bit samples.",
        "Half a sample turns the rest of the call into noise.",
    ),
    Line(
        "frames",
        "should",
        "Audio comes in frames of 320 bytes (20 ms).",
        "Asterisk plays 20 ms frames; other sizes depend on avr-core to cut them anew.",
    ),
    Line(
        "pacing",
        "should",
        "At most 1 s of audio is sent ahead of its time, and speech has no gaps of 0.1 s or more.",
        "There is no acknowledgement of playback: only a service that paces knows what was heard.",
    ),
    Line(
        "answer",
        "must",
        "A spoken question is answered with audio.",
        "This is what the service is for.",
    ),
    Line(
        "transcripts",
        "should",
        "Transcripts have the role `user` or `agent` and a text; the caller's comes before the "
        "agent's answer to it.",
        "The webhooks of avr-core, and everything that reads them, show the conversation in this "
        "order.",
    ),
    Line(
        "early-audio",
        "must",
        "Audio before `init` does not end the call.",
        "A caller speaks when the line opens, whatever order the messages have.",
    ),
    Line(
        "second-init",
        "must",
        "A second `init`, with the same uuid or another one, changes nothing.",
        "A second session of the vendor would answer the caller twice.",
    ),
    Line(
        "malformed",
        "must",
        "Messages that are no JSON, no object, or carry no valid audio do not end the call.",
        "One bad message must not cost a caller the call.",
    ),
    Line(
        "unknown-type",
        "must",
        "A message of an unknown type does not end the call, and brings no `error`.",
        "avr-core gets new message types; an `error` reaches its webhooks as a failure.",
    ),
    Line(
        "keys",
        "must",
        "Every key (`dtmf_digit` 0-9, *, #, A-D) is taken, and brings no `error`.",
        "Callers press keys, at any time.",
    ),
    Line(
        "interruption",
        "should",
        "`interruption` is sent when the caller speaks over the agent, before any new audio.",
        "avr-core otherwise plays the rest of its queue over the caller.",
    ),
    Line(
        "old-audio",
        "must",
        "After `interruption` no audio of the interrupted answer follows.",
        "The caller would hear the end of an answer that was taken back.",
    ),
    Line(
        "two-calls",
        "must",
        "Two calls at once with one uuid are both answered.",
        "A uuid comes from a dialplan that may repeat it; calls are told apart by connection.",
    ),
    Line(
        "mixed-calls",
        "must",
        "No audio and no transcript of one call appears in another call.",
        "A caller must never hear a stranger.",
    ),
    Line(
        "concurrency",
        "must",
        "Several calls at once are all answered (`--calls`, 2 unless given).",
        "A telephone line is not the only one; vendors' plans may limit the number.",
    ),
    Line(
        "vanishing",
        "must",
        "A caller who vanishes without a goodbye disturbs no other call.",
        "Networks fail, and avr-core is restarted.",
    ),
    Line(
        "close",
        "must",
        "The closing handshake is answered within 2 s.",
        "avr-core would otherwise keep the connection, and Asterisk its channel.",
    ),
    Line(
        "http",
        "should",
        "The older POST is answered with 200 and raw samples, and ends with the caller's audio.",
        "avr-core uses this way for http:// addresses.",
    ),
)

BY_NAME = {line.name: line for line in LINES}
