"""The places of audio on a call's own time, whatever the network does."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.records.recordings.timeline import (
    AHEAD_S,
    HOLD_S,
    AgentTimeline,
    CallerTimeline,
    Origin,
    Piece,
)

FRAME = 160
FRAME_S = FRAME / RATE
ROUND_S = 0.5

Samples = NDArray[np.int16]


def tone(frames: int) -> Samples:
    """Loud sound in which each sample names its place, up to 28 000 samples."""
    return (2000 + np.arange(frames * FRAME) % 28_000).astype(np.int16)


def cut(sound: Samples, size: int = FRAME) -> list[bytes]:
    return [sound[at : at + size].tobytes() for at in range(0, len(sound), size)]


def on_time(sound: Samples, begins: float) -> list[Piece]:
    """Frames as a telephone sends them: each arrives when its last sample has been spoken."""
    return [
        Piece(begins + (number + 1) * FRAME_S, audio) for number, audio in enumerate(cut(sound))
    ]


def recorded(
    arrivals: Sequence[Piece], until: float, origin: Origin | None = None
) -> tuple[Samples, CallerTimeline]:
    """Return the caller's side of a call, written every ROUND_S as it is in a real call."""
    origin = origin or Origin(0.0)
    timeline, waiting, written = CallerTimeline(origin), list(arrivals), 0
    found: list[Samples] = []
    index = 0
    for number in range(1, round(until / ROUND_S) + 1):
        now, first = number * ROUND_S, index
        while index < len(waiting) and waiting[index].at <= now:
            index += 1
        known = timeline.add(waiting[first:index], now)
        if known > written:
            found.append(timeline.take(known))
            origin.fixed = True
            written = known
    timeline.add(waiting[index:], until, over=True)
    found.append(timeline.take(max(origin.position(until), timeline.end)))
    return np.concatenate(found), timeline


def place_of(sound: Samples, sample: int) -> int:
    """Return the position of the first sample of a value."""
    places = np.flatnonzero(sound == sample)
    assert len(places), "the sample is not in the recording"
    return int(places[0])


def test_frames_that_arrive_in_time_are_where_they_were_spoken() -> None:
    sound = tone(100)
    heard, timeline = recorded(on_time(sound, begins=1.25), until=5)
    assert np.array_equal(heard[10_000:26_000], sound)
    assert not heard[:10_000].any()
    assert not heard[26_000:].any()
    assert not timeline.lost


@given(delays=st.lists(st.floats(0, 0.055), min_size=150, max_size=150))
@settings(max_examples=50)
def test_jitter_moves_no_frame_by_more_than_itself_and_loses_none(delays: list[float]) -> None:
    sound = tone(150)
    spoken = on_time(sound, begins=1.0)
    # A stream keeps its order: a frame does not arrive before an earlier one.
    times = itertools.accumulate(
        (piece.at + delay for piece, delay in zip(spoken, delays, strict=True)), max
    )
    arrivals = [Piece(at, piece.audio) for at, piece in zip(times, spoken, strict=True)]
    heard, timeline = recorded(arrivals, until=6)
    assert not timeline.lost
    for sample in range(2000, 2000 + len(sound), 20 * FRAME):
        late = place_of(heard, sample) - (RATE + sample - 2000)
        assert -0.011 * RATE <= late <= 0.066 * RATE


@pytest.mark.parametrize("pause_s", [0.1, 0.3, 0.9, 5.0])
def test_a_pause_without_frames_is_silence_of_its_length(pause_s: float) -> None:
    first, second = tone(50), tone(100)[50 * FRAME :]
    arrivals = on_time(first, begins=0.5) + on_time(second, begins=1.5 + pause_s)
    heard, timeline = recorded(arrivals, until=5 + pause_s)
    begins = round((1.5 + pause_s) * RATE)
    assert np.array_equal(heard[4000:12_000], first)
    assert not heard[12_000:begins].any()
    assert np.array_equal(heard[begins : begins + 8000], second)
    assert not timeline.lost


