"""How a call ended: the reason, the duration and the number of turns, for log and webhooks."""

from collections.abc import Mapping

from avr_sts_speechmatics.call.observer import CallBegan, CallEnded, Observed
from avr_sts_speechmatics.dialogue import events as ev

_SENTENCES: Mapping[ev.EndReason, str] = {
    "caller": "the caller hung up",
    "agent": "the agent hung up",
    "transfer": "the call was transferred to {to}",
    "silence": "the caller was silent for too long",
    "longest_call": "the longest time of a call was reached (MAX_CALL_S)",
    "audio_over": "the caller's audio was over and answered",
    "failure": "failure: {error}",
    "shutdown": "this service ends",
}


class CallEnd:
    """Collects the facts about the end of one call. Receives the reports of an observer."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._duration_s = 0.0
        self._turns = 0

    def event(self, at: float, event: Observed) -> None:
        if isinstance(event, CallBegan):
            self._began = at
        elif isinstance(event, CallEnded) and self._began is not None:
            self._duration_s = round(at - self._began, 1)

    def command(self, command: ev.Command) -> None:
        if isinstance(command, ev.SendTranscript) and command.role == "user":
            self._turns += 1

    def details(self, ended: CallEnded) -> dict[str, object]:
        """Return the end for machines. Keys without a value are left out.

        reason: one of `EndReason`.
        duration_s: length of the call (s).
        turns: turns of the caller that had words or keys.
        transferred_to: extension to which the call was transferred.
        error: the failure, in words.
        """
        details: dict[str, object] = {
            "reason": ended.reason,
            "duration_s": self._duration_s,
            "turns": self._turns,
        }
        if ended.transferred_to:
            details["transferred_to"] = ended.transferred_to
        if ended.error:
            details["error"] = ended.error
        return details

    def sentence(self, ended: CallEnded) -> str:
        """Return the reason in words."""
        text = _SENTENCES[ended.reason].format(to=ended.transferred_to, error=ended.error)
        if ended.reason == "failure" and ended.transferred_to:
            text += f"; the call was transferred to {ended.transferred_to}"
        return text
