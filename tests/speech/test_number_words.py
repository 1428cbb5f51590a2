"""The words of numbers: whole, in groups, one after the other, and as a year."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.speech.number_words import (
    COUNTABLE,
    cardinal,
    digits,
    grouped,
    number,
    ordinal,
    year_words,
)

DIGITS = st.text("0123456789", min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("say", "written", "said"),
    [
        (digits, "553", "five five three"),
        (digits, "5-5 (3)", "five five three"),
        (cardinal, "0", "zero"),
        (cardinal, "1,250", "one thousand two hundred and fifty"),
        (number, "3.05", "three point zero five"),
        (number, ".5", "zero point five"),
        (ordinal, "21", "twenty-first"),
        (year_words, "1999", "nineteen ninety-nine"),
        (year_words, "2005", "two thousand and five"),
        (year_words, "1905", "nineteen oh five"),
        (year_words, "05", "oh five"),
        (year_words, "26", "twenty-six"),
    ],
)
def test_a_number_has_the_words_people_use(
    say: Callable[[str], str], written: str, said: str
) -> None:
    assert say(written) == said


@given(DIGITS)
def test_digits_have_a_word_each_in_their_order(written: str) -> None:
    one = dict(zip("0123456789", digits("0123456789").split(), strict=True))
    assert digits(written).split() == [one[digit] for digit in written]


@given(DIGITS)
def test_groups_have_all_digits_and_no_group_stands_for_one_of_several(written: str) -> None:
    groups = [group.split() for group in grouped(written).split(", ")]
    assert grouped(written).replace(",", "") == digits(written)
    sizes = [len(group) for group in groups]
    assert max(sizes) <= 4
    assert len(written) == 1 or min(sizes) >= 2


@given(st.integers(0, 10**COUNTABLE - 1))
def test_commas_between_thousands_change_nothing_and_words_no_pause(value: int) -> None:
    assert cardinal(f"{value:,}") == cardinal(str(value))
    assert ordinal(f"{value:,}") == ordinal(str(value))
    assert "," not in cardinal(str(value))


@given(st.text("123456789", min_size=COUNTABLE + 1, max_size=40))
def test_a_number_too_long_to_follow_is_said_in_groups(written: str) -> None:
    assert cardinal(written) == grouped(written)
    assert ordinal(written) == f"{grouped(written)}th"
