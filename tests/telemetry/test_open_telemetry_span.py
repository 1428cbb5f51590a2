"""Spans as values: never negative, bounded, with the first error."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.telemetry.open_telemetry_span import (
    EVENTS_MAX,
    TEXT_MAX,
    Span,
    known,
    new_span_id,
)


def span(began: float = 1.0) -> Span:
    return Span("turn", TraceContext("a" * 32, "b" * 16, 1), "", began, began, 0)


@given(began=st.floats(0, 1e6), at=st.floats(0, 1e6))
def test_no_span_ends_before_it_begins(began: float, at: float) -> None:
    assert span(began).end(at).ended >= began


def test_events_are_bounded_and_counted() -> None:
    one = span()
    for number in range(EVENTS_MAX + 3):
        one.happened(1.0, "key", avr__key=str(number))
    assert len(one.events) == EVENTS_MAX
    assert one.events_dropped == 3
    assert one.events[0] == (1.0, "key", {"avr.key": "0"})


def test_the_first_error_counts_and_is_bounded() -> None:
    one = span()
    one.failed("x" * 2 * TEXT_MAX)
    one.failed("later")
    assert one.error == "x" * TEXT_MAX
    assert one.attributes["error.type"]


def test_ids_are_valid_and_differ() -> None:
    ids = {new_span_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 16 and one.strip("0") and int(one, 16) for one in ids)


def test_attributes_without_a_value_are_left_out() -> None:
    assert known({"a": None, "b": 0, "c": False}) == {"b": 0, "c": False}
