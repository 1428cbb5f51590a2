"""OpenAI's realtime transcription: what it alone does. `test_contract` has what all engines do."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from tests.services.stt.collecting import SttCollector, kinds, texts
from tests.services.stt.openai_server import (
    ERRORS,
    SPEACHES,
    TRANSCRIPTION,
    LiveServer,
    OpenAiServer,
    completed,
)
from tests.services.stt.scripted_server import Step
from tests.services.stt.vendors import Said, listening
from tests.settings.environment import error_of, given_that

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.services.stt import openai as engine
from avr_sts_speechmatics.services.stt.openai import iso_language, transcription_url
from avr_sts_speechmatics.values import Secret, VocabEntry

HELLO = Said("Hello there.", 0.2, 0.8, ("Hello", "Hello there"))


@pytest.fixture
async def vendor() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer.running() as server:
        yield server


def sound(kind: str, item: str, **more: int) -> dict[str, Any]:
    return {"type": f"input_audio_buffer.{kind}", "item_id": item} | more


def delta(item: str, text: str) -> dict[str, Any]:
    return {"type": f"{TRANSCRIPTION}.delta", "item_id": item, "delta": text}


def failed(item: str) -> dict[str, Any]:
    error = {"type": "server_error", "message": "out of memory"}
    return {"type": f"{TRANSCRIPTION}.failed", "item_id": item, "error": error}


async def steps(vendor: OpenAiServer, ears: SttCollector, *steps: Step) -> None:
    """Let the newest session say this, as further audio arrives."""
    await vendor.until(bool)
    vendor.sessions[-1].steps.extend(steps)
    await ears.speak(bytes(16_000 * int(max(step.at for step in steps) + 1)))


# --- addresses, keys, languages -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "whole"),
    [
        (
            "http://localhost:8000/v1",
            "ws://localhost:8000/v1/realtime?intent=transcription&model=a%2Fb&language=de",
        ),
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime?intent=transcription"),
        (
            "wss://host/v1?token=x",
            "wss://host/v1/realtime?token=x&intent=transcription&model=a%2Fb&language=de",
        ),
    ],
)
def test_own_servers_find_model_and_language_in_the_address_and_openai_does_not(
    base: str, whole: str
) -> None:
    assert transcription_url(base, "a/b", "de") == whole


@pytest.mark.parametrize(("code", "iso"), [("de", "de"), ("cmn", "zh"), ("en_ta", "")])
def test_languages_are_written_as_openai_writes_them(code: str, iso: str) -> None:
    assert iso_language(code) == iso


def test_the_models_key_is_sent_to_the_models_server_only() -> None:
    here = {"OPENAI_STT_MODEL": "m", "OPENAI_API_KEY": "k"}
    same = {"OPENAI_BASE_URL": "http://box:8000/v1", "OPENAI_STT_URL": "ws://box:8000/v1"}
    other = {"OPENAI_BASE_URL": "http://box:8000/v1", "OPENAI_STT_URL": "http://ears:8000/v1"}
    assert given_that(**here, **same).openai_stt_key == Secret("k")
    assert given_that(**here, **other).openai_stt_key is None
    assert given_that(OPENAI_API_KEY="k", STT="openai").openai_stt_key == Secret("k")


def test_without_key_and_address_or_without_model_the_start_is_refused() -> None:
    assert "OPENAI_STT_API_KEY" in error_of({"STT": "openai"})
    assert "OPENAI_STT_MODEL" in error_of({"OPENAI_STT_URL": "http://localhost:8000/v1"})


@pytest.mark.parametrize(
    ("url", "nobody"), [("http://ears:8000/v1", True), ("http://localhost:8000/v1", False)]
)
def test_callers_heard_on_another_machine_are_real(url: str, nobody: bool) -> None:
    settings = given_that(STT="openai", OPENAI_STT_URL=url, OPENAI_STT_MODEL="m")
    assert settings.nobody_answers is nobody


# --- the wire -------------------------------------------------------------------------------------


async def test_openais_own_client_accepts_the_server(vendor: OpenAiServer) -> None:
    vendor.script([HELLO])
    said: list[Any] = []
    audio = base64.b64encode(bytes(4800)).decode()
    async with (
        openai.AsyncOpenAI(api_key="a-key", websocket_base_url=f"{vendor.url}/v1") as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "whisper-small", "language": "en"},
                        "turn_detection": {"type": "server_vad"},
                    }
                },
            }
        )
        for _ in range(20):
            await connection.input_audio_buffer.append(audio=audio)
        async with asyncio.timeout(5):
            async for event in connection:
                said.append(event)
                if event.type == f"{TRANSCRIPTION}.completed":
                    break
    assert said[-1].transcript == "Hello there."
    words = [event.delta for event in said if event.type == f"{TRANSCRIPTION}.delta"]
    assert "".join(words) == "Hello there"
    times = [event.audio_start_ms for event in said if event.type.endswith("speech_started")]
    assert times == [200]


async def test_a_session_is_asked_for_as_the_guide_says(vendor: OpenAiServer) -> None:
    async with listening(vendor, "de", (VocabEntry("Brandvoll"), VocabEntry("Siobhan"))):
        await vendor.until(bool)
    assert vendor.updates == [
        {
            "type": "session.update",
            "session": {
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {
                            "model": "whisper-small",
                            "language": "de",
                            "prompt": "Brandvoll, Siobhan",
                        },
                        "turn_detection": {
                            "type": "server_vad",
                            "prefix_padding_ms": 300,
                            "silence_duration_ms": 600,
                        },
                    }
                },
            },
        }
    ]


@pytest.mark.parametrize(
    ("model", "field"),
    [("gpt-live-transcribe", "keywords"), ("gpt-realtime-whisper", ""), ("whisper-1", "prompt")],
)
async def test_each_model_is_told_the_words_in_its_own_way(
    vendor: OpenAiServer, model: str, field: str
) -> None:
    stt = vendor.stt(OPENAI_STT_MODEL=model)
    ears = SttCollector(stt.recogniser("en", (VocabEntry("Brandvoll"),)))
    await vendor.until(bool)
    ears.running.cancel()
    await asyncio.wait((ears.running,))
    told = vendor.updates[0]["session"]["audio"]["input"]["transcription"]
    assert set(told) - {"model", "language"} == ({field} if field else set())


async def test_a_refused_turn_detection_is_remembered_for_the_next_call() -> None:
    async with LiveServer.running() as vendor:
        recogniser = vendor.stt().recogniser("en", ())
        for _ in range(2):
            ears = SttCollector(recogniser)
            await ears.speak(bytes(1600))
            await vendor.until(lambda asked: bool(asked) and asked[-1].open)
            ears.running.cancel()
            await asyncio.wait((ears.running,))
            assert ears.notes.of("lost") == []
        asked_for = [
            update["session"]["audio"]["input"]["turn_detection"] for update in vendor.updates
        ]
        assert asked_for[0] is not None
        assert asked_for[1:] == [None, None]
        assert (await recogniser.try_out()).advice == engine.OWN_TURNS


# --- what the caller says -------------------------------------------------------------------------


async def test_texts_that_come_late_and_out_of_order_are_one_turn_in_order(
    vendor: OpenAiServer,
) -> None:
    async with listening(vendor) as ears:
        await steps(
            vendor,
            ears,
            Step(0.3, (sound("speech_started", "a", audio_start_ms=200),)),
            Step(1.5, (sound("speech_stopped", "a", audio_end_ms=1000), sound("committed", "a"))),
            Step(1.7, (sound("speech_started", "b", audio_start_ms=1600),)),
            Step(2.0, (delta("b", "please"),)),
            Step(2.9, (sound("speech_stopped", "b", audio_end_ms=2300), sound("committed", "b"))),
            Step(3.0, (completed("b", "Please."),)),
            Step(3.2, (completed("a", "A table."),)),
        )
        await ears.notes.until("turn ended")
        assert texts(ears, "segment") == ["A table.", "Please."]
        assert len(ears.notes.of("turn ended")) == 1


async def test_a_turn_is_not_over_while_the_caller_speaks_on(vendor: OpenAiServer) -> None:
    async with listening(vendor) as ears:
        await steps(
            vendor,
            ears,
            Step(0.3, (sound("speech_started", "a", audio_start_ms=200),)),
            Step(1.5, (sound("speech_stopped", "a", audio_end_ms=1000), sound("committed", "a"))),
            Step(1.6, (sound("speech_started", "b", audio_start_ms=1500),)),
            Step(1.8, (completed("a", "A table."),)),
        )
        await ears.notes.until("segment")
        assert ears.notes.of("turn ended") == []
        await steps(
            vendor,
            ears,
            Step(5.0, (sound("speech_stopped", "b", audio_end_ms=4500), completed("b", ""))),
        )
        await ears.notes.until("turn ended")
        assert texts(ears, "segment") == ["A table."]


async def test_a_final_text_before_the_silence_does_not_end_the_turn() -> None:
    async with LiveServer.running() as vendor, listening(vendor) as ears:
        await steps(
            vendor,
            ears,
            Step(0.5, (delta("a", "A table"), completed("a", "A table"))),
            Step(1.0, (delta("b", "please"),)),
        )
        await ears.notes.until("words", times=2)
        assert ears.notes.of("turn ended") == []
        await ears.speak(bytes(32_000))
        await vendor.until(lambda asked: asked[0].seconds > 3.9)
        await vendor.sessions[-1].send(completed("b", "please."))
        await ears.notes.until("turn ended")
        assert texts(ears, "segment") == ["A table", "please."]
        assert len(ears.notes.of("turn ended")) == 1


async def test_times_since_the_last_commit_are_understood() -> None:
    async with OpenAiServer.running() as vendor:
        vendor.manners = SPEACHES
        vendor.script([HELLO, Said("A table.", 3.0, 3.6), Said("For two.", 6.0, 6.6)])
        async with listening(vendor) as ears:
            await ears.speak(bytes(16_000 * 8), pause=0.001)
            await ears.notes.until("turn ended", times=3)
            ends = [at for _, at in ears.notes.of("segment")]
            assert ends == pytest.approx([0.8, 3.6, 6.6], abs=0.35)


async def test_speech_that_cannot_be_transcribed_keeps_the_words_that_came(
    vendor: OpenAiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(vendor) as ears:
        await steps(
            vendor,
            ears,
            Step(0.3, (sound("speech_started", "a", audio_start_ms=200), delta("a", "A table"))),
            Step(1.5, (sound("speech_stopped", "a", audio_end_ms=1000), failed("a"))),
        )
        await ears.notes.until("turn ended")
        assert texts(ears, "segment") == ["A table"]
        assert ears.notes.of("lost") == []
    assert "could not be transcribed" in caplog.text


async def test_speech_that_never_becomes_text_is_heard_again(
    vendor: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ITEM_S", 0.1)
    async with listening(vendor) as ears:
        await steps(
            vendor,
            ears,
            Step(0.3, (sound("speech_started", "a", audio_start_ms=200),)),
            Step(1.5, (sound("speech_stopped", "a", audio_end_ms=1000),)),
        )
        await ears.notes.until("restored")
        again = await vendor.until(lambda asked: len(asked) == 2 and asked[1].seconds > 1.9)
    assert again[1].seconds == pytest.approx(2.0, abs=0.1), "from before the speech"


async def test_an_error_in_a_session_costs_nothing(
    vendor: OpenAiServer, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.script([HELLO])
    async with listening(vendor) as ears:
        await vendor.until(bool)
        await vendor.sessions[0].send({"type": "error", "error": ERRORS["unknown language"]})
        await ears.speak(bytes(32_000))
        await ears.notes.until("turn ended")
        assert kinds(ears) == list(vendor.reports)
    assert "the server reports" in caplog.text


@pytest.mark.parametrize(
    ("error", "said", "retryable"),
    [
        ({"code": "invalid_api_key", "message": "Incorrect API key"}, "OPENAI_STT_API_KEY", False),
        ({"code": "insufficient_quota", "message": "pay"}, "credit", False),
        ({"message": "Model 'x' is not installed"}, "OPENAI_STT_MODEL", False),
        ({"message": "The model is still loading"}, "OPENAI_STT_MODEL", True),
        ({"type": "server_error", "message": "oh"}, "oh", True),
        ({"type": "invalid_request_error", "message": "odd"}, "odd", False),
    ],
)
async def test_a_refusal_names_the_setting_to_check(
    vendor: OpenAiServer,
    monkeypatch: pytest.MonkeyPatch,
    error: dict[str, str],
    said: str,
    retryable: bool,
) -> None:
    monkeypatch.setitem(ERRORS, "full", error)
    vendor.fail("full")
    with pytest.raises(ServiceError, match=said) as failed:
        await vendor.stt().recogniser("en", ()).try_out()
    assert failed.value.retryable is retryable


async def test_a_trial_fails_when_nothing_can_be_transcribed(
    vendor: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def commit(session: Any) -> None:
        await session.send(sound("committed", "a"), failed("a"))

    monkeypatch.setattr(vendor, "_commit", commit)
    with pytest.raises(ServiceError, match="OPENAI_STT_MODEL"):
        await vendor.stt().recogniser("en", ()).try_out()


def test_without_an_address_openai_hears() -> None:
    stt = Stt(given_that(STT="openai", OPENAI_STT_API_KEY="k"))
    assert stt.address == "https://api.openai.com/v1"
    assert not stt.offline
