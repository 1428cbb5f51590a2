"""Which choices of voices fit together, and what is said of those that do not."""

import pytest
from tests.settings.environment import error_of, given_that

from avr_sts_speechmatics.services import tts

HERE = {"TTS": "http", "OPENAI_TTS_URL": "http://localhost:8880/v1"}
OPENAI = {"TTS": "http", "OPENAI_API_KEY": "k"}
CLOUD = {"SPEECHMATICS_API_KEY": "k"}


@pytest.mark.parametrize(
    ("environ", "first", "second"),
    [
        ({}, "speechmatics", None),
        (CLOUD | {"VOICE_FALLBACK": "openai", "OPENAI_API_KEY": "k"}, "speechmatics", "openai"),
        (HERE, "openai", None),
        (OPENAI, "openai", None),
        (HERE | CLOUD | {"VOICE_FALLBACK": "speechmatics"}, "openai", "speechmatics"),
        (HERE | {"VOICE_FALLBACK": "openai", "OPENAI_API_KEY": "k"}, "openai", "openai.com"),
    ],
)
def test_first_and_second_voice_are_those_of_the_settings(
    environ: dict[str, str], first: str, second: str | None
) -> None:
    chosen = given_that(**environ)
    assert (tts.first(chosen), tts.second(chosen)) == (first, second)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"TTS": "http"}, "TTS=http: no server is set; give its address in OPENAI_TTS_URL"),
        # The model's key is the key of another server.
        (
            {"TTS": "http", "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://localhost/v1"},
            "TTS=http: no server is set",
        ),
        (
            OPENAI | {"VOICE_FALLBACK": "openai"},
            "VOICE_FALLBACK=openai: with TTS=http that is the first voice already",
        ),
        (
            HERE | {"VOICE_FALLBACK": "openai"},
            "VOICE_FALLBACK=openai: with TTS=http that is OpenAI itself, and there is no key",
        ),
        (
            HERE | {"VOICE_FALLBACK": "speechmatics"},
            "VOICE_FALLBACK=speechmatics: it has no key; give SPEECHMATICS_API_KEY.",
        ),
        (
            CLOUD | {"VOICE_FALLBACK": "speechmatics"},
            "VOICE_FALLBACK=speechmatics: that is the first voice already",
        ),
    ],
)
def test_choices_that_contradict_each_other_stop_the_start_with_one_sentence(
    environ: dict[str, str], sentence: str
) -> None:
    told = error_of(environ)
    assert told.startswith(sentence)
    assert told.endswith(".")
    assert "\n" not in told


def test_openais_own_key_goes_to_openai_only() -> None:
    assert given_that(OPENAI_API_KEY="k").openai_own_key is not None
    eu = given_that(OPENAI_API_KEY="k", OPENAI_BASE_URL="https://eu.api.openai.com/v1")
    assert eu.openai_own_key is not None
    for url in ("http://localhost/v1", "https://notapi.openai.com.example/v1"):
        assert given_that(OPENAI_API_KEY="k", OPENAI_BASE_URL=url).openai_own_key is None


def test_the_sandbox_speaks_only_where_nobody_else_is_the_first_voice() -> None:
    assert given_that().sandbox_speaks
    assert not given_that(**CLOUD).sandbox_speaks
    assert not given_that(**HERE).sandbox_speaks
