"""A refusal has the headers that its status needs."""

from avr_sts_speechmatics.console.errors import Refused


def test_a_refusal_says_when_to_try_again_and_how_to_sign_in() -> None:
    assert Refused(429, "Wait.", 7).headers == {"Retry-After": "7"}
    assert Refused(401, "Sign in.").headers == {"WWW-Authenticate": "Bearer"}
    assert Refused(404, "No.", headers={"X": "y"}).headers == {"X": "y"}
    assert str(Refused(404, "No.")) == "No."
