"""What is known of the written form of a language."""

import pytest

from avr_sts_speechmatics.speech.languages import language_of, primary


@pytest.mark.parametrize(
    ("language", "first"),
    [("en", "en"), ("en_ta", "en"), ("en-GB", "en"), ("EN-us", "en"), ("de", "de"), ("cmn", "cmn")],
)
def test_a_language_with_a_region_is_that_language(language: str, first: str) -> None:
    assert primary(language) == first
    assert language_of(language).code == first


def test_languages_that_are_written_alike_share_rules() -> None:
    assert language_of("nb") is language_of("no")


def test_a_language_that_is_not_listed_has_the_rules_that_all_share() -> None:
    unknown = language_of("eo")
    assert "dr" in unknown.never_last
    assert not unknown.has_ordinal_dot


@pytest.mark.parametrize("code", ["de", "da", "no", "cs", "pl", "sk", "hu", "fi", "hr", "sl", "et"])
def test_a_figure_with_a_dot_is_an_ordinal_number_in_some_languages(code: str) -> None:
    assert language_of(code).has_ordinal_dot
    assert not language_of("en").has_ordinal_dot


@pytest.mark.parametrize(
    "code", "en de es fr it pt nl da no sv fi pl cs sk hu tr hr sl ru uk".split()
)
def test_no_abbreviation_has_two_meanings(code: str) -> None:
    language = language_of(code)
    assert language.never_last
    assert not language.never_last & language.perhaps_last
    assert not any(word.endswith(".") for word in language.never_last | language.perhaps_last)


@pytest.mark.parametrize("code", "en de fr it es pt nl".split())
def test_a_word_before_which_a_sentence_is_cut_is_no_number_and_no_unit(code: str) -> None:
    language = language_of(code)
    begins = language.joins | language.prepositions
    assert begins
    assert not begins & language.numbers
    assert not language.joins & language.prepositions
    assert language.links


def test_the_beginnings_of_abbreviations_are_known() -> None:
    assert {"i", "e"} <= language_of("en").begun
    assert "dott" in language_of("it").begun
    assert "ee" in language_of("es").begun
