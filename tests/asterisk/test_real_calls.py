"""Real SIP calls through a real Asterisk to the service, by every way in.

The phone is ours, so that it can tell what reached it and when; the cloud is a sandbox whose agent
speaks sounds made from its text, so that every missing sample shows; all between is as in life: the
shipped dialplan, RTP, Asterisk's sockets, the service as a process of its own.

Times are reported. They are asserted only with bounds that a busy machine keeps too.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from bench.voiceprint import length, sound
from tests.asterisk.agent_cloud import agent_cloud, answer, answer_to_keys
from tests.asterisk.measures import (
    Found,
    during,
    find,
    loud_from,
    loud_until,
    pace,
    playback,
    quiet_from,
    tones,
)
from tests.asterisk.phone import Phone, call
from tests.asterisk.report import Report
from tests.asterisk.rig import Rig
from tests.asterisk.rtp import RATE
from tests.asterisk.service import Service, serving
from tests.asterisk.tone_callers import NAMES, Saying, ToneEars, text_of, utterance
from tests.asterisk.ways import WAYS, Way, by_every_way
from tests.support import until

from avr_sts_speechmatics.audio.wav import read_speech

SETTLED_S = 0.6
"""How long after the answer the conversation has surely begun (s)."""

WHOLE, WHOLE_PART = 0.99, 0.9
"""Correlation of a sentence that arrived whole, and of the worst 20 ms of it."""

QUIET_S = 30
CROWD, CROWD_S = 20, 60


@dataclass(frozen=True, slots=True)
class Agent:
    """A service that waits for calls. ears: what its recogniser has told it, and when."""

    service: Service
    ears: ToneEars


@pytest.fixture
async def agent(rig: Rig) -> AsyncIterator[Agent]:
    async with (
        agent_cloud(2 * CROWD) as (cloud, ears),
        serving(cloud, rig.ports) as service,
    ):
        yield Agent(service, ears)


def recording(phone: Phone) -> bytes:
    """All that a phone heard, from the answer on."""
    return playback(phone.heard, phone.law, phone.answered_at)


def heard_whole(heard: bytes, sentences: list[str]) -> list[Found]:
    """Where the sentences are in a recording. Fails where one is not there, or not whole."""
    places = [find(sound(sentence, RATE), heard) for sentence in sentences]
    for sentence, found in zip(sentences, places, strict=True):
        assert found.correlation > WHOLE, f"{sentence}: {found}"
        assert found.worst > WHOLE_PART, f"{sentence}: {found}"
    return places


async def ask(phone: Phone, way: Way, saying: Saying) -> float:
    """Say something once the call has settled; returns when it was said to its end."""
    await phone.stay(SETTLED_S)
    phone.say(utterance(way.number, saying))
    await phone.until(lambda: not phone.speaking)
    return time.monotonic()


async def test_the_agents_audio_arrives_whole_and_even(
    rig: Rig, agent: Agent, report: Report
) -> None:
    async def scenario(way: Way) -> None:
        sentences = answer(way.number, Saying.QUESTION)
        async with call(rig.sip, way.extension) as phone:
            asked = await ask(phone, way, Saying.QUESTION)
            await phone.until_spoken_to()
        places = heard_whole(recording(phone), sentences)
        begin = phone.answered_at + places[0].at
        end = phone.answered_at + places[-1].at + length(sentences[-1:])
        even = pace(during(phone.heard, begin, end))
        to_phone = rig.recording(way.extension, "to")
        await until(lambda: to_phone.stat().st_size > 44)
        recorded = [find(sound(sentence, RATE), read_speech(to_phone)) for sentence in sentences]
        report.add(
            "whole and even: a long answer",
            way.name,
            correlation=min(found.correlation for found in places),
            worst_20ms=min(found.worst for found in places),
            mixmonitor=min(found.correlation for found in recorded),
            per_second=even.per_second,
            gap_p50_ms=even.gap_p50_ms,
            gap_p99_ms=even.gap_p99_ms,
            gap_max_ms=even.gap_max_ms,
            jumps=even.jumps,
            lost=even.lost,
            answer_after_ms=round(1000 * (begin - asked)),
        )
        assert 49 < even.per_second < 51
        assert even.gap_p99_ms < 40
        assert (even.jumps, even.lost, even.late) == (0, 0, 0)
        assert min(found.correlation for found in recorded) > WHOLE

    await by_every_way(scenario)


async def test_a_caller_who_interrupts_hears_silence_at_once(
    rig: Rig, agent: Agent, report: Report
) -> None:
    async def scenario(way: Way) -> None:
        async with call(rig.sip, way.extension) as phone:
            await ask(phone, way, Saying.QUESTION)
            await phone.until(lambda: phone.sound_at > 0)
            await phone.stay(1.5)
            phone.say(utterance(way.number, Saying.STOP))
            turn = await agent.ears.turn(text_of(way.number, Saying.STOP))
            await phone.until_spoken_to()
        quiet = quiet_from(phone.heard, phone.law, turn.noticed_at)
        silent_ms = round(1000 * (quiet - turn.noticed_at))
        next_sound = loud_from(phone.heard, phone.law, quiet + 0.02)
        assert next_sound is not None
        # What is heard next is the next answer, not the rest of the old one.
        rest = playback(during(phone.heard, next_sound, time.monotonic()), phone.law, next_sound)
        (place,) = heard_whole(rest, answer(way.number, Saying.STOP))
        assert abs(place.at) < 0.02
        report.add(
            "barge-in: after the recogniser noticed speech",
            way.name,
            silent_after_ms=silent_ms,
            next_answer_after_ms=round(1000 * (next_sound - turn.over_at)),
        )
        assert silent_ms < 300

    await by_every_way(scenario)


async def test_a_key_that_is_pressed_reaches_the_agent(rig: Rig, agent: Agent) -> None:
    async def scenario(way: Way) -> None:
        async with call(rig.sip, way.extension) as phone:
            await phone.stay(SETTLED_S)
            phone.press("5")
            await phone.stay(0.4)
            phone.press("#")
            await phone.until_spoken_to()
        heard_whole(recording(phone), answer_to_keys("5"))

    await by_every_way(scenario)


async def test_a_caller_is_transferred_after_the_last_word(
    rig: Rig, agent: Agent, report: Report
) -> None:
    async def scenario(way: Way) -> None:
        farewell = answer(way.number, Saying.TRANSFER)
        async with call(rig.sip, way.extension) as phone:
            await ask(phone, way, Saying.TRANSFER)
            await phone.until_spoken_to(pause=0.1)
            # The other extension has its two tones, and then echoes.
            await phone.until_spoken_to(pause=0.3)
        (place,) = heard_whole(recording(phone), farewell)
        spoken = phone.answered_at + place.at + length(farewell)
        other = loud_from(phone.heard, phone.law, spoken + 0.1)
        assert other is not None
        report.add(
            "transfer: after the last word of the farewell",
            way.name,
            other_extension_after_ms=round(1000 * (other - spoken)),
        )
        first_tone = playback(during(phone.heard, other, other + 0.4), phone.law, other)
        assert tones(first_tone) <= {430, 440, 450}
        assert not phone.hung_up_by_other_side

    await by_every_way(scenario)


async def test_the_agent_hangs_up_after_its_last_word(
    rig: Rig, agent: Agent, report: Report
) -> None:
    async def scenario(way: Way) -> None:
        farewell = answer(way.number, Saying.GOODBYE)
        async with call(rig.sip, way.extension) as phone:
            await ask(phone, way, Saying.GOODBYE)
            ended = await phone.until_hung_up(timeout=15)
        heard_whole(recording(phone), farewell)
        last = loud_until(phone.heard, phone.law)
        assert last is not None
        report.add(
            "hangup by the agent: after the last word of the farewell",
            way.name,
            hung_up_after_ms=round(1000 * (ended - last)),
        )
        assert phone.hung_up_by_other_side

    await by_every_way(scenario)


async def test_nothing_is_left_of_a_call_whose_caller_hangs_up(
    rig: Rig, agent: Agent, report: Report
) -> None:
    async def scenario(way: Way) -> None:
        async with call(rig.sip, way.extension) as phone:
            await ask(phone, way, Saying.QUESTION)
            await phone.until(lambda: phone.sound_at > 0)

    await by_every_way(scenario)
    gone = await agent.service.until_calls(0, timeout=1)
    report.add("hangup by the caller", "all ways", gone_after_ms=round(1000 * gone))


async def test_nothing_is_left_when_asterisk_dies_in_mid_call(
    asterisk_root: Path, report: Report
) -> None:
    with Rig(asterisk_root) as doomed:
        async with (
            agent_cloud(len(WAYS)) as (cloud, _),
            serving(cloud, doomed.ports) as service,
            asyncio.TaskGroup() as calls,
        ):

            async def be_cut_off(way: Way) -> None:
                async with call(doomed.sip, way.extension) as phone:
                    await ask(phone, way, Saying.QUESTION)
                    await phone.until(lambda: phone.sound_at > 0)
                    talking.release()
                    await dead.wait()

            talking, dead = asyncio.Semaphore(0), asyncio.Event()
            for way in WAYS:
                calls.create_task(be_cut_off(way))
            for _ in WAYS:
                await talking.acquire()
            doomed.kill()
            gone = await service.until_calls(0, timeout=3)
            dead.set()
            assert (await service.health())["ready"]
    report.add("Asterisk killed in mid-call", "all ways", gone_after_ms=round(1000 * gone))


@pytest.mark.timeout(QUIET_S + 60)
async def test_a_caller_who_sends_nothing_for_long_stays_connected(rig: Rig, agent: Agent) -> None:
    async def scenario(way: Way) -> None:
        async with call(rig.sip, way.extension) as phone:
            await phone.stay(SETTLED_S)
            phone.mute = True
            await phone.stay(QUIET_S)
            assert phone.ended_at is None
            phone.mute = False
            await ask(phone, way, Saying.QUESTION)
            await phone.until_spoken_to()
        heard_whole(recording(phone), answer(way.number, Saying.QUESTION))

    await by_every_way(scenario)


@pytest.mark.timeout(CROWD_S + 120)
async def test_twenty_callers_at_once_each_hear_all_that_is_theirs(
    rig: Rig, agent: Agent, report: Report
) -> None:
    async def talk(number: int) -> tuple[Phone, list[float]]:
        """Ask for a minute; when each question began."""
        asked = []
        async with call(rig.sip, WAYS[number % len(WAYS)].extension) as phone:
            await phone.stay(SETTLED_S + number * 0.1)
            end = time.monotonic() + CROWD_S
            while time.monotonic() < end:
                asked.append(time.monotonic())
                phone.say(utterance(number, Saying.QUESTION))
                await phone.until_spoken_to(timeout=30)
        return phone, asked

    assert len(NAMES) >= CROWD
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(talk(number)) for number in range(CROWD)]
    # Only now: the phones must not wait while one of them is judged.
    places, paces = [], []
    for number, task in enumerate(tasks):
        phone, asked = task.result()
        sentences = answer(number, Saying.QUESTION)
        for begin, end in pairwise((*asked, time.monotonic())):
            heard = playback(during(phone.heard, begin, end), phone.law, begin)
            found = [find(sound(sentence, RATE), heard) for sentence in sentences]
            places += found
            if all(place.correlation > WHOLE for place in found):
                first, last = begin + found[0].at, begin + found[-1].at + length(sentences[-1:])
                paces.append(pace(during(phone.heard, first, last)))
    report.add(
        f"{CROWD} calls at once for {CROWD_S} s",
        "all",
        answers=len(places) // 2,
        whole=sum(found.correlation > WHOLE for found in places) // 2,
        worst_correlation=min(found.correlation for found in places),
        worst_20ms=min(found.worst for found in places),
        worst_p99_ms=max((even.gap_p99_ms for even in paces), default="-"),
        gap_max_ms=max((even.gap_max_ms for even in paces), default="-"),
        jumps=sum(even.jumps for even in paces),
        lost=sum(even.lost for even in paces),
    )
    assert len(places) >= CROWD * 2 * 4
    assert min(found.correlation for found in places) > WHOLE
    assert sum(even.lost for even in paces) == 0
