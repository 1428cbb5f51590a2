"""Speechmatics' real-time API: what it alone does. For what all engines do see `test_contract`."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from speechmatics.rt import (
    AsyncClient,
    AudioEncoding,
    AudioFormat,
    ConversationConfig,
    ServerMessageType,
    TranscriptionConfig,
)
from tests.services.stt.collecting import SttCollector, kinds, texts
from tests.services.stt.realtime_server import RealtimeServer, end_of_utterance, transcript
from tests.services.stt.scripted_server import Step
from tests.services.stt.vendors import Said, listening
from tests.settings.environment import error_of, given_that

from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.services.stt.realtime import realtime_url

HELLO = Said("Hello there.", 0.2, 0.8, ("Hello", "Hello there"))


@pytest.fixture
async def vendor() -> AsyncIterator[RealtimeServer]:
    async with RealtimeServer.running() as server:
        yield server


async def steps(vendor: RealtimeServer, ears: SttCollector, *steps: Step) -> None:
    """Let the newest session say this, as further audio arrives."""
    await vendor.until(bool)
    vendor.sessions[-1].steps.extend(steps)
    await ears.speak(bytes(16_000 * int(max(step.at for step in steps) + 1)))


def final(text: str, start: float, end: float) -> Step:
    return Step(end + 0.1, (transcript("AddTranscript", text, start, end),))


def partial(text: str, start: float, end: float) -> Step:
    return Step(end, (transcript("AddPartialTranscript", text, start, end),))


@pytest.mark.parametrize(
    ("base", "whole"),
    [
        ("ws://container:9000", "ws://container:9000/v2"),
        ("ws://container:9000/v2", "ws://container:9000/v2"),
        ("wss://eu.rt.speechmatics.com/v2/agent", "wss://eu.rt.speechmatics.com/v2"),
        ("wss://host/v2/de?token=a/b", "wss://host/v2/de?token=a/b"),
    ],
)
def test_the_address_of_either_service_serves_for_the_realtime_api(base: str, whole: str) -> None:
    assert realtime_url(base) == whole
    assert Stt(given_that(STT="realtime", SPEECHMATICS_RT_URL=base)).address == whole


def test_without_key_and_address_the_start_is_refused() -> None:
    error = error_of({"STT": "realtime"})
    assert "SPEECHMATICS_RT_URL" in error
    assert "SPEECHMATICS_API_KEY" in error


async def test_the_vendors_own_client_accepts_the_server(vendor: RealtimeServer) -> None:
    vendor.script([HELLO])
    heard: list[str] = []
    ended = asyncio.Event()
    async with AsyncClient(api_key="a-key", url=f"{vendor.url}/v2") as client:

        @client.on(ServerMessageType.ADD_TRANSCRIPT)
        def take(message: dict[str, dict[str, str]]) -> None:
            heard.append(message["metadata"]["transcript"])

        @client.on(ServerMessageType.END_OF_UTTERANCE)
        def end(message: object) -> None:
            ended.set()

        await client.start_session(
            transcription_config=TranscriptionConfig(
                language="en",
                enable_partials=True,
                conversation_config=ConversationConfig(end_of_utterance_silence_trigger=0.6),
            ),
            audio_format=AudioFormat(encoding=AudioEncoding.PCM_S16LE, sample_rate=8000),
        )
        for _ in range(100):
            await client.send_audio(bytes(320))
        await asyncio.wait_for(ended.wait(), 5)
        await asyncio.wait_for(client.stop_session(), 5)
    assert "".join(heard) == "Hello there. "
    assert vendor.asked()[0].said_goodbye


async def test_a_session_is_asked_for_as_the_reference_says(vendor: RealtimeServer) -> None:
    stt = vendor.stt(STT_SILENCE_MS="800", STT_MAX_DELAY_MS="700", SPEECHMATICS_MODEL="standard")
    ears = SttCollector(stt.recogniser("it", ()))
    try:
        await vendor.until(bool)
        assert vendor.starts == [
            {
                "message": "StartRecognition",
                "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
                "transcription_config": {
                    "language": "it",
                    "model": "standard",
                    "enable_partials": True,
                    "max_delay": 0.9,  # above the silence, as the reference advises
                    "conversation_config": {"end_of_utterance_silence_trigger": 0.8},
                },
            }
        ]
    finally:
        ears.running.cancel()
        await asyncio.wait((ears.running,))


async def test_a_container_without_keys_is_asked_without_a_key(vendor: RealtimeServer) -> None:
    vendor.keyless = True
    async with listening(vendor):
        [asked] = await vendor.until(bool)
    assert asked.key == ""
    assert "Authorization" not in vendor.sessions[0].request.headers


async def test_words_are_shown_with_the_final_words_before_them(vendor: RealtimeServer) -> None:
    async with listening(vendor) as ears:
        await steps(
            vendor,
            ears,
            partial("we would", 0.2, 0.8),
            final("we would", 0.2, 0.8),
            partial("like", 0.9, 1.2),
            final("like", 0.9, 1.3),
            final(", please", 1.3, 1.6),
            Step(2.5, (end_of_utterance(1.6),)),
        )
        await ears.notes.until("turn ended")
        assert [text for text, _ in ears.notes.of("words")] == [
            "we would", "we would", "we would like", "we would like", "we would like, please",
        ]  # fmt: skip
        assert texts(ears, "segment") == ["we would like, please"]
        assert ears.notes.of("speech started") == [("", 0.2)]
        assert ears.notes.of("speech ended") == [("", 1.6)]


async def test_a_sentence_is_a_segment_as_soon_as_it_ends(vendor: RealtimeServer) -> None:
    async with listening(vendor) as ears:
        await steps(
            vendor,
            ears,
            final("Good evening", 0.2, 1.0),
            final(". ", 1.0, 1.0),
            final("A table", 1.2, 1.8),
        )
        await ears.notes.until("words", times=3)
        assert ears.notes.of("segment") == [("Good evening.", 1.0)]
        assert ears.notes.of("turn ended") == []


async def test_a_long_sentence_is_settled_piece_by_piece_between_words(
    vendor: RealtimeServer,
) -> None:
    said = [final(f"word{n}", n * 1.0, n * 1.0 + 0.9) for n in range(14)]
    said.insert(6, final(",", 5.9, 5.9))  # where the first piece is long enough
    async with listening(vendor) as ears:
        await steps(vendor, ears, *said, Step(15.5, (end_of_utterance(14.0),)))
        await ears.notes.until("turn ended")
        segments = texts(ears, "segment")
        assert len(segments) >= 2
        assert not any(text.startswith(",") for text in segments)
        assert " ".join(segments).replace(",", "").split() == [f"word{n}" for n in range(14)]


@pytest.mark.parametrize("finals", [True, False])
async def test_a_turn_ends_after_a_silence_of_words_when_no_end_is_reported(
    vendor: RealtimeServer, finals: bool, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.reports_ends = False
    vendor.finals = finals
    vendor.script([HELLO])
    async with listening(vendor) as ears:
        await ears.speak(bytes(16_000 * 6))
        await ears.notes.until("turn ended")
        assert kinds(ears) == ["speech started", "words", "segment", "speech ended", "turn ended"]
        assert texts(ears, "segment") == ["Hello there." if finals else "Hello there"]
    assert "was not reported" in caplog.text


async def test_words_taken_before_they_were_final_are_not_heard_again(
    vendor: RealtimeServer,
) -> None:
    vendor.reports_ends = vendor.finals = False
    vendor.script([HELLO])
    async with listening(vendor) as ears:
        await ears.speak(bytes(16_000 * 4))
        await ears.notes.until("turn ended")
        late = transcript("AddTranscript", "Hello there.", 0.2, 0.8)
        new = transcript("AddTranscript", "A table.", 4.2, 4.8)
        await steps(vendor, ears, Step(4.5, (late,)), Step(5.0, (new, end_of_utterance(4.8))))
        await ears.notes.until("turn ended", times=2)
        assert texts(ears, "segment") == ["Hello there", "A table."]


async def test_a_noise_that_was_taken_for_a_word_ends_without_words(vendor: RealtimeServer) -> None:
    async with listening(vendor) as ears:
        await steps(
            vendor,
            ears,
            partial("uh", 0.2, 0.4),
            Step(1.0, (transcript("AddPartialTranscript", "", 0.2, 0.9),)),
            Step(1.5, (transcript("AddTranscript", "", 0.2, 1.4), end_of_utterance(1.4))),
        )
        await ears.notes.until("turn ended")
        assert kinds(ears) == ["speech started", "words", "speech ended", "turn ended"]


async def test_an_end_without_words_ends_no_turn(vendor: RealtimeServer) -> None:
    async with listening(vendor) as ears:
        empty = transcript("AddTranscript", "", 0.0, 1.0)
        await steps(vendor, ears, Step(1.0, (empty, end_of_utterance(1.0))))
        await vendor.until(lambda asked: asked[0].seconds > 1.9)
        assert ears.notes.heard == []
