"""Simulated calls that most tests of the dialogue begin with."""

import pytest
from tests.dialogue.simulated_call import ANSWER, QUESTION, WORD_S, SimulatedCall


@pytest.fixture
def call() -> SimulatedCall:
    return SimulatedCall()


@pytest.fixture
def speaking(call: SimulatedCall) -> SimulatedCall:
    """The agent has said "We are" of its answer."""
    call.says(QUESTION)
    call.agent_says(ANSWER)
    call.passes(2 * WORD_S)
    return call


@pytest.fixture
def paused(speaking: SimulatedCall) -> SimulatedCall:
    speaking.sound()
    return speaking
