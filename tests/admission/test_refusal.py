"""A refusal, as a peer of HTTP reads it."""

from avr_sts_speechmatics.admission.refusal import DRAINING, CallRefused, Refusal
from avr_sts_speechmatics.errors import CallerError


def test_the_header_says_when_to_try_again_in_whole_seconds() -> None:
    assert Refusal("full", "no", 7).headers == {"Retry-After": "7"}


def test_a_refused_call_is_the_callers_error_with_the_reason_as_its_text() -> None:
    error = CallRefused(DRAINING)
    assert isinstance(error, CallerError)
    assert str(error) == DRAINING.reason
    assert error.refusal is DRAINING
