"""Fault injection: failures of a cloud service, requested by a test.

Faults are requested over HTTP, from this machine only:

    POST   /sandbox/faults    add a fault or a list of faults (JSON); returns the queued faults
    GET    /sandbox/faults    return the queued faults
    DELETE /sandbox/faults    remove all faults

A fault is a JSON object with these fields:

    fault     name of the fault
    part      the server that fails: `stt`, `tts`, `openai_tts` or `llm`
    count     number of sessions or requests to hit; null for all further ones; default 1
    ...       the fields of the fault, see the table

The faults of a part form a queue: the first fault hits its `count` of requests, then the next fault
follows. Two 503 answers and then a stall are therefore two faults. `pass` lets requests succeed in
between. The faults of `tts` in the table apply to `openai_tts` too.

    fault              part   fields (default)
    -----------------+------+----------------------------------------------------------------
    pass               any    -
    refuse_key         any    at ("handshake": HTTP 401; for stt also "close": Error, 4001)
    status             any    status (503), retry_after (null: no header) in seconds
    stall              any    after (0), seconds (null: until the client disconnects)
    refuse_rate        stt    rate (8000): Error invalid_audio_type for sessions of that rate
    drop               stt    after (0), close (null: no close frame, else the close code)
    error              stt    after (0), type ("job_error"), reason
    malformed          stt    after (0), text (half an object); the session goes on
    truncate           tts    after (8000): the body breaks off, and the connection is closed
    malformed          tts    text: a 200 answer with this body instead of audio
    truncate           llm    after (3): the stream breaks off without [DONE]
    error              llm    after (3), type ("server_error"), reason: inside the stream
    malformed          llm    after (3), text (half an object) as a data line; the stream goes on
    garbage_tool_call  llm    name ("no_such_tool"), arguments ('{"to": ')
    chunks             llm    deltas: sent as they are instead of the answer; finish ("stop")
    strict             llm    rule, and status, message, code, tokens, field: see below

`after` counts seconds of session audio for `stt`, bytes of the body for `tts` and text chunks for
`llm`. A stall with `after` null comes before any output: `stt` never sends RecognitionStarted, the
other parts never send a status line. A stall with `after` 0 comes right after that first output.

A `strict` server refuses some requests and answers the others; `count` is usually null. Its rule:

    ends_with_user   the last message must be the user's or the result of a tool
    alternating      Mistral's template: user and assistant alternate, the user first
    gemma            the same, and no system message, no messages of tools
    no_system        no system message
    no_tools         no tools
    signatures       Gemini: tool calls have a signature that must come back
    reasoning        DeepSeek: messages with tool calls have reasoning that must come back
    context          at most `tokens` (2000) in the messages
    field            no field of the name `field`

`status`, `message` and `code` replace the status and the words of the refusal.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from avr_sts_speechmatics.network.untrusted_json import BadJson, decode

Part = Literal["stt", "tts", "openai_tts", "llm"]

NonNegative = Annotated[float, Meta(ge=0)]
HALF_AN_OBJECT = '{"message": "AddSegment", "segment": {"tran'


class _Fault(msgspec.Struct, kw_only=True, tag_field="fault", forbid_unknown_fields=True):
    part: Part
    count: Annotated[int, Meta(ge=1)] | None = 1


class Pass(_Fault, tag="pass"):
    """The session or request succeeds."""


class RefuseKey(_Fault, tag="refuse_key"):
    at: Literal["handshake", "close"] = "handshake"


class Status(_Fault, tag="status"):
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    retry_after: Annotated[int, Meta(ge=0)] | None = None


class Stall(_Fault, tag="stall"):
    after: NonNegative | None = 0
    seconds: NonNegative | None = None


class RefuseRate(_Fault, tag="refuse_rate"):
    part: Literal["stt"] = "stt"
    rate: Literal[8000, 16000] = 8000


class Drop(_Fault, tag="drop"):
    part: Literal["stt"] = "stt"
    after: NonNegative = 0
    close: Annotated[int, Meta(ge=1000, le=4999)] | None = None


class Error(_Fault, tag="error"):
    part: Literal["stt", "llm"]
    after: NonNegative | None = None
    type: str | None = None
    reason: str = "asked for by a test"


class Malformed(_Fault, tag="malformed"):
    after: NonNegative | None = None
    text: str = HALF_AN_OBJECT


class Truncate(_Fault, tag="truncate"):
    part: Literal["tts", "openai_tts", "llm"]
    after: NonNegative | None = None


class GarbageToolCall(_Fault, tag="garbage_tool_call"):
    part: Literal["llm"] = "llm"
    name: str = "no_such_tool"
    arguments: str = '{"to": '


class Chunks(_Fault, tag="chunks", kw_only=True):
    part: Literal["llm"] = "llm"
    deltas: list[Any]
    finish: str | None = "stop"


class Strict(_Fault, tag="strict", kw_only=True):
    part: Literal["llm"] = "llm"
    rule: Literal[
        "ends_with_user",
        "alternating",
        "gemma",
        "no_system",
        "no_tools",
        "signatures",
        "reasoning",
        "context",
        "field",
    ]
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    message: str | None = None
    code: str | None = None
    tokens: Annotated[int, Meta(ge=1)] = 2000
    field: str = "tools"


Fault = (
    Pass
    | RefuseKey
    | Status
    | Stall
    | RefuseRate
    | Drop
    | Error
    | Malformed
    | Truncate
    | GarbageToolCall
    | Chunks
    | Strict
)


class FaultError(ValueError):
    """The requested faults are invalid; the message says which field and why."""


def parse(body: bytes) -> list[Fault]:
    """Decode the faults of a request body (JSON). Raises FaultError."""
    try:
        faults: Fault | list[Fault] = decode(body, Fault | list[Fault])
    except BadJson as error:
        raise FaultError(str(error)) from None
    return faults if isinstance(faults, list) else [faults]


class Faults:
    """The queued faults; each part has its own queue."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        self._waiting.extend(faults)

    def clear(self) -> None:
        self._waiting.clear()

    def waiting(self) -> Iterable[Fault]:
        return tuple(self._waiting)

    def peek(self, part: Part) -> Fault | None:
        """The fault that will hit the part's next session or request; None if there is none."""
        return next((fault for fault in self._waiting if fault.part == part), None)

    def take(self, part: Part) -> Fault | None:
        """Return the fault that hits this session or request, and reduce its count by one."""
        fault = self.peek(part)
        if fault is not None and fault.count is not None:
            fault.count -= 1
            if fault.count == 0:
                self._waiting.remove(fault)
        return fault
