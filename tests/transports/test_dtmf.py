"""DTMF: which keys there are, and how many a caller can press."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.transports.dtmf import BURST, KEYS, PER_S, KeyRate


def test_a_key_is_one_of_the_sixteen_of_dtmf() -> None:
    assert {*"0123456789", "*", "#", *"ABCD"} == KEYS
    assert len(KEYS) == 16


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_keys_of_a_telephone_are_all_taken() -> None:
    clock = Clock()
    rate = KeyRate(clock)
    for _ in range(1000):
        clock.now += 1 / 12
        assert rate.allows()


@given(st.lists(st.floats(0, 0.5), max_size=300))
def test_a_flood_is_cut_to_the_rate(gaps: list[float]) -> None:
    clock = Clock()
    rate = KeyRate(clock)
    taken = 0
    for gap in gaps:
        clock.now += gap
        taken += rate.allows()
    assert taken <= BURST + clock.now * PER_S + 1
    assert taken >= min(len(gaps), BURST)
