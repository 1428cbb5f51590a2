"""Errors of servers, in the forms that servers have. Against the SDK: test_http_client."""

import email.utils
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.services.llm.api_error import ApiError, inside_stream, refused


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "No such model."}}, "Error code: 404 - No such model."),
        ({"error": "model 'x' not found"}, "Error code: 404 - model 'x' not found"),
        ({"detail": "Not Found"}, "Error code: 404 - Not Found"),
        ({"detail": [{"loc": ["body"]}]}, "Error code: 404"),
        ({"message": "top"}, "Error code: 404 - top"),
        ("a text", "Error code: 404"),
        (None, "Error code: 404"),
    ],
)
def test_a_server_is_quoted(body: object, message: str) -> None:
    error = refused(404, {}, json.dumps(body).encode())
    assert str(error) == error.message == message


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        ({"message": "overloaded", "code": 503}, "overloaded", "503"),
        ({"code": "busy"}, "an error inside the answer", "busy"),
        ("overloaded", "overloaded", ""),
        ([1], "an error inside the answer", ""),
    ],
)
def test_an_error_inside_a_stream_has_no_status(error: object, message: str, code: str) -> None:
    found = inside_stream(error)
    assert (found.status, found.message, found.code) == (0, message, code)


def in_an_hour() -> str:
    return email.utils.formatdate(time.time() + 3600, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "2"}, 2, 2),
        ({"retry-after": "0.25"}, 0.25, 0.25),
        ({"retry-after-ms": "300", "retry-after": "7"}, 0.3, 0.3),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7, 7),
        ({"retry-after": "-3"}, 0, 0),
        ({"retry-after": in_an_hour()}, 3000, 3600),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0, 0),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read(
    headers: dict[str, str], least: float, most: float
) -> None:
    wait = refused(429, headers, b"").retry_after
    assert wait is not None
    assert least <= wait <= most


@pytest.mark.parametrize(
    "text", ["", "soon", "nan", "Thu, 99 Foo", "1 Jan 99999999999 00:00:00", "0 0 0 0:0:0"]
)
def test_a_wait_that_cannot_be_read_is_none(text: str) -> None:
    assert refused(429, {"retry-after": text}, b"").retry_after is None


@given(st.binary(), st.text(), st.integers(300, 999))
def test_any_refusal_can_be_read(body: bytes, wait: str, status: int) -> None:
    error = refused(status, {"retry-after": wait, "x-request-id": "r"}, body)
    assert isinstance(error, ApiError)
    assert error.message.startswith(f"Error code: {status}")
    assert {type(error.code), type(error.param), type(error.type)} == {str}


def test_deep_nesting_is_a_text() -> None:
    assert isinstance(refused(500, {}, b"[" * 100_000).body, str)
