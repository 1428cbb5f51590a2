"""Which engine hears the callers; what each engine promises is in `test_contract`."""

import asyncio

import pytest
from tests.services.stt.collecting import Notes
from tests.settings.environment import given_that

from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn
from avr_sts_speechmatics.services.stt import Stt, stt_models
from avr_sts_speechmatics.services.stt.speechmatics import with_agent_path
from avr_sts_speechmatics.values import VocabEntry


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
def test_the_path_of_agent_stt_is_appended_once(base: str, whole: str) -> None:
    assert with_agent_path(base) == whole
    assert Stt(given_that(SPEECHMATICS_RT_URL=base)).address == whole


def test_a_query_is_kept_to_the_letter() -> None:
    settings = given_that(SPEECHMATICS_RT_URL="wss://host/v2?token=abc/")
    assert Stt(settings).address == "wss://host/v2/agent?token=abc/"


@pytest.mark.parametrize("region", ["eu", "us", "global"])
def test_speech_is_recognised_in_the_chosen_region(region: str) -> None:
    settings = given_that(SPEECHMATICS_API_KEY="k", SPEECHMATICS_REGION=region)
    assert Stt(settings).address == f"wss://{region}.rt.speechmatics.com/v2/agent"


def test_an_address_overrides_the_region() -> None:
    settings = given_that(
        SPEECHMATICS_API_KEY="k", SPEECHMATICS_REGION="us", SPEECHMATICS_RT_URL="ws://here/v2"
    )
    assert Stt(settings).address == "ws://here/v2/agent"


def test_without_key_and_address_the_sandbox_hears() -> None:
    stt = Stt(given_that())
    assert stt.offline
    assert stt.address is None


def test_a_tts_address_alone_sets_up_no_stt() -> None:
    assert Stt(given_that(SPEECHMATICS_TTS_URL="http://here")).offline


def test_calls_with_one_language_and_vocabulary_share_a_recogniser() -> None:
    stt = Stt(given_that(SPEECHMATICS_API_KEY="k"))
    words = (VocabEntry("Brandvoll"),)
    assert stt.recogniser("en", words) is stt.recogniser("en", (VocabEntry("Brandvoll"),))
    assert stt.recogniser("en", ()) is not stt.recogniser("de", ())
    assert stt.recogniser("en", ()) is not stt.recogniser("en", words)


async def test_the_sandbox_hears_a_turn_and_can_be_tried_out() -> None:
    script = turn("Hello there.", start=0.2, end=0.8, partials=["Hello"])
    async with running_sandbox(scripted(script, script)) as cloud:
        stt = Stt(given_that(), cloud.rt_url.removesuffix("/v2").replace("ws:", "http:"))
        notes = Notes()
        stream = stt.open("en", (), notes)
        running = asyncio.create_task(stream.run())
        stream.hear(bytes(32_000))
        await notes.until("turn ended")
        running.cancel()
        await asyncio.wait((running,))
        assert notes.of("segment") == [("Hello there.", 0.8)]
        tried = await stt.recogniser("en", ()).try_out()
        assert tried.took_s > 0
        assert tried.what


@pytest.mark.parametrize("url", ["ws://ears:8000/v1", "http://ears:8000/v1"])
def test_the_model_of_a_server_is_watched_for_its_end(url: str) -> None:
    chosen = {"OPENAI_STT_URL": url, "OPENAI_STT_MODEL": "whisper-1", "OPENAI_STT_API_KEY": "k"}
    [used] = stt_models(given_that(STT="openai", **chosen))
    assert used.chosen_by == "OPENAI_STT_MODEL"
    assert (used.name, used.url) == ("whisper-1", "http://ears:8000/v1")
    assert list(stt_models(given_that(**chosen))) == []
