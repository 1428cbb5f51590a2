"""The object with all settings: its topics, and what follows from several settings."""

from dataclasses import fields

import pytest
from tests.settings.environment import KEYS, given_that

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.settings import (
    DECLARATIONS,
    DEFAULTS,
    TOPICS,
    Settings,
    checks,
)
from avr_sts_speechmatics.values import MASKED_FROM, Secret

# --- topics ------------------------------------------------------------------------------------


def test_every_topic_is_part_of_the_settings_and_has_a_heading() -> None:
    assert set(Settings.__bases__) == set(TOPICS.values())


def test_every_setting_is_declared_in_exactly_one_topic() -> None:
    declared = [item.name for topic in TOPICS.values() for item in fields(topic)]
    assert len(set(declared)) == len(declared)
    assert list(DECLARATIONS) == declared
    assert {item.name for item in fields(Settings)} == set(declared)


def test_the_defaults_are_the_settings_of_an_empty_environment() -> None:
    assert given_that() == DEFAULTS == Settings()


# --- manners -----------------------------------------------------------------------------------


def test_default_settings_have_the_default_manners() -> None:
    assert Settings(speechmatics_welcome_message="").manners == Manners()


@pytest.mark.parametrize(
    ("setting", "value", "manner", "meant"),
    [
        ("speechmatics_welcome_message", "Hello.", "welcome", "Hello."),
        ("welcome_barge_in", False, "welcome_is_sacred", True),
        ("barge_in", "off", "barge_in", "off"),
        ("barge_in_confirm_ms", 250.0, "confirm_s", 0.25),
        ("barge_in_min_words", 3, "min_words", 3),
        ("barge_in_backchannels", ("aha",), "backchannels", ("aha",)),
        ("dtmf_timeout_ms", 1500.0, "keys_s", 1.5),
        ("no_input_s", 4.0, "no_input_s", 4.0),
        ("no_input_max", 5, "no_input_max", 5),
        ("max_call_s", 60.0, "max_call_s", 60.0),
        ("filler_after_ms", 800.0, "filler_s", 0.8),
        ("preemptive", "off", "preemptive", False),
        ("dictation_ms", 500.0, "dictation_s", 0.5),
        ("unfinished_ms", 500.0, "unfinished_s", 0.5),
        ("farewell_margin_ms", 900.0, "farewell_s", 0.9),
        ("tool_rounds", 2, "tool_rounds", 2),
    ],
)
def test_a_setting_decides_its_own_field_of_the_manners_only(
    setting: str, value: object, manner: str, meant: object
) -> None:
    changed = Settings(**{setting: value}).manners  # type: ignore[arg-type]
    usual = Settings().manners
    differ = {
        item.name: getattr(changed, item.name)
        for item in fields(Manners)
        if getattr(changed, item.name) != getattr(usual, item.name)
    }
    assert differ == {manner: meant}


# --- secrets -----------------------------------------------------------------------------------


def test_the_settings_with_a_key_are_known_to_these_tests() -> None:
    checked = {name.upper() for name, one in DECLARATIONS.items() if one.parse in checks.PRIVATE}
    assert checked == set(KEYS)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_never_shown(name: str) -> None:
    settings = given_that(**{name: "sk-very-secret"})
    key = getattr(settings, name.lower())
    for shown in (repr(key), str(key), f"{key}", repr(settings), str(settings)):
        assert "very-secret" not in shown
    assert key.reveal() == "sk-very-secret"


def test_every_key_is_a_secret_for_the_log() -> None:
    servers = (
        '{"a": {"url": "http://a/mcp", "headers": {"Authorization": "Bearer header-key"}},'
        ' "b": {"command": ["b"], "env": {"TOKEN": "env-token", "DEBUG": "1"}}}'
    )
    keys = {name: f"{name}-value" for name in KEYS}
    hidden = set(given_that(MCP_SERVERS=servers, **keys).secrets())
    assert {*keys.values(), "Bearer header-key", "header-key", "env-token"} == hidden


