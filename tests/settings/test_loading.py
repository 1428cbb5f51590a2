"""Loading: where values come from, what an error says, which names are reported."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settings.environment import NEEDS, error_of, given_that, reported
from tests.support import ROOT

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import DECLARATIONS, load, spelling
from avr_sts_speechmatics.values import Secret

NAMES = [name.upper() for name in DECLARATIONS]
MAY_BE_EMPTY = {
    "BUSY_MESSAGE",
    "DISCLOSURE",
    "RECORDING_NOTICE",
    "EXTRA_PORTS",
    "BARGE_IN_BACKCHANNELS",
    "SPEECHMATICS_WELCOME_MESSAGE",
}


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMI_HOST", "aster\bisk"),
        ("TRANSFER_ALLOW", "7\n0"),
        ("MCP_SERVERS", '{"a\\nb": {"url": 1}}'),
    ],
)
def test_an_error_is_one_printable_line(name: str, value: str) -> None:
    assert error_of({name: value}).isprintable()


@given(
    st.sampled_from(NAMES),
    st.text(st.characters(exclude_characters="\0"), max_size=300),
)
def test_any_text_is_a_value_or_one_sentence(name: str, value: str) -> None:
    error = f"{name}=all is well"
    try:
        given_that(**{name: value})
    except SettingsError as wrong:
        error = str(wrong)
    assert error.startswith(f"{name}=")
    assert error.isprintable()
    assert len(error) < 600


def test_a_password_in_an_address_is_not_shown_when_something_else_is_wrong() -> None:
    assert "hunter2" not in error_of({"OPENAI_BASE_URL": "ftp://me:hunter2@proxy.example/v1"})


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
def test_a_setting_that_needs_another_one_stops_the_start_with_one_sentence(
    environ: dict[str, str], needed: str
) -> None:
    error = error_of(environ)
    name, value = next(iter(environ.items()))
    assert error.startswith(f"{name}={value}: ")
    assert needed in error
    assert error.endswith(".")
    assert "the-models" not in error


# --- empty values ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(NAMES) - MAY_BE_EMPTY))
@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_value_is_not_set(name: str, empty: str) -> None:
    assert given_that(**{name: empty}) == given_that()


def test_an_empty_value_is_taken_where_it_means_something() -> None:
    settings = given_that(EXTRA_PORTS="", SPEECHMATICS_WELCOME_MESSAGE="")
    assert settings.extra_ports == ()
    assert settings.speechmatics_welcome_message == ""


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


def test_a_variable_that_is_empty_in_the_environment_is_taken_from_the_file(env_file: Path) -> None:
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


def test_our_own_name_for_the_instructions_overrides_the_other_name() -> None:
    settings = given_that(OPENAI_INSTRUCTIONS="Rhyme.", SPEECHMATICS_INSTRUCTIONS="Be brief.")
    assert settings.speechmatics_instructions == "Be brief."


def test_the_other_name_counts_if_our_own_name_is_empty() -> None:
    settings = given_that(OPENAI_INSTRUCTIONS="Rhyme.", SPEECHMATICS_INSTRUCTIONS="")
    assert settings.speechmatics_instructions == "Rhyme."


def test_a_second_name_that_another_value_overrides_is_reported() -> None:
    said = reported({"OPENAI_INSTRUCTIONS": "Rhyme.", "SPEECHMATICS_INSTRUCTIONS": "Be brief."})
    assert (
        "OPENAI_INSTRUCTIONS is ignored: SPEECHMATICS_INSTRUCTIONS is set too, and overrides it."
        in said
    )
    same = reported({"HTTP_PROXY": "http://p:1", "http_proxy": "http://p:1"})
    assert not any("ignored" in one for one in same)


@pytest.mark.parametrize("variable", [name for name in NAMES if name.endswith("_URL")])
def test_an_address_has_a_second_name_that_the_panel_stores(variable: str) -> None:
    second = {"OPENAI_BASE_URL": "OPENAI_BASE"}.get(variable, variable[:-4] + "_BASE")
    schemes = {"REDIS_URL": "redis", "DATABASE_URL": "postgresql", "RECORDINGS_URL": "s3"}
    scheme = schemes.get(variable, "ws" if "RT" in variable else "http")
    needs = NEEDS.get(variable, {})
    one, two = f"{scheme}://one.example", f"{scheme}://one.example:81"
    for address in (two, f"{two}/v1", one):
        try:
            first = given_that(**{variable: address}, **needs)
        except SettingsError:
            continue
        assert given_that(**{second: address}, **needs) == first
        assert getattr(first, variable.lower()) is not None
        return
    raise AssertionError(f"no address passed the check of {variable}")


# --- names that are not settings ---------------------------------------------------------------


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
def test_a_misspelt_name_is_reported_with_the_name_that_was_meant(name: str, meant: str) -> None:
    (sentence,) = reported({name: "x"})
    assert sentence == f"{name} is not a setting of this version; did you mean {meant}?"


def test_a_name_with_our_prefix_that_resembles_no_setting_is_reported() -> None:
    (sentence,) = reported({"OPENAI_QQQ_ZZZ_42": "x"})
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
def test_variables_of_other_programs_are_not_reported(name: str) -> None:
    assert reported({name: "x"}) == []


def test_every_name_in_the_file_is_checked(env_file: Path) -> None:
    env_file.write_text("PORTS=1\nMAX_CALLS=7\nOPENAI_ORG_ID=x\n")
    (sentence,) = reported({"SHELL": "/bin/sh", "PATHS": "x"}, env_file)
    assert sentence.startswith("PORTS is not a setting")
    assert "PORT?" in sentence


def test_settings_and_variables_of_the_openai_library_are_not_reported() -> None:
    ours = [*NAMES, "OPENAI_LOG", "OPENAI_ORG_ID"]
    assert not [name for name in ours if spelling.report(name, NAMES, from_file=False)]


def test_variables_of_the_compose_files_are_not_reported() -> None:
    files = list(ROOT.glob("docker-compose*.yml"))
    read = {
        name for file in files for name in re.findall(r"(?<!\$)\$\{([A-Z_]+)", file.read_text())
    }
    assert {"STS_TARGET", "AMI_PASSWORD"} <= read
    known = {*NAMES, "OPENAI_FILE_INSTRUCTIONS"}
    assert not [name for name in read if spelling.report(name, known, from_file=True)]


def test_the_value_of_an_unknown_variable_is_not_shown() -> None:
    (sentence,) = reported({"OPENAI_APIKEY": "sk-very-secret"})
    assert "secret" not in sentence


# --- ports of two settings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "first", "second"),
    [
        ({"PORT": "7000", "HTTP_PORT": "7000"}, "PORT", "HTTP_PORT"),
        ({"PORT": "7000", "AUDIOSOCKET_PORT": "7000"}, "PORT", "AUDIOSOCKET_PORT"),
        ({"AUDIOSOCKET_PORT": "7000", "HTTP_PORT": "7000"}, "AUDIOSOCKET_PORT", "HTTP_PORT"),
        ({"EXTRA_PORTS": "1,7000", "HTTP_PORT": "7000"}, "EXTRA_PORTS", "HTTP_PORT"),
        ({"AUDIOSOCKET_PORT": "6040"}, "PORT", "AUDIOSOCKET_PORT"),
    ],
)
def test_one_port_for_two_settings_is_one_sentence_with_both(
    environ: dict[str, str], first: str, second: str
) -> None:
    assert error_of(environ).startswith(f"{first} and {second} are both ")


@pytest.mark.parametrize(("port", "name"), [(6001, "HTTP_PORT"), (5001, "AUDIOSOCKET_PORT")])
def test_a_default_port_gives_way_to_the_port_that_was_chosen(port: int, name: str) -> None:
    # AVR's panel chooses a random PORT, 6001 among them.
    settings = given_that(PORT=str(port))
    assert getattr(settings, name.lower()) is None
    (warning,) = reported({"PORT": str(port)})
    assert warning.startswith(f"PORT is {port}, the default of {name}, which is off")


def test_a_port_of_its_own_is_no_further_port() -> None:
    assert given_that(PORT="6033").extra_ports == ()
    assert reported({"PORT": "6033"}) == []


# --- wrong values, generated ---------------------------------------------------------------------

ODD = [
    "",
    " ",
    "-1",
    "0",
    "99999",
    "1e999",
    "nan",
    "inf",
    "true",
    "maybe",
    "[]",
    "{}",
    "~",
    "/",
    ".",
]
ODD += [
    "http://",
    "http://[",
    "ws://x:99999",
    "//",
    "é",
    "\x7f",
    "a b",
    "<x>",
    "x" * 5000,
    "%",
    "#",
]


@pytest.mark.parametrize("name", [*NAMES, "OPENAI_FILE_INSTRUCTIONS"])
def test_an_odd_value_of_any_setting_is_taken_or_one_sentence(name: str) -> None:
    for value in ODD:
        sentence = f"{name}=fine."
        try:
            given_that(**{name: value})
        except SettingsError as error:
            sentence = str(error)
        assert name in sentence
        assert sentence.endswith(".")
        assert sentence.isprintable()
