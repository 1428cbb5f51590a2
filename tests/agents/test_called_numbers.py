"""Called numbers: written in several ways, had by one agent."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.agents.agent import VoiceChoice
from avr_sts_speechmatics.agents.agent_file import WrittenAgent
from avr_sts_speechmatics.agents.called_numbers import CalledNumbers


def agent(name: str, *numbers: str) -> WrittenAgent:
    return WrittenAgent(
        path=Path(f"{name}.yaml"),
        lines={"numbers": 7},
        settings={},
        phrases={},
        instructions="Be kind.",
        instructions_file=None,
        voice=VoiceChoice(),
        tools=None,
        numbers=numbers,
    )


def numbers_of(*agents: WrittenAgent) -> CalledNumbers:
    mistakes: list[str] = []
    numbers = CalledNumbers(agents, mistakes)
    assert mistakes == []
    return numbers


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("600", "desk"),
        (" 600 ", "desk"),
        ("6001", None),
        ("", None),
        ("+", None),
        ("+493012345", "berlin"),
        (" 493012345", "berlin"),  # a plus that a query made a space of
        ("+49 (30) 123-45", "berlin"),
        ("493012346", "germany"),
        ("+493012346", "germany"),
        ("5123", "hall"),
        ("51234", None),
        ("5123\n", None),
        ("5555", "desk"),  # the number itself, before the pattern of another
        ("reception", "desk"),
        ("*60", "desk"),
    ],
)
def test_a_number_is_found_however_it_is_written(called: str, name: str | None) -> None:
    numbers = numbers_of(
        agent("hall", "_5XXX"),
        agent("berlin", "+49 30 1234-5"),
        agent("desk", "600", "5555", "reception", "*60"),
        agent("germany", "_+49XX."),
        agent("nobody"),
    )
    assert numbers.agent_of(called) == name


def test_the_first_agent_by_name_wins_among_matching_patterns() -> None:
    numbers = numbers_of(agent("a", "_5XXX"), agent("b", "_55XX"))
    assert numbers.agent_of("5512") == "a"


@pytest.mark.parametrize("twice", ["49301", "+49 30 1", "_5XXX"])
def test_a_number_of_two_agents_is_reported_with_both_places(twice: str) -> None:
    mistakes: list[str] = []
    CalledNumbers([agent("a", "+49301", "_5XXX"), agent("b", twice)], mistakes)
    assert mistakes == [f"b.yaml, line 7: numbers: {twice} is taken: a.yaml, line 7: numbers."]


def test_a_number_may_stand_twice_in_one_agent() -> None:
    assert numbers_of(agent("a", "600", "600")).agent_of("600") == "a"


@pytest.mark.parametrize("wrong", ["+", "6 0 0 ä", "_", "_5[", "_.5", "x" * 80])
def test_a_number_that_cannot_be_called_is_a_mistake(wrong: str) -> None:
    mistakes: list[str] = []
    CalledNumbers([agent("a", wrong)], mistakes)
    (mistake,) = mistakes
    assert mistake.startswith("a.yaml, line 7: numbers: ")


@given(st.text())
def test_any_text_may_be_looked_up(called: str) -> None:
    assert numbers_of(agent("a", "_X.")).agent_of(called) in ("a", None)
