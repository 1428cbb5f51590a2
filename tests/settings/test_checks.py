"""Checks of single values, as the settings apply them."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settings.environment import KEYS, error_of, given_that

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import DECLARATIONS, checks
from avr_sts_speechmatics.values import VocabEntry

NAMES = [name.upper() for name in DECLARATIONS]


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faq.yaml").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = given_that(FAQ_FILE="~/faq.yaml", TOOLS_DIR="~")
    assert (settings.faq_file, settings.tools_dir) == (tmp_path / "faq.yaml", tmp_path)


# --- keys and passwords ------------------------------------------------------------------------


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "key", ["very secret", "very\nsecret", "very\x00secret", "“very-secret”", "very\u200bsecret"]
)
def test_a_key_that_was_copied_wrongly_is_rejected_and_not_shown(name: str, key: str) -> None:
    error = error_of({name: key})
    assert error.startswith(f"{name}=(not shown): ")
    assert "secret" not in error


WITH_PASSWORDS = ("REDIS_URL", "DATABASE_URL")
"""Addresses whose password has no setting of its own."""


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "_URL" in name and name not in WITH_PASSWORDS]
)
def test_a_password_in_an_address_is_rejected_and_not_shown(name: str) -> None:
    scheme = "wss" if name.endswith("RT_URL") else "https"
    error = error_of({name: f"{scheme}://me:hunter2@proxy.example/v1"})
    assert error.startswith(name)
    assert "without a user name or password" in error
    assert "hunter2" not in error


# --- words to expect ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "Brandvoll, Siobhan",
        '["Brandvoll", "Siobhan"]',
        '[{"content": "Brandvoll"}, {"content": "Siobhan", "sounds_like": []}]',
        'Brandvoll,, ,"Siobhan",'.replace('"', ""),
        '["Brandvoll", " ", {"content": ""}, "Siobhan"]',
    ],
)
def test_words_to_expect_may_be_written_either_way(value: str) -> None:
    entries = given_that(SPEECHMATICS_ADDITIONAL_VOCAB=value).speechmatics_additional_vocab
    assert entries == (VocabEntry("Brandvoll"), VocabEntry("Siobhan"))


@pytest.mark.parametrize("name", ["SPEECHMATICS_ADDITIONAL_VOCAB", "SPEECHMATICS_WELCOME_MESSAGE"])
def test_words_that_are_not_valid_text_are_rejected(name: str) -> None:
    error = error_of({name: '["caf\udce9"]'})
    assert "not text in UTF-8" in error
    assert error.isprintable()


def test_words_that_no_speech_can_be_are_rejected() -> None:
    assert "JSON list" in error_of({"SPEECHMATICS_ADDITIONAL_VOCAB": '["caf\\udce9", 1]'})


def test_a_word_may_say_how_it_sounds() -> None:
    value = '["AVR", {"content": "Siobhan", "sounds_like": ["shiv awn", "chevonne"]}]'
    assert given_that(SPEECHMATICS_ADDITIONAL_VOCAB=value).speechmatics_additional_vocab == (
        VocabEntry("AVR"),
        VocabEntry("Siobhan", ("shiv awn", "chevonne")),
    )


# --- any text ----------------------------------------------------------------------------------


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e6, 0), st.floats(0, 1e6))
def test_a_number_is_accepted_exactly_within_its_limits(
    number: float, low: float, high: float
) -> None:
    parse = checks.number(low, high, "seconds")
    if low <= number <= high:
        assert parse(repr(number)) == number
    else:
        with pytest.raises(InvalidValue, match="give a number of seconds from"):
            parse(repr(number))


@given(st.integers(), st.integers(-1000, 0), st.integers(0, 100_000))
def test_a_whole_number_is_accepted_exactly_within_its_limits(
    number: int, low: int, high: int
) -> None:
    parse = checks.whole(low, high)
    if low <= number <= high:
        assert parse(str(number)) == number
    else:
        with pytest.raises(InvalidValue, match=f"from {low} to {high}"):
            parse(str(number))


@given(st.lists(st.integers(1, 65535)))
def test_ports_keep_their_order_and_each_port_stands_once(ports: list[int]) -> None:
    parsed = checks.ports(", ".join(map(str, ports)))
    assert sorted(parsed) == sorted(set(ports))
    assert list(parsed) == sorted(parsed, key=ports.index)


@given(st.lists(st.text(string.ascii_letters + "äöü .!?", max_size=12)))
def test_phrases_stay_the_same_when_they_are_parsed_again(written: list[str]) -> None:
    phrases = checks.phrases(",".join(written))
    assert all(phrase and phrase == " ".join(phrase.lower().split()) for phrase in phrases)
    assert checks.phrases(",".join(phrases)) == phrases


@given(st.text(max_size=40))
def test_a_base_address_ends_without_a_slash_unless_it_has_a_query(path: str) -> None:
    try:
        base = checks.base_url("https")(f"https://host/{path}")
    except InvalidValue:
        return
    assert base.startswith("https://host")
    assert "?" in base or not base.endswith("/")


# --- truth values --------------------------------------------------------------------------------

TRUTHS = [n.upper() for n, one in DECLARATIONS.items() if one.parse is checks.yes_or_no]
SWITCHES = [n.upper() for n, one in DECLARATIONS.items() if one.parse is checks.on_or_off]


@pytest.mark.parametrize("name", [*TRUTHS, *SWITCHES])
@pytest.mark.parametrize("holds", [True, False])
def test_a_truth_value_may_be_written_in_every_usual_way(name: str, holds: bool) -> None:
    words = (
        ("on", "true", "yes", "1", "ON", "True") if holds else ("off", "false", "no", "0", "OFF")
    )
    meant = ("on" if holds else "off") if name in SWITCHES else holds
    for word in words:
        assert getattr(given_that(**{name: word}), name.lower()) == meant


@pytest.mark.parametrize("word", ["off", "false", "no", "0"])
def test_barge_in_can_be_switched_off_in_every_usual_way(word: str) -> None:
    assert given_that(BARGE_IN=word).barge_in == "off"
