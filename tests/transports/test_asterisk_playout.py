"""Speech that is sent ahead: heard whole and in order, and what was heard is known.

In made-up time, against a queue that behaves as Asterisk's was measured.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import virtual_time
from tests.asterisk_websocket import FRAME_S, XOFF, MediaQueue

from avr_sts_speechmatics.audio.playout import HIGH_WATER_BYTES, Played, Utterance
from avr_sts_speechmatics.audio.tap import AgentTap
from avr_sts_speechmatics.records.recordings.timeline import AgentTimeline, Origin, Piece
from avr_sts_speechmatics.transports.asterisk_codec import ChannelCodec
from avr_sts_speechmatics.transports.asterisk_playout import AHEAD_S, LATE_S, AsteriskPlayout

FRAME = 320
SAMPLES = 160


def speech(frames: float, mark: int = 1) -> bytes:
    return mark.to_bytes(2, "little") * round(SAMPLES * frames)


class Phone:
    """A playout whose other end is an Asterisk's queue, `delay` s away each way."""

    def __init__(
        self, codec: str = "slin", delay: float = 0.0, tap: AgentTap | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._arrives = 0.0
        self.codec = ChannelCodec(codec)
        self.queue = MediaQueue(self._tell, self.codec.frame_bytes)
        self.heard: list[bytes | None] = []
        self.finished: list[Played] = []
        self.finished_at: list[float] = []
        self.playout = AsteriskPlayout(
            self.codec,
            lambda audio: self._later(self.queue.media, audio),
            lambda command: self._later(self.queue.command, command),
            self._finished,
            tap,
        )

    @property
    def frames(self) -> list[bytes]:
        return [frame for frame in self.heard if frame]

    def say(self, number: int, pcm: bytes) -> Utterance:
        utterance = self.playout.open(number)
        self.playout.write(utterance, pcm)
        self.playout.end(utterance)
        return utterance

    async def live(self, seconds: float) -> None:
        """Let so much time pass, frame by frame."""
        for _ in range(round(seconds / FRAME_S)):
            await asyncio.sleep(FRAME_S)
            self.heard.append(self.queue.tick())

    def _finished(self, played: Played) -> None:
        self.finished.append(replace(played, first_sent=None))
        self.finished_at.append(self._loop.time())

    def _later(self, act: Callable[[Any], None], what: Any) -> None:
        if not self._delay:
            act(what)
            return
        # A loop does not keep the order of what is due at the same moment; a socket does.
        self._arrives = max(self._arrives + 1e-9, self._loop.time() + self._delay)
        self._loop.call_at(self._arrives, act, what)

    def _tell(self, event: dict[str, Any]) -> None:
        self._later(self._take, event)

    def _take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "MEDIA_MARK_PROCESSED":
                self.playout.mark_reached(int(event["correlation_id"]))
            case "MEDIA_XOFF":
                self.playout.queue_full()
            case "MEDIA_XON":
                self.playout.queue_has_room()


def phoning(
    act: Callable[[Phone], Awaitable[None]], codec: str = "slin", delay: float = 0.0
) -> Phone:
    async def main() -> Phone:
        phone = Phone(codec, delay)
        await act(phone)
        phone.playout.flush()
        return phone

    return virtual_time.run(main())


def test_speech_is_played_whole_and_its_end_is_reported_when_it_was_heard() -> None:
    said = b"".join(n.to_bytes(2, "little") for n in range(SAMPLES * 175))

    async def act(phone: Phone) -> None:
        phone.say(1, said)
        await phone.live(3.5)
        assert phone.finished == []
        await phone.live(0.02)
        assert phone.finished == [Played(1, len(said) // 2, len(said) // 2)]
        assert b"".join(phone.frames) == said
        assert phone.playout.idle

    phoning(act)


def test_long_speech_is_sent_at_most_two_seconds_ahead() -> None:
    async def act(phone: Phone) -> None:
        utterance = phone.say(1, speech(50 * 30))
        for _ in range(30):
            await phone.live(1)
        await phone.live(0.02)
        assert phone.queue.longest <= AHEAD_S / FRAME_S
        assert len(phone.frames) == 50 * 30
        assert not any(frame is None for frame in phone.heard[: 50 * 30])
        assert utterance.waiting_bytes == 0

    phoning(act)


def test_a_fast_voice_waits_for_room_and_a_flush_lets_it_go() -> None:
    async def act(phone: Phone) -> None:
        utterance = phone.playout.open(1)
        phone.playout.write(utterance, bytes(HIGH_WATER_BYTES + 4 * 16_000))
        waiting = asyncio.create_task(utterance.room())
        await phone.live(1)
        assert not waiting.done()
        await phone.live(4)
        assert waiting.done()
        phone.playout.write(utterance, bytes(HIGH_WATER_BYTES))
        waiting = asyncio.create_task(utterance.room())
        await phone.live(0.1)
        assert not waiting.done()
        phone.playout.flush()
        await asyncio.wait_for(waiting, 1)

    phoning(act)


def test_the_tail_is_filled_up_and_nothing_of_it_begins_the_next_answer() -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(1.5, mark=1))
        phone.say(2, speech(1, mark=2))
        await phone.live(0.1)
        assert phone.frames == [speech(1, 1), speech(0.5, 1) + bytes(160), speech(1, 2)]
        assert phone.finished == [Played(1, 240, 240), Played(2, 160, 160)]

    phoning(act)


def test_a_later_utterance_waits_for_the_one_before_it() -> None:
    async def act(phone: Phone) -> None:
        first, second = phone.playout.open(1), phone.playout.open(2)
        phone.playout.write(second, speech(1, mark=2))
        phone.playout.end(second)
        await phone.live(0.1)
        assert phone.frames == []
        phone.playout.write(first, speech(1, mark=1))
        phone.playout.end(first)
        await phone.live(0.1)
        assert phone.frames == [speech(1, 1), speech(1, 2)]
        assert [played.number for played in phone.finished] == [1, 2]

    phoning(act)


def test_a_filler_goes_before_an_answer_that_has_no_voice_yet() -> None:
    async def act(phone: Phone) -> None:
        answer = phone.playout.open(1)
        filler = phone.playout.open(2, ahead=True)
        phone.playout.write(filler, speech(2, mark=2))
        phone.playout.end(filler)
        await phone.live(0.1)
        phone.playout.write(answer, speech(1, mark=1))
        phone.playout.end(answer)
        await phone.live(0.1)
        assert phone.frames == [speech(1, 2)] * 2 + [speech(1, 1)]
        assert [played.number for played in phone.finished] == [2, 1]

    phoning(act)


def test_after_a_pause_speech_goes_on_from_the_very_sample() -> None:
    said = b"".join(n.to_bytes(2, "little") for n in range(SAMPLES * 50))

    async def act(phone: Phone) -> None:
        phone.say(1, said)
        await phone.live(0.3)
        phone.playout.pause()
        await phone.live(10 * LATE_S)
        assert len(phone.frames) == 15
        assert phone.finished == []
        phone.playout.resume()
        await phone.live(0.72)
        assert b"".join(phone.frames) == said
        assert phone.finished == [Played(1, SAMPLES * 50, SAMPLES * 50)]

    phoning(act)


def test_a_flush_stops_at_once_and_says_how_far_each_utterance_got() -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(30, mark=1))
        phone.say(2, speech(50, mark=2))
        unfinished = phone.playout.open(3)
        phone.playout.write(unfinished, speech(2, mark=3))
        empty = phone.playout.open(4)
        await phone.live(1)
        dropped = phone.playout.flush()
        assert phone.finished == [Played(1, 30 * SAMPLES, 30 * SAMPLES)]
        assert [(played.number, played.total) for played in dropped] == [
            (2, 50 * SAMPLES),
            (3, None),
            (4, None),
        ]
        assert dropped[0].samples == pytest.approx(20 * SAMPLES, abs=SAMPLES)
        assert dropped[1].samples == dropped[2].samples == 0
        phone.playout.write(unfinished, speech(2))
        phone.playout.end(empty)
        await phone.live(1)
        assert len(phone.frames) == 50
        assert phone.playout.idle

    phoning(act)


def test_speech_after_a_flush_in_a_pause_is_heard() -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(50, mark=1))
        await phone.live(0.4)
        phone.playout.pause()
        await phone.live(0.6)
        (dropped,) = phone.playout.flush()
        assert dropped.samples == pytest.approx(20 * SAMPLES, abs=SAMPLES)
        phone.say(2, speech(3.25, mark=2))
        await phone.live(0.2)
        assert phone.frames[20:] == [speech(1, 2)] * 3 + [speech(0.25, 2) + bytes(240)]
        assert phone.finished == [Played(2, 520, 520)]
        assert not phone.queue.paused
        assert phone.queue.unbuffered == 0

    phoning(act)


