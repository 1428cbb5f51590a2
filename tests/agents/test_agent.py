"""An agent: how its voice is chosen."""

import pytest

from avr_sts_speechmatics.agents.agent import VoiceChoice, voice_choice
from avr_sts_speechmatics.errors import InvalidValue


@pytest.mark.parametrize(
    ("written", "choice"),
    [
        ("theo", VoiceChoice(None, "theo")),
        (" theo ", VoiceChoice(None, "theo")),
        ({"engine": "openai", "name": "alloy"}, VoiceChoice("openai", "alloy")),
        ({"engine": "openai"}, VoiceChoice("openai", None)),
        ({"engine": "http", "name": "af_heart"}, VoiceChoice("openai", "af_heart")),
        ({"engine": "speechmatics", "name": None}, VoiceChoice("speechmatics", None)),
    ],
)
def test_a_voice_is_a_name_or_an_engine_with_a_name(written: object, choice: VoiceChoice) -> None:
    assert voice_choice(written) == choice


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "../generate",
        "x" * 61,
        [],
        {},
        {"name": "alloy"},
        {"engine": "other", "name": "alloy"},
        {"engine": ["openai"]},
        {"engine": "openai", "name": ""},
        {"engine": "openai", "name": "a b"},
        {"engine": "openai", "name": ["alloy"]},
        {"engine": "openai", "speed": "2"},
    ],
)
def test_an_invalid_voice_is_rejected_with_the_allowed_forms(written: object) -> None:
    with pytest.raises(InvalidValue, match=r"sarah|plain name"):
        voice_choice(written)
