"""How a call ended, in words and for machines."""

from typing import get_args

import pytest

from avr_sts_speechmatics.call.observer import CallBegan, CallEnded
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.telemetry.call_end import CallEnd


@pytest.mark.parametrize("reason", get_args(ev.EndReason))
def test_every_reason_has_its_words(reason: ev.EndReason) -> None:
    ended = CallEnded(reason, "700", "no voice")
    sentence = CallEnd().sentence(ended)
    assert sentence
    assert "{" not in sentence
    assert CallEnd().details(ended)["reason"] == reason


def test_a_call_that_failed_and_was_transferred_says_both() -> None:
    ended = CallEnded("failure", "700", "a service is gone")
    assert CallEnd().sentence(ended) == (
        "failure: a service is gone; the call was transferred to 700"
    )


def test_the_details_name_what_is_known_and_nothing_else() -> None:
    end = CallEnd()
    end.event(10.0, CallBegan(Caller("a-call", "test"), "default"))
    end.command(ev.SendTranscript("user", "Hello?"))
    end.command(ev.SendTranscript("user", "Are you there?"))
    end.command(ev.SendTranscript("agent", "Yes."))
    ended = CallEnded("silence")
    end.event(71.26, ended)
    assert end.details(ended) == {"reason": "silence", "duration_s": 61.3, "turns": 2}
