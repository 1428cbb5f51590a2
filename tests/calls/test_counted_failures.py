"""What metrics say about calls whose services misbehave."""

import pytest
from tests.calls.live_call import LiveCall, live_call, until
from tests.support import Serve
from tests.telemetry.series import value

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.sandbox.faults import (
    Fault,
    Malformed,
    RefuseKey,
    Stall,
    Status,
    Truncate,
)
from avr_sts_speechmatics.services.llm import openai
from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.metrics_memory import Family

ANSWER = "We close at five."
SORRY = Manners().sorry


def counted(call: LiveCall, family: Family, **labels: str) -> float:
    return value(call.server._metrics.series, family, **labels)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Stall(part="llm", after=None), "timeout"),
        (Status(part="llm", status=503, count=None), "unavailable"),
        (Status(part="llm", status=429, count=None), "full"),
        (RefuseKey(part="llm"), "rejected"),
        (Truncate(part="llm", after=0), "connection"),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
async def test_a_failure_of_the_model_has_its_kind(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, fault: Fault, kind: str
) -> None:
    monkeypatch.setattr(openai, "FIRST_S", 0.3)
    async with live_call(serve, ANSWER) as call:
        call.cloud.faults.add(fault)
        call.say("When do you close?")
        await call.until_said(SORRY)
        await until(lambda: counted(call, m.ANSWERS, result="failed") == 1)
        assert counted(call, m.FAILURES, service="llm", kind=kind) == 1
        assert counted(call, m.FAILURES) == 1


async def test_a_failure_of_the_voice_has_its_kind(serve: Serve) -> None:
    async with live_call(serve, ANSWER) as call:
        call.cloud.faults.add(Malformed(part="tts", text="<html>", count=None))
        call.say("When do you close?")
        await call.until_said(SORRY)
        assert counted(call, m.FAILURES, service="tts", kind="broken") == 1
        assert counted(call, m.RETRIES, service="tts") >= 1


async def test_retries_that_help_are_no_failures(serve: Serve) -> None:
    async with live_call(serve, ANSWER) as call:
        call.cloud.faults.add(Status(part="llm", status=429), Status(part="tts", status=503))
        call.say("When do you close?")
        await call.until_said(ANSWER)
        assert counted(call, m.RETRIES, service="llm") == 1
        assert counted(call, m.RETRIES, service="tts") == 1
        assert counted(call, m.FAILURES) == 0


async def test_a_lost_session_of_the_recogniser_is_a_retry(serve: Serve) -> None:
    async with live_call(serve, ANSWER) as call:
        call.lose_stt()
        await until(lambda: counted(call, m.RETRIES, service="stt") == 1)
        assert counted(call, m.FAILURES) == 0


async def test_a_recogniser_that_is_lost_for_good_is_a_failure(serve: Serve) -> None:
    async with live_call(serve, ANSWER) as call:
        call.fail_stt()
        await until(lambda: counted(call, m.FAILURES, service="stt") == 1)
        await call.until_closed()
        await until(lambda: counted(call, m.ENDED, reason="failure") == 1)
