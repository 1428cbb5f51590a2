"""Admission: all reasons against a call, in their order, and counts that stay right."""

import pytest

from avr_sts_speechmatics.admission.admission import Admission
from avr_sts_speechmatics.admission.call_count import LocalCount
from avr_sts_speechmatics.admission.descriptors import Descriptors
from avr_sts_speechmatics.admission.loop_lag import FEWEST, LoopLag
from avr_sts_speechmatics.admission.refusal import DRAINING, STARTING, CallRefused, Refusal
from avr_sts_speechmatics.admission.vendor_sessions import VendorSessions


class Service:
    """An admission, and everything that may be wrong."""

    def __init__(self, max_calls: int = 3, max_sessions: int | None = None) -> None:
        self.state: Refusal | None = None
        self.used = 20
        self.calls = LocalCount(max_calls)
        self.lag = LoopLag(30.0)
        self.admission = Admission(
            lambda: self.state,
            self.calls,
            VendorSessions(LocalCount(max_sessions)),
            self.lag,
            Descriptors(1000, used=lambda: self.used),
        )

    @property
    def kind(self) -> str:
        refusal = self.admission.refusal()
        return "" if refusal is None else refusal.kind

    def late(self, seconds: float) -> None:
        for number in range(2 * FEWEST):
            self.lag._window.add(number * 0.2, seconds)


def test_each_reason_is_named_and_the_first_one_wins() -> None:
    service = Service(max_calls=1)
    assert service.kind == ""
    service.late(0.05)
    assert service.kind == "overloaded"
    refusal = service.admission.refusal()
    assert refusal is not None
    assert "50 ms (OVERLOAD_LAG_MS)" in refusal.reason
    service.lag.forget()
    service.admission.begin()
    service.late(0.05)
    assert service.kind == "full"
    service.used = 990
    assert service.kind == "no_descriptors"
    service.state = STARTING
    assert service.kind == "starting"
    service.state = DRAINING
    assert service.kind == "draining"


def test_a_call_that_is_refused_is_not_counted() -> None:
    service = Service(max_calls=2, max_sessions=1)
    service.admission.begin()
    for _ in range(3):
        with pytest.raises(CallRefused, match="SPEECHMATICS_MAX_SESSIONS"):
            service.admission.begin()
    assert len(service.calls) == 1
    service.admission.end()
    assert len(service.calls) == 0
    service.admission.begin()


def test_a_count_that_others_fill_in_the_same_moment_refuses_the_call() -> None:
    class Shared(LocalCount):
        full = False  # as seen a moment ago

        def try_begin(self) -> bool:
            return False

    service = Service()
    service.admission._calls = Shared(3)
    with pytest.raises(CallRefused, match="MAX_CALLS"):
        service.admission.begin()
    service.admission._calls = service.calls
    service.admission.sessions = VendorSessions(Shared(3))
    with pytest.raises(CallRefused, match="no STT session is left"):
        service.admission.begin()
    assert len(service.calls) == 0


async def test_the_start_warns_of_too_few_descriptors() -> None:
    service = Service()
    try:
        (warning,) = service.admission.start(max_calls=1000)
        assert "1000 files may be open" in warning
    finally:
        service.lag.stop()


def test_health_says_why_calls_are_refused() -> None:
    service = Service(max_calls=1)
    assert service.admission.health()["refusing"] is None
    service.admission.begin()
    assert service.admission.health()["refusing"] == "the service has its 1 call (MAX_CALLS)"
