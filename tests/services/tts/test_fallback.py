"""Two voices as one: a voice that fails costs no sentence, and no call hears them alternate."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import Fault, RefuseKey, Stall, Status, Truncate
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedTts,
    running_sandbox,
    scripted,
    tone,
)
from avr_sts_speechmatics.services.tts.fallback import REST_S, FallbackTts
from avr_sts_speechmatics.services.tts.openai import OpenAiTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.tts.speechmatics import SpeechmaticsTts
from avr_sts_speechmatics.values import Secret

TEXT = "We close at five."
FIRST, SECOND = "/generate/sarah", "/v1/audio/speech"
KEY = Secret("a-key")
GONE = Status(part="tts", count=None)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Setup:
    """Both voices at one sandbox, and a clock that stands still."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.clock = Clock()
        self.voices = FallbackTts(
            SpeechmaticsTts(sandbox.tts_url, KEY, "sarah"),
            OpenAiTts(KEY, "gpt-4o-mini-tts", "alloy", sandbox.openai_url),
            patience=1,
            clock=self.clock,
        )

    def misbehave(self, *faults: Fault) -> None:
        self.sandbox.faults.add(*faults)

    def behave(self) -> None:
        self.sandbox.faults.clear()

    def asked(self) -> list[str]:
        """Whom, since this was asked last; tries of one sentence at one voice count once."""
        paths = [request.path for request in self.sandbox.received.speech]
        self.sandbox.received.speech.clear()
        return [path for at, path in enumerate(paths) if at == 0 or paths[at - 1] != path]


@pytest.fixture
async def both() -> AsyncIterator[Setup]:
    endless = ScriptedTts({"Without end.": [tone(TEXT), asyncio.Event()]})
    async with running_sandbox(scripted(voice=endless)) as sandbox:
        setup = Setup(sandbox)
        try:
            yield setup
        finally:
            await setup.voices.close()


async def said(voice: Tts, text: str = TEXT) -> bytes:
    return b"".join([pcm async for pcm in voice.speak(text)])


async def test_while_the_first_voice_speaks_the_second_is_not_asked(both: Setup) -> None:
    call = both.voices.for_call()
    assert await said(call) == await said(call) == tone(TEXT)
    assert both.asked() == [FIRST]


async def test_a_sentence_the_first_voice_cannot_say_is_said_by_the_second_at_the_same_rate(
    both: Setup,
) -> None:
    both.misbehave(GONE)
    call = both.voices.for_call()
    heard = np.frombuffer(await said(call), "<i2").astype(float)
    meant = np.frombuffer(tone(TEXT), "<i2").astype(float)
    assert call.rate == 16000
    assert 0 < len(heard) - len(meant) <= 48  # the filter's tail, below 3 ms
    assert max(np.correlate(heard, meant[:4000])) / (meant[:4000] @ meant[:4000]) > 0.98
    assert both.asked() == [FIRST, SECOND]


async def test_a_call_that_changed_its_voice_keeps_it(both: Setup) -> None:
    call = both.voices.for_call()
    both.misbehave(GONE)
    await said(call)
    both.behave()
    both.clock.now += 2 * REST_S
    await said(call)
    assert both.asked() == [FIRST, SECOND]


async def test_a_sentence_that_breaks_off_stays_cut_and_the_next_has_the_second_voice(
    both: Setup,
) -> None:
    both.misbehave(Truncate(part="tts", after=6000))
    call = both.voices.for_call()
    came = []
    with pytest.raises(ServiceError, match="cut"):  # noqa: PT012 - what came before counts too
        async for pcm in call.speak(TEXT):
            came.append(pcm)
    assert b"".join(came) == tone(TEXT)[:6000]
    assert both.asked() == [FIRST]
    both.clock.now += 2 * REST_S
    assert await said(call)
    assert both.asked() == [SECOND]


async def test_a_first_voice_that_keeps_silent_is_not_waited_for_long(both: Setup) -> None:
    both.misbehave(Stall(part="tts", after=None, count=None))
    async with asyncio.timeout(1.8):  # alone it would have 2 s, and another try
        assert await said(both.voices.for_call())


