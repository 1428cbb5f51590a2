"""Misbehaviour on request: what a cloud does on a bad day, when a test asks for it.

Faults are asked for over HTTP, from this machine only:

    POST   /sandbox/faults    one fault, or a list of them, as JSON; answers what is now waiting
    GET    /sandbox/faults    what is waiting
    DELETE /sandbox/faults    clears them

A fault is an object with `fault` (its name), `part` (who misbehaves: `stt`, `tts`,
`openai_tts` or `llm`), `count` (how many sessions or requests it hits; null: for ever;
default 1) and its own fields. Faults of a part wait in line: the first takes its count, then
the next, so two 503 and then silence are two faults. `pass` lets requests through unharmed in
between. What the table has for the voice, the OpenAI voice has too.

    fault              part       fields (default)
    -----------------+----------+------------------------------------------------------------
    pass               any        -
    refuse_key         any        at ("handshake": HTTP 401; hearing also "close": Error, 4001)
    status             any        status (503), retry_after (null: no header) in seconds
    stall              any        after (0), seconds (null: until the client leaves)
    refuse_rate        hearing    rate (8000): Error invalid_audio_type for sessions of that rate
    drop               hearing    after (0), close (null: no close frame, else the close code)
    error              hearing    after (0), type ("job_error"), reason
    malformed          hearing    after (0), text (half an object); the session goes on
    truncate           voice      after (8000): the body breaks off, the connection with it
    malformed          voice      text: a 200 whose body is this instead of audio
    truncate           thinking   after (3): the stream breaks off without [DONE]
    error              thinking   after (3), type ("server_error"), reason: inside the stream
    malformed          thinking   after (3), text (half an object) as a data line; then goes on
    garbage_tool_call  thinking   name ("no_such_tool"), arguments ('{"to": ')

`after` counts seconds of session audio for hearing, bytes of body for the voice and text
chunks for thinking. For a stall, null means before anything at all: hearing then never says
RecognitionStarted, the others never send a status line; 0 means right after that.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Part = Literal["stt", "tts", "openai_tts", "llm"]

NonNegative = Annotated[float, Meta(ge=0)]
HALF_AN_OBJECT = '{"message": "AddSegment", "segment": {"tran'


class _Fault(msgspec.Struct, kw_only=True, tag_field="fault", forbid_unknown_fields=True):
    part: Part
    count: Annotated[int, Meta(ge=1)] | None = 1


class Pass(_Fault, tag="pass"):
    """Nothing happens."""


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
)

_decoder = msgspec.json.Decoder(Fault | list[Fault])


class FaultError(ValueError):
    """The faults asked for make no sense; the message says which and why."""


def parse(body: bytes) -> list[Fault]:
    """Faults from a request body. Raises FaultError."""
    try:
        faults = _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise FaultError(str(error)) from None
    return faults if isinstance(faults, list) else [faults]


class Faults:
    """The faults waiting, each part with its own line."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        self._waiting.extend(faults)

    def clear(self) -> None:
        self._waiting.clear()

    def waiting(self) -> Iterable[Fault]:
        return tuple(self._waiting)

    def peek(self, part: Part) -> Fault | None:
        """The fault that would hit this part next."""
        return next((fault for fault in self._waiting if fault.part == part), None)

    def take(self, part: Part) -> Fault | None:
        """The fault that hits this session or request now; one of its count is used up."""
        fault = self.peek(part)
        if fault is not None and fault.count is not None:
            fault.count -= 1
            if fault.count == 0:
                self._waiting.remove(fault)
        return fault
