"""The name of a call in the log, and what of its caller is masked."""

import logging
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.call_in_log import (
    current_call,
    current_trace_id,
    masked,
    named,
    trace_headers,
)
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.telemetry.log import ConsoleLines, JsonLines

CALL = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"


def line(text: str, facts: Mapping[str, str], *, callers: bool = False) -> str:
    name = named(CALL, facts)
    record = logging.LogRecord("avr.test", logging.INFO, "", 1, text, (), None)
    return ConsoleLines([], lambda: name, callers=callers).format(record)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+49 170 1234567", "***67"),
        ("2001", "***01"),
        ("911", "***"),
        ("Jane Doe", "***"),
        ('"Jane" <+491701234567>', "***67"),
        ("", "***"),
    ],
)
def test_of_a_number_the_last_digits_stay(value: str, shown: str) -> None:
    assert masked(value) == shown


@given(st.text(max_size=40))
def test_a_masked_value_has_at_most_two_of_its_digits(value: str) -> None:
    assert len(masked(value)) <= 5


@pytest.mark.parametrize(
    ("fact", "value", "text"),
    [
        ("from", "+491701234567", "cannot call +491701234567 back"),
        ("channel", "PJSIP/491701234567-00000012", "no channel PJSIP/491701234567-00000012"),
        ("channel", "PJSIP/491701234567-00000012", "the number is 491701234567"),
        ("callerid_name", "Jane Doe", "hello Jane Doe"),
        ("sip", '{"remote": "sip:491701234567@10.0.0.1"}', "sip:491701234567@10.0.0.1 is away"),
    ],
)
def test_a_number_or_name_of_the_caller_is_masked_in_every_line_of_the_call(
    fact: str, value: str, text: str
) -> None:
    shown = line(text, {fact: value})
    assert "1701234567" not in shown
    assert "Jane" not in shown
    assert line(text, {fact: value}, callers=True).endswith(text)


def test_what_is_no_number_stays_as_it_is() -> None:
    facts = {"from": "2001", "queue": "sales", "agent": "sales"}
    assert line("agent sales answered after 2001 ms", facts).endswith("after 2001 ms")
    assert "agent sales" in line("agent sales", facts)


def test_the_name_is_a_plain_text_for_machines() -> None:
    name = named(CALL, {"from": "+491701234567"})
    record = logging.LogRecord("avr.test", logging.INFO, "", 1, "ok", (), None)
    assert f'"call":"{CALL}"' in JsonLines([], lambda: name).format(record)


def test_code_outside_of_the_call_may_name_the_call_in_its_record() -> None:
    record = logging.LogRecord("avr.test", logging.INFO, "", 1, "from 491701234567", (), None)
    record.call = named(CALL, {"from": "491701234567"})
    assert ConsoleLines([], lambda: "").format(record).endswith("[0b7f6a52] from ***67")


# --- the trace of the call -----------------------------------------------------------------------

SPAN = TraceContext("a" * 32, "b" * 16, 1, "congo=1")
PART = TraceContext("a" * 32, "c" * 16, 1)
REQUEST = TraceContext("a" * 32, "d" * 16, 1)


def test_lines_for_machines_name_the_trace() -> None:
    name = named(CALL, {"from": "+491701234567"})
    record = logging.LogRecord("avr.test", logging.INFO, "", 1, "to 491701234567", (), None)
    assert "trace" not in JsonLines([], lambda: name).format(record)
    name.span = SPAN
    plain = JsonLines([], lambda: name).format(record)
    assert f'"trace_id":"{"a" * 32}","span_id":"{"b" * 16}"' in plain
    # A part of a call masks the same numbers.
    part = JsonLines([], lambda: name.within(PART)).format(record)
    assert f'"span_id":"{"c" * 16}"' in part
    assert f'"call":"{CALL}"' in part
    assert "to ***67" in part
    assert "a" * 32 not in ConsoleLines([], lambda: name).format(record)


async def test_requests_name_the_span_that_they_belong_to() -> None:
    current_call.set("")
    assert trace_headers() == {}
    assert current_trace_id() == ""
    name = named(CALL, {})
    current_call.set(name)
    assert trace_headers() == {}
    name.span = SPAN
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    assert trace_headers() == {"traceparent": parent, "tracestate": "congo=1"}
    assert current_trace_id() == "a" * 32
    part = name.within(PART)
    current_call.set(part)
    assert trace_headers() == {"traceparent": f"00-{'a' * 32}-{'c' * 16}-01"}
    part.request = REQUEST
    assert trace_headers() == {"traceparent": f"00-{'a' * 32}-{'d' * 16}-01"}
    assert name.span is SPAN
