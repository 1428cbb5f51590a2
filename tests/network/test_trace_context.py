"""W3C Trace Context: what is valid is kept, everything else is ignored and breaks nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.network.trace_context import (
    MEMBERS_MAX,
    STATE_MAX,
    TraceContext,
    in_headers,
    in_mapping,
    in_query,
    parse,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"

ids = st.tuples(
    st.integers(1, 2**128 - 1).map("{:032x}".format),
    st.integers(1, 2**64 - 1).map("{:016x}".format),
)


def test_a_valid_context_is_read() -> None:
    context = parse(PARENT, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
    assert context == TraceContext(TRACE, SPAN, 1, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
    assert context.sampled
    assert not TraceContext(TRACE, SPAN, 0).sampled


@given(ids=ids, flags=st.integers(0, 255))
def test_what_is_written_can_be_read_again(ids: tuple[str, str], flags: int) -> None:
    context = parse(f"00-{ids[0]}-{ids[1]}-{flags:02x}")
    assert context is not None
    assert context.sampled == bool(flags & 1)
    again = context.headers()
    assert parse(again["traceparent"], again.get("tracestate", "")) == context


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT + "-extra",  # version 00 has four fields
        PARENT + "0",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-zz",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE}-{SPAN}",
        f"{PARENT}\n",
        f"{PARENT},{PARENT}",
        "٠٠-" + TRACE + "-" + SPAN + "-01",
    ],
)
def test_a_wrong_traceparent_is_ignored(wrong: str) -> None:
    assert parse(wrong, "congo=1") is None


@pytest.mark.parametrize("later", [f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes"])
def test_a_later_version_is_read_as_far_as_it_is_known(later: str) -> None:
    assert parse(later) == TraceContext(TRACE, SPAN, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        "congo",
        "=1",
        "Congo=1",
        "congo=a=b",
        "congo=1,congo=2",
        "congo=\n",
        "congo=ü",
        ",".join(f"a{n}=1" for n in range(MEMBERS_MAX + 1)),
    ],
)
def test_a_wrong_tracestate_costs_only_itself(wrong: str) -> None:
    assert parse(PARENT, wrong) == TraceContext(TRACE, SPAN, 1)


def test_a_long_tracestate_loses_its_oldest_members() -> None:
    state = ",".join(f"key{n}={'v' * 40}" for n in range(MEMBERS_MAX))
    context = parse(PARENT, state)
    assert context is not None
    assert len(context.state) <= STATE_MAX
    assert state.startswith(context.state + ",")


@given(st.text(), st.text())
def test_any_text_is_read_without_an_error(parent: str, state: str) -> None:
    assert parse(parent, state) is None
    context = parse(PARENT, state)
    assert context is not None
    assert len(context.state) <= STATE_MAX


def test_a_query_has_a_context() -> None:
    path = f"/?from=49301234567&traceparent={PARENT}&tracestate=congo%3D1%2Crojo%3D2"
    assert in_query(path) == TraceContext(TRACE, SPAN, 1, "congo=1,rojo=2")
    assert in_query(f"wss://[broken/?traceparent={PARENT}") is None
    assert in_query("/?from=1") is None
    assert in_query(f"/?Traceparent={PARENT}&traceparent=wrong") == TraceContext(TRACE, SPAN, 1)


@given(st.text())
def test_any_query_is_read_without_an_error(query: str) -> None:
    assert in_query(f"/?{query}&traceparent=wrong") is None


def test_headers_are_read_as_the_specification_says() -> None:
    assert in_headers([f" {PARENT} "], ["a=1", "b=2"]) == TraceContext(TRACE, SPAN, 1, "a=1,b=2")
    assert in_headers([], ["a=1"]) is None
    assert in_headers([PARENT, PARENT], []) is None


def test_a_mapping_may_hold_anything() -> None:
    assert in_mapping({"TraceParent": PARENT, "tracestate": 5}) == TraceContext(TRACE, SPAN, 1)
    assert in_mapping({"traceparent": 5, "from": "1"}) is None
    assert in_mapping({"tracestate": "a=1"}) is None
