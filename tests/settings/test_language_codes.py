"""Languages by name, by another standard's code, as a locale."""

import pytest

from avr_sts_speechmatics.settings.language_codes import _NAMES, code_meant


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("German", "de"),
        ("deutsch", "de"),
        ("de-DE", "de"),
        ("de_DE", "de"),
        ("de_DE.UTF-8", "de"),
        ("en-US", "en"),
        ("ENGLISH", "en"),
        ("Français", "fr"),
        ("jp", "ja"),
        ("zh", "cmn"),
        ("zh-CN", "cmn"),
        ("ger", "de"),
    ],
)
def test_what_is_no_code_names_the_code(text: str, code: str) -> None:
    assert code_meant(text) == code


@pytest.mark.parametrize("code", [*_NAMES, "en_ta", "cmn_en", "cmn_en_ms_ta", "ar_en", "xx", "DE"])
def test_a_code_of_speechmatics_or_one_that_nobody_knows_is_none_to_correct(code: str) -> None:
    assert code_meant(code) is None
