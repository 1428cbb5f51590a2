"""Events and commands are values: frozen, comparable, and of one kind or the other."""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import get_args

import pytest

from avr_sts_speechmatics.dialogue import events as ev

EVENTS, COMMANDS = get_args(ev.Event), get_args(ev.Command)


@pytest.mark.parametrize("kind", [*EVENTS, *COMMANDS], ids=lambda kind: kind.__name__)
def test_events_and_commands_are_frozen_values_without_a_dictionary(kind: type) -> None:
    assert is_dataclass(kind)
    assert not hasattr(kind, "__dict__") or "__slots__" in vars(kind)
    values = {item.name: "x" for item in fields(kind)}
    made = kind(**values)
    assert made == kind(**values)
    for name in values:
        with pytest.raises(FrozenInstanceError):
            setattr(made, name, "y")


def test_nothing_is_an_event_and_a_command() -> None:
    assert not set(EVENTS) & set(COMMANDS)


def test_every_timer_says_which_question_it_answers() -> None:
    assert len({timer.value for timer in ev.Timer}) == len(ev.Timer)
