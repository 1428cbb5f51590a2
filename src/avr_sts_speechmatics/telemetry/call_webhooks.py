"""Webhooks of a call: maps events of the call to webhooks. For the delivery see `webhooks`."""

from avr_sts_speechmatics.call.observer import (
    CallBegan,
    CallEnded,
    ErrorSent,
    KeyReceived,
    NoticeGiven,
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
        self._began = 0.0
        self._notices: list[dict[str, object]] = []

    def event(self, at: float, event: Observed) -> None:
        match event:
            case CallBegan(caller):
                self._began = at
                self._webhooks.send(self._uuid, "call_started", caller.facts)
            case KeyReceived(digit):
                self._webhooks.send(self._uuid, "dtmf_digit", {"digit": digit})
            case ErrorSent(message):
                self._webhooks.send(self._uuid, "error", {"message": message})
            case NoticeGiven(kind, text):
                heard_s = round(at - self._began, 1)
                self._notices.append({"kind": kind, "text": text, "heard_s": heard_s})
            case CallEnded():
                notices = {"notices": self._notices} if self._notices else {}
                details = self._summary.details(event) | notices
                self._webhooks.send(self._uuid, "call_ended", details)

    def command(self, at: float, command: ev.Command) -> None:
        match command:
            case ev.SendTranscript(role, text):
                self._webhooks.send(self._uuid, "transcription", {"role": role, "text": text})
            case ev.Flush():
                self._webhooks.send(self._uuid, "interruption", {})
