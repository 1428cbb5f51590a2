"""OpenTelemetry as a whole: what is recorded, what is loaded, and how a process ends with it."""

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from tests.otlp_receiver import never, otlp_collector
from tests.workers.processes import running_service
from tests.workers.test_supervisor import on_both_workers

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.call.observer import CallBegan, CallEnded, Observer
from avr_sts_speechmatics.call_in_log import current_call, current_trace_id, named, trace_headers
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.open_telemetry import OpenTelemetry, model_of, open_telemetry
from avr_sts_speechmatics.telemetry.open_telemetry_reply import Model
from avr_sts_speechmatics.telemetry.open_telemetry_span import Span, new_span_id
from avr_sts_speechmatics.values import Secret

ABOVE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1, "a=1")


@pytest.fixture(autouse=True)
def outside_of_calls() -> Iterator[None]:
    yield
    current_call.set("")


class Kept:
    """Takes the place of the export."""

    sent = waiting = lost = 0

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.put = self.spans.append

    async def close(self) -> None: ...


def traces(sampler: str = "always_on", share: float = 1.0) -> tuple[OpenTelemetry, Kept]:
    kept = Kept()
    made = OpenTelemetry(
        kept,  # type: ignore[arg-type]
        sampler=sampler,
        share=share,
        words=False,
        model_of=lambda agent: Model("m", "openai"),
        secrets=("very-secret-key",),
    )
    return made, kept


def observe(observer: Observer, caller: Caller, error: str = "") -> None:
    current_call.set(named(caller.uuid, caller.facts))
    observer.event(1.0, CallBegan(caller, "default"))
    observer.event(2.0, CallEnded("failure" if error else "caller", error=error))


def recorded(sampler: str, share: float, caller: Caller) -> bool:
    made, kept = traces(sampler, share)
    observe(made.observer(caller, lambda ended: {}), caller)
    return bool(kept.spans)


@pytest.mark.parametrize("parent", [None, True, False], ids=["none", "sampled", "not sampled"])
@pytest.mark.parametrize(
    ("sampler", "share", "alone"),
    [
        ("always_on", 0.0, True),
        ("always_off", 1.0, False),
        ("traceidratio", 1.0, True),
        ("traceidratio", 0.0, False),
    ],
)
def test_the_sampler_decides(sampler: str, share: float, alone: bool, parent: bool | None) -> None:
    above = None if parent is None else TraceContext(ABOVE.trace_id, ABOVE.span_id, int(parent))
    caller = Caller("u", "test", trace=above)
    assert recorded(sampler, share, caller) is alone
    # The program that began the trace decides, if there is one.
    assert recorded(f"parentbased_{sampler}", share, caller) is (
        alone if parent is None else parent
    )


def test_a_share_of_calls_is_recorded() -> None:
    made, kept = traces("parentbased_traceidratio", 0.25)
    for _ in range(2000):
        caller = Caller("u", "test")
        made.observer(caller, lambda ended: {}).event(1.0, CallEnded())
    assert 350 < len(kept.spans) < 650


@given(trace=st.integers(1, 2**128 - 1), share=st.floats(0, 1))
def test_programs_with_one_share_decide_alike(trace: int, share: float) -> None:
    """As the SDK decides, whose other users may be the other programs."""
    above = TraceContext(f"{trace:032x}", new_span_id(), 1)
    other = TraceIdRatioBased(share).should_sample(None, trace, "call").decision
    ours = recorded("traceidratio", share, Caller("u", "test", trace=above))
    assert ours is (other is Decision.RECORD_AND_SAMPLE)


async def test_a_call_gets_its_place_in_a_trace() -> None:
    made, kept = traces()
    caller = Caller("u", "test")
    observe(made.observer(caller, lambda ended: {}), caller)
    (span,) = kept.spans
    assert (span.context.trace_id, span.parent_id) == (caller.key, "")
    assert current_trace_id() == caller.key
    assert trace_headers() == {"traceparent": f"00-{caller.key}-{span.context.span_id}-01"}
    caller = Caller("u", "test", trace=ABOVE)
    observe(made.observer(caller, lambda ended: {}), caller)
    assert kept.spans[1].parent_id == ABOVE.span_id
    assert trace_headers()["tracestate"] == "a=1"


