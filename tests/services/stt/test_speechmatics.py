"""Hearing through the wire of Agent STT: what is sent, what is heard, and what survives a fault."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import (
    Drop,
    Error,
    Malformed,
    RefuseKey,
    RefuseRate,
    Stall,
    Status,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    running_sandbox,
    scripted,
    turn,
)
from avr_sts_speechmatics.services.stt import speechmatics, speechmatics_session
from avr_sts_speechmatics.services.stt.speechmatics import SpeechmaticsStt, SpeechmaticsSttStream
from avr_sts_speechmatics.values import Secret, VocabEntry


class Notes:
    """A listener that writes everything down."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, float]] = []
        self._changed = asyncio.Event()

    def _note(self, what: str, text: str = "", at: float = 0.0) -> None:
        self.heard.append((what, text, round(at, 2)))
        self._changed.set()

    def speech_started(self, at: float) -> None:
        self._note("speech started", at=at)

    def speech_ended(self, at: float) -> None:
        self._note("speech ended", at=at)

    def words_heard(self, text: str, end: float) -> None:
        self._note("words", text, end)

    def segment_heard(self, text: str, end: float) -> None:
        self._note("segment", text, end)

    def turn_ended(self, end: float) -> None:
        self._note("turn ended", at=end)

    def stt_lost(self) -> None:
        self._note("lost")

    def stt_restored(self) -> None:
        self._note("restored")

    def of(self, what: str) -> list[tuple[str, float]]:
        return [(text, at) for kind, text, at in self.heard if kind == what]

    async def until(self, what: str, *, times: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(self.of(what)) < times:
                self._changed.clear()
                await self._changed.wait()


class SttCollector:
    """A hearing at work, and what it told."""

    def __init__(self, stt: SpeechmaticsStt) -> None:
        self.stt = stt
        self.notes = Notes()
        self.stream: SpeechmaticsSttStream = stt.open(self.notes)
        self.running = asyncio.create_task(self.stream.run())

    async def speak(self, pcm: bytes, *, pause: float = 0.0) -> None:
        for at in range(0, len(pcm), 320):
            self.stream.hear(pcm[at : at + 320])
            await asyncio.sleep(pause)


@asynccontextmanager
async def listening(
    cloud: RunningSandbox, stt: SpeechmaticsStt | None = None
) -> AsyncIterator[SttCollector]:
    ears = SttCollector(stt or SpeechmaticsStt(cloud.rt_url + "/agent", Secret("a-key")))
    try:
        yield ears
    finally:
        ears.running.cancel()
        await asyncio.wait((ears.running,))


def numbered(seconds: float, first: int = 0) -> bytes:
    return b"".join(
        ((first + n) % 30_000).to_bytes(2, "little") for n in range(round(seconds * 8000))
    )


async def test_a_session_is_asked_for_as_the_reference_says() -> None:
    async with running_sandbox() as cloud:
        stt = SpeechmaticsStt(
            cloud.rt_url + "/agent",
            Secret("a-key"),
            vocab=(VocabEntry("Brandvoll"), VocabEntry("Siobhan", ("shiv awn",))),
        )
        async with listening(cloud, stt):
            session = await cloud.received.session()
        assert session.headers["Authorization"] == "Bearer a-key"
        assert "permessage-deflate" not in session.headers.get("Sec-WebSocket-Extensions", "")
        assert session.start == {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
            "transcription_config": {
                "language": "en",
                "model": "linden-1",
                "enable_partials": True,
                "additional_vocab": [
                    "Brandvoll",
                    {"content": "Siobhan", "sounds_like": ["shiv awn"]},
                ],
            },
            "turn_config": {"turn_detection_mode": "vad"},
        }


async def test_a_turn_is_told_in_order_with_its_times() -> None:
    script = turn("Hello there.", start=0.2, end=0.8, partials=["Hello"])
    async with running_sandbox(scripted(script)) as cloud, listening(cloud) as ears:
        await ears.speak(bytes(32_000))
        await ears.notes.until("turn ended")
        assert [what for what, _, _ in ears.notes.heard] == [
            "speech started", "words", "segment", "speech ended", "turn ended",
        ]  # fmt: skip
        assert ears.notes.of("segment") == [("Hello there.", 0.8)]


async def test_what_is_said_before_the_session_starts_is_heard_from_its_first_sample() -> None:
    said = numbered(3)
    async with running_sandbox() as cloud:
        cloud.faults.add(Stall(part="stt", after=None, seconds=0.3))
        async with listening(cloud) as ears:
            await ears.speak(said)
            session = await cloud.received.session()
            await cloud.received.until(lambda: len(session.audio) == len(said))
            assert bytes(session.audio) == said


async def test_the_end_of_a_call_tells_the_service_the_number_of_frames() -> None:
    async with running_sandbox() as cloud:
        async with listening(cloud) as ears:
            session = await cloud.received.session()
            await ears.speak(numbered(0.5))
            await cloud.received.until(lambda: len(session.audio) == 8000)
        await cloud.received.until(lambda: not session.open)
        assert session.messages[-1] == {
            "message": "EndOfStream",
            "last_seq_no": session.frames,
        }
        assert session.close_code in (1000, 1005)


@pytest.mark.parametrize("close", [None, 1011, 4013])
async def test_a_dropped_session_is_replaced_and_the_turn_in_progress_replayed(
    close: int | None,
) -> None:
    said = numbered(2)
    half = turn("Never finished", start=0.2, end=3.0, partials=["Never"])
    whole = turn("Never finished, but said.", start=0.2, end=1.4)
    async with running_sandbox(scripted(half, whole)) as cloud:
        cloud.faults.add(Drop(after=1.0, close=close))
        async with listening(cloud) as ears:
            await ears.speak(said[:24_000], pause=0.001)
            await ears.notes.until("lost")
            await ears.speak(said[24_000:])
            await ears.notes.until("restored")
            await ears.speak(bytes(16_000))
            await ears.notes.until("turn ended")
            again = cloud.received.sessions[1]
            # Nothing of the turn was settled: the new session hears all of it.
            assert bytes(again.audio[: len(said)]) == said
            assert ears.notes.of("segment") == [("Never finished, but said.", 1.4)]


async def test_words_already_settled_are_not_heard_twice_and_times_go_on() -> None:
    said = numbered(3)
    first = turn("My name is Ann,", start=0.2, end=0.8, silence=0.1)[:-1]  # no end of turn
    second = turn("and I am late.", start=0.1, end=0.6)
    async with running_sandbox(scripted(first, second)) as cloud:
        cloud.faults.add(Drop(after=1.5))
        async with listening(cloud) as ears:
            await ears.speak(said, pause=0.001)
            await ears.notes.until("turn ended")
            again = cloud.received.sessions[1]
            settled = round(0.8 * 16_000)
            assert bytes(again.audio[:3200]) == said[settled : settled + 3200]
            assert ears.notes.of("segment") == [
                ("My name is Ann,", 0.8),
                ("and I am late.", 1.4),
            ]


async def test_in_silence_little_is_replayed() -> None:
    said = numbered(6)
    async with running_sandbox() as cloud:
        cloud.faults.add(Drop(after=5.0))
        async with listening(cloud) as ears:
            await ears.speak(said, pause=0.0005)
            again = await cloud.received.session(1)
            await cloud.received.until(lambda: len(again.audio) >= 16_000)
            begin = said.index(bytes(again.audio[:320]))
            assert begin >= len(said) - 16_000 * 4
            assert said[begin:].startswith(bytes(again.audio[: len(said) - begin]))


async def test_a_refused_rate_is_raised_once_for_the_process() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(RefuseRate(count=None))
        stt = SpeechmaticsStt(cloud.rt_url + "/agent", Secret("a-key"))
        async with listening(cloud, stt) as ears:
            await ears.speak(bytes(16_000))
            session = await cloud.received.session(1)
            assert session.start is not None
            assert session.start["audio_format"]["sample_rate"] == 16_000
            await cloud.received.until(lambda: len(session.audio) == 32_000)
            assert ears.notes.of("lost") == []
        async with listening(cloud, stt):
            again = await cloud.received.session(2)
            assert again.start is not None
            assert again.start["audio_format"]["sample_rate"] == 16_000


@pytest.mark.parametrize(
    "fault",
    [
        RefuseKey(part="stt"),
        RefuseKey(part="stt", at="close"),
        Error(part="stt", type="invalid_model"),
        Drop(close=4003),
        Status(part="stt", status=404),
    ],
)
async def test_what_never_will_work_is_given_up_at_once(
    fault: RefuseKey | Error | Drop | Status,
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        async with listening(cloud) as ears:
            with pytest.raises(ServiceError) as failed:
                await asyncio.wait_for(ears.running, 2)
        assert not failed.value.retryable
        assert failed.value.service == "stt"
        assert "a-key" not in str(failed.value)
        assert len(cloud.received.sessions) <= 1


async def test_a_full_service_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speechmatics_session, "QUOTA_WAIT_S", 0.2)
    async with running_sandbox(max_calls=1) as cloud, listening(cloud) as first:
        await cloud.received.session()
        async with listening(cloud) as second:
            await second.notes.until("lost")
            first.running.cancel()
            await second.notes.until("restored")


async def test_a_service_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speechmatics, "DOWN_MAX_S", 0.8)
    async with running_sandbox() as cloud:
        url = cloud.rt_url
    async with listening(cloud, SpeechmaticsStt(url + "/agent", Secret("a-key"))) as ears:
        await ears.speak(numbered(0.1))
        with pytest.raises(ServiceError, match="given up"):
            await asyncio.wait_for(ears.running, 5)


