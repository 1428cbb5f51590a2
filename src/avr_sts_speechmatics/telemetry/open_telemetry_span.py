"""Spans of a call as plain values: what an observer collects and the exporter sends.

Nothing here belongs to OpenTelemetry's libraries, which only the exporter loads. Names of
attributes follow its conventions: `gen_ai.*` for the model and its tools (Semantic Conventions for
Generative AI), `error.type`, `server.*`; what is ours begins with `avr.`.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from avr_sts_speechmatics.network.trace_context import TraceContext

Value: TypeAlias = str | bool | int | float
Attributes: TypeAlias = dict[str, Value]
Kind: TypeAlias = Literal["internal", "server", "client"]

EVENTS_MAX = 128
"""Events of one span; further ones are counted."""

TEXT_MAX = 4000
"""Longest text of an attribute (characters)."""


@dataclass(slots=True)
class Span:
    """A part of a call. All times are monotonic seconds.

    name: what the part is.
    context: ids of the span and its trace.
    parent_id: id of the span above; "" for none.
    began: when the part began.
    ended: when it ended.
    zero_ns: time since 1970 at the monotonic time 0 (ns).
    kind: "client" for a request to another service, "server" for the whole call.
    remote_parent: whether another program made the span above.
    error: what failed; "" if nothing did.
    """

    name: str
    context: TraceContext
    parent_id: str
    began: float
    ended: float
    zero_ns: int
    kind: Kind = "internal"
    remote_parent: bool = False
    attributes: Attributes = field(default_factory=dict)
    events: list[tuple[float, str, Attributes]] = field(default_factory=list)
    events_dropped: int = 0
    error: str = ""

    def happened(self, at: float, name: str, **attributes: Value) -> None:
        """Add an event.

        attributes: their names have `__` for each dot.
        """
        if len(self.events) >= EVENTS_MAX:
            self.events_dropped += 1
            return
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        self.events.append((at, name, named))

    def failed(self, error: str) -> None:
        """Set the status to an error; the first one counts."""
        if not self.error:
            self.error = error[:TEXT_MAX]
            self.attributes.setdefault("error.type", "_OTHER")

    def end(self, at: float) -> "Span":
        """Set the end, which is never before the begin."""
        self.ended = max(at, self.began)
        return self


def new_span_id() -> str:
    """Make the id of a span: 16 hexadecimal digits."""
    return f"{random.getrandbits(64) or 1:016x}"


def known(attributes: Mapping[str, Value | None]) -> Attributes:
    """Return the attributes that have a value."""
    return {name: value for name, value in attributes.items() if value is not None}
