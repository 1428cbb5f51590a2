"""The table as a whole: every tag is cited, and calls that nobody would think of."""

import inspect
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.dialogue import generated_calls
from tests.dialogue.generated_calls import ENDINGS, MANNERS, Step, live_through, nothing
from tests.support import ROOT

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue import turns
from avr_sts_speechmatics.dialogue.barge_in import BargeIn
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.notices import Notices
from avr_sts_speechmatics.dialogue.replies import Replies
from avr_sts_speechmatics.dialogue.silence_and_limits import SilenceAndLimits
from avr_sts_speechmatics.dialogue.state import State
from avr_sts_speechmatics.dialogue.tools_and_leaving import ToolsAndLeaving
from avr_sts_speechmatics.dialogue.turn_ends import TurnEnds
from avr_sts_speechmatics.dialogue.turns import Dialogue

EVENTS = 100_000
"""At least so many things happen in the generated calls of this test. `make soak` has more."""

STEPS = st.sampled_from([nothing, *generated_calls.STEPS])


@pytest.mark.usefixtures("untraced")
@pytest.mark.timeout(180)  # a quarter of a minute on a quiet machine, and not all are quiet
def test_no_call_breaks_a_promise() -> None:
    lived = 0

    @settings(
        max_examples=620,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        before=st.lists(STEPS, min_size=150, max_size=350),
        ending=st.sampled_from(ENDINGS),
        after=st.lists(STEPS, max_size=30),
        manners=st.fixed_dictionaries({k: st.sampled_from(v) for k, v in MANNERS.items()}),
    )
    def any_call(
        before: list[Step], ending: Step, after: list[Step], manners: dict[str, Any]
    ) -> None:
        nonlocal lived
        lived += live_through(Manners(**manners), [*before, ending, *after]).events

    any_call()
    assert lived >= EVENTS


# --- the table and its rows --------------------------------------------------------------------


def table() -> list[str]:
    """The tags of the table, in its order."""
    return re.findall(r"^(T\d+) +\|", turns.__doc__ or "", re.MULTILINE)


def tags_of_rows() -> Counter[str]:
    """How many functions have a tag at the beginning of their docstring."""
    docs = (
        inspect.getdoc(function) or ""
        for rows in (BargeIn, TurnEnds, Replies, Notices, ToolsAndLeaving, SilenceAndLimits)
        for function in vars(rows).values()
        if inspect.isfunction(function)
    )
    begins = (re.match(r"(T\d+(?:, T\d+)*): ", doc) for doc in docs)
    return Counter(tag for begin in begins if begin for tag in begin[1].split(", "))


def tags_of_tests() -> set[str]:
    """The tags in comments right above tests."""
    texts = (path.read_text() for path in (ROOT / "tests/dialogue").glob("test_*.py"))
    lines = re.findall(r"^# (T\d+(?:, T\d+)*)\n(?:def|@)", "".join(texts), re.MULTILINE)
    return {tag for line in lines for tag in line.split(", ")}


def test_the_tags_of_the_table_are_in_order() -> None:
    assert table() == [f"T{n}" for n in range(1, len(table()) + 1)]


def test_every_row_of_the_table_is_a_function_and_has_a_test() -> None:
    assert set(table()) == set(tags_of_rows())
    assert set(table()) == tags_of_tests()


# --- handling events ---------------------------------------------------------------------------


def test_an_event_cannot_be_handled_while_another_one_is() -> None:
    dialogue = Dialogue(Manners(welcome="Hello."))
    commands = dialogue.handle(ev.CallStarted())
    next(commands)
    with pytest.raises(AssertionError, match="while another event is handled"):
        next(dialogue.handle(ev.CallerSpeechStarted()))
    commands.close()
    assert list(dialogue.handle(ev.SttLost())) == [ev.SetTimer(ev.Timer.PATIENCE, 2.0)]


def test_every_event_has_a_handler_and_every_timer() -> None:
    for event in ev.Event.__args__:
        assert event is ev.TimerFired or event in turns._HANDLERS
    assert set(turns._TIMERS) == set(ev.Timer)


def test_after_the_end_of_a_call_no_command_follows() -> None:
    dialogue = Dialogue(Manners())
    dialogue.state = State.ENDED
    assert list(dialogue.handle(ev.KeyPressed("1"))) == []


def test_a_dialogue_remembers_at_most_fifteen_things() -> None:
    assert len(vars(Dialogue(Manners()))) <= 15
