"""Advice for operators of avr-app: what a container lacks, in the words of the panel."""

import pytest
from tests.settings.environment import reported

PANEL = {
    "AGENT_ID": "9b7b4d0c-6a53-4a0e-8c0e-5e5a1a0b6f11",
    "AGENT_NAME": "Reception",
    "PROVIDER_STS_ID": "1f0c6a4e-0d3b-4c5d-9a57-2b7e8f1c9d20",
    "PROVIDER_STS_NAME": "Speechmatics",
    "PROVIDER_STS_TYPE": "STS",
    "PORT": "6417",
    "AMI_URL": "undefined",
}
"""The variables that the panel gives to every container of an agent."""


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ({}, ["SPEECHMATICS_API_KEY", "OPENAI_API_KEY"]),
        ({"SPEECHMATICS_API_KEY": "k"}, ["OPENAI_API_KEY"]),
        ({"OPENAI_API_KEY": "k"}, ["SPEECHMATICS_API_KEY"]),
        ({"SPEECHMATICS_API_KEY": "k", "OPENAI_BASE": "http://llm:8000/v1"}, []),
        ({"SPEECHMATICS_API_KEY": "k", "THINKING": "receptionist"}, []),
    ],
)
def test_a_missing_key_is_named_with_the_way_to_give_it(
    more: dict[str, str], missing: list[str]
) -> None:
    said = [one for one in reported(PANEL | more) if one.startswith("avr-app started")]
    assert [one.split(" without ")[1].split()[0].strip(":,") for one in said] == missing
    for sentence in said:
        if "OPENAI_API_KEY" in sentence:
            assert f"PATCH /providers/{PANEL['PROVIDER_STS_ID']}" in sentence


def test_outside_of_the_panel_nothing_is_said_of_it() -> None:
    assert not any("avr-app" in one for one in reported({"PORT": "6417", "AGENT_ID": "7"}))
