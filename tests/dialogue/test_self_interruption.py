"""An agent whose own voice comes back on the line: conversations, in virtual time."""

import random

import pytest
from tests.dialogue.echoing_line import EchoingLine
from tests.dialogue.simulated_call import SimulatedCall, heard

from avr_sts_speechmatics.dialogue import events as ev

LONG = (
    "We are open from nine to five on weekdays, and from ten to two on Saturdays.",
    "Shall I book a table for you?",
)
QUESTIONS = 4


def conversation(misheard: float, seed: int) -> SimulatedCall:
    """A call of QUESTIONS questions, each asked after the answer before it."""
    call = SimulatedCall()
    line = EchoingLine(call, misheard, random.Random(seed))
    for number in range(QUESTIONS):
        call.says(f"Question number {number}, please?")
        while not line.silent:
            reply = call.reply
            if reply is not None and not (reply.complete or reply.started):
                call.agent_says(*LONG)
            line.passes(0.05)
            assert call.now < 600, "the agent talks to itself"
    return call


def requests(call: SimulatedCall) -> int:
    return len([reply for reply in call.replies if reply.text is None])


# T43
def test_an_echo_that_is_heard_well_interrupts_nothing_and_asks_nothing() -> None:
    call = conversation(misheard=0.0, seed=1)
    assert heard(call) == [*LONG] * QUESTIONS
    assert requests(call) == QUESTIONS
    assert call.asked_for(ev.Flush) == 0
    assert call.asked_for(ev.Note) == 1


# T43
@pytest.mark.parametrize("misheard", [0.1, 0.2, 0.3])
def test_every_question_is_answered_though_the_recogniser_mishears_the_echo(
    misheard: float,
) -> None:
    calls = [conversation(misheard, seed) for seed in range(20)]
    for call in calls:
        assert heard(call).count(LONG[-1]) >= QUESTIONS
    # Words that are misheard as others, by chance, now and then take the floor; no loop follows.
    most = {0.1: 2, 0.2: 3, 0.3: 6}[misheard]
    assert sum(map(requests, calls)) <= most * QUESTIONS * len(calls)
