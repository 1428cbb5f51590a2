"""A rule finds numbers as they are written, and says the same words for each or none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.speech.reading_rule import ALONE, NUM, N, rules, saying


@given(st.integers(0, 10**15))
def test_a_whole_number_is_found_whole_with_and_without_commas(value: int) -> None:
    for written in (str(value), f"{value:,}"):
        assert re.fullmatch(N, written)
        found = re.search(NUM, f"about {written}.5 of them")
        assert found is not None
        assert found[0] == f"{written}.5"


@pytest.mark.parametrize(
    ("text", "found"),
    [("5 or 6", ["5", "6"]), ("A5, 1.5, x_7", ["1"]), ("1,2", ["1"]), ("no. 12", ["12"])],
)
def test_a_number_that_ends_something_else_is_not_alone(text: str, found: list[str]) -> None:
    assert re.findall(rf"{ALONE}\d+", text) == found


def test_a_rule_says_its_words_with_what_it_found() -> None:
    ((pattern, say),) = rules((r"(\d) x (\d)", saying(r"\1 by \2")))
    found = pattern.search("it is 4 x 6 m")
    assert found is not None
    assert say(found) == "4 by 6"
