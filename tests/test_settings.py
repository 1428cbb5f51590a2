"""Every setting: its default, a good value, and one sentence for a wrong one."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.manners import BACKCHANNELS
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import (
    DEFAULT_INSTRUCTIONS,
    Secret,
    Settings,
    VocabEntry,
    load,
    strangers,
    table,
    with_agent_path,
)

NO_FILE = Path("no such file.env")

DEFAULTS: dict[str, Any] = {
    "HOST": "127.0.0.1",
    "PORT": 6040,
    "EXTRA_PORTS": (6033,),
    "MAX_CALLS": 1000,
    "DRAIN_S": 20.0,
    "SPEECHMATICS_API_KEY": None,
    "SPEECHMATICS_REGION": "eu",
    "SPEECHMATICS_RT_URL": None,
    "SPEECHMATICS_TTS_URL": None,
    "SPEECHMATICS_LANGUAGE": "en",
    "SPEECHMATICS_VOICE": "sarah",
    "SPEECHMATICS_MODEL": "linden-1",
    "SPEECHMATICS_ADDITIONAL_VOCAB": (),
    "SPEECHMATICS_INSTRUCTIONS": DEFAULT_INSTRUCTIONS,
    "SPEECHMATICS_WELCOME_MESSAGE": "Hello, how can I help you?",
    "FAQ_FILE": None,
    "OPENAI_API_KEY": None,
    "OPENAI_BASE_URL": None,
    "OPENAI_MODEL": "gpt-6-luna",
    "OPENAI_TEMPERATURE": None,
    "OPENAI_MAX_TOKENS": 300,
    "OPENAI_REASONING_EFFORT": None,
    "BARGE_IN": "words",
    "BARGE_IN_CONFIRM_MS": 700.0,
    "BARGE_IN_MIN_WORDS": 1,
    "BARGE_IN_BACKCHANNELS": BACKCHANNELS,
    "WELCOME_BARGE_IN": True,
    "NO_INPUT_S": 8.0,
    "NO_INPUT_MAX": 2,
    "MAX_CALL_S": 0.0,
    "FILLER_AFTER_MS": 2000.0,
    "DTMF_TIMEOUT_MS": 3000.0,
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "console",
}

GOOD: list[tuple[str, str, Any]] = [
    ("HOST", "0.0.0.0", "0.0.0.0"),
    ("PORT", " 6050 ", 6050),
    ("EXTRA_PORTS", "6033, 6034,6033", (6033, 6034)),
    ("EXTRA_PORTS", "", ()),
    ("MAX_CALLS", "1", 1),
    ("DRAIN_S", "0.5", 0.5),
    ("SPEECHMATICS_API_KEY", "k1", Secret("k1")),
    ("SPEECHMATICS_REGION", "US", "us"),
    ("SPEECHMATICS_RT_URL", "ws://localhost:9000/v2/", "ws://localhost:9000/v2"),
    ("SPEECHMATICS_TTS_URL", "https://tts.example", "https://tts.example"),
    ("SPEECHMATICS_LANGUAGE", "es", "es"),
    ("SPEECHMATICS_LANGUAGE", "cmn_en", "cmn_en"),
    ("SPEECHMATICS_VOICE", "theo", "theo"),
    ("SPEECHMATICS_MODEL", "linden-2", "linden-2"),
    ("SPEECHMATICS_ADDITIONAL_VOCAB", "Brandvoll, AVR,", ("Brandvoll", "AVR")),
    ("SPEECHMATICS_INSTRUCTIONS", "Be brief.", "Be brief."),
    ("SPEECHMATICS_WELCOME_MESSAGE", "Hi!", "Hi!"),
    ("SPEECHMATICS_WELCOME_MESSAGE", "  ", ""),
    ("OPENAI_API_KEY", "k2", Secret("k2")),
    ("OPENAI_BASE_URL", "http://localhost:11434/v1/", "http://localhost:11434/v1"),
    ("OPENAI_MODEL", "meta-llama/Llama-4:8b", "meta-llama/Llama-4:8b"),
    ("OPENAI_TEMPERATURE", "0.7", 0.7),
    ("OPENAI_MAX_TOKENS", "64", 64),
    ("OPENAI_REASONING_EFFORT", "Low", "low"),
    ("BARGE_IN", "Speech", "speech"),
    ("BARGE_IN_CONFIRM_MS", "500", 500.0),
    ("BARGE_IN_MIN_WORDS", "2", 2),
    ("BARGE_IN_BACKCHANNELS", "Mhm, uh-huh!, ,I see", ("mhm", "uhhuh", "i see")),
    ("BARGE_IN_BACKCHANNELS", "", ()),
    ("WELCOME_BARGE_IN", "no", False),
    ("WELCOME_BARGE_IN", "True", True),
    ("NO_INPUT_S", "0", 0.0),
    ("NO_INPUT_MAX", "3", 3),
    ("MAX_CALL_S", "600", 600.0),
    ("FILLER_AFTER_MS", "1500", 1500.0),
    ("DTMF_TIMEOUT_MS", "2000", 2000.0),
    ("LOG_LEVEL", "DEBUG", "debug"),
    ("LOG_FORMAT", "json", "json"),
]

# The text after the value says what is allowed.
WRONG = [
    ("HOST", "a..b", "host name or an address"),
    ("HOST", "http://localhost", "host name or an address"),
    ("PORT", "60400x", "1 to 65535"),
    ("PORT", "0", "1 to 65535"),
    ("PORT", "65536", "1 to 65535"),
    ("EXTRA_PORTS", "6033;6034", "separated by commas"),
    ("EXTRA_PORTS", "6033,0", "1 to 65535"),
    ("MAX_CALLS", "0", "from 1 to 100000"),
    ("MAX_CALLS", "1.5", "whole number"),
    ("DRAIN_S", "-1", "number of seconds from 0 to 3600"),
    ("DRAIN_S", "nan", "number of seconds from 0 to 3600"),
    ("DRAIN_S", "soon", "number of seconds from 0 to 3600"),
    ("SPEECHMATICS_REGION", "mars", "eu, us, global"),
    ("SPEECHMATICS_RT_URL", "https://eu.rt.speechmatics.com", "ws:// or wss://"),
    ("SPEECHMATICS_RT_URL", "eu.rt.speechmatics.com", "ws:// or wss://"),
    ("SPEECHMATICS_RT_URL", "wss://", "ws:// or wss://"),
    ("SPEECHMATICS_RT_URL", "ws://a..b/", "ws:// or wss://"),
    ("SPEECHMATICS_TTS_URL", "wss://tts.example", "http:// or https://"),
    ("SPEECHMATICS_TTS_URL", "http://tts.example:99999", "http:// or https://"),
    ("SPEECHMATICS_TTS_URL", "http://[::1", "http:// or https://"),
    ("SPEECHMATICS_TTS_URL", "http://tts example", "http:// or https://"),
    ("SPEECHMATICS_LANGUAGE", "en;de", "language code"),
    ("SPEECHMATICS_LANGUAGE", "e" * 16, "language code"),
    ("SPEECHMATICS_VOICE", "sarah?x=1", "sarah, theo, megan or jack"),
    ("SPEECHMATICS_MODEL", "linden 1", "plain name"),
    ("SPEECHMATICS_ADDITIONAL_VOCAB", '["a"', "separated by commas, or a JSON list"),
    ("SPEECHMATICS_ADDITIONAL_VOCAB", '[{"sounds_like": ["a"]}]', "JSON list"),
    ("SPEECHMATICS_ADDITIONAL_VOCAB", "[1]", "JSON list"),
    ("FAQ_FILE", "/no/such/file.yaml", "path of a readable file"),
    ("FAQ_FILE", "/", "path of a readable file"),
    ("FAQ_FILE", "~nobody-of-that-name/faq.yaml", "path of a readable file"),
    ("FAQ_FILE", "x" * 5000, "path of a readable file"),
    ("OPENAI_BASE_URL", "localhost:11434", "http:// or https://"),
    ("OPENAI_MODEL", "gpt 6", "plain name"),
    ("OPENAI_TEMPERATURE", "3", "from 0 to 2"),
    ("OPENAI_MAX_TOKENS", "0", "from 1 to 100000"),
    ("OPENAI_REASONING_EFFORT", "lots", "none, minimal, low"),
    ("BARGE_IN", "maybe", "words, speech, off"),
    ("BARGE_IN_CONFIRM_MS", "5001", "milliseconds from 0 to 5000"),
    ("BARGE_IN_MIN_WORDS", "0", "from 1 to 20"),
    ("WELCOME_BARGE_IN", "perhaps", "true or false"),
    ("NO_INPUT_S", "-1", "seconds from 0 to 600"),
    ("NO_INPUT_MAX", "many", "from 0 to 20"),
    ("MAX_CALL_S", "1e9", "seconds from 0 to 86400"),
    ("FILLER_AFTER_MS", "soon", "milliseconds from 0 to 30000"),
    ("DTMF_TIMEOUT_MS", "0", "milliseconds from 100 to 30000"),
    ("LOG_LEVEL", "loud", "debug, info, warning, error"),
    ("LOG_FORMAT", "xml", "console, json"),
]

FREE_TEXT = {
    "BARGE_IN_BACKCHANNELS",
    "SPEECHMATICS_INSTRUCTIONS",
    "SPEECHMATICS_WELCOME_MESSAGE",
}
KEYS = ["SPEECHMATICS_API_KEY", "OPENAI_API_KEY"]


def given_that(**environ: str) -> Settings:
    return load(environ, NO_FILE)


def error_of(environ: dict[str, str], env_file: Path = NO_FILE) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environ, env_file)
    return str(caught.value)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


# --- each of them ------------------------------------------------------------------------------


def test_no_setting_is_forgotten_here() -> None:
    names = {item.name.upper() for item in fields(Settings)}
    assert names == set(DEFAULTS)
    assert names - {"FAQ_FILE"} == {name for name, _, _ in GOOD}
    assert names - FREE_TEXT - set(KEYS) == {name for name, _, _ in WRONG}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_setting_that_is_not_given_has_its_default(name: str) -> None:
    assert getattr(given_that(), name.lower()) == DEFAULTS[name]


@pytest.mark.parametrize(("name", "value", "meaning"), GOOD)
def test_a_good_value_is_taken(name: str, value: str, meaning: object) -> None:
    setting = getattr(given_that(**{name: value}), name.lower())
    if name == "SPEECHMATICS_ADDITIONAL_VOCAB":
        setting = tuple(entry.content for entry in setting)
    assert setting == meaning


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_a_wrong_value_is_one_sentence_with_name_value_and_what_is_allowed(
    name: str, value: str, allowed: str
) -> None:
    error = error_of({name: value})
    assert error.startswith(f"{name}={value[:50]}")
    assert allowed in error
    assert error.endswith(".")
    assert len(error) < 400


@given(
    st.sampled_from(sorted(set(DEFAULTS) - {"FAQ_FILE"})),
    st.text(st.characters(exclude_characters="\0"), max_size=300),
)
def test_no_value_does_worse_than_one_sentence(name: str, value: str) -> None:
    error = f"{name}=all is well"
    try:
        given_that(**{name: value})
    except SettingsError as wrong:
        error = str(wrong)
    assert error.startswith(f"{name}=")
    assert error.isprintable()
    assert len(error) < 600


@pytest.mark.parametrize("name", sorted(set(DEFAULTS) - {"EXTRA_PORTS", "BARGE_IN_BACKCHANNELS"}))
@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_value_is_not_set(name: str, empty: str) -> None:
    if name != "SPEECHMATICS_WELCOME_MESSAGE":
        assert given_that(**{name: empty}) == given_that()


def test_empty_is_a_value_where_it_means_something() -> None:
    settings = given_that(EXTRA_PORTS="", SPEECHMATICS_WELCOME_MESSAGE="")
    assert settings.extra_ports == ()
    assert settings.speechmatics_welcome_message == ""


def test_the_faq_is_a_file_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faq = tmp_path / "faq.yaml"
    faq.write_text("")
    assert given_that(FAQ_FILE=str(faq)).faq_file == faq
    monkeypatch.setenv("HOME", str(tmp_path))
    assert given_that(FAQ_FILE="~/faq.yaml").faq_file == faq


# --- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_never_shown(name: str) -> None:
    settings = given_that(**{name: "sk-very-secret"})
    key = getattr(settings, name.lower())
    for shown in (repr(key), str(key), f"{key}", repr(settings), str(settings)):
        assert "very-secret" not in shown
    assert key.reveal() == "sk-very-secret"


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "key", ["very secret", "very\nsecret", "very\x00secret", "“very-secret”", "very\u200bsecret"]
)
def test_a_key_copied_wrongly_is_refused_and_not_shown(name: str, key: str) -> None:
    error = error_of({name: key})
    assert error.startswith(f"{name}=(not shown): ")
    assert "secret" not in error


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "SPEECHMATICS_TTS_URL", "SPEECHMATICS_RT_URL"])
def test_a_password_in_an_address_is_refused_and_not_shown(name: str) -> None:
    scheme = "wss" if name.endswith("RT_URL") else "https"
    error = error_of({name: f"{scheme}://me:hunter2@proxy.example/v1"})
    assert error.startswith(name)
    assert "without a user name or password" in error
    assert "hunter2" not in error


def test_a_password_in_an_address_is_not_shown_when_something_else_is_wrong() -> None:
    assert "hunter2" not in error_of({"OPENAI_BASE_URL": "ftp://me:hunter2@proxy.example/v1"})


def test_keys_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


# --- where values come from --------------------------------------------------------------------


def test_the_file_is_read(env_file: Path) -> None:
    env_file.write_text('# mine\nPORT=6050\nexport SPEECHMATICS_WELCOME_MESSAGE="Grüß Gott!"\nX\n')
    settings = load({}, env_file)
    assert settings.port == 6050
    assert settings.speechmatics_welcome_message == "Grüß Gott!"


def test_the_environment_wins_over_the_file(env_file: Path) -> None:
    env_file.write_text("PORT=6050\nMAX_CALLS=7\n")
    settings = load({"PORT": "6060"}, env_file)
    assert (settings.port, settings.max_calls) == (6060, 7)


def test_what_is_empty_in_the_environment_is_taken_from_the_file(env_file: Path) -> None:
    env_file.write_text("OPENAI_API_KEY=from-file\n")
    assert load({"OPENAI_API_KEY": ""}, env_file).openai_api_key == Secret("from-file")


def test_an_empty_welcome_in_the_environment_wins_over_the_file(env_file: Path) -> None:
    env_file.write_text("SPEECHMATICS_WELCOME_MESSAGE=Hi!\nEXTRA_PORTS=6050\n")
    settings = load({"SPEECHMATICS_WELCOME_MESSAGE": "", "EXTRA_PORTS": ""}, env_file)
    assert (settings.speechmatics_welcome_message, settings.extra_ports) == ("", ())


def test_a_wrong_value_in_the_file_is_an_error_too(env_file: Path) -> None:
    env_file.write_text("PORT=x\n")
    assert error_of({}, env_file).startswith("PORT=x: not a port")


def test_a_file_that_is_not_text_is_one_sentence(env_file: Path) -> None:
    env_file.write_bytes("SPEECHMATICS_WELCOME_MESSAGE=Grüß Gott!".encode("latin-1"))
    assert re.fullmatch(r".*\.env: .*UTF-8.*\.", error_of({}, env_file))


def test_by_default_the_process_environment_and_the_working_directory_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("MAX_CALLS=7\n")
    monkeypatch.setenv("PORT", "6050")
    settings = load()
    assert (settings.port, settings.max_calls) == (6050, 7)


def test_instructions_of_other_services_are_understood() -> None:
    assert given_that(OPENAI_INSTRUCTIONS="Rhyme.").speechmatics_instructions == "Rhyme."


def test_our_own_name_for_the_instructions_wins() -> None:
    settings = given_that(OPENAI_INSTRUCTIONS="Rhyme.", SPEECHMATICS_INSTRUCTIONS="Be brief.")
    assert settings.speechmatics_instructions == "Be brief."


def test_empty_instructions_of_ours_leave_the_other_name_its_say() -> None:
    settings = given_that(OPENAI_INSTRUCTIONS="Rhyme.", SPEECHMATICS_INSTRUCTIONS="")
    assert settings.speechmatics_instructions == "Rhyme."


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


def test_words_that_are_no_text_are_refused() -> None:
    error = error_of({"SPEECHMATICS_ADDITIONAL_VOCAB": '["caf\udce9"]'})
    assert "JSON list" in error
    assert error.isprintable()


def test_a_word_may_say_how_it_sounds() -> None:
    value = '["AVR", {"content": "Siobhan", "sounds_like": ["shiv awn", "chevonne"]}]'
    assert given_that(SPEECHMATICS_ADDITIONAL_VOCAB=value).speechmatics_additional_vocab == (
        VocabEntry("AVR"),
        VocabEntry("Siobhan", ("shiv awn", "chevonne")),
    )


# --- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "whole"),
    [
        ("wss://host/v2", "wss://host/v2/agent"),
        ("wss://host/v2/", "wss://host/v2/agent"),
        ("wss://host", "wss://host/agent"),
        ("wss://host/v2/agent", "wss://host/v2/agent"),
        ("wss://host/v2/agent/", "wss://host/v2/agent"),
        ("wss://host/v2/agent/preset", "wss://host/v2/agent/preset"),
        ("wss://host/agents", "wss://host/agents/agent"),
        ("ws://host:9000/v2?token=a/b", "ws://host:9000/v2/agent?token=a/b"),
        ("ws://host/v2/agent?token=a", "ws://host/v2/agent?token=a"),
    ],
)
def test_the_agents_path_is_there_once(base: str, whole: str) -> None:
    assert with_agent_path(base) == whole
    assert given_that(SPEECHMATICS_RT_URL=base).hearing_url == whole


def test_a_query_is_kept_to_the_letter() -> None:
    settings = given_that(SPEECHMATICS_RT_URL="wss://host/v2?token=abc/")
    assert settings.hearing_url == "wss://host/v2/agent?token=abc/"


@pytest.mark.parametrize("region", ["eu", "us", "global"])
def test_speech_is_recognised_in_the_region_that_was_chosen(region: str) -> None:
    settings = given_that(SPEECHMATICS_API_KEY="k", SPEECHMATICS_REGION=region)
    assert settings.hearing_url == f"wss://{region}.rt.speechmatics.com/v2/agent"


def test_an_address_wins_over_the_region() -> None:
    settings = given_that(
        SPEECHMATICS_API_KEY="k", SPEECHMATICS_REGION="us", SPEECHMATICS_RT_URL="ws://here/v2"
    )
    assert settings.hearing_url == "ws://here/v2/agent"


def test_without_key_and_address_the_sandbox_hears_and_speaks() -> None:
    assert given_that().hearing_url is None
    assert given_that().voice_url is None


def test_with_a_key_the_cloud_speaks() -> None:
    settings = given_that(SPEECHMATICS_API_KEY="k")
    assert settings.voice_url == "https://preview.tts.speechmatics.com"


def test_an_address_of_a_voice_needs_no_key() -> None:
    settings = given_that(SPEECHMATICS_TTS_URL="http://here")
    assert (settings.voice_url, settings.hearing_url) == ("http://here", None)


@pytest.mark.parametrize(
    ("environ", "model"),
    [
        ({}, False),
        ({"OPENAI_API_KEY": "k"}, True),
        ({"OPENAI_BASE_URL": "http://localhost:11434/v1"}, True),
        ({"OPENAI_MODEL": "other"}, False),
    ],
)
def test_a_key_or_an_address_makes_a_model_answer(environ: dict[str, str], model: bool) -> None:
    assert given_that(**environ).thinks_with_model is model


# --- names that are not ours -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SPEECHMATICS_KEY", "SPEECHMATICS_API_KEY"),
        ("SPEECHMATICS_APIKEY", "SPEECHMATICS_API_KEY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("OPENAI_URL", "OPENAI_BASE_URL"),
        ("SPEECHMATICS_WELCOME", "SPEECHMATICS_WELCOME_MESSAGE"),
        ("OPENAI_INSTRUCTION", "OPENAI_INSTRUCTIONS"),
    ],
)
def test_a_misspelt_name_is_told_with_the_name_that_was_meant(name: str, meant: str) -> None:
    (sentence,) = strangers({name: "x"}, NO_FILE)
    assert sentence == f"{name} is not a setting of this version; did you mean {meant}?"


def test_a_name_of_ours_like_no_other_has_no_effect_and_that_is_said() -> None:
    (sentence,) = strangers({"OPENAI_QQQ_ZZZ_42": "x"}, NO_FILE)
    assert sentence == "OPENAI_QQQ_ZZZ_42 is not a setting of this version; it has no effect."


def test_every_name_in_the_file_is_looked_at(env_file: Path) -> None:
    env_file.write_text("PORTS=1\nMAX_CALLS=7\nOPENAI_ORG_ID=x\n")
    (sentence,) = strangers({"SHELL": "/bin/sh", "PATHS": "x"}, env_file)
    assert sentence.startswith("PORTS is not a setting")
    assert "PORT?" in sentence


def test_settings_and_what_the_openai_library_reads_are_no_strangers() -> None:
    ours = dict.fromkeys(DEFAULTS, "x") | {"OPENAI_INSTRUCTIONS": "x", "OPENAI_LOG": "debug"}
    assert list(strangers(ours, NO_FILE)) == []


def test_a_strangers_value_is_not_shown() -> None:
    (sentence,) = strangers({"OPENAI_APIKEY": "sk-very-secret"}, NO_FILE)
    assert "secret" not in sentence


# --- the table ---------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_setting() -> None:
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(DEFAULTS)
    assert all(row.count("|") == 4 for row in rows)
    assert "| `PORT` | `6040` |" in table()
    assert "| `DRAIN_S` | `20` |" in table()
