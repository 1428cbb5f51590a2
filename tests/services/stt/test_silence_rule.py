"""The end of a turn by words alone."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.services.stt.silence_rule import SilenceRule


def test_without_words_no_turn_ends() -> None:
    rule = SilenceRule(1.0)
    assert not rule.is_over(1000.0)


def test_other_words_extend_the_turn_and_repeated_words_do_not() -> None:
    rule = SilenceRule(1.0)
    rule.words_heard("I", 0.0)
    rule.words_heard("I would", 0.9)
    assert not rule.is_over(1.8)
    rule.words_heard("I would", 1.8)
    assert rule.is_over(1.9)


def test_the_next_turn_begins_without_the_words_of_the_last() -> None:
    rule = SilenceRule(1.0)
    rule.words_heard("Yes", 0.0)
    rule.turn_ended()
    assert not rule.is_over(5.0)
    rule.words_heard("Yes", 5.0)
    assert not rule.is_over(5.9)
    assert rule.is_over(6.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.001, 0.9)), min_size=1))
def test_a_turn_is_not_over_while_words_change_faster_than_the_silence(
    spoken: list[tuple[str, float]],
) -> None:
    rule, now, words = SilenceRule(1.0), 0.0, ""
    for letter, pause in spoken:
        words += letter
        rule.words_heard(words, now)
        assert not rule.is_over(now + pause)
        now += pause
    assert rule.is_over(now + 1.0)