async def test_a_first_voice_that_is_late_is_heard_if_it_speaks_before_the_second(
    both: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    both.misbehave(
        Stall(part="tts", after=None, seconds=1.4, count=None),
        Stall(part="openai_tts", after=None, seconds=60, count=None),
    )
    call = both.voices.for_call()
    assert await said(call) == tone(TEXT)
    assert both.asked() == [FIRST, SECOND]
    both.behave()
    assert await said(call) == tone(TEXT)
    assert both.asked() == [FIRST]  # the call has not changed its voice
    assert "instead" not in caplog.text


async def test_a_first_voice_that_is_late_is_heard_if_the_second_is_refused(both: Setup) -> None:
    both.misbehave(
        Stall(part="tts", after=None, seconds=1.4, count=None),
        RefuseKey(part="openai_tts", count=None),
    )
    assert await said(both.voices.for_call()) == tone(TEXT)


async def test_two_voices_that_keep_silent_fail_in_bounded_time(both: Setup) -> None:
    both.voices.longest = 1.5
    both.misbehave(
        Stall(part="tts", after=None, count=None), Stall(part="openai_tts", after=None, count=None)
    )
    async with asyncio.timeout(3):
        with pytest.raises(ServiceError, match=r"no audio within 1.5 s; the second tts: no audio"):
            await said(both.voices.for_call())


async def test_a_sentence_given_up_while_both_are_asked_leaves_nothing(both: Setup) -> None:
    both.misbehave(
        Stall(part="tts", after=None, count=None), Stall(part="openai_tts", after=None, count=None)
    )
    speaking = asyncio.create_task(said(both.voices.for_call()))
    received = both.sandbox.received
    await received.until(lambda: SECOND in [request.path for request in received.speech])
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking


@pytest.mark.parametrize("fault", [GONE, RefuseKey(part="tts", count=None)])
async def test_no_other_call_waits_for_a_voice_that_failed(both: Setup, fault: Fault) -> None:
    going_on = both.voices.for_call()
    await said(going_on)
    both.misbehave(fault)
    await said(both.voices.for_call())
    both.asked()
    await said(both.voices.for_call())
    await said(going_on)
    assert both.asked() == [SECOND]


async def test_after_a_rest_new_calls_have_the_first_voice_again(both: Setup) -> None:
    both.misbehave(GONE)
    await said(both.voices.for_call())
    both.behave()
    both.clock.now += REST_S
    both.asked()
    await said(both.voices.for_call())
    await said(both.voices.for_call())
    assert both.asked() == [FIRST]


async def test_one_sentence_finds_out_for_all_calls_whether_the_first_voice_is_back(
    both: Setup,
) -> None:
    both.misbehave(Stall(part="tts", after=None, count=None))
    await said(both.voices.for_call())
    both.clock.now += REST_S
    both.asked()
    await asyncio.gather(*(said(both.voices.for_call()) for _ in range(4)))
    assert [r.path for r in both.sandbox.received.speech].count(FIRST) == 1


async def test_an_outage_is_told_once_and_its_end_too(
    both: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "avr_sts_speechmatics.services.tts.fallback")
    both.misbehave(GONE)
    for _ in range(3):
        await said(both.voices.for_call())
        both.clock.now += REST_S
    both.behave()
    for _ in range(3):
        await said(both.voices.for_call())
    told = [
        record.getMessage() for record in caplog.records if record.name.endswith("tts.fallback")
    ]
    assert told == [
        "tts: status 503; the second voice speaks instead",
        "tts: the first voice speaks again",
    ]


async def test_when_both_fail_the_failure_names_both(both: Setup) -> None:
    both.misbehave(GONE, RefuseKey(part="openai_tts", count=None))
    for _ in range(2):  # the first voice leads, then the second
        with pytest.raises(ServiceError) as failed:
            await said(both.voices)
        told = str(failed.value)
        assert told.startswith("tts: status 503; the second tts: the key is not accepted")
        assert failed.value.retryable


async def test_a_call_whose_second_voice_fails_too_hears_the_first_rather_than_nothing(
    both: Setup,
) -> None:
    call = both.voices.for_call()
    both.misbehave(GONE)
    await said(call)
    both.behave()
    both.misbehave(RefuseKey(part="openai_tts", count=None))
    both.asked()
    assert await said(call) == tone(TEXT)
    await said(call)
    assert both.asked() == [SECOND, FIRST]


async def test_sentences_fetched_side_by_side_change_the_voice_in_their_order(both: Setup) -> None:
    both.misbehave(Stall(part="tts", after=None))
    call = both.voices.for_call()
    await asyncio.gather(*(said(call) for _ in range(3)))
    paths = [request.path for request in both.sandbox.received.speech]
    assert paths == [FIRST, SECOND, SECOND, SECOND]


async def test_an_interrupted_sentence_is_not_read_to_its_end(both: Setup) -> None:
    call = both.voices.for_call()
    async with aclosing(call.speak("Without end.")) as audio:
        assert await anext(audio)
    assert await said(call) == tone(TEXT)
    assert not both.sandbox.received.speech[0].done


async def test_a_sentence_given_up_before_it_was_heard_holds_up_none(both: Setup) -> None:
    both.misbehave(Stall(part="tts", after=None))
    call = both.voices.for_call()
    given_up = asyncio.create_task(said(call))
    await both.sandbox.received.until(lambda: bool(both.sandbox.received.speech))
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert await said(call) == tone(TEXT)


class Said(Tts):
    """Says its name, as often as it has been told to."""

    rate = 8000

    def __init__(self, name: bytes, works: list[bool]) -> None:
        self._name = name
        self._works = works

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        if not self._works[int(text)]:
            raise ServiceError("tts", "not now", retryable=True)
        yield self._name

    async def close(self) -> None:
        """Nothing is held open."""


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, REST_S)), max_size=30))
def test_a_call_goes_back_to_its_first_voice_only_if_the_second_fails(
    days: list[tuple[bool, bool, float]],
) -> None:
    async def call() -> None:
        clock = Clock()
        first = Said(b"11", [first for first, _, _ in days])
        second = Said(b"22", [second for _, second, _ in days])
        voice = FallbackTts(first, second, clock=clock).for_call()
        last = b"11"
        for at, (first_works, second_works, passes) in enumerate(days):
            clock.now += passes
            if not (first_works or second_works):
                with pytest.raises(ServiceError):
                    await said(voice, str(at))
                continue
            heard = await said(voice, str(at))
            if last == b"22" and heard == b"11":
                assert not second_works
            if last == b"11" and heard == b"22":
                assert not all(works for works, _, _ in days[: at + 1])
            last = heard

    asyncio.run(call())
