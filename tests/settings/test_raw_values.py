"""Values as docker, Windows and other programs hand them on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settings.environment import KEYS, NEEDS, NO_FILE, error_of, given_that

from avr_sts_speechmatics.settings import DEFAULTS, checks, load_and_warn
from avr_sts_speechmatics.settings.raw_values import cleaned
from avr_sts_speechmatics.settings.settings import DECLARATIONS
from avr_sts_speechmatics.values import Secret

NAMES = [name.upper() for name in DECLARATIONS]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", ' "{}" ', '"{}"\r', "\ufeff{}", "{} \u200b"])
def test_a_key_is_taken_without_what_is_around_it(name: str, quoted: str) -> None:
    loaded = load_and_warn({name: quoted.format("hunter2hunter2")}, NO_FILE)
    assert getattr(loaded.settings, name.lower()) == Secret("hunter2hunter2")
    quotes = [f"{name}: the quotes around the value are removed."]
    assert list(loaded.warnings) == (quotes if "'" in quoted or '"' in quoted else [])


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("PORT", '"6050"', 6050),
        ("PORT", "6050\r", 6050),
        ("PORT", "6050 # ours", 6050),
        ("PORT", '"6050" # ours', 6050),
        ("SPEECHMATICS_VOICE", "'theo'", "theo"),
        ("SPEECHMATICS_VOICE", "theo   # UK", "theo"),
        ("OPENAI_BASE_URL", '"http://localhost:11434/v1/"', "http://localhost:11434/v1"),
        ("LOG_TRANSCRIPTS", '"true"', True),
        ("SPEECHMATICS_WELCOME_MESSAGE", '"Hello, you!"', "Hello, you!"),
    ],
)
def test_what_docker_keeps_around_a_value_is_removed(name: str, text: str, meant: object) -> None:
    assert getattr(given_that(**{name: text}), name.lower()) == meant


@pytest.mark.parametrize("text", ['"Yes" or "No"?', "Press # now", "It's Ann's"])
def test_what_belongs_to_a_text_stays(text: str) -> None:
    loaded = load_and_warn({"SPEECHMATICS_WELCOME_MESSAGE": text}, NO_FILE)
    assert loaded.settings.speechmatics_welcome_message == text
    assert loaded.warnings == ()


@pytest.mark.parametrize("key", ['"sk-hunter2', "sk-hunter2'", "`sk-hunter2", '""sk-hunter2""'])
def test_a_key_with_one_quote_is_rejected(key: str) -> None:
    error = error_of({"OPENAI_API_KEY": key})
    assert "give the key without quotes" in error
    assert "hunter2" not in error


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["undefined", "null", "NULL", "None", "<no value>", '"null"'])
def test_what_a_program_writes_for_nothing_is_not_set(name: str, text: str) -> None:
    loaded = load_and_warn({name: text} | NEEDS.get(name, {}), NO_FILE)
    without = load_and_warn(NEEDS.get(name, {}), NO_FILE)
    assert loaded.settings == without.settings
    bare = text.strip('"')
    assert loaded.warnings == (f"{name}: {bare} counts as not set.",)


def test_nothing_in_quotes_is_nothing_too() -> None:
    assert given_that(AMI_URL='"undefined"', OPENAI_API_KEY="'null'") == DEFAULTS


@pytest.mark.parametrize("name", [name for name in KEYS if name.endswith("_API_KEY")])
@pytest.mark.parametrize(
    "text",
    [
        *("your_key_here", "<your-key>", "sk-...", "changeme", "change-me", "YOUR_API_KEY"),
        *("your-openai-api-key", "sk-your-key-here", "xxxxxxxx", "sk-xxxxxxxx", "REPLACE_ME"),
        *("<key>", "[key]", "insert-key-here", "my_api_key", "api_key", "TODO", "sk-…"),
        *("${OPENAI_API_KEY}", "$OPENAI_API_KEY", "$(KEY)", "%KEY%", "{{ key }}", "sk-***"),
        *("paste_your_key", "enter-key", "placeholder", "example"),
    ],
)
def test_a_placeholder_is_no_key(name: str, text: str) -> None:
    error = error_of({name: text})
    assert error.startswith(f"{name}=(not shown): ")
    assert text not in error.replace("a placeholder, no key", "")


@pytest.mark.parametrize(
    "key",
    [
        *(
            "sk-proj-Ab3_9xQ-yourZ7",
            "k",
            "sandbox",
            "none",
            "EMPTY",
            "dummy",
            "ollama",
            "not-a-key",
        ),
        *("sk-svcacct-1x_Xx2", "0123456789abcdef" * 2, "eyJhbGciOi.J9.e30-_", "a-key", "local"),
    ],
)
def test_what_may_be_a_key_is_one(key: str) -> None:
    assert given_that(OPENAI_API_KEY=key).openai_api_key == Secret(key)


@pytest.mark.parametrize("password", ["change-me", "avr", "1000", 'pa"ss', "secret"])
def test_a_weak_password_of_asterisks_is_still_the_one_to_send(password: str) -> None:
    assert given_that(AMI_PASSWORD=password).ami_password == Secret(password)


@given(st.text(max_size=30))
def test_a_clean_value_stays_clean(raw: str) -> None:
    once = cleaned(raw, checks.text, quotes=False, takes_any_text=True)
    if once.text is not None:
        again = cleaned(once.text, checks.text, quotes=False, takes_any_text=True)
        assert again.text == once.text
        assert not again.remark
