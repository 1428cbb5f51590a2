"""The conversation of a long call within its budget of tokens."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolResult
from avr_sts_speechmatics.services.llm.history_budget import estimated_tokens, within_budget

BUDGET = 1000


def a_call(turns: int, words: int = 12) -> list[Entry]:
    history: list[Entry] = [
        Message("assistant", "Hello, how can I help you?"),
        Message("user", "Hi, this is Siobhan Ní Bhriain, I'd like to change my booking KX41."),
    ]
    for number in range(turns):
        history.append(Message("assistant", "some words of an answer " * (words // 5)))
        history.append(Message("user", f"and what about {number} of them " * (words // 5)))
        if number == 3:
            history += [ToolCall("a", "cancel", '{"code": "KX41"}'), ToolResult("a", "Cancelled.")]
    return history


def test_a_short_call_is_sent_whole() -> None:
    history = a_call(5)
    assert within_budget(history, BUDGET) is history


@pytest.mark.parametrize("turns", [40, 100, 300, 1000])
def test_a_long_call_keeps_its_budget_its_last_turns_and_what_matters(turns: int) -> None:
    history = a_call(turns)
    kept = within_budget(history, BUDGET)
    assert BUDGET / 2 < estimated_tokens(kept) <= BUDGET
    note, *rest = kept
    assert isinstance(note, Message)
    assert note.role == "user"
    assert "Siobhan Ní Bhriain" in note.content
    assert 'cancel({"code": "KX41"}): "Cancelled."' in note.content
    assert list(rest) == history[-len(rest) :]
    assert isinstance(rest[0], Message)
    assert rest[0].role == "user"


def test_a_name_that_was_given_late_is_kept_too() -> None:
    history = a_call(50)
    history[60:60] = [Message("user", "oh and my name is Brandvoll by the way")]
    history += a_call(300)[2:]
    note = within_budget(history, BUDGET)[0]
    assert isinstance(note, Message)
    assert "Brandvoll" in note.content


def test_requests_begin_alike_for_many_turns() -> None:
    history = a_call(300)
    beginnings = {
        tuple(map(str, within_budget(history[:end], BUDGET)[:2])) for end in range(400, 600)
    }
    assert len(beginnings) < 30


def a_round(size: int) -> list[Entry]:
    calls = [ToolCall(f"id{number}", "look", "{}") for number in range(size)]
    return [*calls, *(ToolResult(call.id, "nothing") for call in calls)]


ENTRIES: st.SearchStrategy[list[Entry]] = st.lists(
    st.builds(lambda text: [Message("user", text)], st.text(min_size=1, max_size=300))
    | st.builds(lambda text: [Message("assistant", text)], st.text(min_size=1, max_size=300))
    | st.builds(a_round, st.integers(1, 2)),
    max_size=40,
).map(lambda parts: [entry for part in parts for entry in part])


@given(ENTRIES, st.integers(100, 2000))
def test_tool_rounds_stay_whole_and_the_budget_is_kept_but_for_the_last_turn(
    history: list[Entry], budget: int
) -> None:
    kept = within_budget(history, budget)
    if kept is history:
        return
    note, *rest = kept
    assert isinstance(note, Message)
    assert rest == history[len(history) - len(rest) :]
    calls = [entry.id for entry in rest if isinstance(entry, ToolCall)]
    assert calls == [entry.id for entry in rest if isinstance(entry, ToolResult)]
    assert isinstance(rest[0], Message)
    assert rest[0].role == "user"
    users = [e for e in rest if isinstance(e, Message) and e.role == "user"]
    assert estimated_tokens(kept) <= budget or len(users) == 1 or budget < 300


def test_one_turn_is_never_cut() -> None:
    turn: Sequence[Entry] = [Message("user", "x" * 100_000)]
    assert within_budget(turn, BUDGET) is turn


def test_other_scripts_are_not_taken_for_english() -> None:
    assert estimated_tokens([Message("user", "很高兴" * 100)]) > 200
