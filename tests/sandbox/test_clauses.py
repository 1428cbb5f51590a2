"""Text for the TTS engine: numbers as words, cut into clauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.sandbox.clauses import LONG_CLAUSE, clauses, readable


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It is 3:30 pm.", "It is 3 30 PM."),
        ("Come at 9:05 or 10:00.", "Come at 9 oh 5 or 10 o'clock."),
        ("I am open at 9am, not 9 p.m. today.", "I am open at 9 AM, not 9 PM today."),
        ("Order 553882.", "Order five five three, eight eight two."),
        ("Order 553-882, right?", "Order five five three, eight eight two, right?"),
        ("Call 0 7 9.", "Call zero seven nine."),
        ("Room 12 in 2026.", "Room 12 in 2026."),
        ("It costs £25.50.", "It costs 25 pounds and 50 pence."),
        ("It costs $1,250.00.", "It costs 1,250 dollars."),
        ("About 1,250,000 people.", "About 1,250,000 people."),
        ("50% of A & B.", "50 percent of A and B."),
        ("See www.example.com.", "See w w w dot example dot com."),
        ("Write to me@example.org!", "Write to me at example dot org!"),
        ("A “café” – really…", "A cafe , really."),
        ("**Bold** and #5", "Bold and number 5"),
        ("日本", ""),
    ],
)
def test_times_numbers_prices_and_addresses_become_words(text: str, spoken: str) -> None:
    assert readable(text) == spoken


def test_sentences_are_spoken_one_by_one() -> None:
    text = "Hello. How can I help you? Just say it!"
    assert list(clauses(text)) == ["Hello.", "How can I help you?", "Just say it!"]


def test_a_long_sentence_is_cut_at_a_comma_and_a_short_one_is_not() -> None:
    assert list(clauses("Yes, of course, sir.")) == ["Yes, of course, sir."]
    long = "On Saturday we are open from ten in the morning, and on Sunday we are closed."
    assert len(list(clauses(long))) == 2


@given(st.text())
def test_clauses_are_never_empty_or_too_long_and_no_word_is_lost(text: str) -> None:
    pieces = list(clauses(text))
    assert all(piece.strip() and len(piece) <= LONG_CLAUSE for piece in pieces)
    said = "".join("".join(pieces).split())
    wanted = "".join(readable(text).split())
    assert sorted(c for c in said if c.isalnum()) == sorted(c for c in wanted if c.isalnum())
