"""Names that resemble a setting. Further names are in test_loading.py, through the environment."""

from pathlib import Path

import pytest
from tests.settings.environment import reported


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SPEECHMATIC_API_KEY", "SPEECHMATICS_API_KEY"),
        ("SPEECHMATCS_API_KEY", "SPEECHMATICS_API_KEY"),
        ("SPEACHMATICS_API_KEY", "SPEECHMATICS_API_KEY"),
        ("SPEECH_MATICS_API_KEY", "SPEECHMATICS_API_KEY"),
        ("SPEECHMATICS-API-KEY", "SPEECHMATICS_API_KEY"),
        ("OPEN_AI_API_KEY", "OPENAI_API_KEY"),
        ("OPENIA_API_KEY", "OPENAI_API_KEY"),
        ("openai_model", "OPENAI_MODEL"),
        ("OpenAI_Model", "OPENAI_MODEL"),
        ("openai_modle", "OPENAI_MODEL"),
        ("log_level", "LOG_LEVEL"),
        ("TRANFER_ALLOW", "TRANSFER_ALLOW"),
        ("WEBHOK_SECRET", "WEBHOOK_SECRET"),
        ("TIMEZONE", "TIME_ZONE"),
    ],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_near_miss_is_reported_with_the_name_that_was_meant(
    name: str, meant: str, in_file: bool, tmp_path: Path
) -> None:
    env_file = tmp_path / ".env"
    if in_file and "-" not in name:
        env_file.write_text(f"{name}=x\n")
        (sentence,) = reported({}, env_file)
    else:
        (sentence,) = reported({name: "x"})
    assert sentence.startswith(name)
    assert sentence.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize("name", ["port", "host", "HTTPS_PORT", "OPENAPI_DIR", "https_proxy"])
def test_a_common_name_of_the_environment_is_not_reported(name: str) -> None:
    assert reported({name: "x"}) == []


def test_small_letters_are_reported_from_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("port=6050\n")
    (sentence,) = reported({}, tmp_path / ".env")
    assert sentence == "port has no effect; did you mean PORT?"
