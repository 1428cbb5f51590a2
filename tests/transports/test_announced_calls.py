"""Announcements: good for one call, for a bounded time, and for a bounded number of calls."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.transports.announced_calls import (
    ANNOUNCED_MAX,
    LIVES_S,
    AnnouncedCalls,
    AnnouncedHere,
    Enquiry,
    Facts,
    canonical,
    facts_from,
    parted,
    with_trace,
)
from avr_sts_speechmatics.transports.limited_log import LINES
from avr_sts_speechmatics.transports.untrusted_text import FACT_NAME_MAX, FACT_VALUE_MAX, FACTS_MAX

UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_an_announced_call_has_the_announced_facts() -> None:
    waiting = AnnouncedCalls(required=True)
    await waiting.announce(UUID.upper(), {"from": "2001"})
    assert await waiting.facts_for(UUID) == {"from": "2001"}
    await waiting.announce(UUID, {"from": "2002"})
    assert await waiting.facts_for(UUID.upper()) == {"from": "2002"}


async def test_an_announcement_is_good_for_one_call() -> None:
    waiting = AnnouncedCalls(required=True)
    await waiting.announce(UUID, {})
    assert await waiting.facts_for(UUID) == {}
    assert await waiting.facts_for(UUID) is None


async def test_an_unannounced_call_is_accepted_only_if_announcements_are_optional() -> None:
    assert await AnnouncedCalls(required=True).facts_for(UUID) is None
    assert await AnnouncedCalls(required=False).facts_for(UUID) == {}


async def test_a_second_announcement_replaces_the_first_and_restarts_its_time(clock: Clock) -> None:
    here = AnnouncedHere(now=clock)
    waiting = AnnouncedCalls(required=True, store=here)
    await waiting.announce(UUID, {"from": "2001", "lang": "it"})
    clock.now += LIVES_S - 1
    await waiting.announce(UUID, {"from": "2002"})
    clock.now += LIVES_S - 1
    assert len(here) == 1
    assert await waiting.facts_for(UUID) == {"from": "2002"}


async def test_an_announcement_expires(clock: Clock) -> None:
    here = AnnouncedHere(now=clock)
    waiting = AnnouncedCalls(required=True, store=here)
    await waiting.announce(UUID, {})
    clock.now += LIVES_S
    assert await waiting.facts_for(UUID) is None
    assert len(here) == 0


async def test_amended_facts_reach_a_call_that_arrives_later(clock: Clock) -> None:
    waiting = AnnouncedCalls(required=True, store=AnnouncedHere(now=clock))
    await waiting.announce(UUID, {})
    clock.now += LIVES_S - 1
    await waiting.amend(UUID.upper(), {"agent": "sales"})
    assert await waiting.facts_for(UUID) == {"agent": "sales"}
    await waiting.announce(UUID, {})
    clock.now += 1
    await waiting.amend(UUID, {})
    clock.now += LIVES_S - 1  # it is waited for no longer than without that
    assert await waiting.facts_for(UUID) is None


async def test_amending_after_the_arrival_invites_no_second_call() -> None:
    waiting = AnnouncedCalls(required=True)
    await waiting.announce(UUID, {})
    await waiting.facts_for(UUID)
    await waiting.amend(UUID, {"agent": "sales"})
    assert await waiting.facts_for(UUID) is None


async def test_the_oldest_of_too_many_announcements_is_dropped() -> None:
    here = AnnouncedHere()
    waiting = AnnouncedCalls(required=True, store=here)
    for n in range(ANNOUNCED_MAX):
        await waiting.announce(f"call-{n}", {"n": str(n)})
    await waiting.announce("call-0", {"n": "again"})  # now the youngest
    await waiting.announce("one-more", {})
    assert len(here) == ANNOUNCED_MAX
    assert await waiting.facts_for("call-1") is None
    assert await waiting.facts_for("call-2") == {"n": "2"}
    assert await waiting.facts_for("call-0") == {"n": "again"}


# --- a store that does not answer ----------------------------------------------------------------


class Failing(AnnouncedHere):
    """A store that raises an error, or does not answer while `error` is None."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error
        self.asked = 0

    async def facts_for(self, uuid: str) -> Facts | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()
        return None


