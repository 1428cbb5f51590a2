"""Steps that rows share, where a whole call would say too little of them."""

import pytest

from avr_sts_speechmatics.conversation import ToolCall
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.state import (
    Goodbye,
    Kind,
    LastWord,
    Reply,
    Requested,
    State,
)
from avr_sts_speechmatics.dialogue.steps import Steps

MANNERS = Manners(no_input_s=8.0)


def requested(*, under_way: bool = False) -> Requested:
    request = ev.ToolRequest(ToolCall("a", "avr_hangup", "{}"), "hang_up")
    return Requested(1, request, farewell_said=True, under_way=under_way)


@pytest.mark.parametrize(
    ("state", "reply", "holds"),
    [
        (State.LISTENING, None, False),
        (State.THINKING, Reply(1, Kind.ANSWER), False),
        (State.THINKING, Reply(1, Kind.ANSWER, has_spoken=True), True),
        (State.SPEAKING, Reply(1, Kind.ANSWER, has_spoken=True), True),
        (State.PAUSED, Reply(1, Kind.ANSWER, has_spoken=True), True),
        (State.DEPARTING, None, True),
    ],
)
def test_the_agent_holds_the_floor_from_its_first_sound_to_its_last(
    state: State, reply: Reply | None, holds: bool
) -> None:
    steps = Steps(MANNERS)
    steps.state, steps.reply = state, reply
    assert steps.holds_the_floor is holds


@pytest.mark.parametrize(
    ("kind", "sacred", "barge_in", "may"),
    [
        (Kind.WELCOME, False, "words", True),
        (Kind.WELCOME, True, "words", False),
        (Kind.ANSWER, True, "words", True),
        (Kind.ANSWER, False, "off", False),
    ],
)
def test_a_sacred_welcome_and_barge_in_off_are_not_interrupted(
    kind: Kind, sacred: bool, barge_in: str, may: bool
) -> None:
    steps = Steps(Manners(welcome_is_sacred=sacred, barge_in=barge_in))
    steps.reply = Reply(1, kind)
    assert steps.may_be_interrupted is may


def test_nothing_is_flushed_or_cancelled_once_the_call_must_end() -> None:
    steps = Steps(MANNERS)
    steps.state, steps.departure = State.SPEAKING, LastWord("gone")
    assert list(steps.take_the_floor()) == []
    assert steps.state is State.SPEAKING


@pytest.mark.parametrize("departure", [Goodbye(), requested()])
def test_taking_the_floor_keeps_a_call_that_was_about_to_end(
    departure: Goodbye | Requested,
) -> None:
    steps = Steps(MANNERS)
    steps.state, steps.departure = State.DEPARTING, departure
    assert ev.CancelTimer(ev.Timer.FAREWELL) in list(steps.take_the_floor())
    assert steps.departure is None
    assert steps.state is State.LISTENING


def test_the_pbx_is_at_work_only_once_the_request_is_under_way() -> None:
    steps = Steps(MANNERS)
    for departure, at_work in ((requested(), False), (requested(under_way=True), True)):
        steps.departure = departure
        assert steps.pbx_is_at_work is at_work
    steps.departure = LastWord()
    assert not steps.pbx_is_at_work


def test_the_end_cancels_every_timer_before_the_call_ends() -> None:
    commands = list(Steps(MANNERS).end("broken"))
    assert commands[-1] == ev.EndCall("broken", True)
    assert {c.timer for c in commands if isinstance(c, ev.CancelTimer)} == set(ev.Timer)


def test_a_silent_caller_is_waited_for_only_when_it_is_the_callers_turn() -> None:
    steps = Steps(MANNERS)
    assert list(steps.await_input()) == [ev.SetTimer(ev.Timer.NO_INPUT, 8.0)]
    steps.caller.keys = "1"
    assert list(steps.await_input()) == []
