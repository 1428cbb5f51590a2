"""Joins the fragments of an answer's tool calls, and finds the place of each fragment."""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from avr_sts_speechmatics.conversation import Opaque, ToolCall
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.services.llm.chunks import CallPiece, merged
from avr_sts_speechmatics.services.llm.written_calls import Written


@dataclass(slots=True)
class _Call:
    """A tool call so far.

    sent_id: the identifier as the server sent it.
    """

    id: str
    sent_id: str
    index: int | None
    name: str = ""
    arguments: str = ""
    opaque: dict[str, Any] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return bool(self.name) and is_object(self.arguments or "{}")

    @property
    def has_all_arguments(self) -> bool:
        return bool(self.name) and is_object(self.arguments)


class ToolCallPieces:
    """The tool calls of one answer.

    A fragment belongs to the call with its index. A new id together with a name begins a new call,
    with any index: some servers give every call the index 0. A new id alone does not begin a call:
    some servers give every fragment an id of its own. Servers that send a call in one piece may
    leave out the index or the id, or use an id twice; then the call gets a new id, so that its
    result can refer to the call.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, pieces: Iterable[CallPiece]) -> None:
        for piece in pieces:
            call = self._call_of(piece)
            if call is None:
                taken = {known.id for known in self._calls}
                id = piece.id if piece.id and piece.id not in taken else made_up_id()
                call = _Call(id, piece.id, piece.index)
                self._calls.append(call)
            elif piece.id and not call.sent_id:
                call.sent_id = piece.id
            call.name = _continued(call.name, piece.name)
            if call.arguments.strip() == "{}" and piece.arguments:
                call.arguments = piece.arguments  # an empty object that was only a beginning
            elif not call.has_all_arguments:
                call.arguments += piece.arguments
            call.opaque = merged(call.opaque, dict(piece.opaque)) if piece.opaque else call.opaque

    def _call_of(self, piece: CallPiece) -> _Call | None:
        """Return the call that a fragment continues; None if the fragment begins a call."""
        same_index = [call for call in self._calls if call.index == piece.index]
        same_id = [call for call in self._calls if piece.id and call.sent_id == piece.id]
        if not same_index:
            # A call's later fragments may have no index, or count on.
            continues = same_id or (self._calls if not piece.id and not piece.name else [])
            if not continues or (piece.name and continues[-1].has_all_arguments):
                return None
            if piece.name and piece.index is not None:
                return None
            return continues[-1]
        last = (same_id or same_index)[-1]
        return None if self._begins_anew(piece, last, same_id=bool(same_id)) else last

    def _begins_anew(self, piece: CallPiece, last: _Call, *, same_id: bool) -> bool:
        """Whether a fragment begins a call although another call has its index or its id."""
        named = bool(piece.name)
        if same_id:
            again = piece.index is not None and piece.index == last.index
            return named and last.has_all_arguments and not again
        if piece.id and last.sent_id:
            goes_on = piece.name == last.name and last.arguments and not last.has_all_arguments
            if named:
                return not goes_on
            return last.has_all_arguments and not piece.arguments
        if piece.index is None:
            return named and (last.has_all_arguments or piece.name != last.name)
        repeated = (piece.name, piece.arguments) == (last.name, last.arguments)
        return named and last.has_all_arguments and not repeated

    @property
    def are_whole(self) -> bool:
        """Whether there are tool calls and the arguments of each are a complete JSON object."""
        return bool(self._calls) and all(call.is_whole for call in self._calls)

    def whole(
        self, written: Iterable[Written] = (), *, server: str = "", message: Mapping[str, Any] = {}
    ) -> list[ToolCall]:
        """Return the tool calls of the complete answer.

        written: calls that the model wrote as text. A server may send one call in both ways.
        server: address of the server that sent the answer.
        message: fields of the message that the server wants back.
        """
        found = [call for call in self._calls if call.name or call.arguments or call.sent_id]
        if len(found) > 1:  # a fragment that never became a call
            found = [call for call in found if call.name or call.arguments]
        calls = [
            ToolCall(
                call.id,
                call.name,
                call.arguments or "{}",
                Opaque(server, call.opaque, message if place == 0 else {})
                if call.opaque or (message and place == 0)
                else None,
            )
            for place, call in enumerate(found)
        ]
        sent = {(call.name, _value(call.arguments)) for call in calls}
        calls += [
            ToolCall(made_up_id(), name, arguments)
            for name, arguments in written
            if (name, _value(arguments)) not in sent
        ]
        return calls


def is_object(text: str) -> bool:
    """Whether a text is one complete JSON object."""
    try:
        return isinstance(decode(text), dict)
    except BadJson:
        return False


def made_up_id() -> str:
    """Return an identifier that every server accepts: some require nine letters and digits."""
    return f"c{uuid.uuid4().hex[:8]}"


def _continued(name: str, piece: str) -> str:
    """Return a name extended by its next fragment. A name that is sent again is not doubled."""
    if not name or piece.startswith(name):
        return piece or name
    return name if name.endswith(piece) else name + piece


def _value(arguments: str) -> str:
    return re.sub(r"\s", "", arguments)
