"""A check says what was found, and what to do about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.doctor.check import SLOW_MS, Check, answered, check_from


@pytest.mark.parametrize(("what", "limit"), SLOW_MS.items())
def test_a_service_is_slow_where_callers_notice(what: str, limit: int) -> None:
    quick = answered(what, "answers", limit / 1000)
    assert quick == Check(what, "ok", "answers", "", limit)
    slow = answered(what, "answers", (limit + 1) / 1000)
    assert (slow.state, slow.latency_ms) == ("warning", limit + 1)
    assert slow.advice


@given(st.floats(0, 60))
def test_a_service_for_which_nobody_waits_is_never_slow(took_s: float) -> None:
    assert answered("pbx", "is there", took_s).state == "ok"


@pytest.mark.parametrize(
    ("sentence", "detail", "advice"),
    [
        ("the key is wrong; copy it again", "the key is wrong", "Copy it again."),
        ("the key is wrong; is it whole?", "the key is wrong", "Is it whole?"),
        ("the key is wrong; copy it again.", "the key is wrong", "Copy it again."),
        ("the key is wrong; copy it; whole", "the key is wrong", "Copy it; whole."),
        ("the key is wrong", "the key is wrong", "See the log."),
    ],
)
def test_a_sentence_is_split_into_finding_and_advice(
    sentence: str, detail: str, advice: str
) -> None:
    check = check_from("stt", "warning", sentence, "; ", "See the log.")
    assert check == Check("stt", "warning", detail, advice)
