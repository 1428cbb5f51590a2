"""Frames with signatures, and the count of lost, repeated, foreign and damaged frames."""

from dataclasses import replace

import numpy as np
from bench.codewords import Turn
from bench.frames import FRAME_BYTES, Mark, Received, Signer, decode, encode
from hypothesis import given
from hypothesis import strategies as st

marks = st.builds(
    Mark,
    st.builds(Turn, st.integers(0, 675), st.integers(0, 675)),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)


def frames(call: int, numbers: range | list[int]) -> list[bytes]:
    return [encode(Mark(Turn(call, 0), number, speaking=False)) for number in numbers]


def heard(*pieces: bytes) -> Received:
    received = Received()
    for piece in pieces:
        received.take(piece)
    return received


@given(marks)
def test_a_frame_is_read_as_it_was_written(mark: Mark) -> None:
    frame = encode(mark)
    assert len(frame) == FRAME_BYTES
    assert decode(frame) == mark


@given(st.integers(0, 675), st.lists(st.tuples(st.integers(0, 675), st.booleans()), max_size=5))
def test_a_signer_makes_the_frames_of_a_call_one_after_another(
    call: int, turns: list[tuple[int, bool]]
) -> None:
    signer = Signer(call)
    for number, (turn, speaking) in enumerate(turns):
        assert signer.frame(turn, speaking) == encode(Mark(Turn(call, turn), number, speaking))


@given(marks, st.booleans())
def test_only_the_next_frame_of_the_same_turn_is_expected(mark: Mark, next_speaks: bool) -> None:
    mark = replace(mark, number=mark.number // 2)
    received = Received(next_number=mark.number)
    assert received.expected(encode(mark)) is None
    received.take(encode(mark))
    following = replace(mark, number=mark.number + 1, speaking=next_speaks)
    other_turn = replace(following, turn=Turn(mark.turn.call, (mark.turn.number + 1) % 676))
    other_call = replace(following, turn=Turn((mark.turn.call + 1) % 676, mark.turn.number))
    for unexpected in (mark, other_turn, other_call):
        assert received.expected(encode(unexpected)) is None
    damaged = np.frombuffer(encode(following), dtype="<i2").copy()
    damaged[156:] *= -1
    assert received.expected(damaged.tobytes()) is None
    assert received.whole == 1
    assert received.expected(encode(following)) is next_speaks
    assert (received.whole, received.damage) == (2, "")


@given(marks, st.floats(0.5, 2.0), st.integers(0, 2**32 - 1))
def test_a_frame_is_read_despite_gain_and_noise(mark: Mark, gain: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 20, FRAME_BYTES // 2)
    samples = np.frombuffer(encode(mark), dtype="<i2") * gain + noise
    assert decode(samples.astype("<i2").tobytes()) == mark


@given(marks, st.integers(0, 79))
def test_a_damaged_frame_is_rejected(mark: Mark, bit: int) -> None:
    samples = np.frombuffer(encode(mark), dtype="<i2").copy()
    samples[2 * bit : 2 * bit + 2] *= -1
    assert decode(samples.tobytes()) is None


def test_silence_is_not_a_signed_frame() -> None:
    assert decode(bytes(FRAME_BYTES)) is None


@given(st.lists(st.integers(1, 1000), max_size=5))
def test_frames_are_read_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"".join(frames(3, range(5)))
    received = Received()
    for size in cuts:
        received.take(stream[:size])
        stream = stream[size:]
    received.take(stream)
    assert (received.whole, received.damage) == (5, "")


def test_a_lost_frame_is_counted_even_the_very_first() -> None:
    assert heard(*frames(3, [1, 2, 5])).damage == "3 lost"


def test_a_repeated_frame_is_counted_and_skipped() -> None:
    received = heard(*frames(3, [0, 1, 1, 2, 0]))
    assert (received.whole, received.damage) == (3, "2 repeated")


def test_a_frame_of_another_call_is_counted() -> None:
    assert heard(*frames(3, [0, 1]), *frames(4, [2]), *frames(3, [2])).damage == "1 of another call"


def test_inserted_silence_and_torn_frames_are_counted() -> None:
    (frame,) = frames(3, [0])
    torn = frame[:100] + bytes(100) + frame[200:]
    damage = heard(bytes(FRAME_BYTES), frame, torn, b"\x01").damage
    assert damage == "1 of silence put in, 2 damaged"
