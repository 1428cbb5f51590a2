"""Calls and turns in words: they are found in a text with any case and punctuation."""

from bench.codewords import LIMIT, Turn, answer, find, letters, question, so_far
from hypothesis import given
from hypothesis import strategies as st

turns = st.builds(Turn, st.integers(0, LIMIT - 1), st.integers(0, LIMIT - 1))


@given(turns)
def test_a_turn_is_found_in_its_question_and_in_each_sentence_of_its_answer(turn: Turn) -> None:
    assert find(question(turn)) == turn
    assert [find(sentence) for sentence in answer(turn)] == [turn] * 3


@given(turns)
def test_case_spacing_and_punctuation_do_not_matter(turn: Turn) -> None:
    sentence = answer(turn)[0]
    assert find(f"  {sentence.upper().replace(' ', '  ')}!") == turn
    assert letters(sentence) == letters(sentence.lower().rstrip("."))


@given(turns, turns)
def test_the_last_turn_named_in_a_text_counts(before: Turn, now: Turn) -> None:
    assert find(f"{question(before)} {question(now)}") == now


def test_a_text_without_a_turn_has_none() -> None:
    assert find("I'm sorry, I had a problem just now.") is None
    assert find("call one two turn three four") is None


@given(turns, st.floats(0, 0.9))
def test_half_a_question_names_no_turn_and_its_whole_words_begin_the_question(
    turn: Turn, share: float
) -> None:
    guess, words = (so_far(turn, share, settled=settled) for settled in (False, True))
    assert find(guess) is find(words) is None
    assert question(turn).startswith(guess)
    assert guess.startswith(words)
    assert question(turn).split()[: len(words.split())] == words.split()


@given(turns, st.booleans())
def test_a_complete_question_names_its_turn(turn: Turn, settled: bool) -> None:
    assert so_far(turn, 1.0, settled=settled) == question(turn)


def test_an_answer_to_half_a_question_names_no_turn() -> None:
    assert [find(sentence) for sentence in answer(None)] == [None] * 3
