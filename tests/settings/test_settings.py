"""Every setting: its default, a good value, and one sentence for a wrong one."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import ROOT

from avr_sts_speechmatics.dialogue.manners import BACKCHANNELS
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import (
    MASKED_FROM,
    Settings,
    load,
    strangers,
    table,
    with_agent_path,
)
from avr_sts_speechmatics.values import Secret, VocabEntry

NO_FILE = Path("no such file.env")
HERE = str(Path(__file__).parent)

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
    "SPEECHMATICS_INSTRUCTIONS": None,
    "SPEECHMATICS_URL_INSTRUCTIONS": None,
    "SPEECHMATICS_FILE_INSTRUCTIONS": None,
    "AGENTS_DIR": None,
    "SPEECHMATICS_WELCOME_MESSAGE": "Hello, how can I help you?",
    "FAQ_FILE": None,
    "OPENAI_API_KEY": None,
    "OPENAI_BASE_URL": None,
    "OPENAI_MODEL": "gpt-6-luna",
    "OPENAI_TEMPERATURE": None,
    "OPENAI_MAX_TOKENS": 300,
    "OPENAI_REASONING_EFFORT": None,
    "VOICE_FALLBACK": None,
    "OPENAI_TTS_URL": None,
    "OPENAI_TTS_API_KEY": None,
    "OPENAI_TTS_MODEL": "gpt-4o-mini-tts",
    "OPENAI_TTS_VOICE": "nova",
    "PREEMPTIVE": "on",
    "DICTATION_MS": 1500.0,
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
    "ON_FAILURE": "hangup",
    "AMI_URL": None,
    "AMI_HOST": None,
    "AMI_PORT": 5038,
    "AMI_USERNAME": "avr",
    "AMI_PASSWORD": None,
    "TRANSFER_ALLOW": (),
    "TRANSFER_CONTEXT": "demo",
    "TRANSFER_PRIORITY": 1,
    "FAREWELL_MARGIN_MS": 500.0,
    "TOOLS_DIR": None,
    "MCP_SERVERS": None,
    "TOOL_TIMEOUT_S": 8.0,
    "TOOL_ROUNDS": 5,
    "AUDIOSOCKET_PORT": 5001,
    "AUDIOSOCKET_G711": "auto",
    "HTTP_PORT": 6001,
    "REQUIRE_CALL": False,
    "WEBHOOK_URL": None,
    "WEBHOOK_SECRET": None,
    "WEBHOOK_TIMEOUT": 3000.0,
    "WEBHOOK_RETRY": 0,
    "AMBIENT_NOISE_FILE": None,
    "AMBIENT_NOISE_LEVEL": 0.1,
    "LOG_TRANSCRIPTS": False,
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "console",
    "CALL_TRACE_DIR": None,
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
    ("SPEECHMATICS_URL_INSTRUCTIONS", "http://crm/agent/", "http://crm/agent/"),
    ("SPEECHMATICS_FILE_INSTRUCTIONS", __file__, Path(__file__)),
    ("AGENTS_DIR", HERE, Path(HERE)),
    ("SPEECHMATICS_WELCOME_MESSAGE", "Hi!", "Hi!"),
    ("SPEECHMATICS_WELCOME_MESSAGE", "  ", ""),
    ("FAQ_FILE", __file__, Path(__file__)),
    ("OPENAI_API_KEY", "k2", Secret("k2")),
    ("OPENAI_BASE_URL", "http://localhost:11434/v1/", "http://localhost:11434/v1"),
    ("OPENAI_MODEL", "meta-llama/Llama-4:8b", "meta-llama/Llama-4:8b"),
    ("OPENAI_TEMPERATURE", "0.7", 0.7),
    ("OPENAI_MAX_TOKENS", "64", 64),
    ("OPENAI_REASONING_EFFORT", "Low", "low"),
    ("VOICE_FALLBACK", "OpenAI", "openai"),
    ("OPENAI_TTS_URL", "http://localhost:8880/v1/", "http://localhost:8880/v1"),
    ("OPENAI_TTS_API_KEY", "k3", Secret("k3")),
    ("OPENAI_TTS_MODEL", "kokoro", "kokoro"),
    ("OPENAI_TTS_VOICE", "voices/anna.wav", "voices/anna.wav"),
    ("PREEMPTIVE", "off", "off"),
    ("DICTATION_MS", "0", 0.0),
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
    ("ON_FAILURE", "Close", "close"),
    ("ON_FAILURE", "transfer: 700", "transfer:700"),
    ("AMI_URL", "http://avr-ami:6006/", "http://avr-ami:6006"),
    ("AMI_HOST", "avr-asterisk", "avr-asterisk"),
    ("AMI_HOST", "fe80::1", "fe80::1"),
    ("AMI_PORT", "5039", 5039),
    ("AMI_USERNAME", "agent", "agent"),
    ("AMI_PASSWORD", "k4", Secret("k4")),
    ("TRANSFER_ALLOW", " 700, _2XXX,", ("700", "_2XXX")),
    ("TRANSFER_CONTEXT", "from-agent.1", "from-agent.1"),
    ("TRANSFER_PRIORITY", "2", 2),
    ("FAREWELL_MARGIN_MS", "0", 0.0),
    ("TOOLS_DIR", HERE, Path(HERE)),
    ("MCP_SERVERS", '{"notes": {"command": ["notes"]}}', ["notes"]),
    ("TOOL_TIMEOUT_S", "0.5", 0.5),
    ("TOOL_ROUNDS", "1", 1),
    ("AUDIOSOCKET_PORT", "5002", 5002),
    ("AUDIOSOCKET_PORT", "0", None),
    ("AUDIOSOCKET_G711", "ALAW", "alaw"),
    ("HTTP_PORT", "6002", 6002),
    ("HTTP_PORT", "0", None),
    ("REQUIRE_CALL", "true", True),
    ("WEBHOOK_URL", "https://here/hooks/", "https://here/hooks/"),
    ("WEBHOOK_SECRET", "k5", Secret("k5")),
    ("WEBHOOK_TIMEOUT", "500", 500.0),
    ("WEBHOOK_RETRY", "2", 2),
    ("AMBIENT_NOISE_FILE", __file__, Path(__file__)),
    ("AMBIENT_NOISE_LEVEL", "0.25", 0.25),
    ("LOG_TRANSCRIPTS", "1", True),
    ("LOG_LEVEL", "DEBUG", "debug"),
    ("LOG_FORMAT", "json", "json"),
    ("CALL_TRACE_DIR", HERE, Path(HERE)),
]

# The text after the value says what is allowed.
WRONG = [
    ("HOST", "a..b", "host name or an address"),
    ("HOST", "http://localhost", "host name or an address"),
    ("HOST", "127.0.0.1:6040", "without a port"),
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
    ("SPEECHMATICS_URL_INSTRUCTIONS", "crm/agent", "http:// or https://"),
    ("SPEECHMATICS_FILE_INSTRUCTIONS", "/no/such/file.txt", "path of a readable file"),
    ("AGENTS_DIR", __file__, "path of a directory"),
    ("AGENTS_DIR", "~nobody-of-that-name/agents", "path of a directory"),
    ("AGENTS_DIR", "x" * 5000, "path of a directory"),
    ("FAQ_FILE", "/no/such/file.yaml", "path of a readable file"),
    ("FAQ_FILE", "/", "path of a readable file"),
    ("FAQ_FILE", "~nobody-of-that-name/faq.yaml", "path of a readable file"),
    ("FAQ_FILE", "x" * 5000, "path of a readable file"),
    ("OPENAI_BASE_URL", "localhost:11434", "http:// or https://"),
    ("OPENAI_MODEL", "gpt 6", "plain name"),
    ("OPENAI_TEMPERATURE", "3", "from 0 to 2"),
    ("OPENAI_MAX_TOKENS", "0", "from 1 to 100000"),
    ("OPENAI_REASONING_EFFORT", "lots", "none, minimal, low"),
    ("VOICE_FALLBACK", "piper", "openai"),
    ("OPENAI_TTS_URL", "localhost:8880", "http:// or https://"),
    ("OPENAI_TTS_MODEL", "gpt tts", "plain name"),
    ("OPENAI_TTS_VOICE", "nova?", "plain name"),
    ("PREEMPTIVE", "true", "on, off"),
    ("DICTATION_MS", "10001", "milliseconds from 0 to 10000"),
    ("BARGE_IN", "maybe", "words, speech, off"),
    ("BARGE_IN_CONFIRM_MS", "5001", "milliseconds from 0 to 5000"),
    ("BARGE_IN_MIN_WORDS", "0", "from 1 to 20"),
    ("WELCOME_BARGE_IN", "perhaps", "true or false"),
    ("NO_INPUT_S", "-1", "seconds from 0 to 600"),
    ("NO_INPUT_MAX", "many", "from 0 to 20"),
    ("MAX_CALL_S", "1e9", "seconds from 0 to 86400"),
    ("FILLER_AFTER_MS", "soon", "milliseconds from 0 to 30000"),
    ("DTMF_TIMEOUT_MS", "0", "milliseconds from 100 to 30000"),
    ("ON_FAILURE", "transfer", "transfer:700"),
    ("ON_FAILURE", "transfer:7 00", "transfer:700"),
    ("ON_FAILURE", "close:700", "hangup, close"),
    ("AMI_URL", "avr-ami:6006", "http:// or https://"),
    ("AMI_HOST", "avr-asterisk:5038", "without a port"),
    ("AMI_HOST", "[::1]", "without a port"),
    ("AMI_PORT", "0", "1 to 65535"),
    ("AMI_USERNAME", "the agent", "plain name"),
    ("TRANSFER_ALLOW", "700;701", "extension"),
    ("TRANSFER_ALLOW", "_", "after _"),
    ("TRANSFER_CONTEXT", "from agent", "letters, digits, and - _ ."),
    ("TRANSFER_PRIORITY", "0", "from 1 to 999"),
    ("FAREWELL_MARGIN_MS", "-1", "milliseconds from 0 to 10000"),
    ("TOOLS_DIR", "/no/such/directory", "path of a directory"),
    ("TOOL_TIMEOUT_S", "0", "seconds from 0.1 to 120"),
    ("TOOL_ROUNDS", "0", "from 1 to 50"),
    ("AUDIOSOCKET_PORT", "65536", "1 to 65535, or 0 for none"),
    ("AUDIOSOCKET_G711", "g711", "auto, ulaw, alaw"),
    ("HTTP_PORT", "none", "1 to 65535, or 0 for none"),
    ("REQUIRE_CALL", "sometimes", "true or false"),
    ("WEBHOOK_TIMEOUT", "0", "milliseconds from 1 to 60000"),
    ("WEBHOOK_RETRY", "11", "from 0 to 10"),
    ("AMBIENT_NOISE_FILE", "/no/such/file.wav", "path of a readable file"),
    ("AMBIENT_NOISE_LEVEL", "10", "from 0 to 1"),
    ("LOG_TRANSCRIPTS", "maybe", "true or false"),
    ("LOG_LEVEL", "loud", "debug, info, warning, error"),
    ("LOG_FORMAT", "xml", "console, json"),
    ("CALL_TRACE_DIR", "/no/such/directory", "path of a directory"),
]

FREE_TEXT = {
    "BARGE_IN_BACKCHANNELS",
    "SPEECHMATICS_INSTRUCTIONS",
    "SPEECHMATICS_WELCOME_MESSAGE",
}
KEYS = [
    "SPEECHMATICS_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_TTS_API_KEY",
    "AMI_PASSWORD",
    "WEBHOOK_SECRET",
]

# No error shows their value, which may hold a key.
PRIVATE = [
    ("MCP_SERVERS", '{"weather": {"headers": {"Authorization": "very-secret"}}}', '"url"'),
    ("MCP_SERVERS", '{"weather": {"url": "very-secret"}}', "http:// or https://"),
    ("MCP_SERVERS", "/no/such/very-secret.yaml", "no such file"),
    ("WEBHOOK_URL", "hooks.example/very-secret", "http:// or https://"),
]

# What a setting cannot be had without.
NEEDS = {
    "VOICE_FALLBACK": {"OPENAI_API_KEY": "k"},
    "AMI_HOST": {"AMI_PASSWORD": "k"},
}


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
    assert names == {name for name, _, _ in GOOD}
    assert names - FREE_TEXT - set(KEYS) == {name for name, _, _ in (*WRONG, *PRIVATE)}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_setting_that_is_not_given_has_its_default(name: str) -> None:
    assert getattr(given_that(), name.lower()) == DEFAULTS[name]


@pytest.mark.parametrize(("name", "value", "meaning"), GOOD)
def test_a_good_value_is_taken(name: str, value: str, meaning: object) -> None:
    setting = getattr(given_that(**{name: value}, **NEEDS.get(name, {})), name.lower())
    if name == "SPEECHMATICS_ADDITIONAL_VOCAB":
        setting = tuple(entry.content for entry in setting)
    elif name == "TRANSFER_ALLOW":
        setting = tuple(pattern.text for pattern in setting)
    elif name == "MCP_SERVERS":
        setting = list(setting.servers)
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


@pytest.mark.parametrize(("name", "value", "allowed"), PRIVATE)
def test_a_wrong_value_that_may_hold_a_key_is_not_shown(
    name: str, value: str, allowed: str
) -> None:
    error = error_of({name: value})
    assert error.startswith(f"{name}=(not shown): ")
    assert allowed in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMI_HOST", "aster\bisk"),
        ("TRANSFER_ALLOW", "7\n0"),
        ("MCP_SERVERS", '{"a\\nb": {"url": 1}}'),
    ],
)
def test_what_a_check_quotes_stays_on_the_errors_line(name: str, value: str) -> None:
    assert error_of({name: value}).isprintable()


@given(
    st.sampled_from(list(DEFAULTS)),
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


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faq.yaml").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = given_that(FAQ_FILE="~/faq.yaml", TOOLS_DIR="~")
    assert (settings.faq_file, settings.tools_dir) == (tmp_path / "faq.yaml", tmp_path)


# --- what goes together ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "needed"),
    [
        ({"VOICE_FALLBACK": "openai"}, "OPENAI_TTS_API_KEY"),
        (
            {
                "VOICE_FALLBACK": "openai",
                "OPENAI_BASE_URL": "http://localhost:11434/v1",
                "OPENAI_API_KEY": "the-models",
            },
            "OPENAI_TTS_API_KEY",
        ),
        ({"AMI_HOST": "asterisk", "AMI_USERNAME": "agent"}, "the secret of agent"),
    ],
)
def test_what_cannot_be_had_alone_stops_the_start_with_one_sentence(
    environ: dict[str, str], needed: str
) -> None:
    error = error_of(environ)
    name, value = next(iter(environ.items()))
    assert error.startswith(f"{name}={value}: ")
    assert needed in error
    assert error.endswith(".")
    assert "the-models" not in error


def test_a_second_voice_of_ones_own_needs_no_key() -> None:
    settings = given_that(VOICE_FALLBACK="openai", OPENAI_TTS_URL="http://localhost:8880/v1")
    assert settings.second_voice_is_there
    assert settings.openai_tts_key is None


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


@pytest.mark.parametrize("name", [name for name in DEFAULTS if "_URL" in name])
def test_a_password_in_an_address_is_refused_and_not_shown(name: str) -> None:
    scheme = "wss" if name.endswith("RT_URL") else "https"
    error = error_of({name: f"{scheme}://me:hunter2@proxy.example/v1"})
    assert error.startswith(name)
    assert "without a user name or password" in error
    assert "hunter2" not in error


def test_a_password_in_an_address_is_not_shown_when_something_else_is_wrong() -> None:
    assert "hunter2" not in error_of({"OPENAI_BASE_URL": "ftp://me:hunter2@proxy.example/v1"})


def test_everything_that_may_be_a_key_is_kept_out_of_the_log() -> None:
    servers = (
        '{"a": {"url": "http://a/mcp", "headers": {"Authorization": "Bearer header-key"}},'
        ' "b": {"command": ["b"], "env": {"TOKEN": "env-token", "DEBUG": "1"}}}'
    )
    keys = {name: f"{name}-value" for name in KEYS}
    hidden = set(given_that(MCP_SERVERS=servers, **keys).secrets())
    assert {*keys.values(), "Bearer header-key", "header-key", "env-token"} == hidden


def test_a_password_that_is_a_short_word_does_not_spoil_the_log_and_is_not_told_by_a_mask() -> None:
    short = "x" * (MASKED_FROM - 1)
    assert list(given_that(AMI_PASSWORD=short, OPENAI_API_KEY=short + "x").secrets()) == [
        short + "x"
    ]


def test_the_servers_of_tools_show_nothing_of_themselves() -> None:
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
def test_the_models_key_is_given_to_the_models_own_server_only(
    base: str, tts: str, given: bool
) -> None:
    settings = given_that(OPENAI_API_KEY="k", OPENAI_BASE_URL=base, OPENAI_TTS_URL=tts)
    assert settings.openai_tts_key == (Secret("k") if given else None)


@pytest.mark.parametrize("tts", ["", OPENAI, ELSEWHERE])
def test_the_second_voices_own_key_is_used_wherever_it_is(tts: str) -> None:
    settings = given_that(OPENAI_API_KEY="k", OPENAI_TTS_API_KEY="own", OPENAI_TTS_URL=tts)
    assert settings.openai_tts_key == Secret("own")


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
    settings = given_that(
        OPENAI_INSTRUCTIONS="Rhyme.",
        OPENAI_URL_INSTRUCTIONS="http://crm/",
        OPENAI_FILE_INSTRUCTIONS=__file__,
    )
    assert settings.speechmatics_instructions == "Rhyme."
    assert settings.speechmatics_url_instructions == "http://crm/"
    assert settings.speechmatics_file_instructions == Path(__file__)


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
    assert given_that(SPEECHMATICS_RT_URL=base).stt_url == whole


def test_a_query_is_kept_to_the_letter() -> None:
    settings = given_that(SPEECHMATICS_RT_URL="wss://host/v2?token=abc/")
    assert settings.stt_url == "wss://host/v2/agent?token=abc/"


@pytest.mark.parametrize("region", ["eu", "us", "global"])
def test_speech_is_recognised_in_the_region_that_was_chosen(region: str) -> None:
    settings = given_that(SPEECHMATICS_API_KEY="k", SPEECHMATICS_REGION=region)
    assert settings.stt_url == f"wss://{region}.rt.speechmatics.com/v2/agent"


def test_an_address_wins_over_the_region() -> None:
    settings = given_that(
        SPEECHMATICS_API_KEY="k", SPEECHMATICS_REGION="us", SPEECHMATICS_RT_URL="ws://here/v2"
    )
    assert settings.stt_url == "ws://here/v2/agent"


def test_without_key_and_address_the_sandbox_hears_and_speaks() -> None:
    assert given_that().stt_url is None
    assert given_that().tts_url is None


def test_with_a_key_the_cloud_speaks() -> None:
    settings = given_that(SPEECHMATICS_API_KEY="k")
    assert settings.tts_url == "https://preview.tts.speechmatics.com"


def test_an_address_of_a_voice_needs_no_key() -> None:
    settings = given_that(SPEECHMATICS_TTS_URL="http://here")
    assert (settings.tts_url, settings.stt_url) == ("http://here", None)


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


# --- names that are not ours -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SPEECHMATICS_KEY", "SPEECHMATICS_API_KEY"),
        ("SPEECHMATICS_APIKEY", "SPEECHMATICS_API_KEY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("OPENAI_URL", "OPENAI_BASE_URL"),
        ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
        ("BARGEIN_MIN_WORDS", "BARGE_IN_MIN_WORDS"),
        ("BARGE_IN_CONFIRM", "BARGE_IN_CONFIRM_MS"),
        ("AUDIOSOCKET_LAW", "AUDIOSOCKET_PORT"),
        ("AMBIENT_NOISE", "AMBIENT_NOISE_FILE"),
        ("AMI_PASSWORT", "AMI_PASSWORD"),
        ("TRANSFER_ALLOWED", "TRANSFER_ALLOW"),
        ("TRANSFER_CONTEX", "TRANSFER_CONTEXT"),
        ("WEBHOOK_TIMEOUT_MS", "WEBHOOK_TIMEOUT"),
        ("MCP_SERVER", "MCP_SERVERS"),
        ("TOOL_TIMEOUT", "TOOL_TIMEOUT_S"),
        ("NO_INPUT_SEC", "NO_INPUT_S"),
        ("MAX_CALL", "MAX_CALLS"),
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


@pytest.mark.parametrize(
    "name",
    [
        *("AMI_ID", "AMI_SECRET_NAME", "API_HOST", "API_URL", "HTTPS_PORT", "HTTP_PROXY"),
        *("NO_PROXY", "NO_COLOR", "LOG_DIR", "MAX_WORKERS", "MCP_TIMEOUT", "MCP_SERVER_URL"),
        *("ON_HEROKU", "TOOL_HOME", "TRANSFER_ENCODING", "VOICE_ID", "WEBHOOK_PORT"),
        *("AGENT_ID", "AGENTS_TOKEN", "EXTRA_ARGS", "HOSTNAME", "PORTS", "STS_URL", "PATH"),
    ],
)
def test_other_programs_variables_raise_no_alarm(name: str) -> None:
    assert list(strangers({name: "x"}, NO_FILE)) == []


def test_every_name_in_the_file_is_looked_at(env_file: Path) -> None:
    env_file.write_text("PORTS=1\nMAX_CALLS=7\nOPENAI_ORG_ID=x\n")
    (sentence,) = strangers({"SHELL": "/bin/sh", "PATHS": "x"}, env_file)
    assert sentence.startswith("PORTS is not a setting")
    assert "PORT?" in sentence


def test_settings_and_what_the_openai_library_reads_are_no_strangers() -> None:
    ours = dict.fromkeys(DEFAULTS, "x") | {"OPENAI_INSTRUCTIONS": "x", "OPENAI_LOG": "debug"}
    assert list(strangers(ours, NO_FILE)) == []


def test_what_compose_reads_from_the_same_file_is_no_stranger(env_file: Path) -> None:
    root = ROOT
    files = list(root.glob("docker-compose*.yml"))
    read = {
        name for file in files for name in re.findall(r"(?<!\$)\$\{([A-Z_]+)", file.read_text())
    }
    assert {"STS_TARGET", "AMI_PASSWORD"} <= read
    env_file.write_text("".join(f"{name}=x\n" for name in read))
    assert list(strangers({}, env_file)) == []


def test_a_strangers_value_is_not_shown() -> None:
    (sentence,) = strangers({"OPENAI_APIKEY": "sk-very-secret"}, NO_FILE)
    assert "secret" not in sentence


# --- the table ---------------------------------------------------------------------------------


def test_the_tables_have_a_row_for_each_setting() -> None:
    rows = [line for line in table().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(DEFAULTS)
    assert all(row.count("|") == 4 for row in rows)
    assert "| `PORT` | `6040` |" in table()
    assert "| `DRAIN_S` | `20` |" in table()


def test_no_table_is_too_long_to_be_looked_through() -> None:
    first, *tables = re.split(r"^### .*\n\n", table(), flags=re.MULTILINE)
    assert first == ""
    assert all(2 <= part.count("\n| `") <= 15 for part in tables)