def test_a_late_mark_of_flushed_speech_is_not_taken_for_that_of_an_answer() -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(10, mark=1))
        await phone.live(0.24)  # its end has been played; the news is on its way
        assert phone.queue.length == 0
        phone.playout.flush()
        phone.say(2, speech(10, mark=2))
        await phone.live(0.24)
        assert phone.finished == []
        await phone.live(0.2)
        assert phone.finished == [Played(2, 10 * SAMPLES, 10 * SAMPLES)]

    phoning(act, delay=0.05)


@pytest.mark.parametrize("delay", [0.001, 0.05, 0.15])
@pytest.mark.parametrize("after", [0.1, 0.5, 1.3])
def test_the_heard_position_is_known_to_a_few_frames(delay: float, after: float) -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(100))
        await phone.live(after)
        (dropped,) = phone.playout.flush()
        await phone.live(1)
        # A flush needs its way too: what is played until then was not known when it was asked for.
        heard = len(phone.frames) * SAMPLES
        assert abs(dropped.samples - heard) <= (2 * delay + FRAME_S) * 8000

    phoning(act, delay=delay)


def test_the_clock_is_not_believed_beyond_a_mark_that_was_not_reached() -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(100))
        await asyncio.sleep(0.9)  # an Asterisk that plays nothing
        (dropped,) = phone.playout.flush()
        assert dropped.samples <= 10 * SAMPLES

    phoning(act)


