"""Sentences that are not over though the turn is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.unfinished import is_unfinished


@pytest.mark.parametrize(
    "text",
    [
        "I would like to book.",
        "I'd like to",
        "I would like to make",
        "Hello, I want to book",
        "We need",
        "Can I get",
        "I need a table for",
        "It is about the",
        "I'd like to speak with someone in.",
        "I called yesterday because",
        "A table for two and",
        "Um.",
        "My name is",
        "The booking number is",
        "Yes, I'm",
        "On Friday,",
        "Well...",
        "I was wondering if",
    ],
)
def test_more_is_to_come(text: str) -> None:
    assert is_unfinished(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would like to book a table for two.",
        "Yes.",
        "Yes, I do.",
        "Yes I am.",
        "No, thank you.",
        "When do you open?",
        "Where are you from",
        "Who am I talking to?",
        "I don't want to.",
        "I'd love to.",
        "I would like to cancel my order",
        "Please hold on.",
        "I can't log in.",
        "Tomorrow at five",
        "That's what I want.",
        "Stop!",
        "Four four one",
    ],
)
def test_the_sentence_is_whole(text: str) -> None:
    assert not is_unfinished(text)


@pytest.mark.parametrize(
    ("language", "unfinished", "whole"),
    [
        ("de", "Ich möchte gerne", "Ich möchte einen Tisch."),
        ("de", "Ein Tisch für", "Ich rufe später an."),
        ("fr", "Je voudrais une", "Je voudrais une table."),
        ("es", "Quisiera una mesa para", "Una mesa para dos."),
        ("it", "Vorrei prenotare un", "Vorrei prenotare un tavolo."),
        ("pt", "Queria uma mesa para", "Uma mesa para dois."),
        ("nl", "Ik wil graag een", "Een tafel voor twee."),
        ("pl", "Chciałbym,", "Chciałbym stolik dla"),
    ],
)
def test_other_languages_have_their_own_words(language: str, unfinished: str, whole: str) -> None:
    assert is_unfinished(unfinished, language)
    assert not is_unfinished(whole, language)


def test_a_region_does_not_change_the_language() -> None:
    assert is_unfinished("I would like to", "en-GB")
    assert not is_unfinished("I would like to", "de-AT")


@given(st.text(max_size=60), st.sampled_from(["en", "de", "fr", "xx", ""]))
def test_any_text_has_an_answer_and_a_question_is_whole(text: str, language: str) -> None:
    assert is_unfinished(text, language) in (True, False)
    assert not is_unfinished(text + "?", language)
