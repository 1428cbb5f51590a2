"""Facts of a call: where they are used, and that they stay data."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.avr_core import dial
from tests.support import Serve, url_of

from avr_sts_speechmatics.agents.call_time import time_sentence
from avr_sts_speechmatics.agents.placeholders import (
    briefed_with,
    has_placeholders,
    spoken_with,
    unusual_placeholders,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn

BEGAN = datetime(2026, 11, 28, 14, 5, tzinfo=ZoneInfo("Europe/Berlin"))
FACTS = {"from": "2001", "to": "5005", "name": "Ann"}


def test_a_welcome_names_the_caller() -> None:
    assert (
        spoken_with("Hello {name}, you called {to}.", FACTS, BEGAN, "en")
        == "Hello Ann, you called 5005."
    )


def test_an_unknown_fact_becomes_empty() -> None:
    assert spoken_with("Hello {nobody}!", FACTS, BEGAN, "en") == "Hello !"
    assert briefed_with("The caller is {nobody}.", {}, BEGAN).startswith('The caller is "".\n\n')


def test_text_that_only_looks_like_a_placeholder_is_left_alone() -> None:
    for text in ('{"json": 1}', "{ from }", "{}", "{1}", "plain"):
        assert not has_placeholders(text)
        assert spoken_with(text, FACTS, BEGAN, "en") == text
        assert briefed_with(text, {}, BEGAN) == f"{text}\n\n{time_sentence(BEGAN)}"


@given(value=st.text(max_size=300))
def test_a_fact_can_not_leave_its_quotation_in_the_instructions(value: str) -> None:
    told = briefed_with("Caller: {from}. Be kind.", {"from": value}, BEGAN)
    quoted = json.dumps(value)
    head, _, tail = told.partition(quoted)
    assert head == "Caller: "
    assert tail.startswith(f". Be kind.\n\n{time_sentence(BEGAN)}\n\nFacts of this call")
    assert json.loads(told.splitlines()[-1]) == {"from": value}


def test_instructions_and_welcome_name_the_day_and_the_time() -> None:
    told = briefed_with("It is {weekday}, {date}, {time}, in {time_zone}.", {}, BEGAN)
    assert told.startswith(
        'It is "Saturday", "2026-11-28", "14:05", in "Europe/Berlin, UTC+01:00".'
    )
    said = spoken_with("It is {weekday}, {date}, {time}.", {}, BEGAN, "en")
    assert said == "It is Saturday, November 28, 14:05."
    gesagt = spoken_with("Heute: {weekday}, {date}.", {}, BEGAN, "de")
    assert gesagt == "Heute: Samstag, 28. November."


def test_what_changes_from_call_to_call_stands_behind_the_instructions() -> None:
    later = BEGAN.replace(hour=15)
    one, other = (briefed_with("Sell bread.", FACTS, at) for at in (BEGAN, later))
    assert one != other
    assert one.partition("\n\n")[0] == other.partition("\n\n")[0] == "Sell bread."


def test_a_fact_of_the_telephone_system_wins_over_the_day() -> None:
    assert spoken_with("{date}", {"date": "today"}, BEGAN, "en") == "today"


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{from} {to} {weekday} {date} {time} {time_zone} {agent}", []),
        ("{wekday} {Date}", [("wekday", "weekday"), ("Date", "date")]),
        ("{customer} and {customer}", [("customer", "")]),
        ('{"json": 1} { from }', []),
    ],
)
def test_a_name_that_no_call_has_of_itself_is_found(
    template: str, found: list[tuple[str, str]]
) -> None:
    assert list(unusual_placeholders(template)) == found


async def test_the_model_is_told_the_day_in_the_agents_time_zone(serve: Serve) -> None:
    question = turn("Book it for Friday.", start=0.2, end=0.8)
    zone = ZoneInfo("Pacific/Kiritimati")
    async with (
        running_sandbox(scripted(question, answers=["Done."])) as cloud,
        serve(cloud, time_zone=zone) as server,
        dial(url_of(server)) as core,
    ):
        before = datetime.now(zone)
        await core.init()
        await core.speak(bytes(32_000))
        await core.until(lambda heard: heard.said("agent") == "Done.")
        system = cloud.received.chats[0].body["messages"][0]["content"]
    days = {time_sentence(at).partition(", at ")[0] for at in (before, datetime.now(zone))}
    assert any(day in system for day in days)
    assert "(Pacific/Kiritimati, UTC+14:00)" in system


async def test_facts_of_the_connection_reach_the_welcome_and_the_model(serve: Serve) -> None:
    question = turn("Who am I?", start=0.2, end=0.8)
    async with (
        running_sandbox(scripted(question, answers=["You are."])) as cloud,
        serve(
            cloud,
            speechmatics_welcome_message="Hello {name}.",
            speechmatics_instructions="You talk to {name}.",
        ) as server,
        dial(url_of(server, "/?name=Ann&from=2001")) as core,
    ):
        await core.init()
        await core.until(lambda heard: heard.said("agent") == "Hello Ann.")
        await core.speak(bytes(32_000))
        await core.until(lambda heard: heard.said("agent").endswith("You are."))
        system = cloud.received.chats[0].body["messages"][0]["content"]
        assert system.startswith('You talk to "Ann".')
        assert '"from": "2001"' in system