def test_an_asterisk_without_marks_does_not_keep_the_call_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act(phone: Phone) -> None:
        phone.queue.marks_are_told = False
        for number in (1, 2):
            phone.say(number, speech(150))
        await phone.live(6 + LATE_S + 0.1)
        assert [played.number for played in phone.finished] == [1, 2]
        # Late by the margin, and not by one for each mark.
        assert phone.finished_at == pytest.approx([3 + LATE_S, 6 + LATE_S], abs=0.05)
        assert len(phone.frames) == 300

    with caplog.at_level(logging.WARNING):
        phoning(act)
    assert len(caplog.records) == 1


def test_a_mark_does_not_count_as_lost_during_a_pause() -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(10))
        await phone.live(0.1)
        phone.playout.pause()
        await phone.live(10 * LATE_S)
        assert phone.finished == []
        phone.playout.resume()
        await phone.live(0.14)
        assert [played.number for played in phone.finished] == [1]

    phoning(act)


def test_a_pause_does_not_count_as_heard() -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(50))
        await phone.live(0.24)
        phone.playout.pause()
        await phone.live(1)
        phone.playout.resume()
        await phone.live(0.06)
        (dropped,) = phone.playout.flush()
        assert len(phone.frames) == 15
        assert dropped.samples == pytest.approx(15 * SAMPLES, abs=1.1 * SAMPLES)

    phoning(act)


def test_nothing_is_sent_while_asterisk_has_no_room() -> None:
    async def act(phone: Phone) -> None:
        for _ in range(XOFF):  # as if somebody else had filled it
            phone.queue.media(bytes(FRAME))
        phone.say(1, speech(5, mark=7))
        assert phone.queue.length == XOFF
        await phone.live(2)
        assert phone.queue.length == XOFF - 100
        await phone.live(17)
        assert phone.frames[-5:] == [speech(1, 7)] * 5

    phoning(act)


def test_a_voice_that_runs_dry_and_goes_on_is_known_by_what_was_heard() -> None:
    async def act(phone: Phone) -> None:
        utterance = phone.playout.open(1)
        phone.playout.write(utterance, speech(5))
        await phone.live(5)
        phone.playout.write(utterance, speech(50))
        await phone.live(0.4)
        (dropped,) = phone.playout.flush()
        assert dropped.samples == pytest.approx(25 * SAMPLES, abs=1.1 * SAMPLES)

    phoning(act)


