"""W3C Trace Context: the headers `traceparent` and `tracestate`, which join traces of programs.

    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01

A client may send any text, so both are checked here by the rules of the specification: a wrong
`traceparent` is ignored together with its `tracestate`, a wrong `tracestate` alone.
[W3C Trace Context, 3.2 and 3.3]
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
NAMES: Final = frozenset({TRACEPARENT, TRACESTATE})
"""Names of headers, query parameters and JSON keys, in small letters."""

STATE_MAX = 512
"""Longest `tracestate` that is passed on (characters)."""

MEMBERS_MAX = 32
"""Most members of a `tracestate`."""

SAMPLED = 0x01
_KNOWN_FLAGS = 0x03  # sampled; random trace id (level 2)

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_KEY = r"[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_MEMBER = re.compile(
    rf"({_KEY})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: the span of another program, or a span of this one.

    trace_id: 32 hexadecimal digits, not all zero.
    span_id: 16 hexadecimal digits, not all zero.
    flags: of W3C; only known ones.
    state: `tracestate` as received; may be empty.
    """

    trace_id: str
    span_id: str
    flags: int
    state: str = ""

    @property
    def sampled(self) -> bool:
        """Whether the program that made the context records the trace."""
        return bool(self.flags & SAMPLED)

    def headers(self) -> dict[str, str]:
        """Return the headers of a request that is made within this span."""
        headers = {TRACEPARENT: f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"}
        if self.state:
            headers[TRACESTATE] = self.state
        return headers


def parse(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """Read both headers; None unless `traceparent` is valid."""
    found = _PARENT.fullmatch(traceparent.strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    # A later version may have more fields, this version has not.
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceContext(trace_id, span_id, int(flags, 16) & _KNOWN_FLAGS, _state(tracestate))


def in_mapping(values: Mapping[str, object]) -> TraceContext | None:
    """Find the context among facts, variables or keys; their names may have any case.

    None if there is none or a wrong one.
    """
    found = {name.lower(): text for name, text in values.items() if name.lower() in NAMES}
    parent, state = found.get(TRACEPARENT), found.get(TRACESTATE)
    if not isinstance(parent, str):
        return None
    return parse(parent, state if isinstance(state, str) else "")


def in_query(path: str) -> TraceContext | None:
    """Find the context in the query of an address.

    path: path and query, or a whole address. If a name occurs twice, the first value counts.
    """
    if TRACEPARENT not in path.lower():
        return None
    try:
        pairs = parse_qsl(urlsplit(path).query, max_num_fields=1000)
    except ValueError:
        return None
    found: dict[str, object] = {}
    for name, value in pairs:
        found.setdefault(name.lower(), value)
    return in_mapping(found)


def in_headers(parents: Iterable[str], states: Iterable[str]) -> TraceContext | None:
    """Read the headers of a request.

    parents: the values of all headers `traceparent`: several are as wrong as none.
    states: the values of all headers `tracestate`, which belong together.
    """
    found = list(parents)
    return parse(found[0], ",".join(states)) if len(found) == 1 else None


def _state(text: str) -> str:
    """Return a `tracestate` that may be passed on, or "" for a wrong one."""
    members = [one for member in text.split(",") if (one := member.strip(" \t"))]
    if len(members) > MEMBERS_MAX or not all(map(_MEMBER.fullmatch, members)):
        return ""
    names = [member.partition("=")[0] for member in members]
    if len(set(names)) < len(names):
        return ""
    while members and len(",".join(members)) > STATE_MAX:
        members.pop()  # the oldest member is the last
    return ",".join(members)
