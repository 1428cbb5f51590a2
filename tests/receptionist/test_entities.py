"""Digits, names, days and times in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.receptionist import entities


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("five five three, eight eight two", "553882"),
        ("The reference is 553-882.", "553882"),
        ("5, 5, 3, 8, 8, 2.", "553882"),
        ("double five three and triple eight", "553888"),
        ("oh seven nine oh", "0790"),
        ("twenty three forty five", "2345"),
        ("nineteen ninety five", "1995"),
        ("Oh, I see", ""),
        ("at half past three", "3"),
        ("at 3:30 pm", ""),
        ("it was £25.50", ""),
    ],
)
def test_digits_are_found_in_any_notation(text: str, digits: str) -> None:
    assert entities.digits(text) == digits


@given(st.text("0123456789", min_size=1, max_size=12))
def test_a_number_read_back_is_recognised_as_that_number(digits: str) -> None:
    assert entities.digits(entities.spoken(digits)) == digits
    assert entities.only_digits(entities.spoken(digits))


def test_keys_are_spoken_by_name() -> None:
    assert entities.keys("[keys: 1 2 #]") == "12#"
    assert entities.spoken("1*#") == "one star hash"
    assert entities.keys("one two") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My name is Anna Smith and I", "Anna Smith"),
        ("my name's o'Brien.", "O'Brien"),
        ("This is John speaking.", "John"),
        ("Call me back, please.", None),
        ("This is Tuesday.", None),
        ("My name is not important.", None),
    ],
)
def test_the_callers_name_is_found(text: str, name: str | None) -> None:
    assert entities.name(text) == name


@pytest.mark.parametrize(
    ("text", "day", "time"),
    [
        ("next Tuesday at half past three", "next Tuesday", "half past three"),
        ("on Monday at 10 am", "Monday", "10 am"),
        ("tomorrow at 3:30", "tomorrow", "3:30"),
        ("the day after tomorrow in the morning", "the day after tomorrow", "morning"),
        ("on the 5th of May at noon", "the 5th of May", "noon"),
        ("at quarter to eight o'clock", None, "quarter to eight o'clock"),
        ("I may come", None, None),
    ],
)
def test_days_and_times_are_found(text: str, day: str | None, time: str | None) -> None:
    assert entities.day(text) == day
    assert entities.time_of_day(text) == time


@given(st.text())
def test_any_text_is_parsed_without_an_error(text: str) -> None:
    entities.plain(text)
    entities.keys(text)
    entities.digits(text)
    entities.only_digits(text)
    entities.name(text)
    entities.day(text)
    entities.time_of_day(text)
