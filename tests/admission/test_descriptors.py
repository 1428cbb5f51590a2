"""File descriptors: the limit is raised, calls are counted against it, a reserve is kept."""

import os
import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import untraced_environment

from avr_sts_speechmatics.admission import descriptors
from avr_sts_speechmatics.admission.descriptors import (
    PER_CALL,
    RESERVE_MAX,
    RESERVE_MIN,
    Descriptors,
    in_use,
)


def limits_after(soft: int, hard: int) -> tuple[int, int]:
    """The result of `raise_limit` in a process with these limits, and its soft limit afterwards."""
    code = (
        "import resource; from avr_sts_speechmatics.admission.descriptors import raise_limit;"
        "print(raise_limit(5000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        env=untraced_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    told, now = ran.stdout.split()
    return int(told), int(now)


@pytest.mark.parametrize(
    ("soft", "hard", "after"), [(256, 1024, 1024), (256, 9000, 5000), (8000, 9000, 8000)]
)
def test_the_soft_limit_is_raised_as_far_as_it_is_permitted_and_useful(
    soft: int, hard: int, after: int
) -> None:
    assert limits_after(soft, hard) == (after, after)


def test_every_open_descriptor_is_counted() -> None:
    before = in_use()
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(7)]
    assert in_use() == before + 7
    for one in opened:
        os.close(one)
    assert in_use() == before


def test_a_kernel_that_does_not_count_is_helped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_FOLDER", "/dev/fd")
    by_listing = in_use()
    monkeypatch.undo()
    assert by_listing == in_use()
    monkeypatch.setattr(descriptors, "_FOLDER", None)
    assert in_use() == 0


@given(limit=st.integers(20, 70_000), base=st.integers(0, 60))
def test_the_reserve_is_never_given_to_calls(limit: int, base: int) -> None:
    used = base
    found = Descriptors(limit, used=lambda: used)
    found.settle()
    assert RESERVE_MIN <= found.reserve <= RESERVE_MAX
    calls = 0
    while found.refusal(calls) is None and calls < 50:
        calls += 1
        used = base + PER_CALL * calls  # at its most
        assert used + found.reserve <= limit
        found._counted_until = 0.0
    assert calls == min(found.capacity, 50)


def test_connections_without_a_call_leave_no_room_for_a_call_in_the_end() -> None:
    used = 20
    found = Descriptors(64, used=lambda: used)
    found.settle()
    assert found.refusal(0) is None
    used = 60
    refusal = found.refusal(0)
    assert refusal is not None
    assert refusal.kind == "no_descriptors"
    assert "64" in refusal.reason


def test_the_operator_is_warned_of_a_low_limit_only() -> None:
    assert Descriptors(64, used=lambda: 0).warning(3) is None
    warning = Descriptors(64, used=lambda: 0).warning(1000)
    assert warning is not None
    assert "MAX_CALLS=1000" in warning
    assert "12 calls" in warning


def test_a_slow_count_is_not_repeated_for_each_connection() -> None:
    counts = []

    def used() -> int:
        counts.append(1)
        return 1000

    found = Descriptors(5000, used=used)
    first = found.room()
    for _ in range(10):
        found.opened()
    assert found.room() in (first - 10, first)  # counted anew if this took long
    assert len(counts) <= 2
