"""STT sessions: the operator's limit, and what the vendor's refusals teach."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.admission.call_count import LocalCount
from avr_sts_speechmatics.admission.vendor_sessions import HOLD_MAX_S, HOLD_S, VendorSessions


class Plan:
    """Calls of a service whose vendor allows some sessions; a call that is refused waits."""

    def __init__(self, limit: int | None = None) -> None:
        self.now = 1000.0
        self.sessions = VendorSessions(LocalCount(limit), now=lambda: self.now)

    def call(self) -> None:
        """A call that gets its session."""
        assert self.sessions.try_begin()
        self.sessions.started()

    def hang_up(self) -> None:
        self.sessions.ended()
        self.sessions.end()

    def refused_call(self) -> None:
        """A call that is taken and gets no session."""
        assert self.sessions.try_begin()
        self.sessions.refused()

    @property
    def full(self) -> bool:
        return self.sessions.refusal() is not None


def test_the_operators_limit_counts_sessions_that_are_being_opened() -> None:
    plan = Plan(limit=2)
    assert plan.sessions.try_begin()
    assert plan.sessions.try_begin()
    refusal = plan.sessions.refusal()
    assert refusal is not None
    assert refusal.kind == "no_sessions"
    assert "2 STT sessions (SPEECHMATICS_MAX_SESSIONS)" in refusal.reason
    assert not plan.sessions.try_begin()
    plan.sessions.end()
    assert not plan.full


def test_after_a_refusal_of_the_vendor_no_call_is_taken_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plan = Plan()
    plan.call()
    plan.refused_call()
    refusal = plan.sessions.refusal()
    assert refusal is not None
    assert refusal.retry_after_s == HOLD_S
    assert not plan.sessions.try_begin()
    plan.sessions.refused()  # the waiting call has tried again
    assert caplog.text.count("has no session left (1 in use here)") == 1
    plan.now += HOLD_S
    assert not plan.full


def test_a_session_that_becomes_free_is_left_to_the_call_that_waits() -> None:
    plan = Plan()
    plan.call()
    plan.call()
    plan.refused_call()
    plan.hang_up()
    assert plan.full
    plan.sessions.started()  # the call that waited
    assert plan.full
    plan.hang_up()
    assert not plan.full


def test_the_end_of_a_call_lets_the_next_one_in_if_nobody_waits() -> None:
    plan = Plan()
    plan.call()
    plan.call()
    plan.refused_call()
    plan.sessions.end()  # the call that waited gave up
    assert plan.full
    plan.hang_up()
    assert not plan.full
    plan.call()
    assert plan.full


def test_a_session_above_the_limit_raises_the_limit() -> None:
    plan = Plan()
    plan.call()
    plan.refused_call()
    plan.sessions.started()  # another user of the account has left
    assert plan.full
    plan.hang_up()
    assert not plan.full


def test_a_vendor_that_stays_full_is_tried_less_and_less_often() -> None:
    plan, holds = Plan(), []
    for _ in range(5):
        plan.refused_call()
        refusal = plan.sessions.refusal()
        assert refusal is not None
        holds.append(refusal.retry_after_s)
        plan.sessions.end()
        plan.now += refusal.retry_after_s
        assert not plan.full
    assert holds == [HOLD_S, 2 * HOLD_S, HOLD_MAX_S, HOLD_MAX_S, HOLD_MAX_S]
    plan.call()
    plan.refused_call()
    refusal = plan.sessions.refusal()
    assert refusal is not None
    assert refusal.retry_after_s == HOLD_S


@given(
    room=st.integers(0, 4),
    steps=st.lists(st.sampled_from(["call", "hang up", "wait", "long wait"]), max_size=60),
)
def test_a_full_vendor_is_asked_in_vain_at_most_once_in_a_hold(room: int, steps: list[str]) -> None:
    """Whatever callers do, a caller is taken without a session only once in HOLD_S."""
    plan, open_now, waiting = Plan(), 0, 0
    in_vain: list[float] = []
    for step in steps:
        if step == "call" and plan.sessions.try_begin():
            if open_now < room:
                plan.sessions.started()
                open_now += 1
            else:
                plan.sessions.refused()
                in_vain.append(plan.now)
                waiting += 1
        elif step == "hang up" and open_now:
            plan.hang_up()
            open_now -= 1
            if waiting:  # tries again, in time
                waiting -= 1
                plan.sessions.started()
                open_now += 1
        elif step == "long wait":
            plan.now += HOLD_S / 2
            for _ in range(waiting):
                plan.sessions.end()
            waiting = 0
        else:
            plan.now += 1.0
    assert all(later - first >= HOLD_S for first, later in pairwise(in_vain))