def test_a_voice_that_broke_off_or_never_began_is_not_taken_for_whole() -> None:
    async def act(phone: Phone) -> None:
        broken, silent = phone.playout.open(1), phone.playout.open(2)
        phone.playout.write(broken, speech(2))
        phone.playout.end(broken, whole=False)
        phone.playout.end(silent, whole=False)
        assert phone.finished == []
        await phone.live(0.1)
        assert phone.finished == [Played(1, 320, None), Played(2, 0, None)]

    phoning(act)


def test_a_playout_needs_no_start_and_drops_what_waits_when_it_is_closed() -> None:
    async def act(phone: Phone) -> None:
        phone.playout.start()
        assert phone.queue.commands == []
        utterance = phone.playout.open(1)
        phone.playout.write(utterance, speech(50))
        await phone.live(0.2)
        phone.playout.close()
        phone.playout.close()
        heard = len(phone.frames)
        await phone.live(0.2)
        assert len(phone.frames) == heard
        assert utterance.ended
        assert phone.playout.idle
        assert phone.queue.commands.count("FLUSH_MEDIA") == 1

    phoning(act)


def test_a_flush_from_within_a_report_takes_effect_at_once() -> None:
    async def act(phone: Phone) -> None:
        def interrupt(played: Played) -> None:
            phone.finished.append(played)
            phone.playout.flush()

        phone.playout = AsteriskPlayout(
            phone.codec, phone.queue.media, phone.queue.command, interrupt
        )
        phone.say(1, speech(2, mark=1))
        phone.say(2, speech(50, mark=2))
        await phone.live(0.5)
        assert [played.number for played in phone.finished] == [1]
        # A frame may be played at the very tick that tells of the end before it.
        assert phone.frames.count(speech(1, 2)) <= 1

    phoning(act)


@pytest.mark.parametrize("codec", ["slin12", "slin16", "slin44", "slin48", "slin192"])
def test_at_another_rate_the_speech_is_as_long_and_its_last_sound_is_not_cut(codec: str) -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, bytes(FRAME * 9) + speech(1, mark=8000))
        await phone.live(1)
        assert {len(frame) for frame in phone.frames} == {phone.codec.frame_bytes}
        # The filter's tail takes a frame of its own.
        assert len(phone.frames) == 11
        back = ChannelCodec(codec).decode(b"".join(phone.frames))
        assert max(abs(n) for n in memoryview(back[: FRAME * 8]).cast("h")) < 10
        assert sum(memoryview(back).cast("h")) == pytest.approx(8000 * SAMPLES, rel=0.01)
        assert phone.finished == [Played(1, 10 * SAMPLES, 10 * SAMPLES)]

    phoning(act, codec)


def test_at_another_rate_nothing_of_flushed_speech_is_left_in_the_filter() -> None:
    async def act(phone: Phone) -> None:
        phone.say(1, speech(300, mark=8000))
        await phone.live(0.1)
        phone.playout.flush()
        phone.say(2, speech(2, mark=5))
        await phone.live(0.1)
        assert phone.frames[5] == ChannelCodec("slin16").encode(speech(1, mark=5))

    phoning(act, "slin16")


Step = tuple[str, int]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.just(0)),
        st.tuples(st.just("write"), st.integers(1, 40_000)),
        st.tuples(st.just("end"), st.just(0)),
        st.tuples(st.just("pause"), st.just(0)),
        st.tuples(st.just("resume"), st.just(0)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("live"), st.integers(1, 100)),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(steps=steps, delay=st.sampled_from([0.0, 0.013, 0.11]), marks=st.booleans())
