"""Reception: a refused call is logged with its name and counted, on every transport."""

from collections import Counter
from typing import Any, cast

import pytest

from avr_sts_speechmatics.admission.refusal import CallRefused, Refusal
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.transports.reception import REFUSALS, Reception, masked

CALLER = Caller("a-call", "audiosocket", {"from": "+493012345678", "to": "200", "name": "Zoë"})


def full(caller: Caller, line: Line) -> CallerSide:
    raise CallerError("the service has its 1 calls (MAX_CALLS)")


def test_a_refused_call_is_logged_with_its_name_and_masked_numbers_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reception = Reception(full)
    with pytest.raises(CallerError):
        reception.take(CALLER, cast(Line, None), None)
    (record,) = caplog.records
    line = record.getMessage()
    assert "call a-call (audiosocket, from ***78, to ***00" in line
    assert "refused: the service has its 1 calls (MAX_CALLS)" in line
    assert "Zo" not in line
    assert "4930" not in line
    assert reception.refused["audiosocket"] == 1


def test_refused_calls_beyond_the_limit_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    reception = Reception(full)
    for _ in range(REFUSALS + 5):
        reception.refuse(CALLER, None, "full")
    reception.log.close()
    assert len(caplog.records) == REFUSALS + 1
    assert "5 more refused calls from" in caplog.text
    assert reception.refused.total() == REFUSALS + 5


def test_a_call_that_is_taken_is_the_caller_s() -> None:
    call: Any = object()
    reception = Reception(lambda caller, line: call)
    assert reception.take(CALLER, cast(Line, None), None) is call
    assert not reception.refused


@pytest.mark.parametrize(
    ("number", "shown"), [("+4930123", "***23"), ("200", "***00"), ("20", "***"), ("", "***")]
)
def test_the_log_shows_the_end_of_a_number_only(number: str, shown: str) -> None:
    assert masked(number) == shown


def test_refused_calls_are_counted_by_their_reason() -> None:
    reasons: Counter[str] = Counter()

    def busy(caller: Caller, line: Line) -> CallerSide:
        raise CallRefused(Refusal("overloaded", "late"))

    for open_call in (busy, busy, full):
        reception = Reception(open_call, reasons=reasons)
        with pytest.raises(CallerError):
            reception.take(CALLER, cast(Line, None), None)
    assert reasons == {"overloaded": 2, "other": 1}
