"""Words as they are compared and counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.manners import BACKCHANNELS
from avr_sts_speechmatics.dialogue.words import count_words, has_words, plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Well, I'd like TWO!", "well i d like two"),
        ("  über   uns.", "über uns"),
        ("...", ""),
        ("KX-41", "kx 41"),
    ],
)
def test_punctuation_and_capitals_do_not_matter(text: str, expected: str) -> None:
    assert plain(text) == expected


@given(st.text())
def test_plain_words_are_plain_already(text: str) -> None:
    # Some capitals have a lower case that has a lower case of its own.
    once = plain(plain(text))
    assert plain(once) == once


@given(st.text())
def test_text_has_words_if_and_only_if_something_plain_is_left(text: str) -> None:
    assert has_words(text) == bool(plain(text))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("Mhm.",), 0),
        (("Yeah, okay.",), 0),
        (("Yeah, okay, but when?",), 2),
        (("uh-huh", "I see"), 0),
        (("I see two",), 1),
        (("don't stop",), 2),
        ((), 0),
    ],
)
def test_backchannels_do_not_count(texts: tuple[str, ...], expected: int) -> None:
    assert count_words(texts, BACKCHANNELS) == expected


@given(st.lists(st.sampled_from(["yeah", "two", "uh huh", "stop", "ok"])))
def test_without_backchannels_every_word_counts(words: list[str]) -> None:
    assert count_words(words, ()) == sum(len(word.split()) for word in words)
    assert count_words(words, BACKCHANNELS) == sum(word in ("two", "stop") for word in words)
