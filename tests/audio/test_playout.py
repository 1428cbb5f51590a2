"""The clock and what it promises: whole utterances, in order, one frame every 20 ms."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.audio.pcm import FRAME_BYTES, SAMPLE_BYTES
from avr_sts_speechmatics.audio.playout import (
    HIGH_WATER_BYTES,
    MAX_CATCH_UP,
    Played,
    Playout,
    PlayoutClock,
    Utterance,
)


class Phone:
    """A caller's ear: what arrived, when, and which utterances were reported as heard."""

    def __init__(self, clock: PlayoutClock) -> None:
        self.frames: list[bytes] = []
        self.times: list[float] = []
        self.finished: list[Played] = []
        self.anything = asyncio.Event()
        self.all_heard = asyncio.Event()
        self.playout = Playout(clock, self._hear, self._done)

    def _hear(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.times.append(time.monotonic())
        self.anything.set()

    def _done(self, played: Played) -> None:
        self.finished.append(played)
        if self.playout.idle:
            self.all_heard.set()

    def say(self, number: int, pcm: bytes) -> Utterance:
        utterance = self.playout.open(number)
        self.playout.write(utterance, pcm)
        self.playout.end(utterance)
        return utterance


@pytest.fixture
async def clock() -> AsyncIterator[PlayoutClock]:
    clock = PlayoutClock()
    yield clock
    clock.close()


@pytest.fixture
async def phone(clock: PlayoutClock) -> Phone:
    return Phone(clock)


def speech(frames: float, mark: int = 1) -> bytes:
    return bytes([mark, 0]) * int(frames * FRAME_BYTES // SAMPLE_BYTES)


@given(
    pieces=st.lists(st.binary(max_size=900).map(lambda b: b[: len(b) & ~1]), max_size=8),
    cuts=st.integers(1, 5),
)
def test_what_is_written_is_taken_whole_padded_once_and_in_order(
    pieces: list[bytes], cuts: int
) -> None:
    utterance = Utterance(7)
    taken = []
    for piece in pieces:
        utterance.write(piece)
        for _ in range(cuts):
            frame = utterance.take()
            if frame is not None:
                taken.append(frame)
    utterance.end(whole=True)
    while (frame := utterance.take()) is not None:
        taken.append(frame)
    said = b"".join(pieces)
    assert all(len(frame) == FRAME_BYTES for frame in taken)
    heard = b"".join(taken)
    assert heard[: len(said)] == said
    assert not any(heard[len(said) :])
    assert len(heard) - len(said) < FRAME_BYTES
    assert utterance.played() == Played(7, len(said) // 2, len(said) // 2)


async def test_the_first_frame_leaves_without_waiting_for_a_tick(phone: Phone) -> None:
    phone.say(1, speech(3))
    assert len(phone.frames) == 1


async def test_frames_follow_each_other_on_absolute_deadlines(phone: Phone) -> None:
    phone.say(1, speech(25))
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert len(phone.frames) == 25
    # 24 intervals of 20 ms, whatever each wait was: lateness does not add up.
    assert phone.times[-1] - phone.times[0] >= 24 * 0.02 - 0.005


async def test_the_tail_is_padded_and_nothing_of_it_begins_the_next_answer(phone: Phone) -> None:
    phone.say(1, speech(1.5, mark=1))
    phone.say(2, speech(1, mark=2))
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert phone.frames == [speech(1, 1), speech(0.5, 1) + bytes(160), speech(1, 2)]
    assert phone.finished == [Played(1, 240, 240), Played(2, 160, 160)]


async def test_a_later_utterance_waits_for_the_one_before_it(phone: Phone) -> None:
    first, second = phone.playout.open(1), phone.playout.open(2)
    phone.playout.write(second, speech(1, mark=2))
    phone.playout.end(second)
    assert phone.frames == []
    phone.playout.write(first, speech(1, mark=1))
    phone.playout.end(first)
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert phone.frames == [speech(1, 1), speech(1, 2)]


async def test_after_a_pause_speech_goes_on_from_the_very_sample(phone: Phone) -> None:
    pcm = b"".join(n.to_bytes(2, "little") for n in range(160 * 6))
    phone.say(1, pcm)
    phone.playout.pause()
    heard_before = len(phone.frames)
    await asyncio.sleep(0.06)
    assert len(phone.frames) == heard_before
    phone.playout.resume()
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert b"".join(phone.frames) == pcm


async def test_a_flush_says_how_far_each_utterance_got_and_sends_nothing_more(phone: Phone) -> None:
    phone.say(1, speech(50))
    unfinished = phone.playout.open(2)
    phone.playout.write(unfinished, speech(2))
    frames = len(phone.frames)
    assert phone.playout.flush() == [Played(1, 160 * frames, 160 * 50), Played(2, 0, None)]
    phone.playout.write(unfinished, speech(2))
    phone.playout.end(unfinished)
    await asyncio.sleep(0.05)
    assert len(phone.frames) == frames
    assert phone.playout.idle


async def test_a_voice_that_broke_off_is_not_taken_for_whole(phone: Phone) -> None:
    broken, silent = phone.playout.open(1), phone.playout.open(2)
    phone.playout.write(broken, speech(2))
    phone.playout.end(broken, whole=False)
    phone.playout.end(silent, whole=False)
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert phone.finished == [Played(1, 320, None), Played(2, 0, None)]


async def test_an_answer_after_a_flush_is_due_when_the_frame_before_it_has_been_heard(
    phone: Phone,
) -> None:
    phone.say(1, speech(10))
    phone.playout.flush()
    phone.say(2, speech(1, mark=2))
    assert len(phone.frames) == 1
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert phone.times[1] - phone.times[0] >= 0.015


async def test_a_late_tick_catches_up_by_no_more_than_a_few_frames_and_loses_none(
    phone: Phone,
) -> None:
    phone.say(1, speech(12))
    time.sleep(0.2)  # noqa: ASYNC251 - the loop itself is held up, as by a busy machine
    phone.anything.clear()
    before = len(phone.frames)
    await phone.anything.wait()
    assert 1 <= len(phone.frames) - before <= MAX_CATCH_UP
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert len(phone.frames) == 12


async def test_many_playouts_keep_their_own_time(clock: PlayoutClock) -> None:
    phones = [Phone(clock) for _ in range(20)]
    for number, phone in enumerate(phones):
        phone.say(1, speech(5, mark=number))
        await asyncio.sleep(0.003)
    for number, phone in enumerate(phones):
        await asyncio.wait_for(phone.all_heard.wait(), 5)
        assert phone.frames == [speech(1, mark=number)] * 5


async def test_a_fast_voice_waits_for_room_and_a_flush_lets_it_go(phone: Phone) -> None:
    utterance = phone.playout.open(1)
    phone.playout.pause()
    phone.playout.write(utterance, bytes(HIGH_WATER_BYTES + 2))
    waiting = asyncio.create_task(utterance.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    phone.playout.flush()
    await asyncio.wait_for(waiting, 1)


async def test_room_comes_back_as_audio_is_played() -> None:
    utterance = Utterance(1)
    utterance.write(bytes(HIGH_WATER_BYTES + 2))
    waiting = asyncio.create_task(utterance.room())
    await asyncio.sleep(0)
    while utterance.take() is not None:
        pass
    await asyncio.wait_for(waiting, 1)


async def test_silence_costs_nothing(clock: PlayoutClock, phone: Phone) -> None:
    phone.say(1, speech(1))
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    await asyncio.sleep(0.05)
    assert clock._timer is None
