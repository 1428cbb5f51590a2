"""The local STT engine with a real voice activity detector and a fake recogniser."""

import asyncio
import json
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.sandbox.agent_wire import START, Clip

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.stt_messages import StartRecognition

if TYPE_CHECKING:
    from avr_sts_speechmatics.sandbox.mel import Samples

pytestmark = pytest.mark.models


def start(**changes: Any) -> StartRecognition:
    message = stt_messages.parse(json.dumps(START | changes))
    assert isinstance(message, StartRecognition)
    return message


class Heard:
    """The messages of a session, and the lengths of the recognised pieces."""

    def __init__(self, worker: Executor, text: str = "Hello.") -> None:
        from avr_sts_speechmatics.sandbox.local_stt import LocalStt

        self.messages: list[dict[str, Any]] = []
        self.seconds: list[float] = []
        self._text = text
        self.stt = LocalStt(self._recognise, worker)

    def _recognise(self, samples: "Samples", rate: int) -> str:
        self.seconds.append(len(samples) / rate)
        return self._text

    def send(self, message: Any) -> None:
        self.messages.append(dict(message))

    @property
    def names(self) -> list[str]:
        return [message["message"] for message in self.messages]

    async def listen_to(self, pcm: bytes, begin: StartRecognition, *, frame: int = 320) -> None:
        async with self.stt.listen(begin, self.send) as listener:
            for at in range(0, len(pcm), frame):
                await listener.hear(pcm[at : at + frame])
                await asyncio.sleep(0)
            await listener.finish()


async def test_a_recorded_clip_is_recognised_as_one_turn(
    worker: Executor, clips: list[Clip]
) -> None:
    heard = Heard(worker)
    clip = clips[1]
    await heard.listen_to(clip.pcm + bytes(16_000), start())
    assert heard.names[0] == "SpeechStarted"
    # With a slow recogniser, the end of the speech may be known before the words.
    assert sorted(heard.names[-3:-1]) == ["AddSegment", "SpeechEnded"]
    assert heard.names[-1] == "EndOfTurn"
    # The clips have 0.2 s of silence before the speech and 0.5 s after.
    length = len(clip.pcm) / 16_000
    assert heard.messages[0]["metadata"]["start_time"] == pytest.approx(0.2, abs=0.3)
    ended = heard.messages[heard.names.index("SpeechEnded")]
    assert ended["metadata"]["end_time"] == pytest.approx(length - 0.5, abs=0.2)
    assert max(heard.seconds) == pytest.approx(length - 0.7, abs=0.6)


async def test_frames_of_any_size_give_equal_results(worker: Executor, clips: list[Clip]) -> None:
    times = set()
    for frame in (2, 320, 4096, 1 << 20):
        heard = Heard(worker)
        await heard.listen_to(clips[0].pcm, start(), frame=frame)
        final = [m for m in heard.messages if m["message"] in ("SpeechStarted", "AddSegment")]
        times.add(json.dumps(final))
    assert len(times) == 1


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
async def test_both_encodings_and_rates_are_recognised(
    worker: Executor, clips: list[Clip], encoding: str
) -> None:
    from avr_sts_speechmatics.sandbox.clip_rate import resample

    narrow = np.frombuffer(clips[0].pcm, "<i2").astype(np.float32) / np.float32(32_768)
    wide = resample(narrow, 8_000, 16_000)
    pcm = wide.tobytes() if encoding == "pcm_f32le" else (wide * 32_767).astype("<i2").tobytes()
    form = {"type": "raw", "encoding": encoding, "sample_rate": 16_000}
    heard = Heard(worker)
    await heard.listen_to(pcm, start(audio_format=form))
    assert heard.names[0] == "SpeechStarted"
    assert heard.messages[-1]["message"] == "EndOfTurn"


async def test_silence_and_hum_are_not_decoded(worker: Executor) -> None:
    heard = Heard(worker)
    hum = (2000 * np.sin(2 * np.pi * 50 * np.arange(16_000) / 8_000)).astype("<i2")
    await heard.listen_to(bytes(32_000) + hum.tobytes(), start())
    assert heard.messages == []
    assert heard.seconds == []


async def test_external_turns_end_on_the_clients_request(
    worker: Executor, clips: list[Clip]
) -> None:
    heard = Heard(worker)
    begin = start(turn_config={"turn_detection_mode": "external"})
    async with heard.stt.listen(begin, heard.send) as listener:
        await listener.hear(clips[0].pcm)
        await listener.force(3.0)
        assert heard.names == ["StartOfTurn", "AddSegment", "EndOfTurn"]
        await listener.finish()
    assert heard.messages[-1]["metadata"]["end_time"] == 3.0


async def test_partials_can_be_switched_off(worker: Executor, clips: list[Clip]) -> None:
    heard = Heard(worker)
    async with heard.stt.listen(start(), heard.send) as listener:
        listener.show_partials(False)
        await listener.hear(clips[0].pcm)
        await listener.finish()
    assert "AddPartialSegment" not in heard.names
    assert "AddSegment" in heard.names


async def test_a_failing_recogniser_ends_the_session(worker: Executor, clips: list[Clip]) -> None:
    from avr_sts_speechmatics.sandbox.local_stt import LocalStt

    def fail(samples: object, rate: int) -> str:
        raise RuntimeError("a bug")

    async def listen() -> None:
        async with LocalStt(fail, worker).listen(start(), lambda _: None) as listener:
            await listener.hear(clips[0].pcm)
            await listener.finish()

    with pytest.raises(ExceptionGroup, match="TaskGroup"):
        await listen()
