"""A recorded caller is answered, and hears the agent's words: no tones, real speech.

Hearing, voice and receptionist are the sandbox's own models; what the caller's telephone recorded
is read by a recogniser again. Two calls at a time: the models are made for no more.
"""

import asyncio

import pytest
from tests.asterisk.callers import SETTLED_S, dial
from tests.asterisk.measures import Tape
from tests.asterisk.report import Report
from tests.asterisk.rig import Rig
from tests.asterisk.service import serving
from tests.asterisk.ways import Way, by_every_way
from tests.asterisk.words import likeness, recognised
from tests.support import CLIPS

from avr_sts_speechmatics.audio.pcm import silence
from avr_sts_speechmatics.audio.wav import read_speech
from avr_sts_speechmatics.receptionist import load_faq
from avr_sts_speechmatics.sandbox.local_engines import local_engines
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.sandbox.whisper import Whisper

CLIP = CLIPS / "bm_george_u12_n15.wav"
"""I'd like to book an appointment for next Tuesday at half past three. (With noise, 15 dB.)"""

ALIKE = 0.9

pytestmark = pytest.mark.models


@pytest.mark.timeout(150)
async def test_a_recorded_caller_is_answered_and_the_words_arrive(rig: Rig, report: Report) -> None:
    async with (
        local_engines(load_faq(None)) as engines,
        running_sandbox(engines) as cloud,
        serving(cloud, rig.ports),
    ):
        spoken_before = len(cloud.received.speech)
        question = read_speech(CLIP)
        two_at_a_time = asyncio.Semaphore(2)
        heard: dict[str, bytes] = {}

        async def ask(way: Way) -> None:
            async with two_at_a_time, dial(rig, way) as phone:
                await phone.stay(SETTLED_S)
                phone.say(silence(0.3) + question)
                await phone.until(lambda: not phone.speaking)
                await phone.until_spoken_to(pause=1.5)
            heard[way.name] = Tape(phone.heard, phone.law).pcm

        await by_every_way(ask)
        texts = [str(request.body["text"]) for request in cloud.received.speech[spoken_before:]]
    # The same words have the same answer, by every way.
    said = " ".join(dict.fromkeys(texts))
    assert "an appointment for next Tuesday at half past three" in said
    whisper = Whisper()
    for way, sound in heard.items():
        words = recognised(whisper, sound)
        report.add("words", way, likeness=likeness(said, words), heard=words)
        assert likeness(said, words) > ALIKE, f"{way}: {said!r} was heard as {words!r}"
