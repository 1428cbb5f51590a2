"""A recorded question is answered, and the caller hears the agent's words: no tone, real speech.

Hearing, voice and receptionist are the sandbox's own models; what the caller's telephone recorded
is read by a recogniser again. Two calls at a time: the models are made for no more.
"""

import asyncio

import pytest
from tests.asterisk.measures import playback
from tests.asterisk.phone import call
from tests.asterisk.report import Report
from tests.asterisk.rig import Rig
from tests.asterisk.service import serving
from tests.asterisk.ways import Way, by_every_way
from tests.asterisk.words import likeness, recognised

from avr_sts_speechmatics.audio.pcm import silence
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.sandbox.local import local_engines
from avr_sts_speechmatics.sandbox.scripted import running_sandbox
from avr_sts_speechmatics.sandbox.whisper import Whisper
from avr_sts_speechmatics.services.receptionist import load_faq

QUESTION = "What are your opening hours?"

pytestmark = pytest.mark.models


@pytest.mark.timeout(150)
async def test_a_question_is_answered_and_the_words_arrive(rig: Rig, report: Report) -> None:
    async with (
        local_engines(load_faq(None)) as engines,
        running_sandbox(engines) as cloud,
        serving(cloud, rig.ports),
    ):
        asked_before = len(cloud.received.speech)
        resampler = Resampler(16_000, 8000)
        question = b"".join(
            [
                resampler.feed(piece[: len(piece) & ~1])
                async for piece in engines.voice.speak(QUESTION, "sarah")
            ]
        )
        two_at_a_time = asyncio.Semaphore(2)
        heard: dict[str, bytes] = {}

        async def ask(way: Way) -> None:
            async with two_at_a_time, call(rig.sip, way.extension) as phone:
                await phone.stay(0.6)
                phone.say(silence(0.3) + question)
                await phone.until(lambda: not phone.speaking)
                await phone.until_spoken_to(pause=1.2)
            heard[way.name] = playback(phone.heard, phone.law, phone.answered_at)

        await by_every_way(ask)
        # The same question has the same answer, by every way.
        texts = [str(request.body["text"]) for request in cloud.received.speech[asked_before:]]
    said = " ".join(dict.fromkeys(texts))
    whisper = Whisper()
    for way, sound in heard.items():
        words = recognised(whisper, sound)
        report.add("words", way, likeness=likeness(said, words), heard=words, said=said)
        assert likeness(said, words) > 0.8, f"{way}: {said!r} was heard as {words!r}"
