"""What a dialogue remembers, value by value."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.state import CallerTurn, Kind, Patience, Reply


@given(st.lists(st.text(min_size=1)), st.booleans())
def test_taking_the_text_of_a_turn_begins_a_new_turn(segments: list[str], held_open: bool) -> None:
    turn = CallerTurn(segments=list(segments), held_open=held_open)
    assert turn.take_text() == " ".join(segments)
    assert (turn.segments, turn.held_open, turn.text) == ([], False, "")


def test_a_turn_is_open_while_anything_of_it_may_follow() -> None:
    assert not CallerTurn().is_open
    assert CallerTurn(speaking=True).is_open
    assert CallerTurn(guess="may").is_open
    assert CallerTurn(segments=["I would"]).is_open
    assert not CallerTurn(late=["please"], unanswered=True, keys="12").is_open


def test_words_that_are_answered_later_are_owed_an_answer_and_taken_once() -> None:
    turn = CallerTurn()
    turn.answer_later("one more thing")
    assert turn.unanswered
    assert list(turn.take_late()) == ["one more thing"]
    assert list(turn.take_late()) == []


def test_only_the_models_replies_are_answers() -> None:
    assert [kind for kind in Kind if Reply(1, kind).is_answer] == [Kind.ANSWER]


def test_fillers_are_used_in_turn_and_never_run_out() -> None:
    patience = Patience.of(Manners(fillers=("One moment.", "Let me see.")))
    said = [next(patience.fillers) for _ in range(3)]
    assert said == ["One moment.", "Let me see.", "One moment."]