@pytest.mark.parametrize("error", [None, StoreError("Redis is away"), RuntimeError("a fault")])
@pytest.mark.parametrize(("required", "answer"), [(True, None), (False, {})])
async def test_a_store_without_an_answer_is_judged_as_if_it_had_said_no(
    error: Exception | None,
    required: bool,
    answer: Facts | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = AnnouncedCalls(required=required, store=Failing(error), answer_s=0.05)
    async with asyncio.timeout(5):
        assert await calls.facts_for(UUID) == answer
    assert f"call {UUID}: whether it was announced cannot be read" in caplog.text
    assert str(error or "no answer within 50 ms") in caplog.text or "report it" in caplog.text


async def test_a_store_that_is_away_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = AnnouncedCalls(required=True, store=Failing(StoreError("Redis is away")))
    for _ in range(500):
        await calls.facts_for(UUID)
    assert len(caplog.records) <= LINES


# --- a connection's question ---------------------------------------------------------------------


async def test_an_enquiry_answers_once_and_a_cancelled_one_never() -> None:
    calls = AnnouncedCalls(required=True)
    await calls.announce(UUID, {"from": "2001"})
    answered: asyncio.Queue[Facts | None] = asyncio.Queue()
    Enquiry(calls.facts_for, UUID, answered.put_nowait)
    assert await answered.get() == {"from": "2001"}
    Enquiry(calls.facts_for, UUID, answered.put_nowait).cancel()
    Enquiry(calls.facts_for, UUID, answered.put_nowait)
    assert await answered.get() is None
    assert answered.empty()
    assert len(asyncio.all_tasks()) == 1  # this test


# --- uuids -------------------------------------------------------------------------------------


def test_a_uuid_is_taken_in_any_case() -> None:
    assert canonical(UUID.upper()) == canonical(UUID) == UUID


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        "",
        "1718208000.13",  # Asterisk's UNIQUEID
        UUID.replace("-", ""),
        f"{{{UUID}}}",
        f"{UUID}\n",
        f" {UUID}",
        UUID.replace("0", "٠"),
        UUID.replace("b", "g"),
    ],
)
def test_a_uuid_that_asterisk_rejects_is_rejected(given: object) -> None:
    assert canonical(given) is None


# --- facts -------------------------------------------------------------------------------------


def test_values_are_text_or_compact_json() -> None:
    payload = {
        "from": "2001",
        "vip": True,
        "balance": 12.5,
        "queue": {"name": "Küche", "at": [1, 2]},
        "nothing": None,
        "empty": "",
    }
    assert facts_from(payload) == {
        "from": "2001",
        "vip": "true",
        "balance": "12.5",
        "queue": '{"name":"Küche","at":[1,2]}',
        "empty": "",
    }


def test_the_trace_of_a_call_waits_beside_its_facts() -> None:
    trace = TraceContext("a" * 32, "b" * 16, 1, "congo=1")
    facts = {"from": "2001"}
    assert parted(with_trace(facts, trace)) == (facts, trace)
    assert parted(with_trace(facts, None)) == (facts, None)
    assert facts_from({"Traceparent": "00-1", "tracestate": "a=1", **facts}) == facts


def test_the_first_of_names_that_become_equal_is_used() -> None:
    assert facts_from({"from": "1", "fr\x00om": "2", "\n": "3"}) == {"from": "1"}


def test_the_first_of_too_many_facts_are_used() -> None:
    facts = facts_from({f"fact-{n}": n for n in range(FACTS_MAX + 5)})
    assert list(facts) == [f"fact-{n}" for n in range(FACTS_MAX)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(payload=st.dictionaries(st.text(max_size=100), json_values, max_size=50))
def test_facts_from_any_payload_are_bounded_printable_text(payload: dict[str, object]) -> None:
    facts = facts_from(payload)
    assert len(facts) <= FACTS_MAX
    for name, value in facts.items():
        assert 0 < len(name) <= FACT_NAME_MAX
        assert len(value) <= FACT_VALUE_MAX
        assert (name + value).isprintable()
    json.dumps(facts).encode()
    "".join((*facts, *facts.values())).encode()  # no half of a surrogate pair
