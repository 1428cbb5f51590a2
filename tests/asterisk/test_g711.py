"""The tests' own G.711 is G.711."""

import numpy as np
import pytest
from tests.asterisk.g711 import A_LAW, MU_LAW, Law


@pytest.mark.parametrize(
    ("law", "code", "value"),
    [
        # The ends and the middle of the tables. [ITU-T G.711, tables 1a to 2b, times 4 and 16 bits]
        (MU_LAW, 0x00, -32_124),
        (MU_LAW, 0x80, 32_124),
        (MU_LAW, 0xFF, 0),
        (MU_LAW, 0xFE, 8),
        (A_LAW, 0xD5, 8),
        (A_LAW, 0x55, -8),
        (A_LAW, 0xAA, 32_256),
        (A_LAW, 0x2A, -32_256),
    ],
)
def test_codes_mean_what_the_tables_say(law: Law, code: int, value: int) -> None:
    assert np.frombuffer(law.decode(bytes([code])), "<i2")[0] == value


@pytest.mark.parametrize("law", [MU_LAW, A_LAW])
def test_what_can_be_said_is_said_exactly(law: Law) -> None:
    everything = law.decode(bytes(range(256)))
    assert law.decode(law.encode(everything)) == everything


@pytest.mark.parametrize("law", [MU_LAW, A_LAW])
def test_no_sample_is_further_off_than_half_a_step(law: Law) -> None:
    samples = np.arange(-32_768, 32_768, dtype=np.int32)
    heard = np.frombuffer(law.decode(law.encode(samples.astype("<i2").tobytes())), "<i2")
    steps = np.maximum(np.abs(samples) / 16, 16)
    loud = np.abs(samples) < 32_000
    assert (np.abs(heard - samples) <= steps)[loud].all()
