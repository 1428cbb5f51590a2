"""Chunks of streams, as servers really send them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.network.untrusted_json import BadJson
from avr_sts_speechmatics.services.llm.api_error import ApiError
from avr_sts_speechmatics.services.llm.chunks import Chunk, decode_chunk, merged, read_chunk
from avr_sts_speechmatics.services.llm.protocol import Usage


def chunk(delta: Any, **choice: Any) -> Chunk:
    return read_chunk({"choices": [{"index": 0, "delta": delta, **choice}]})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("At five.", "At five."),
        (None, ""),
        ("", ""),
        ([{"type": "text", "text": "At "}, {"type": "text", "text": "five."}], "At five."),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "no"}]},
                {"type": "text", "text": "At five."},
            ],
            "At five.",
        ),
        (["At ", "five."], "At five."),
        ({"type": "text", "text": "At five."}, "At five."),
        ({"text": {"value": "At five."}}, "At five."),
        ({"type": "image_url", "text": "no"}, ""),
        (7, ""),
        (True, ""),
        ([None, 7, [], {}], ""),
        ("half \ud83d of it", "half  of it"),
    ],
)
def test_the_text_of_a_content_is_read(content: Any, text: str) -> None:
    assert chunk({"content": content}).text == text


@pytest.mark.parametrize(
    "odd",
    [
        *(None, [], {}, 7, "x", {"choices": None}, {"choices": []}, {"choices": [None]}),
        *({"choices": [7]}, {"choices": [{}]}, {"choices": {}}, {"choices": [{"delta": 7}]}),
    ],
)
def test_a_chunk_without_anything_to_read_is_empty(odd: Any) -> None:
    assert read_chunk(odd) == Chunk()


@pytest.mark.parametrize(
    "odd",
    [
        *({"tool_calls": 7}, {"tool_calls": [None]}, {"tool_calls": "x"}, {"role": 7}, {"x": []}),
        *({"refusal": 7}, {"reasoning_content": 7}, {"function_call": None}),
    ],
)
def test_an_odd_field_costs_that_field_only(odd: dict[str, Any]) -> None:
    assert chunk({**odd, "content": "At five."}, finish_reason=7).text == "At five."


def test_a_refusal_of_the_model_is_text() -> None:
    assert chunk({"refusal": "I cannot say."}).text == "I cannot say."


def test_a_whole_message_is_read_like_a_delta() -> None:
    assert read_chunk({"choices": [{"message": {"content": "At five."}}]}).text == "At five."


@pytest.mark.parametrize(
    ("call", "index", "name", "arguments"),
    [
        ({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}, 0, "f", "{"),
        ({"index": "1", "function": {"name": "f", "arguments": {"a": 1}}}, 1, "f", '{"a": 1}'),
        ({"index": None, "function": {"name": "f", "arguments": None}}, None, "f", ""),
        ({"index": 1.5, "function": {"name": 7, "arguments": 7}}, None, "", ""),
        ({"name": "f", "arguments": "{}"}, None, "f", "{}"),
        ({"function": None}, None, "", ""),
    ],
)
def test_a_fragment_of_a_tool_call_is_read(
    call: Any, index: int | None, name: str, arguments: str
) -> None:
    (piece,) = chunk({"tool_calls": [call]}).calls
    assert (piece.index, piece.name, piece.arguments) == (index, name, arguments)


def test_the_older_form_of_a_tool_call_is_read() -> None:
    (piece,) = chunk({"function_call": {"name": "f", "arguments": "{}"}}).calls
    assert (piece.name, piece.arguments) == ("f", "{}")


def test_fields_of_a_server_are_kept_unread() -> None:
    extra = {"google": {"thought_signature": "x"}}
    found = chunk(
        {
            "content": None,
            "reasoning_content": "hm",
            "tool_calls": [{"id": "a", "function": {"name": "f"}, "extra_content": extra}],
        }
    )
    assert found.opaque == {"reasoning_content": "hm"}
    assert found.calls[0].opaque == {"extra_content": extra}


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (
            {
                "prompt_tokens": 412,
                "completion_tokens": 23,
                "prompt_tokens_details": {"cached_tokens": 384},
            },
            Usage(412, 384, 23),
        ),
        ({"prompt_tokens": 5, "prompt_cache_hit_tokens": 3}, Usage(5, 3, 0)),
        ({"prompt_tokens": None, "prompt_tokens_details": None, "x": 1}, Usage(0, 0, 0)),
        ({}, None),
        (7, None),
        (None, None),
    ],
)
def test_the_usage_is_read(usage: Any, read: Usage | None) -> None:
    assert read_chunk({"choices": [], "usage": usage}).usage == read


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "choices delta content tool_calls function name arguments id index usage text "
                "finish_reason message type prompt_tokens".split()
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON, JSON)
def test_any_json_can_be_read(delta: Any, usage: Any) -> None:
    read_chunk({"choices": [{"delta": delta}], "usage": usage})
    read_chunk(delta)


PLAIN = st.fixed_dictionaries(
    {"delta": st.dictionaries(st.sampled_from("content role refusal x".split()), JSON, max_size=3)},
    optional={"finish_reason": JSON, "message": JSON, "logprobs": JSON},
)


@given(
    JSON | st.fixed_dictionaries({"choices": st.lists(PLAIN, max_size=2)}, optional={"usage": JSON})
)
def test_a_chunk_is_decoded_as_it_is_read(chunk: Any) -> None:
    assert decode_chunk(json.dumps(chunk).encode()) == read_chunk(chunk)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"choices":[{"delta":{"content":"half \\ud83d of it"}}]}', "half  of it"),
        (b'{"choices":[{"delta":{"content":"br\xffoken"}}]}', "broken"),
        (b'{"x":NaN,"choices":[{"delta":{"content":"five"}}]}', "five"),
        (b'{"x":' + b"9" * 5000 + b',"choices":[{"delta":{"content":"five"}}]}', "five"),
    ],
)
def test_faulty_json_is_read_where_the_sdk_reads_it(data: bytes, text: str) -> None:
    assert decode_chunk(data).text == text


@pytest.mark.parametrize("data", [b"", b"{", b"not json", b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(BadJson):
        decode_chunk(data)


@pytest.mark.parametrize("error", ["busy", {"message": "busy"}, ["busy"]])
def test_an_error_among_the_chunks_is_raised(error: Any) -> None:
    with pytest.raises(ApiError) as raised:
        decode_chunk(json.dumps({"choices": [], "error": error}).encode())
    assert raised.value.body == error
    assert decode_chunk(b'{"error": null, "choices": []}') == Chunk()


@pytest.mark.parametrize(
    ("old", "new", "joined"),
    [
        (None, "a", "a"),
        ("ab", "cd", "abcd"),
        ("signature", "signature", "signature"),
        ({"a": "x"}, {"a": "y", "b": 1}, {"a": "xy", "b": 1}),
        (
            [{"index": 0, "type": "t", "text": "a"}],
            [{"index": 0, "type": "t", "text": "b"}, {"index": 1, "text": "c"}],
            [{"index": 0, "type": "t", "text": "ab"}, {"index": 1, "text": "c"}],
        ),
        (1, 2, 2),
    ],
)
def test_pieces_of_an_opaque_field_are_joined(old: Any, new: Any, joined: Any) -> None:
    assert merged(old, new) == joined
