"""Fragments of tool calls, as servers really send them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.services.llm.chunks import read_chunk
from avr_sts_speechmatics.services.llm.tool_call_pieces import (
    ToolCallPieces,
    is_object,
    made_up_id,
)

A, B = '{"day": "a"}', '{"day": "b"}'


def piece(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def calls(*pieces: dict[str, Any]) -> list[tuple[str, str]]:
    joined = ToolCallPieces()
    for one in pieces:
        joined.add(read_chunk({"choices": [{"delta": {"tool_calls": [one]}}]}).calls)
    found = joined.whole()
    assert len({call.id for call in found}) == len(found)
    return [(call.name, call.arguments) for call in found]


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(0, "x", "look", ""), piece(0, None, None, A[:5]), piece(0, None, None, A[5:])],
        [piece(0, "x", "look", A[:5]), piece(0, "x", "look", A[5:])],
        [piece(0, "x", "look", A[:5]), piece(0, "x", None, A[5:])],
        [piece(0, "x", "look", A[:5]), piece(0, "y", None, A[5:])],
        [piece(None, "x", "look", A[:5]), piece(None, None, None, A[5:])],
        [piece(None, "x", "look", A[:5]), piece(None, "x", "look", A[5:])],
        [piece(None, None, "look", A[:5]), piece(None, None, "look", A[5:])],
        [piece(0, "x", "look", A[:5]), piece(None, None, None, A[5:])],
        [piece(0, "x", "look", A), piece(0, "x", "look", A)],
        [piece(0, "x", "look", "{}"), piece(0, None, None, A)],
        [piece(0, "x", "look", {"day": "a"})],
        [piece(0, "x", "lo", ""), piece(0, "x", "ok", A)],
        [piece(0, "x", "lo", ""), piece(0, "x", "look", A)],
        [piece(0, None, None, ""), piece(0, "x", "look", A)],
        [piece(0, "x", "look", A), piece(0, "", "", "")],
    ],
)
def test_fragments_of_one_call_are_one_call(pieces: list[dict[str, Any]]) -> None:
    assert calls(*pieces) == [("look", A)]


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(0, "x", "look", A), piece(0, "y", "book", B)],
        [piece(0, "x", "look", A[:3]), piece(0, None, None, A[3:]), piece(0, "y", "book", B)],
        [
            *(piece(0, "x", "look", ""), piece(0, None, None, A)),
            *(piece(0, "y", "book", ""), piece(0, None, None, B)),
        ],
        [piece(0, "x", "look", A), piece(1, "y", "book", B)],
        [
            *(piece(0, "x", "look", ""), piece(1, "y", "book", "")),
            *(piece(0, None, None, A), piece(1, None, None, B)),
        ],
        [piece(None, "x", "look", A), piece(None, "y", "book", B)],
        [piece(None, None, "look", A), piece(None, None, "book", B)],
        [piece(0, None, "look", A), piece(0, None, "book", B)],
        [piece(0, "x", "look", A), piece(1, "x", "book", B)],
    ],
)
def test_a_new_id_begins_a_new_call(pieces: list[dict[str, Any]]) -> None:
    assert calls(*pieces) == [("look", A), ("book", B)]


@pytest.mark.parametrize("index", [0, None])
def test_one_tool_called_twice_is_two_calls(index: int | None) -> None:
    pieces = piece(index, "x", "look", A), piece(index, "y", "look", B)
    assert calls(*pieces) == [("look", A), ("look", B)]
    pieces = piece(index, None, "look", A), piece(index, None, "look", B)
    assert calls(*pieces) == [("look", A), ("look", B)]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert calls(piece(0, "x", "look"), piece(0, "y", "book", None)) == [
        ("look", "{}"),
        ("book", "{}"),
    ]


def test_opaque_fields_are_joined_and_go_with_their_call() -> None:
    joined = ToolCallPieces()
    one = {**piece(0, "x", "look", ""), "extra_content": {"google": {"thought_signature": "ab"}}}
    rest = {**piece(0, None, None, A), "extra_content": {"google": {"thought_signature": "cd"}}}
    for part in (one, rest, piece(1, "y", "book", B)):
        joined.add(read_chunk({"choices": [{"delta": {"tool_calls": [part]}}]}).calls)
    look, book = joined.whole(server="here", message={"reasoning_content": "hm"})
    assert look.opaque is not None
    assert look.opaque.server == "here"
    assert look.opaque.call == {"extra_content": {"google": {"thought_signature": "abcd"}}}
    assert look.opaque.message == {"reasoning_content": "hm"}
    assert book.opaque is None


def test_a_call_that_was_sent_and_written_is_one_call() -> None:
    joined = ToolCallPieces()
    joined.add(
        read_chunk({"choices": [{"delta": {"tool_calls": [piece(0, "x", "look", A)]}}]}).calls
    )
    found = joined.whole([("look", A.replace(" ", "")), ("book", B)])
    assert [(call.name, call.arguments) for call in found] == [("look", A), ("book", B)]


PIECES = st.builds(
    piece,
    st.none() | st.integers(0, 2),
    st.none() | st.sampled_from(["", "x", "y"]),
    st.none() | st.sampled_from(["", "look", "book"]),
    st.none() | st.sampled_from(["", "{", A, B, "}", {}]),
)


@given(st.lists(PIECES, max_size=8))
def test_any_fragments_give_calls_with_different_ids(pieces: list[dict[str, Any]]) -> None:
    calls(*pieces)


def test_ids_that_are_made_up_fit_every_server() -> None:
    assert len(made_up_id()) == 9
    assert made_up_id().isalnum()


@pytest.mark.parametrize(
    ("text", "holds"), [("{}", True), ('{"a": 1}', True), ("[]", False), ("", False), ("{", False)]
)
def test_an_object_is_recognised(text: str, holds: bool) -> None:
    assert is_object(text) is holds
