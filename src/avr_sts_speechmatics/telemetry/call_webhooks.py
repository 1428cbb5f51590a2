"""Webhooks of a call: maps events of the call to webhooks. For the delivery see `webhooks`."""

from avr_sts_speechmatics.call.observer import (
    CallBegan,
    CallEnded,
    ErrorSent,
    KeyReceived,
    Observed,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.webhooks import Webhooks


class CallWebhooks:
    """Sends the webhooks of one call, in the order of the events.

    webhooks: delivers the webhooks of all calls.
    uuid: uuid of the call.
    summary: the summary of the call; it receives each report before.
    """

    def __init__(self, webhooks: Webhooks, uuid: str, summary: CallSummary) -> None:
        self._webhooks = webhooks
        self._uuid = uuid
        self._summary = summary

    def event(self, at: float, event: Observed) -> None:
        match event:
            case CallBegan(caller):
                self._webhooks.send(self._uuid, "call_started", caller.facts)
            case KeyReceived(digit):
                self._webhooks.send(self._uuid, "dtmf_digit", {"digit": digit})
            case ErrorSent(message):
                self._webhooks.send(self._uuid, "error", {"message": message})
            case CallEnded():
                self._webhooks.send(self._uuid, "call_ended", self._summary.details(event))

    def command(self, at: float, command: ev.Command) -> None:
        match command:
            case ev.SendTranscript(role, text):
                self._webhooks.send(self._uuid, "transcription", {"role": role, "text": text})
            case ev.Flush():
                self._webhooks.send(self._uuid, "interruption", {})