def test_whatever_happens_each_utterance_is_finished_once_or_dropped_once_in_order(
    steps: list[Step], delay: float, marks: bool
) -> None:
    async def act(phone: Phone) -> None:
        phone.queue.marks_are_told = marks
        opened: list[tuple[int, Utterance]] = []
        written: dict[int, int] = {}
        dropped: list[Played] = []
        flushed = False
        for kind, size in [*steps, ("resume", 0)]:
            utterance = opened[-1][1] if opened else None
            match kind:
                case "open":
                    number = len(written) + 1
                    opened.append((number, phone.playout.open(number)))
                    written[number] = 0
                case "write" if utterance is not None and not utterance.ended:
                    # Each sample of an utterance is its number.
                    phone.playout.write(utterance, opened[-1][0].to_bytes(2, "little") * size)
                    written[opened[-1][0]] += size
                case "end" if utterance is not None:
                    phone.playout.end(utterance)
                case "pause":
                    phone.playout.pause()
                case "resume":
                    phone.playout.resume()
                case "flush":
                    dropped += phone.playout.flush()
                    flushed = True
                case "live":
                    await phone.live(size * FRAME_S)
                    assert phone.queue.longest <= AHEAD_S / FRAME_S
        for _, utterance in opened:
            phone.playout.end(utterance)
        await phone.live(sum(written.values()) / 8000 + len(written) * FRAME_S + LATE_S + 1)
        assert phone.playout.idle
        assert phone.queue.unbuffered == 0
        finished = [played.number for played in phone.finished]
        assert finished == sorted(finished)
        assert sorted(finished + [played.number for played in dropped]) == list(written)
        for played in phone.finished:
            assert played.samples == played.total == written[played.number]
        for played in dropped:
            assert 0 <= played.samples <= written[played.number]
            assert played.total in (None, written[played.number])
        if not flushed:
            heard = memoryview(b"".join(phone.frames)).cast("h").tolist()
            said = [number for number, count in written.items() for _ in range(count)]
            assert [sample for sample in heard if sample] == said

    phoning(act, delay=delay)


# --- the recording: what Asterisk has played, and when -------------------------------------------


class Recorded:
    """The agent's side of a recording of the call, in made-up time."""

    def __init__(self) -> None:
        self.timeline = AgentTimeline(Origin(0.0))

    def agent(self, at: float, pcm: bytes) -> None:
        self.timeline.add(Piece(at, pcm))

    def agent_paused(self, at: float) -> None:
        self.timeline.hold(at)

    def agent_resumed(self, at: float) -> None:
        self.timeline.go_on(at)

    def agent_flushed(self, at: float) -> None:
        self.timeline.drop(at)


Script = Callable[[Phone], Awaitable[None]]


async def _plain(phone: Phone) -> None:
    phone.say(1, speech(30, 1))
    phone.say(2, speech(5.5, 2))
    await phone.live(1.5)
    phone.say(3, speech(20, 3))
    await phone.live(1.0)


async def _interrupted(phone: Phone) -> None:
    phone.say(1, speech(150, 1))
    await phone.live(0.7)
    phone.playout.flush()
    await phone.live(0.5)
    phone.say(2, speech(20, 2))
    await phone.live(1.0)


async def _paused(phone: Phone) -> None:
    phone.say(1, speech(100, 1))
    await phone.live(0.7)
    phone.playout.pause()
    phone.say(2, speech(20, 2))
    await phone.live(0.6)
    phone.playout.resume()
    await phone.live(3.0)


async def _paused_and_flushed(phone: Phone) -> None:
    phone.say(1, speech(100, 1))
    await phone.live(0.7)
    phone.playout.pause()
    await phone.live(0.6)
    phone.playout.flush()
    phone.say(2, speech(20, 2))
    await phone.live(1.0)


@pytest.mark.parametrize("script", [_plain, _interrupted, _paused, _paused_and_flushed])
@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_the_recording_has_what_was_played_when_it_was_played(script: Script, delay: float) -> None:
    recorded = Recorded()

    async def main() -> tuple[Phone, float]:
        phone, begun = Phone("slin", delay, recorded), asyncio.get_running_loop().time()
        await script(phone)
        phone.playout.flush()
        return phone, begun

    phone, begun = virtual_time.run(main())
    played = b"".join(frame or bytes(FRAME) for frame in phone.heard)
    recorded.timeline._origin.at = begun
    found = recorded.timeline.take(len(played) // 2).tobytes()
    # The queue plays at its ticks; speech begins between two of them, and the network delays both
    # the speech and what Asterisk reports.
    late = round((0.02 + 2 * delay) / FRAME_S)
    found = bytes((late + 1) * FRAME) + found
    frames = [found[at : at + FRAME] for at in range(0, len(found), FRAME)]
    for number, frame in enumerate(phone.heard):
        mark = (frame or bytes(2))[:2]
        around = frames[number : number + late + 3]
        assert any(mark in (one[:2], one[-2:]) for one in around), number
    for mark in (speech(1 / SAMPLES, number) for number in (1, 2, 3)):
        amount = played.count(mark) - found.count(mark)
        assert abs(amount) <= (late + 1) * SAMPLES