async def test_a_session_that_falls_silent_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speechmatics_session, "STALLED_S", 0.3)
    async with running_sandbox() as cloud:
        cloud.faults.add(Stall(part="stt", after=0.5))
        async with listening(cloud) as ears:
            await ears.speak(numbered(2), pause=0.01)
            await ears.notes.until("restored")


async def test_a_session_that_does_not_start_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speechmatics_session, "CONNECT_S", 0.3)
    async with running_sandbox() as cloud:
        cloud.faults.add(Stall(part="stt", after=None))
        async with listening(cloud) as ears:
            await ears.notes.until("restored")


async def test_a_message_nobody_can_read_is_skipped() -> None:
    script = turn("Still here.", start=0.2, end=0.6)
    async with running_sandbox(scripted(script)) as cloud:
        cloud.faults.add(Malformed(part="stt", after=0.1))
        async with listening(cloud) as ears:
            await ears.speak(bytes(32_000))
            await ears.notes.until("turn ended")
            assert ears.notes.of("segment") == [("Still here.", 0.6)]


@pytest.mark.parametrize(
    "message",
    [
        "[]",
        '"text"',
        json.dumps({"message": "NewInThisVersion", "with": {"fields": [1]}}),
        json.dumps({"message": "AddSegment"}),
        json.dumps({"message": "AddPartialSegment", "segment": {}, "metadata": {}}),
        json.dumps({"message": "Warning", "reason": "x"}),
        json.dumps({"no": "message"}),
    ],
)
async def test_an_odd_message_harms_nothing(message: str) -> None:
    script = turn("Still here.", start=0.2, end=0.6)
    async with running_sandbox(scripted(script)) as cloud, listening(cloud) as ears:
        session = await cloud.received.session()
        session.say(message)
        await ears.speak(bytes(32_000))
        await ears.notes.until("turn ended")
        assert ("Still here.", 0.6) in ears.notes.of("segment")


async def test_what_nobody_takes_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async with running_sandbox() as cloud:
        stt = SpeechmaticsStt(cloud.rt_url + "/agent", None).open(Notes())
        for _ in range(60):
            stt.hear(bytes(16_000))
        kept = speechmatics.KEEP_S + 2
        assert len(stt._audio) <= kept * 16_000
        assert "audio is lost" in caplog.text
