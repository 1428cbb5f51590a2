"""The services of a call: what a test or a small program may leave out."""

from typing import Any

from avr_sts_speechmatics.call.services import Services
from avr_sts_speechmatics.line import Caller


def test_a_call_needs_no_observer_no_ambience_and_is_hung_up_in_the_end() -> None:
    nothing: Any = None
    services = Services(*(6 * [nothing]))
    assert services.observers(Caller("a-call", "test"), nothing) == ()
    assert services.ambience is None
    assert (services.on_failure, services.on_drain) == ("hangup", "hangup")
