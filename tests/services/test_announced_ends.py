"""Announced ends of models: whose, when, and from when on an operator is warned."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doctor.model_server import model_server
from tests.http_proxy import http_proxy

from avr_sts_speechmatics.network.proxies import parse
from avr_sts_speechmatics.services.announced_ends import (
    WARN_DAYS,
    ModelInUse,
    announced_end,
    shutdown_date,
    warning,
    warnings,
)
from avr_sts_speechmatics.values import Secret

OPENAI = "https://api.openai.com/v1"
VOICE = ModelInUse("OPENAI_TTS_MODEL", "gpt-4o-mini-tts", OPENAI, advice="set OPENAI_TTS_URL")


@pytest.mark.parametrize(
    ("url", "model", "end"),
    [
        (OPENAI, "gpt-4o-mini-tts", date(2027, 1, 6)),
        (OPENAI, "tts-1", date(2027, 1, 6)),
        (OPENAI, "tts-1-hd", date(2027, 1, 6)),
        (OPENAI, "gpt-4o-mini-tts-2025-12-15", date(2027, 1, 6)),
        (OPENAI, "whisper-1", date(2027, 2, 26)),
        (OPENAI, "gpt-4o-mini-transcribe-2025-12-15", date(2027, 2, 26)),
        (OPENAI, "gpt-transcribe", None),
        (OPENAI, "gpt-4o", date(2027, 1, 14)),
        (OPENAI, "gpt-4o-2024-08-06", date(2027, 1, 14)),
        (OPENAI, "gpt-3.5-turbo-0125", date(2026, 10, 23)),
        ("https://eu.api.openai.com/v1", "gpt-5-mini", date(2026, 12, 11)),
        (OPENAI, "gpt-6-luna", None),
        (OPENAI, "gpt-4o-audio", None),
        ("http://localhost:8000/v1", "gpt-4o", None),
        ("https://notapi.openai.com.example/v1", "gpt-4o", None),
    ],
)
def test_the_list_is_of_openais_models_at_openai(url: str, model: str, end: date | None) -> None:
    assert announced_end(url, model) == end


def test_a_warning_names_setting_model_day_and_what_to_do() -> None:
    sentence = warning(VOICE, date(2027, 1, 6), date(2026, 11, 28))
    assert sentence == (
        "OPENAI_TTS_MODEL: the model gpt-4o-mini-tts ends on 6 January 2027; set OPENAI_TTS_URL."
    )
    after = warning(VOICE, date(2027, 1, 6), date(2027, 1, 6))
    assert after is not None
    assert "was announced to end on 6 January 2027" in after


@given(st.integers(-1000, 1000))
def test_the_warning_comes_sixty_days_before_the_end_and_stays(days: int) -> None:
    end = date(2027, 1, 6)
    assert (warning(VOICE, end, end - timedelta(days)) is not None) is (days <= WARN_DAYS == 60)


def test_the_start_warns_of_the_models_in_use_without_asking_anybody() -> None:
    used = [VOICE, ModelInUse("OPENAI_MODEL", "gpt-6-luna", OPENAI)]
    assert list(warnings(used, date(2026, 11, 6))) == []
    (sentence,) = warnings(used, date(2026, 11, 7))
    assert sentence.startswith("OPENAI_TTS_MODEL: the model gpt-4o-mini-tts ends on 6 January 2027")


@pytest.mark.parametrize(
    ("described", "end"),
    [
        ({"id": "m", "shutdown_date": "2027-01-14"}, date(2027, 1, 14)),
        ({"id": "m", "shutdown_date": "2027-01-14T00:00:00Z"}, date(2027, 1, 14)),
        ({"id": "m", "shutdown_date": None}, None),
        ({"id": "m"}, None),
        ({"id": "m", "shutdown_date": "soon"}, None),
        ({"id": "m", "shutdown_date": 7}, None),
        (["m"], None),
        (None, None),
    ],
)
async def test_a_server_is_asked_when_it_shuts_a_model_down(
    described: object, end: date | None
) -> None:
    async with model_server(described=described) as url:
        assert await shutdown_date(url, Secret("a-key"), "org/a-model") == end


async def test_a_server_that_is_not_there_says_nothing_and_a_proxy_is_used() -> None:
    assert await shutdown_date("http://127.0.0.1:1/v1", None, "m") is None
    async with model_server(described={"shutdown_date": "2027-01-14"}) as url:
        async with http_proxy(int(url.split(":")[2].partition("/")[0])) as proxy:
            found = await shutdown_date("http://llm.test/v1", None, "m", parse(proxy.url))
    assert found == date(2027, 1, 14)
    assert proxy.hosts == {"llm.test"}
