"""Facts of a call: where they are used, and that they stay data."""

import json

from hypothesis import given
from hypothesis import strategies as st
from tests.avr_core import dial
from tests.support import Serve, url_of

from avr_sts_speechmatics.agents.placeholders import briefed_with, has_placeholders, spoken_with
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn

FACTS = {"from": "2001", "to": "5005", "name": "Ann"}


def test_a_welcome_names_the_caller() -> None:
    assert spoken_with("Hello {name}, you called {to}.", FACTS) == "Hello Ann, you called 5005."


def test_an_unknown_fact_becomes_empty() -> None:
    assert spoken_with("Hello {nobody}!", FACTS) == "Hello !"
    assert briefed_with("The caller is {nobody}.", {}) == 'The caller is "".'


def test_text_that_only_looks_like_a_placeholder_is_left_alone() -> None:
    for text in ('{"json": 1}', "{ from }", "{}", "{1}", "plain"):
        assert not has_placeholders(text)
        assert spoken_with(text, FACTS) == text
        assert briefed_with(text, {}) == text


@given(value=st.text(max_size=300))
def test_a_fact_can_not_leave_its_quotation_in_the_instructions(value: str) -> None:
    told = briefed_with("Caller: {from}. Be kind.", {"from": value})
    quoted = json.dumps(value)
    head, _, tail = told.partition(quoted)
    assert head == "Caller: "
    assert tail.startswith(". Be kind.\n\nFacts of this call")
    assert json.loads(told.splitlines()[-1]) == {"from": value}


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
