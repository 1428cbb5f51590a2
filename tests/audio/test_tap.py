"""What a tap is told of the agent's audio by a playout that this process paces."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from tests.support import until

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import Playout, PlayoutClock

SPEECH = b"".join(bytes([number + 1, 0]) * 160 for number in range(10))


class Kept:
    """A tap that keeps what it is told."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, bytes]] = []

    def agent(self, at: float, pcm: bytes) -> None:
        self.frames.append((at, pcm))

    def agent_paused(self, at: float) -> None:
        raise AssertionError("frames are told when they leave")

    agent_resumed = agent_flushed = agent_paused

    @property
    def voice(self) -> bytes:
        return b"".join(frame for _, frame in self.frames if any(frame))


@pytest.fixture
async def clock() -> AsyncIterator[PlayoutClock]:
    clock = PlayoutClock()
    yield clock
    clock.close()


def say(playout: Playout, pcm: bytes = SPEECH) -> None:
    utterance = playout.open(1)
    playout.write(utterance, pcm)
    playout.end(utterance)


@pytest.mark.parametrize("continuous", [False, True])
async def test_every_frame_that_leaves_is_tapped_at_the_time_it_was_due(
    continuous: bool, clock: PlayoutClock
) -> None:
    tap = Kept()
    sent: list[bytes] = []
    pacing = Pacing(clock, tap=tap)
    playout = pacing.playout(sent.append, lambda _: None, continuous=continuous)
    begun = time.monotonic()
    playout.start()
    say(playout)
    await until(lambda: playout.idle)
    playout.close()
    assert tap.voice == SPEECH
    assert [frame for _, frame in tap.frames] == sent
    times = [at for at, _ in tap.frames]
    assert times[0] >= begun
    # Exactly a frame apart, however late the frames were sent; more only after a standstill.
    for before, after in pairwise(times):
        assert (after - before) / 0.02 == pytest.approx(round((after - before) / 0.02))


async def test_frames_that_the_line_drops_are_not_tapped(clock: PlayoutClock) -> None:
    tap, writable = Kept(), True

    def send(frame: bytes) -> bool:
        return writable

    playout = Pacing(clock, tap=tap).playout(send, lambda _: None, continuous=True)
    playout.start()
    await until(lambda: len(tap.frames) >= 3)
    writable = False
    say(playout)
    await until(lambda: playout.idle)
    playout.close()
    assert not tap.voice


async def test_speech_that_is_flushed_or_paused_is_tapped_as_far_as_it_left(
    clock: PlayoutClock,
) -> None:
    tap = Kept()
    sent: list[bytes] = []
    playout = Pacing(clock, tap=tap).playout(sent.append, lambda _: None)
    say(playout, SPEECH * 10)
    await until(lambda: len(sent) >= 3)
    playout.pause()
    paused = len(sent)
    await asyncio.sleep(0.1)
    playout.resume()
    await until(lambda: len(sent) > paused)
    playout.flush()
    assert [frame for _, frame in tap.frames] == sent
    assert tap.frames[paused][0] - tap.frames[paused - 1][0] > 0.09
    playout.close()
