"""The count of one process never passes its limit."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.admission.call_count import LocalCount


@given(limit=st.integers(0, 5), steps=st.lists(st.booleans(), max_size=40))
def test_a_count_never_passes_its_limit_and_says_when_it_is_full(
    limit: int, steps: list[bool]
) -> None:
    count, running = LocalCount(limit), 0
    for begins in steps:
        if begins:
            was_full = count.full
            began = count.try_begin()
            assert began is not was_full
            running += began
        elif running:
            count.end()
            running -= 1
        assert len(count) == running <= limit
        assert count.full is (running == limit)


def test_a_count_without_a_limit_is_never_full() -> None:
    count = LocalCount()
    assert all(count.try_begin() for _ in range(1000))
    assert not count.full
    assert count.limit is None
