"""How what is written is said: figures and signs as words, words as they are."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.speech.reading_examples import examples

from avr_sts_speechmatics.speech import number_words
from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.sentences import LONGEST_CHARS

EXAMPLES = """
Of course, I can do that for you. | Of course, I can do that for you.
Ask Dr. Smith, e.g. at noon... really?! | Ask Dr. Smith, e.g. at noon... really?!
R&D, tea + milk | R and D, tea plus milk
tea/coffee, and/or, n/a | tea or coffee, and or, n/a
x² ≤ 5, a < b | x squared at most five, a less than b
<5 days, >10, √9, 90° | less than five days, more than ten, the square root of nine, ninety degrees
my_file w/ milk w/o sugar | my file with milk without sugar
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize("language", ["cmn", "ja", "ar", "sv", "tlh"])
@pytest.mark.parametrize(
    "text", ["Das kostet 25 Euro.", "am 3. Mai um 14:30", "1.234,56 €", "25元", "5 km & 3 kg", "#5"]
)
def test_figures_of_a_language_without_a_pack_are_left_to_its_voice(
    text: str, language: str
) -> None:
    assert spoken(text, language) == text


@pytest.mark.parametrize("language", ["en", "en-GB", "en_ta", "EN"])
def test_english_of_any_region_is_converted(language: str) -> None:
    assert spoken("5 km", language) == "five kilometres"


# --- whatever a model writes -------------------------------------------------------------------

PIECES = st.sampled_from(
    "0 1 5 9 12 21st 305 1,250 1999 2026 553882 3.5 .5 12,50 9:30 14:00 25:61 9am 9 a.m. p.m. "
    "$3.50 €12 £1,250.99 20 USD US$ % 3% $ £ & + - – — / : . , = × x # ° °C km km/h kg m ½ 1/2 "
    "2026-11-23 23/11/2026 99/99/9999 0000-01-01 Nov May 23rd of the November 24:00 "
    "+44 555-0123 0800 (0) ext. No. order number PIN a.b@example.com example.com @ .com and/or T "
    "1990s 1.2.3 192.168.1.1 A380 GPT-4 ~5 '5 AT&T tea/coffee 東京 ٣ ² ④ — I o'clock".split()
) | st.sampled_from([" ", "  ", ", ", ". ", "-", "\n", "(", ")"])
TEXTS = (
    st.lists(PIECES, max_size=40).map("".join)
    | st.lists(PIECES, max_size=40).map(" ".join)
    | st.text(max_size=LONGEST_CHARS)
    | st.text("0123456789.,:/-+$%@ aApm", max_size=LONGEST_CHARS)
)
WORDS = st.lists(
    st.sampled_from(["apples", "Pears", "don't", "naïve", "Straße", "well-known", "東京", "yes,"])
    | PIECES,
    max_size=40,
)


@settings(deadline=None)
@given(TEXTS)
@example("9" * 5000)
@example("0." + "1" * 5000)
def test_no_figure_is_left_to_the_voice(text: str) -> None:
    assert not any(c.isdecimal() for c in spoken(text))


@settings(deadline=None)
@given(TEXTS)
def test_converting_twice_equals_converting_once(text: str) -> None:
    assert spoken(spoken(text)) == spoken(text)


@settings(deadline=None)
@given(TEXTS)
def test_a_text_grows_within_bounds(text: str) -> None:
    assert len(spoken(text)) <= 20 + 24 * len(text)


@settings(deadline=None)
@given(WORDS)
def test_words_stay_as_they_are_and_in_their_order(pieces: list[str]) -> None:
    known = r"apples|Pears|don't|naïve|Straße|well-known|yes,"
    text = " ".join(pieces)
    assert re.findall(known, spoken(text)) == re.findall(known, text)


@given(st.text(st.sampled_from("abcXYZ äé东 ,;!?'\"()-")))
def test_text_without_figures_is_unchanged(text: str) -> None:
    assert spoken(text) == text


# --- when something is wrong -------------------------------------------------------------------


def test_text_that_cannot_be_converted_is_unchanged_and_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(number: int, rules: str) -> str:
        raise ValueError(number)

    monkeypatch.setattr(number_words, "_by_rule", broken)
    assert spoken("Order 553882 & more.") == "Order 553882 & more."
    assert "ValueError" in caplog.text
    assert "553882" not in caplog.text