async def test_a_call_that_is_not_recorded_has_ids_and_no_trace() -> None:
    made, _ = traces("always_off")
    caller = Caller("u", "test")
    observe(made.observer(caller, lambda ended: {}), caller)
    assert trace_headers()["traceparent"].endswith("-00")
    assert current_trace_id() == ""


async def test_a_key_in_an_error_is_masked() -> None:
    made, kept = traces()
    caller = Caller("u", "test")
    observe(made.observer(caller, lambda ended: {}), caller, error="no: very-secret-key")
    assert kept.spans[0].error == "no: ***"


def test_the_health_says_what_became_of_spans() -> None:
    made, _ = traces()
    assert made.health() == {"sent": 0, "waiting": 0, "lost": 0}


def test_without_an_address_there_are_no_traces() -> None:
    settings = Settings(history="off")
    assert open_telemetry(settings, Agents.load(settings)) is None


def test_without_the_libraries_the_start_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = "avr_sts_speechmatics.telemetry.open_telemetry_export"
    for module in [
        name for name in sys.modules if name.startswith("opentelemetry.") or name == ours
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delattr("avr_sts_speechmatics.telemetry.open_telemetry_export", raising=False)
    settings = Settings(history="off", otel_exporter_otlp_endpoint="http://localhost:4318")
    with pytest.raises(SettingsError, match=r"pip install 'avr-sts-speechmatics\[opentelemetry\]'"):
        open_telemetry(settings, Agents.load(settings))


def test_the_model_of_an_agent_is_described() -> None:
    plain = Settings(history="off")
    agents = Agents.load(plain)
    assert model_of(plain, agents, "default") == Model("receptionist", "scripted")
    keyed = Settings(history="off", openai_api_key=Secret("k"), openai_model="m")
    assert model_of(keyed, agents, "default") == Model("m", "openai", "api.openai.com", 443)


# --- processes -----------------------------------------------------------------------------------

WRITES_MODULES = """
import sys
from pathlib import Path
from avr_sts_speechmatics.tools import tool

Path("modules").write_text("\\n".join(sys.modules))

@tool
async def nothing() -> str:
    \"\"\"Do nothing.\"\"\"
    return ""
"""


@pytest.mark.parametrize("on", [False, True])
async def test_nothing_of_opentelemetry_is_loaded_without_an_address(
    tmp_path: Path, on: bool
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "modules.py").write_text(WRITES_MODULES)  # runs when all else is loaded
    url = "http://127.0.0.1:1" if on else ""
    async with running_service(
        tmp_path, TOOLS_DIR="tools", OTEL_EXPORTER_OTLP_ENDPOINT=url
    ) as service:
        async with service.caller() as caller:
            caller.asks()
            await caller.answered()
    loaded = {name.partition(".")[0] for name in (tmp_path / "modules").read_text().split()}
    assert "avr_sts_speechmatics" in loaded
    assert ({"opentelemetry", "google", "requests"} & loaded != set()) is on


async def test_each_worker_sends_its_calls_and_has_a_name(tmp_path: Path) -> None:
    async with otlp_collector() as collector:
        async with running_service(
            tmp_path, ready=2, WORKERS="2", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
        ) as service:
            async with AsyncExitStack() as stack:
                callers = await on_both_workers(service, stack)
            await collector.ended(len(callers))
        instances = Counter(span.resource["service.instance.id"] for span in collector.spans)
        assert len(instances) == 2


@pytest.mark.parametrize("hangs", [True, False], ids=["hanging", "refusing"])
async def test_a_collector_that_is_away_delays_no_call_and_the_end_for_two_seconds(
    tmp_path: Path, hangs: bool
) -> None:
    async with otlp_collector(never) as collector:
        url = collector.url if hangs else "http://127.0.0.1:1"
        async with running_service(
            tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url, LOG_FORMAT="json", DRAIN_S="1"
        ) as service:
            async with service.caller() as caller:
                for times in (1, 2):
                    caller.asks()
                    await caller.answered(times)
            await service.until_calls(0)
            begun = time.monotonic()
            service.signal(signal.SIGTERM)
            assert await service.ended() == 0
            assert time.monotonic() - begun < 8  # 2 s, and what a busy machine needs
        lines = [json.loads(line) for line in service.log if "OpenTelemetry" in line]
    assert [line["level"] for line in lines] == ["warning"]
    assert "spans lost" in lines[0]["message"]
    of_call = [json.loads(line) for line in service.log if '"trace_id"' in line]
    assert any(line["message"].startswith("call begins") for line in of_call)
