"""The keys of a telephone."""

from avr_sts_speechmatics.transports.dtmf import KEYS


def test_a_key_is_one_of_the_sixteen_of_dtmf() -> None:
    assert {*"0123456789", "*", "#", *"ABCD"} == KEYS
    assert len(KEYS) == 16
