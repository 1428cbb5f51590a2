"""What the process knows of STT, LLM and TTS."""

import logging

import pytest

from avr_sts_speechmatics.call.observer import ReplyOver
from avr_sts_speechmatics.call_in_log import current_call
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.speech.speaker import ServiceFailed, TextStarted
from avr_sts_speechmatics.telemetry.service_states import (
    SERVICES,
    ServiceState,
    ServiceStates,
    ServiceWatch,
)


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def test_only_a_change_is_logged_with_a_count(caplog: pytest.LogCaptureFixture) -> None:
    stt = ServiceState("stt")
    stt.worked(0.21)
    stt.worked(0.19)
    for _ in range(50):
        stt.failed("stt: cannot connect")
    stt.failed("stt: the key is not accepted")
    stt.worked(0.2)
    assert caplog.messages == [
        "stt ok 210 ms",
        "stt: cannot connect",
        "stt: the key is not accepted",
        "stt ok 200 ms, again after 51 failures in 0 s",
    ]


def test_a_model_is_named(caplog: pytest.LogCaptureFixture) -> None:
    ServiceState("llm", "gpt-6-luna").failed("llm: unknown model")
    assert caplog.messages == ["llm gpt-6-luna: unknown model"]
    assert caplog.records[0].levelname == "WARNING"


def test_the_last_error_stays_known_after_the_service_works_again() -> None:
    refused: list[str] = []
    llm = ServiceState("llm", restrictions=lambda: refused)
    assert llm.shown()["state"] == "not tried yet"
    llm.failed("llm: busy")
    assert (llm.shown()["state"], llm.shown()["failures"]) == ("failed", 1)
    refused.append("is asked without tools")
    llm.worked(0.5)
    shown = llm.shown()
    assert shown["state"] == "ok"
    assert shown["took_ms"] == 500
    assert shown["failures"] == 0
    assert shown["last_error"]["message"] == "busy"
    assert shown["last_error"]["at"].endswith("Z")
    assert shown["restrictions"] == ["is asked without tools"]


def test_a_service_that_was_not_tried_is_neither_degraded_nor_working() -> None:
    states = ServiceStates(*map(ServiceState, SERVICES))
    assert not states.degraded
    assert not states.all_work
    for state in states.all.values():
        state.worked()
    assert states.all_work
    states.all["tts"].failed("gone")
    assert states.degraded
    assert not states.all_work
    assert states.shown()["tts"]["state"] == "failed"


def test_calls_report_failures_and_successes() -> None:
    states = ServiceStates(*map(ServiceState, SERVICES))
    watch = ServiceWatch(states)
    for name in SERVICES:
        watch.event(0.0, ServiceFailed(name, "gone"))
        assert states.all[name].works is False
        assert states.all[name].failed_again.is_set()
    watch.event(1.0, TextStarted(1))  # a fixed text: no model was asked
    assert states.all["llm"].works is False
    watch.command(2.0, ev.StartReply(2, ()))
    watch.event(3.0, TextStarted(2))
    watch.event(3.0, ReplyOver(2, cancelled=False))
    watch.event(4.0, ev.WordsHeard("hello", 1.0))
    assert states.all["llm"].works
    assert states.all["stt"].works
    assert states.all["tts"].works is False  # what was heard may have been kept audio


def test_a_service_without_a_state_is_nobodys_concern() -> None:
    ServiceWatch(ServiceStates(ServiceState("stt"))).event(0.0, ServiceFailed("llm", "gone"))


def test_the_state_belongs_to_no_call(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def watched(_: logging.LogRecord) -> bool:
        seen.append(current_call.get())
        return True

    caplog.handler.addFilter(watched)
    outside = current_call.set("a-call")
    ServiceState("stt").failed("gone")
    current_call.reset(outside)
    assert seen == [""]