def test_a_short_password_is_not_masked_in_the_log() -> None:
    short = "q" * (MASKED_FROM - 1)
    assert list(given_that(AMI_PASSWORD=short, OPENAI_API_KEY=short + "q").secrets()) == [
        short + "q"
    ]


def test_the_addresses_and_headers_of_mcp_servers_are_not_shown() -> None:
    servers = '{"a": {"url": "http://a/very-secret", "headers": {"X-Key": "very-secret"}}}'
    assert "very-secret" not in repr(given_that(MCP_SERVERS=servers))


# --- the key of the second voice ---------------------------------------------------------------

OPENAI, ELSEWHERE = "https://api.openai.com/v1", "http://localhost:11434/v1"


@pytest.mark.parametrize(
    ("base", "tts", "given"),
    [
        ("", "", True),
        (OPENAI, "", True),
        ("", OPENAI, True),
        ("", "https://API.openai.com:443/other", True),
        (ELSEWHERE, ELSEWHERE, True),
        (ELSEWHERE, "http://localhost:11434/speech", True),
        ("", ELSEWHERE, False),
        (ELSEWHERE, "", False),
        (ELSEWHERE, OPENAI, False),
        (ELSEWHERE, "http://localhost:8880/v1", False),
        (ELSEWHERE, "https://localhost:11434/v1", False),
        ("", "http://api.openai.com/v1", False),
    ],
)
def test_the_models_key_is_sent_to_the_models_own_server_only(
    base: str, tts: str, given: bool
) -> None:
    settings = given_that(OPENAI_API_KEY="k", OPENAI_BASE_URL=base, OPENAI_TTS_URL=tts)
    assert settings.openai_tts_key == (Secret("k") if given else None)


@pytest.mark.parametrize("tts", ["", OPENAI, ELSEWHERE])
def test_the_second_voices_own_key_is_used_at_every_server(tts: str) -> None:
    settings = given_that(OPENAI_API_KEY="k", OPENAI_TTS_API_KEY="own", OPENAI_TTS_URL=tts)
    assert settings.openai_tts_key == Secret("own")


def test_a_second_voice_at_another_server_needs_no_key() -> None:
    settings = given_that(VOICE_FALLBACK="openai", OPENAI_TTS_URL="http://localhost:8880/v1")
    assert settings.voice_server_is_there
    assert settings.openai_tts_key is None


# --- addresses ---------------------------------------------------------------------------------


def test_with_a_key_the_cloud_speaks() -> None:
    settings = given_that(SPEECHMATICS_API_KEY="k")
    assert settings.tts_url == "https://preview.tts.speechmatics.com"


def test_a_tts_address_needs_no_key() -> None:
    settings = given_that(SPEECHMATICS_TTS_URL="http://here")
    assert settings.tts_url == "http://here"


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
    assert given_that(**environ).has_llm is model


@pytest.mark.parametrize(
    ("environ", "nobody"),
    [
        ({}, False),
        ({"SPEECHMATICS_API_KEY": "k"}, True),
        ({"SPEECHMATICS_RT_URL": "wss://stt.example/v2"}, True),
        ({"SPEECHMATICS_RT_URL": "ws://127.0.0.1:6080/v2"}, False),
        ({"SPEECHMATICS_API_KEY": "k", "OPENAI_API_KEY": "k"}, False),
        ({"SPEECHMATICS_API_KEY": "k", "OPENAI_BASE_URL": "http://localhost:1/v1"}, False),
        ({"SPEECHMATICS_API_KEY": "k", "THINKING": "receptionist"}, False),
        ({"SPEECHMATICS_API_KEY": "k", "FAQ_FILE": __file__}, False),
        ({"SPEECHMATICS_API_KEY": "k", "OPENAI_MODEL": "other"}, True),
    ],
)
def test_real_callers_are_not_answered_by_a_sample(environ: dict[str, str], nobody: bool) -> None:
    assert given_that(**environ).nobody_answers is nobody


def test_the_receptionist_can_be_chosen_over_a_model() -> None:
    assert not given_that(OPENAI_API_KEY="k", THINKING="receptionist").has_llm
