"""Which event of a call becomes which webhook."""

from collections.abc import Mapping
from typing import Any

from avr_sts_speechmatics.call.observer import (
    CallBegan,
    CallEnded,
    CallerStopped,
    ErrorSent,
    KeyReceived,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.call_webhooks import CallWebhooks


class Webhooks:
    """Keeps what it is given to deliver."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, object]]] = []

    def send(self, uuid: str, event: str, payload: Mapping[str, object]) -> None:
        self.sent.append((uuid, event, dict(payload)))


def test_each_webhook_is_sent_once_in_the_order_of_the_call() -> None:
    receiver: Any = Webhooks()
    summary = CallSummary()
    webhooks = CallWebhooks(receiver, "a-call", summary)
    webhooks.event(0.0, CallBegan(Caller("a-call", "test", {"from": "2001"}), "agent"))
    webhooks.event(0.1, KeyReceived("5"))
    webhooks.event(0.1, ev.KeyPressed("5"))  # the dialogue's: not a second webhook
    webhooks.event(0.2, CallerStopped(0.1))
    webhooks.command(0.3, ev.Flush())
    webhooks.command(0.3, ev.CancelReply(1))
    webhooks.command(0.4, ev.SendTranscript("agent", "We are"))
    webhooks.command(0.5, ev.SendTranscript("user", "Stop."))
    webhooks.command(0.6, ev.EndCall("gone"))
    webhooks.event(0.7, ErrorSent("gone"))
    webhooks.event(0.8, CallEnded())
    assert receiver.sent == [
        ("a-call", "call_started", {"from": "2001"}),
        ("a-call", "dtmf_digit", {"digit": "5"}),
        ("a-call", "interruption", {}),
        ("a-call", "transcription", {"role": "agent", "text": "We are"}),
        ("a-call", "transcription", {"role": "user", "text": "Stop."}),
        ("a-call", "error", {"message": "gone"}),
        ("a-call", "call_ended", summary.details(CallEnded())),
    ]
