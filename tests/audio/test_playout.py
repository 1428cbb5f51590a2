"""The clock and what it promises: whole utterances, in order, one frame every 20 ms."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.audio.loudness import voiced_bytes
from avr_sts_speechmatics.audio.pcm import FRAME_BYTES, SAMPLE_BYTES
from avr_sts_speechmatics.audio.playout import (
    HIGH_WATER_BYTES,
    MAX_CATCH_UP,
    SLOTS,
    Played,
    Playout,
    PlayoutClock,
    Utterance,
)

Background = Callable[[bytes | None], bytes]
HowFar = tuple[int, int, int | None]


def how_far(played: Played) -> HowFar:
    """Number, samples heard, samples in all; not the moment, which is another each time."""
    return played.number, played.samples, played.total


class Phone:
    """A caller's ear: what arrived, when, and which utterances were reported as heard."""

    def __init__(self, clock: PlayoutClock, background: Background | None = None) -> None:
        self.frames: list[bytes] = []
        self.times: list[float] = []
        self.finished: list[HowFar] = []
        self.anything = asyncio.Event()
        self.all_heard = asyncio.Event()
        self.playout = Playout(clock, self._hear, self._done, background=background)

    def _hear(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.times.append(time.monotonic())
        self.anything.set()

    def _done(self, played: Played) -> None:
        self.finished.append(how_far(played))
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
    voiced = voiced_bytes(said) or len(said)
    assert how_far(utterance.played()) == (7, len(said) // 2, voiced // 2)


async def test_the_first_frame_leaves_without_waiting_for_a_tick(phone: Phone) -> None:
    phone.say(1, speech(3))
    assert len(phone.frames) == 1


async def test_when_the_first_frame_left_is_known(phone: Phone) -> None:
    spoken = phone.say(1, speech(2))
    unspoken = phone.say(2, speech(1))
    assert spoken.played().first_sent == pytest.approx(phone.times[0], abs=0.005)
    assert unspoken.played().first_sent is None
    phone.playout.flush()


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
    assert phone.finished == [(1, 240, 240), (2, 160, 160)]


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
    assert [*map(how_far, phone.playout.flush())] == [(1, 160 * frames, 160 * 50), (2, 0, None)]
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
    assert phone.finished == [(1, 320, None), (2, 0, None)]


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


# --- what is counted ------------------------------------------------------------------------------


async def test_a_short_delay_is_no_pause_and_a_long_one_is_counted(
    clock: PlayoutClock, phone: Phone
) -> None:
    phone.say(1, speech(12))
    time.sleep(0.2)  # noqa: ASYNC251 - the loop itself is held up, as by a busy machine
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert clock.late >= 1
    assert clock.gaps >= 1
    assert clock.starved == 0


async def test_a_voice_that_is_slower_than_its_words_is_counted(
    clock: PlayoutClock, phone: Phone
) -> None:
    utterance = phone.playout.open(1)
    for _ in range(3):
        phone.playout.write(utterance, speech(1))
        await asyncio.sleep(0.1)
    phone.playout.end(utterance)
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    assert clock.starved == 2


async def test_a_pause_that_was_meant_is_not_counted(clock: PlayoutClock, phone: Phone) -> None:
    utterance = phone.playout.open(1)
    phone.playout.write(utterance, speech(3))
    phone.playout.pause()
    await asyncio.sleep(0.1)
    phone.playout.resume()
    phone.playout.end(utterance)
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    await asyncio.sleep(0.1)
    phone.say(2, speech(1))  # a pause between two utterances
    await until_frames(phone, 4)
    assert clock.starved == 0


async def test_a_slow_voice_on_a_continuous_line_is_counted(
    clock: PlayoutClock, open_line: Phone
) -> None:
    utterance = open_line.playout.open(1)
    await until_frames(open_line, len(open_line.frames) + 8)
    assert clock.starved == 0  # it has not begun
    for pause in (1, 2):
        open_line.playout.write(utterance, speech(1))
        await until_frames(open_line, len(open_line.frames) + 8)
        assert clock.starved == pause
    open_line.playout.end(utterance)
    await until_frames(open_line, len(open_line.frames) + 8)
    assert clock.starved == 2


async def test_silence_costs_nothing(clock: PlayoutClock, phone: Phone) -> None:
    phone.say(1, speech(1))
    await asyncio.wait_for(phone.all_heard.wait(), 5)
    await asyncio.sleep(0.05)
    assert clock._timer is None


class StillClock(PlayoutClock):
    """Turned by hand: time is what the test says."""

    def __init__(self) -> None:
        self._slots = [{} for _ in range(SLOTS)]

    def join(self, playout: Playout, deadline: float) -> None:
        playout.slot = 0
        self._slots[0][playout] = None


# --- continuous: a frame every 20 ms, speech or not -----------------------------------------------


def room(speech_of: bytes | None) -> bytes:
    """A background that can be told from silence, and speech in it from speech without it."""
    return ROOM if speech_of is None else speech_of[:-1] + b"\x7f"


ROOM = b"\x02" * FRAME_BYTES


@pytest.fixture
async def open_line(clock: PlayoutClock) -> AsyncIterator[Phone]:
    """A phone on a line that wants frames all the time; started."""
    phone = Phone(clock, room)
    phone.playout.start()
    yield phone
    phone.playout.close()


async def until_frames(phone: Phone, count: int) -> None:
    async with asyncio.timeout(5):
        while len(phone.frames) < count:
            phone.anything.clear()
            await phone.anything.wait()


def is_speech(frame: bytes) -> bool:
    return frame != ROOM


async def test_a_continuous_line_brings_a_frame_every_20_ms_and_never_one_ahead(
    clock: PlayoutClock,
) -> None:
    phone = Phone(clock, room)
    begun = time.monotonic()
    phone.playout.start()
    await until_frames(phone, 40)
    phone.playout.close()
    assert phone.frames == [ROOM] * 40
    assert min(at - begun - n * 0.02 for n, at in enumerate(phone.times)) > -0.002
    assert phone.times[-1] - begun < 40 * 0.02 + 1  # the machine may have been busy


async def test_speech_takes_the_place_of_pauses_whole_and_in_order(open_line: Phone) -> None:
    await until_frames(open_line, 2)
    open_line.say(1, speech(3, mark=1))
    open_line.say(2, speech(2, mark=2))
    assert len(open_line.frames) == 2  # nothing leaves but with the clock
    await asyncio.wait_for(open_line.all_heard.wait(), 5)
    await until_frames(open_line, len(open_line.frames) + 2)
    said = [room(speech(1, mark=1))] * 3 + [room(speech(1, mark=2))] * 2
    assert open_line.frames[2:7] == said
    assert open_line.frames[7:9] == [ROOM] * 2
    assert open_line.finished == [(1, 480, 480), (2, 320, 320)]


async def test_a_voice_that_runs_dry_is_bridged_and_goes_on_at_the_very_sample(
    open_line: Phone,
) -> None:
    pcm = b"".join(n.to_bytes(2, "little") for n in range(160 * 4))
    utterance = open_line.playout.open(1)
    open_line.playout.write(utterance, pcm[: 320 + 100])
    await until_frames(open_line, 5)
    open_line.playout.write(utterance, pcm[320 + 100 :])
    open_line.playout.end(utterance)
    await asyncio.wait_for(open_line.all_heard.wait(), 5)
    heard = [frame for frame in open_line.frames if is_speech(frame)]
    assert heard == [room(pcm[at : at + 320]) for at in range(0, len(pcm), 320)]


async def test_a_paused_line_goes_on_without_its_speech(open_line: Phone) -> None:
    pcm = b"".join(n.to_bytes(2, "little") for n in range(160 * 6))
    open_line.say(1, pcm)
    await until_frames(open_line, 3)
    open_line.playout.pause()
    before = [frame for frame in open_line.frames if is_speech(frame)]
    await until_frames(open_line, len(open_line.frames) + 4)
    assert open_line.frames[-4:] == [ROOM] * 4
    open_line.playout.resume()
    await asyncio.wait_for(open_line.all_heard.wait(), 5)
    heard = [frame for frame in open_line.frames if is_speech(frame)]
    assert heard[: len(before)] == before
    assert heard == [room(pcm[at : at + 320]) for at in range(0, len(pcm), 320)]


async def test_a_flush_ends_the_speech_and_not_the_frames(open_line: Phone) -> None:
    open_line.say(1, speech(50))
    await until_frames(open_line, 3)
    heard = sum(map(is_speech, open_line.frames))
    assert [*map(how_far, open_line.playout.flush())] == [(1, 160 * heard, 160 * 50)]
    await until_frames(open_line, len(open_line.frames) + 4)
    assert sum(map(is_speech, open_line.frames)) == heard


async def test_a_continuous_line_does_not_burst_after_a_stall(open_line: Phone) -> None:
    open_line.say(1, speech(30))
    await until_frames(open_line, 2)
    time.sleep(0.3)  # noqa: ASYNC251 - the loop itself is held up, as by a busy machine
    before = len(open_line.frames)
    await until_frames(open_line, before + 1)
    assert len(open_line.frames) - before <= MAX_CATCH_UP
    await asyncio.wait_for(open_line.all_heard.wait(), 5)
    assert sum(map(is_speech, open_line.frames)) == 30


@pytest.mark.parametrize("stall_ms", range(60, 80))
def test_after_a_stall_frames_leave_one_at_a_time_again(stall_ms: int) -> None:
    """Whatever part of 20 ms it ended in, and though ticks are a little early or late."""
    sent: list[bytes] = []
    playout = Playout(StillClock(), sent.append, lambda _: None, background=room)
    begun = time.monotonic() + 0.001
    playout.start()
    sent_at_tick = []
    for number in range(60):
        at = begun + 0.02 * (number if number <= 10 else number + 3)
        at += stall_ms / 1000 if number == 10 else (0.0009, -0.0004)[number % 2]
        before = len(sent)
        playout.tick(at)
        sent_at_tick.append(len(sent) - before)
    playout.close()
    assert sent_at_tick == [1] * 10 + [MAX_CATCH_UP] + [1] * 49


async def test_a_continuous_line_is_silent_before_its_start_and_after_its_close(
    clock: PlayoutClock,
) -> None:
    phone = Phone(clock, room)
    phone.say(1, speech(1))
    await asyncio.sleep(0.05)
    assert phone.frames == []
    phone.playout.start()
    await until_frames(phone, 3)
    assert phone.frames == [room(speech(1)), ROOM, ROOM]
    phone.playout.close()
    phone.playout.close()
    phone.say(2, speech(1))
    phone.playout.resume()
    await asyncio.sleep(0.05)
    assert len(phone.frames) == 3
    assert clock._timer is None


async def test_a_line_closed_by_the_news_of_its_last_word_sends_nothing_more(
    clock: PlayoutClock,
) -> None:
    frames: list[bytes] = []
    closed = asyncio.Event()

    def heard(_: Played) -> None:
        playout.close()
        closed.set()

    def send(frame: bytes) -> None:
        frames.append(frame)
        if len(frames) == 1:  # all audio has been taken: the end comes before the next frame
            asyncio.get_running_loop().call_soon(playout.end, utterance)

    playout = Playout(clock, send, heard, background=room)
    utterance = playout.open(1)
    playout.write(utterance, speech(1))
    playout.start()
    await asyncio.wait_for(closed.wait(), 5)
    await asyncio.sleep(0.05)
    assert frames == [room(speech(1))]


@given(st.binary(min_size=2, max_size=2000), st.integers(0, 2000))
def test_the_silence_behind_the_last_word_is_not_part_of_an_utterance(
    noise: bytes, silent: int
) -> None:
    speech = noise[: len(noise) & ~1] + (20_000).to_bytes(2, "little")
    utterance = Utterance(1)
    for piece in (speech[:200], speech[200:], bytes(2 * silent)):
        utterance.write(piece)
    utterance.end(whole=True)
    assert utterance.played().total == len(speech) // SAMPLE_BYTES