@pytest.mark.parametrize("delay_s", [0.08, 0.3, 0.7])
def test_frames_that_were_delayed_and_come_in_a_burst_are_in_their_place(delay_s: float) -> None:
    sound = tone(170)
    spoken = on_time(sound, begins=0.5)
    until = 1.7 + delay_s
    arrivals = [Piece(until, one.audio) if 1.7 < one.at < until else one for one in spoken]
    heard, timeline = recorded(arrivals, until=5)
    assert np.array_equal(heard[4000 : 4000 + len(sound)], sound)
    assert not timeline.lost


def test_after_a_long_standstill_frames_are_in_their_place_and_the_rest_is_lost() -> None:
    sound = tone(170)
    spoken = on_time(sound, begins=0.5)
    arrivals = [Piece(3.2, one.audio) if 1.2 < one.at < 3.2 else one for one in spoken]
    heard, timeline = recorded(arrivals, until=6)
    end = 4000 + len(sound)
    assert np.array_equal(heard[round(3.2 * RATE) : end], sound[round(2.7 * RATE) :])
    assert np.array_equal(heard[4000 : round(1.1 * RATE)], sound[: round(0.6 * RATE)])
    assert not heard[end:].any()
    assert 0 < timeline.lost <= (2.0 - HOLD_S + ROUND_S) * RATE


def drifting(ppm: float, seconds: int) -> Iterable[Piece]:
    """Silence from a telephone whose clock is wrong; a frame a minute is loud."""
    quiet, loud = bytes(2 * FRAME), np.full(FRAME, 9000, np.int16).tobytes()
    frame_s = FRAME_S * (1 + ppm / 1e6)
    for number in range(round(seconds / FRAME_S)):
        yield Piece((number + 1) * frame_s, quiet if number % 3000 else loud)


@pytest.mark.parametrize("ppm", [-100, 100, 400])
def test_a_wrong_clock_of_the_caller_moves_nothing_within_an_hour(ppm: float) -> None:
    arrivals = list(drifting(ppm, 3600))
    heard, timeline = recorded(arrivals, until=3602)
    loud = heard > 8000
    begins = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    spoken = np.array([one.at for one in arrivals[3000::3000]]) * RATE - FRAME
    assert len(begins) >= len(spoken)
    assert np.abs(begins[-len(spoken) :] - spoken).max() < 0.025 * RATE
    assert not timeline.lost


def test_audio_that_the_line_had_kept_before_the_call_comes_before_the_call() -> None:
    early, later = tone(100), tone(150)[100 * FRAME :]
    origin = Origin(0.0)
    arrivals = [Piece(0.0, early.tobytes()), *on_time(later, begins=0.0)]
    heard, _ = recorded(arrivals, 3.0, origin)
    assert origin.at == pytest.approx(-2.0)
    assert np.array_equal(heard[: 150 * FRAME], tone(150))


def test_a_burst_at_the_beginning_ends_when_it_arrives() -> None:
    sound = tone(100)
    spoken = on_time(sound, begins=-0.4)
    origin = Origin(0.0)
    arrivals = [Piece(max(one.at, 0.1), one.audio) for one in spoken]
    heard, timeline = recorded(arrivals, 3.0, origin)
    assert place_of(heard, 2000 + 15_000) + origin.at * RATE == pytest.approx(
        15_000 - 0.4 * RATE, abs=1
    )
    assert not timeline.lost


def test_a_file_that_is_sent_at_once_is_heard_in_its_own_speed() -> None:
    sound = tone(170)
    arrivals = [Piece(2.0 + number / 10_000, one) for number, one in enumerate(cut(sound))]
    later = on_time(np.full(50 * FRAME, 1500, np.int16), begins=9.0)
    heard, timeline = recorded(arrivals + later, until=12)
    begins = place_of(heard, 2000)
    assert np.array_equal(heard[begins : begins + len(sound)], sound)
    assert abs(begins - 2 * RATE) <= 1.1 * RATE
    assert place_of(heard, 1500) == 9 * RATE  # what comes later is in its place again
    assert not timeline.lost


