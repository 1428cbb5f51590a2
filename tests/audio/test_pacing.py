"""A playout for each kind of line: what is sent while nobody speaks."""

import asyncio
from collections.abc import Callable

import numpy as np

from avr_sts_speechmatics.audio.ambient import Ambience
from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import Playout, PlayoutClock

SPEECH = b"\x01\x00" * 160
ROOM = Ambience(np.full(16_000, 9, "<i2").tobytes(), 1.0)


class Wire:
    """The frames that left, and a wait for them."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._came = asyncio.Event()

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._came.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                self._came.clear()
                await self._came.wait()


def say(playout: Playout) -> None:
    utterance = playout.open(1)
    playout.write(utterance, SPEECH)
    playout.end(utterance)


async def test_a_line_that_wants_every_frame_has_silence_in_the_pauses() -> None:
    clock, wire = PlayoutClock(), Wire()
    playout = Pacing(clock).playout(wire.send, lambda _: None, continuous=True)
    playout.start()
    await wire.until(lambda: len(wire.frames) >= 2)
    assert wire.frames[:2] == [bytes(320)] * 2
    say(playout)
    await wire.until(lambda: SPEECH in wire.frames)
    playout.close()
    assert wire.frames.count(SPEECH) == 1


async def test_another_line_is_sent_speech_only() -> None:
    clock, wire = PlayoutClock(), Wire()
    playout = Pacing(clock).playout(wire.send, lambda _: None)
    playout.start()
    assert clock._timer is None  # nobody wakes for a line without speech
    say(playout)
    assert wire.frames == [SPEECH]
    playout.close()


async def test_with_an_ambience_every_line_hears_the_room_in_the_pauses() -> None:
    clock, wire = PlayoutClock(), Wire()
    playout = Pacing(clock, ROOM).playout(wire.send, lambda _: None)
    playout.start()
    await wire.until(lambda: len(wire.frames) >= 2)
    playout.close()
    assert not any(np.frombuffer(frame, "<i2").max() < 9 for frame in wire.frames)


async def test_every_call_is_somewhere_else_in_the_room() -> None:
    room = Ambience(np.random.default_rng(1).integers(-999, 999, 40_000, "<i2").tobytes(), 1.0)
    pacing, wire = Pacing(PlayoutClock(), room), Wire()
    playouts = [pacing.playout(wire.send, lambda _: None) for _ in range(10)]
    for playout in playouts:
        playout.start()
    await wire.until(lambda: len(wire.frames) >= 10)
    for playout in playouts:
        playout.close()
    assert len(set(wire.frames)) > 5
