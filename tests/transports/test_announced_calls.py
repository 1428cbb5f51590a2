"""Announcements: good for one call, for a bounded time, and for a bounded number of calls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.transports.announced_calls import (
    ANNOUNCED_MAX,
    LIVES_S,
    AnnouncedCalls,
    canonical,
    facts_from,
)
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


def test_an_announced_call_has_the_announced_facts() -> None:
    waiting = AnnouncedCalls(required=True)
    waiting.announce(UUID.upper(), {"from": "2001"})
    assert waiting.facts_for(UUID) == {"from": "2001"}
    waiting.announce(UUID, {"from": "2002"})
    assert waiting.facts_for(UUID.upper()) == {"from": "2002"}


def test_an_announcement_is_good_for_one_call() -> None:
    waiting = AnnouncedCalls(required=True)
    waiting.announce(UUID, {})
    assert waiting.facts_for(UUID) == {}
    assert waiting.facts_for(UUID) is None


def test_an_unannounced_call_is_accepted_only_if_announcements_are_optional() -> None:
    assert AnnouncedCalls(required=True).facts_for(UUID) is None
    assert AnnouncedCalls(required=False).facts_for(UUID) == {}


def test_a_second_announcement_replaces_the_first_and_restarts_its_time(clock: Clock) -> None:
    waiting = AnnouncedCalls(required=True, now=clock)
    waiting.announce(UUID, {"from": "2001", "lang": "it"})
    clock.now += LIVES_S - 1
    waiting.announce(UUID, {"from": "2002"})
    clock.now += LIVES_S - 1
    assert len(waiting) == 1
    assert waiting.facts_for(UUID) == {"from": "2002"}


def test_an_announcement_expires(clock: Clock) -> None:
    waiting = AnnouncedCalls(required=True, now=clock)
    waiting.announce(UUID, {})
    clock.now += LIVES_S
    assert waiting.facts_for(UUID) is None
    assert len(waiting) == 0


def test_amended_facts_reach_a_call_that_arrives_later(clock: Clock) -> None:
    waiting = AnnouncedCalls(required=True, now=clock)
    waiting.announce(UUID, {})
    clock.now += LIVES_S - 1
    waiting.amend(UUID.upper(), {"agent": "sales"})
    assert waiting.facts_for(UUID) == {"agent": "sales"}
    waiting.announce(UUID, {})
    clock.now += 1
    waiting.amend(UUID, {})
    clock.now += LIVES_S - 1  # it is waited for no longer than without that
    assert waiting.facts_for(UUID) is None


def test_amending_after_the_arrival_invites_no_second_call() -> None:
    waiting = AnnouncedCalls(required=True)
    waiting.announce(UUID, {})
    waiting.facts_for(UUID)
    waiting.amend(UUID, {"agent": "sales"})
    assert waiting.facts_for(UUID) is None


def test_the_oldest_of_too_many_announcements_is_dropped() -> None:
    waiting = AnnouncedCalls(required=True)
    for n in range(ANNOUNCED_MAX):
        waiting.announce(f"call-{n}", {"n": str(n)})
    waiting.announce("call-0", {"n": "again"})  # now the youngest
    waiting.announce("one-more", {})
    assert len(waiting) == ANNOUNCED_MAX
    assert waiting.facts_for("call-1") is None
    assert waiting.facts_for("call-2") == {"n": "2"}
    assert waiting.facts_for("call-0") == {"n": "again"}


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