def test_audio_far_ahead_of_time_is_lost_rather_than_kept_for_ever() -> None:
    loud = np.full(FRAME, 9000, np.int16).tobytes()
    minute = [Piece(1.0 + number / 1e5, loud) for number in range(3000)]
    timeline = CallerTimeline(Origin(0.0))
    for number in range(30):
        timeline.add(minute[number * 100 : number * 100 + 100], 2.0)
    assert timeline.end <= (AHEAD_S + 2.1) * RATE
    assert timeline.lost + timeline.end >= 60 * RATE


def test_a_caller_who_never_sends_is_silent() -> None:
    heard, _ = recorded([], until=3)
    assert len(heard) == 3 * RATE
    assert not heard.any()


def test_an_odd_size_and_an_empty_piece_do_no_harm() -> None:
    sound = tone(40)
    pieces = [Piece(0.0, b"")]
    at, sizes = 0, itertools.cycle((1, 7, 400, 33, 0))
    while at < len(sound):
        size = next(sizes)
        piece = sound[at : at + size]
        at += len(piece)
        pieces.append(Piece(1 + at / RATE, piece.tobytes()))
    heard, _ = recorded(pieces, until=4)
    begins = place_of(heard, 2000)
    assert np.array_equal(heard[begins : begins + len(sound)], sound)


# --- the agent's side ----------------------------------------------------------------------------


def said(sound: Samples, begins: float) -> list[Piece]:
    return [Piece(begins + number * FRAME_S, audio) for number, audio in enumerate(cut(sound))]


def agent(*pieces: Piece) -> AgentTimeline:
    timeline = AgentTimeline(Origin(0.0))
    for piece in pieces:
        timeline.add(piece)
    return timeline


def test_the_agent_is_heard_when_the_frames_left_and_pauses_are_silence() -> None:
    timeline = agent(*said(tone(10), begins=0.5), *said(tone(10), begins=1.00013))
    heard = np.concatenate([timeline.take(4100), timeline.take(9000), timeline.take(16_000)])
    assert np.array_equal(heard[4000:5600], tone(10))
    assert np.array_equal(heard[8001:9601], tone(10))
    assert np.count_nonzero(heard) == 3200


def test_frames_that_follow_each_other_have_no_gap_by_an_inaccurate_time() -> None:
    frames = [Piece(at + (number % 3) * 0.0005, audio) for number, (at, audio) in
              enumerate(said(tone(10), begins=0.5))]  # fmt: skip
    assert np.array_equal(agent(*frames).take(8000)[4000:5600], tone(10))


def test_speech_that_was_flushed_before_it_was_heard_is_not_in_the_recording() -> None:
    timeline = agent(*said(tone(50), begins=0.5))
    timeline.drop(0.81)
    for piece in said(tone(10), begins=1.0):
        timeline.add(piece)
    heard = timeline.take(16_000)
    assert np.array_equal(heard[4000:6480], tone(50)[:2480])
    assert not heard[6480:8000].any()
    assert np.array_equal(heard[8000:9600], tone(10))


def test_speech_that_was_paused_goes_on_at_the_same_sample() -> None:
    timeline = agent(*said(tone(30), begins=0.5))
    timeline.hold(0.81)
    for piece in said(tone(50)[30 * FRAME :], begins=1.1):  # sent during the pause
        timeline.add(piece)
    first = timeline.take(8000)
    timeline.go_on(1.31)
    heard = np.concatenate([first, timeline.take(24_000)])
    assert np.array_equal(heard[4000:6480], tone(50)[:2480])
    assert not heard[6480:10_480].any()
    assert np.array_equal(heard[10_480 : 10_480 + 5520], tone(50)[2480:])


def test_speech_that_is_flushed_in_a_pause_is_gone() -> None:
    timeline = agent(*said(tone(30), begins=0.5))
    timeline.hold(0.81)
    timeline.drop(1.0)
    assert np.count_nonzero(timeline.take(16_000)) == 2480


@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=20), st.integers(0, 2000))
def test_the_sound_does_not_depend_on_when_it_is_written(cuts: list[int], begin: int) -> None:
    pieces = said(tone(60), begins=begin / 1000)
    whole, timeline = agent(*pieces).take(40_000), agent(*pieces)
    parts = [timeline.take(at) for at in sorted({*cuts, 40_000})]
    assert np.array_equal(np.concatenate(parts), whole)
