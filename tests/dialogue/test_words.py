"""Words as they are compared and counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.manners import BACKCHANNELS
from avr_sts_speechmatics.dialogue.words import (
    count_words,
    has_words,
    letter_like,
    plain,
    speech_seconds,
    word_ends,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Well, I'd like TWO!", "well i d like two"),
        ("  über   uns.", "über uns"),
        ("...", ""),
        ("KX-41", "kx 41"),
        ("हिन्दी में!", "हिन्दी में"),  # a vowel sign is part of its word
        ("اِنْتَظِرْ، لحظة؟", "اِنْتَظِرْ لحظة"),
        ("หยุดก่อน", "หยุดก่อน"),
        ("等一下，好吗？", "等一下 好吗"),
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


# --- languages without spaces between words -----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("停", 1),
        ("等一下", 2),
        ("不好意思，我想改时间", 5),
        ("はい", 1),
        ("ちょっと待って", 2),
        ("ครับ", 1),
        ("หยุดก่อน", 2),
        ("잠깐만요", 1),
        ("잠깐만요 그게 아니고", 3),
        ("انتظر لحظة من فضلك", 4),
        ("اِنْتَظِرْ", 1),
        ("हिन्दी में", 2),
        ("iPhone手机", 2),
    ],
)
def test_words_are_counted_as_their_language_has_them(text: str, expected: int) -> None:
    assert count_words((text,), BACKCHANNELS) == expected


def test_a_backchannel_without_spaces_is_one_where_it_stands_alone() -> None:
    assert count_words(("嗯，等一下",), ("嗯",)) == 2
    assert count_words(("嗯。",), ("嗯",)) == 0
    assert count_words(("嗯",), ()) == 1


@given(st.text())
def test_a_text_with_words_counts_at_least_one(text: str) -> None:
    assert (count_words((text,)) > 0) == has_words(text.replace("'", "").replace("’", ""))


def test_a_word_is_cut_between_signs_and_not_before_a_vowel_or_a_full_stop() -> None:
    ends = list(word_ends("你好。อยู่ที่ไหน ok"))
    assert ends == [1, 3, 4, 7, 10, 12, 13, 16]


def test_a_sign_that_is_a_syllable_takes_longer_than_a_letter() -> None:
    assert speech_seconds("x" * 28) == 2
    assert speech_seconds("我们的营业时间是九点到下午五点。" * 2) == pytest.approx(6.6, abs=0.5)


@given(st.characters(categories=("L", "M")))
def test_a_masked_letter_is_cut_and_counted_like_the_letter(letter: str) -> None:
    mask = letter_like(letter)
    assert letter_like(mask) == mask
    for text in (letter, f"a{letter}b", f"{letter} {letter}", f"字{letter}字", f"ก{letter}ก"):
        assert list(word_ends(text)) == list(word_ends(text.replace(letter, mask)))
