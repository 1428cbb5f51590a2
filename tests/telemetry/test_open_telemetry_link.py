"""Code of a call finds the span that it belongs to, and only that code does."""

import asyncio

from avr_sts_speechmatics.call.observer import CallBegan
from avr_sts_speechmatics.call_in_log import current_call, named, trace_headers
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.telemetry.open_telemetry_link import CallLink, enter
from avr_sts_speechmatics.telemetry.open_telemetry_span import Span

CALL = TraceContext("a" * 32, "b" * 16, 1)
PART = TraceContext("a" * 32, "c" * 16, 1)


async def parent() -> str:
    return trace_headers().get("traceparent", "")


async def test_code_that_is_started_for_a_part_belongs_to_the_part() -> None:
    name = named("u", {})
    token = current_call.set(name)
    CallLink(CALL).event(1.0, CallBegan(Caller("u", "test"), "default"))
    assert await parent() == CALL.headers()["traceparent"]
    outer = current_call.set(name)  # as the call does for each event
    within = enter(Span("turn", PART, "", 1.0, 1.0, 0))
    task = asyncio.create_task(parent())
    current_call.reset(outer)
    assert await parent() == CALL.headers()["traceparent"]
    assert await task == PART.headers()["traceparent"]
    assert within is not None
    assert within.span is PART
    current_call.reset(token)


async def test_outside_of_calls_nothing_is_linked() -> None:
    current_call.set("")
    CallLink(CALL).event(1.0, CallBegan(Caller("u", "test"), "default"))
    assert enter(Span("turn", PART, "", 1.0, 1.0, 0)) is None
    assert await parent() == ""
