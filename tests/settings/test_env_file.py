"""The file `.env`: no line of it is lost without a word, and no value of it is shown."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settings.environment import error_of
from tests.support import untraced_environment

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import DECLARATIONS, load, load_and_warn
from avr_sts_speechmatics.settings.env_file import read_env_file
from avr_sts_speechmatics.values import Secret

NAMES = [name.upper() for name in DECLARATIONS]


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def warnings_of(env_file: Path, **environ: str) -> tuple[str, ...]:
    return load_and_warn(environ, env_file).warnings


# --- lines that have no meaning ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "advice"),
    [
        ('OPENAI_API_KEY="sk-hunter2\n', 1, 'OPENAI_API_KEY: the quote " that begins'),
        ("OPENAI_API_KEY='sk-hunter2\n", 1, "OPENAI_API_KEY: the quote ' that begins"),
        ('PORT=6050\n\n# mine\n\nWEBHOOK_SECRET="hunter2', 5, "close the quote"),
        ('OPENAI_API_KEY="sk-hunter2\nSPEECHMATICS_VOICE="theo"\n', 1, "close the quote"),
        ('OPENAI_API_KEY="sk-hunter2\nSPEECHMATICS_VOICE=""\n', 1, "close the quote"),
        ('export OPENAI_API_KEY = "sk-hunter2\n', 1, "close the quote"),
        ('SPEECHMATICS_WELCOME_MESSAGE="Hello, hunter2\nPORT=1\n', 1, "close the quote"),
        ('OPENAI_API_KEY="sk"hunter2\n', 1, "text follows the closing quote"),
        ("PORT 7141\n", 1, "there is no `=` after PORT; write PORT=value"),
        ("MAX_CALLS=3\nPORT: 7141\n", 2, "there is no `=` after PORT; write PORT=value"),
        ("OPENAI_API_KEY: sk-hunter2\n", 1, "write OPENAI_API_KEY=value"),
        ("OPENAI_API_KEY sk-hunter2\n", 1, "write OPENAI_API_KEY=value"),
        ("PORT:7141\n", 1, "write NAME=value"),
        ("set PORT=7141\n", 1, "write NAME=value"),
        ("$env:PORT=7141\n", 1, "write NAME=value"),
        ("- PORT=7141\n", 1, "write NAME=value"),
        ('{"PORT": 7141}\n', 1, "write NAME=value"),
        ("; a comment of hunter2\n", 1, "# before a comment"),
    ],
)
def test_a_line_without_meaning_stops_the_start_with_file_line_and_advice(
    env_file: Path, text: str, line: int, advice: str
) -> None:
    env_file.write_text(text)
    error = error_of({}, env_file)
    assert error.startswith(f"{env_file}, line {line}: ")
    assert advice in error
    assert error.endswith(".")
    assert "hunter2" not in error


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200))
def test_any_text_is_settings_or_one_sentence(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.env"
    path.write_text(text, encoding="utf-8", newline="")
    sentence = "none"
    try:
        load({}, path)
    except SettingsError as error:
        sentence = str(error)
    assert sentence.isprintable()
    assert len(sentence) < 600


@given(name=st.sampled_from(NAMES), rest=st.text("abc \"'=#:\\${}\n", max_size=20))
def test_a_line_with_the_name_of_a_setting_is_read_or_reported(
    name: str, rest: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "line.env"
    path.write_text(f"{name}{rest}\n")
    try:
        found = read_env_file(path, NAMES, {}).values
    except SettingsError:
        return
    first = rest.partition("\n")[0].strip()
    # A name alone is left to the environment, a longer name is reported as no setting.
    assert name in found or not first.startswith(("=", ":")) or first == ""


# --- forms that are read -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "PORT=6050\n",
        "PORT = 6050\n",
        "export PORT=6050\n",
        "  PORT=6050  \n",
        "PORT=6050\r\n",
        "PORT=6050 # the port\n",
        'PORT="6050"\n',
        "PORT='6050' # the port\n",
        "\ufeffPORT=6050\n",
        "# first\n\nPORT=6050",
        "MINE=6050\nPORT=${MINE}\n",
        "PORT=${NOTHING_OF_THAT_NAME:-6050}\n",
    ],
)
def test_what_other_tools_read_is_read(env_file: Path, text: str) -> None:
    env_file.write_text(text, encoding="utf-8", newline="")
    assert load({}, env_file).port == 6050


def test_a_text_of_several_lines_may_stand_in_quotes(env_file: Path) -> None:
    env_file.write_text('SPEECHMATICS_INSTRUCTIONS="Sell bread.\nPRICE=2 euros"\nPORT=6050\n')
    settings = load({}, env_file)
    assert settings.speechmatics_instructions == "Sell bread.\nPRICE=2 euros"
    assert settings.port == 6050


def test_a_name_without_a_value_is_left_to_the_environment(env_file: Path) -> None:
    env_file.write_text("OPENAI_API_KEY\n")
    assert load({}, env_file).openai_api_key is None
    assert load({"OPENAI_API_KEY": "k"}, env_file).openai_api_key == Secret("k")


# --- warnings ----------------------------------------------------------------------------------


def test_a_name_that_stands_twice_is_reported(env_file: Path) -> None:
    env_file.write_text("PORT=6050\n\nMAX_CALLS=3\nPORT=6060\n")
    assert load({}, env_file).port == 6060
    (warning,) = warnings_of(env_file)
    assert "PORT stands in lines 1 and 4" in warning


def test_a_reference_to_nothing_is_reported(env_file: Path) -> None:
    env_file.write_text("OPENAI_API_KEY=${NO_SUCH_KEY}\n")
    (warning,) = warnings_of(env_file)
    assert "line 1: OPENAI_API_KEY refers to ${NO_SUCH_KEY}, which is not set" in warning
    assert warnings_of(env_file, NO_SUCH_KEY="x") == ()


# --- files that cannot be read -----------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_another_encoding_is_one_sentence(env_file: Path, encoding: str) -> None:
    env_file.write_bytes("SPEECHMATICS_WELCOME_MESSAGE=Grüß Gott!".encode(encoding))
    assert error_of({}, env_file) == f"{env_file}: not text in UTF-8; save the file as UTF-8."


def loaded_as_another_user(folder: Path) -> str:
    """What another user's process in this folder prints: "loaded", or the error."""
    code = (
        "import os\n"
        "from avr_sts_speechmatics import settings\n"
        "from avr_sts_speechmatics.errors import SettingsError\n"
        "os.getuid() or os.setuid(65534)\n"
        "try:\n    settings.load({})\n    print('loaded')\n"
        "except SettingsError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=untraced_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_file_of_another_user_is_one_sentence(env_file: Path) -> None:
    env_file.write_text("PORT=6050\n")
    env_file.chmod(0)
    env_file.parent.chmod(0o755)
    assert loaded_as_another_user(env_file.parent) == (
        ".env: cannot be read (permission denied); let the user that runs the service read the "
        "file, or take the file away."
    )


def test_a_working_directory_that_cannot_be_entered_has_no_file(tmp_path: Path) -> None:
    # Kubernetes runs an image under any user id, also in the home of the image's user.
    home = tmp_path / "home"
    home.mkdir()
    (home / ".env").write_text("PORT=6050\n")
    command = f"cd {home} && chmod 0 . && exec {sys.executable} -c "
    code = (
        "import os; from avr_sts_speechmatics import settings; os.getuid() or os.setuid(65534); "
        "print(settings.load({}) == settings.DEFAULTS)"
    )
    done = subprocess.run(
        ["sh", "-c", f'{command} "{code}"'],
        env=untraced_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    home.chmod(0o755)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_a_directory_in_the_place_of_the_file_is_reported(env_file: Path) -> None:
    env_file.mkdir()
    (warning,) = warnings_of(env_file)
    assert "is a directory" in warning
    (env_file / "pyvenv.cfg").touch()
    assert warnings_of(env_file) == ()
