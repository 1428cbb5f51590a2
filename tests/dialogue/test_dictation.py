"""Numbers, dates, addresses, spellings: is more to come?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.dictation import asks_for_dictation, is_dictation


@pytest.mark.parametrize(
    "text",
    [
        "What is your phone number?",
        "Could you spell that for me?",
        "And your date of birth?",
        "Please tell me your postcode.",
        "Which e-mail address can I write to?",
        "May I have the booking reference?",
    ],
)
def test_an_agent_asks_for_what_is_said_in_pieces(text: str) -> None:
    assert asks_for_dictation(text)


@pytest.mark.parametrize(
    "text", ["", "How can I help you?", "We are open from nine to five.", "Anything else?"]
)
def test_other_questions_do_not(text: str) -> None:
    assert not asks_for_dictation(text)


@pytest.mark.parametrize(
    "text",
    ["four four one", "It's 0 7 9", "My number is 0791", "That's B R A", "oh seven double nine."],
)
def test_several_figures_or_letters_at_the_end_are_dictation_though_nobody_asked(text: str) -> None:
    assert is_dictation(text, asked=False)


@pytest.mark.parametrize(
    "text",
    [
        "A table for two.",
        "I need twenty five",  # as many people say it, it is over
        "Four four one is my number, thanks.",
        "Is it open at 10:30?",
        "Do you have room 4 4 1?",
        "I am a member",
        "",
    ],
)
def test_other_words_are_not_dictation_if_nobody_asked(text: str) -> None:
    assert not is_dictation(text, asked=False)


@pytest.mark.parametrize(
    "text", ["nine", "twelve Baker Street", "It is the third of May", "S for sugar", "at 221"]
)
def test_when_it_was_asked_for_one_figure_near_the_end_is_enough(text: str) -> None:
    assert is_dictation(text, asked=True)


@pytest.mark.parametrize("text", ["I don't know it.", "Why do you need that?", "Is it a must"])
def test_when_it_was_asked_for_other_answers_end_the_turn_as_always(text: str) -> None:
    assert not is_dictation(text, asked=True)


def test_a_time_of_day_is_not_the_beginning_of_a_number() -> None:
    assert not is_dictation("At 10:30", asked=False)
    assert not is_dictation("At 10.30", asked=True)


@given(st.text(alphabet="0123456789", min_size=3, max_size=12), st.booleans())
def test_figures_are_dictation_in_any_grouping(figures: str, asked: bool) -> None:
    assert is_dictation(figures, asked=asked)
    assert is_dictation(" ".join(figures), asked=asked)


@given(st.text())
def test_what_is_dictation_unasked_is_so_when_asked_for(text: str) -> None:
    if is_dictation(text, asked=False):
        assert is_dictation(text, asked=True)
