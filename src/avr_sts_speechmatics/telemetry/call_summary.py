"""Summary of a call: how it ended, how fast the agent answered, what was used.

One summary of each call is shared by the log, the webhooks, the records and the metrics. It must be
the first observer, so that the others find a complete summary when the call ends.
"""

from collections.abc import Mapping
from statistics import median
from typing import Literal, TypeAlias

from avr_sts_speechmatics.call.observer import (
    CallBegan,
    CallEnded,
    Flushed,
    Observed,
    TokensUsed,
    ToolRan,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.services.use import AudioSent, TextSent
from avr_sts_speechmatics.speech.speaker import ServiceFailed
from avr_sts_speechmatics.telemetry.call_cost import CallCost
from avr_sts_speechmatics.telemetry.prices import Prices
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes
from avr_sts_speechmatics.values import counted

EndedBy: TypeAlias = Literal["caller", "agent", "operator", "service"]

_SENTENCES: Mapping[ev.EndReason, tuple[EndedBy, str]] = {
    "caller": ("caller", "the caller hung up"),
    "agent": ("agent", "the agent hung up"),
    "operator": ("operator", "the operator ended the call"),
    "transfer": ("agent", "the call was transferred to {to}"),
    "silence": ("service", "the caller was silent for too long"),
    "longest_call": ("service", "the longest time of a call was reached (MAX_CALL_S)"),
    "cost_limit": ("service", "the highest cost of a call was reached (MAX_COST)"),
    "audio_over": ("caller", "the caller's audio was over and answered"),
    "failure": ("service", "failure: {error}"),
    "shutdown": ("service", "this service ends"),
}


class CallSummary:
    """Collects the facts about one call. Implements `call.observer.Observer`.

    prices: the price table; None if the cost is not wanted.
    """

    def __init__(self, prices: Prices | None = None) -> None:
        self._cost = None if prices is None else CallCost(prices)
        self._began: float | None = None
        self._duration_s = 0.0
        self._turns = 0
        self._interruptions = 0
        self._failures = 0
        self._waits: list[int] = []
        self._prompt = self._cached = self._completion = self._estimated = 0
        self._heard_s = 0.0
        self._characters = 0

    def event(self, at: float, event: Observed) -> None:
        match event:
            case TokensUsed():
                self._prompt += event.prompt
                self._cached += event.cached
                self._completion += event.completion
                if event.estimated:
                    self._estimated += event.prompt + event.completion
                if self._cost is not None:
                    self._cost.add(event)
            case TextSent():
                self._characters += event.characters
                if self._cost is not None:
                    self._cost.add(event)
            case AudioSent():
                self._heard_s += event.seconds
                if self._cost is not None:
                    self._cost.add(event)
            case Flushed(dropped):
                # Silence behind the last word is dropped as well: nothing was interrupted.
                self._interruptions += any(one.heard < 1 for one in dropped)
            case ServiceFailed():
                self._failures += 1
            case ToolRan():
                self._failures += event.failed
            case CallBegan():
                self._began = at
            case CallEnded() if self._began is not None:
                self._duration_s = round(at - self._began, 1)

    def command(self, at: float, command: ev.Command) -> None:
        if isinstance(command, ev.SendTranscript) and command.role == "user":
            self._turns += 1

    def turn(self, times: TurnTimes) -> None:
        """Take the times of a finished turn."""
        if (wait := times.voice_to_voice_ms) is not None:
            self._waits.append(wait)

    def columns(self, ended: CallEnded) -> dict[str, object]:
        """Return the summary for a row of the table `calls`. None: not known, or did not happen.

        reason: one of `EndReason`.
        ended_by: "caller", "agent", "operator" or "service".
        transferred_to: extension to which the call was transferred.
        error: the failure, in words.
        duration_s: length of the call (s).
        turns: turns of the caller that had words or keys.
        interruptions: how often the caller stopped the agent.
        failures: failures of STT, LLM and TTS after all retries, and of tools that leave the call.
        voice_to_voice_median_ms, voice_to_voice_worst_ms: waits for the answers.
        stt_s: audio that was sent to the recogniser (s), of all sessions.
        prompt_tokens, cached_tokens, completion_tokens: of all requests, dropped ones included;
            the cached ones are part of the prompt's.
        estimated_tokens: the part of these that no server counted: dropped requests.
        tts_characters: characters that were sent to voices, of requests that were accepted.
        cost: of all that was used, at the prices of the table, in `currency`; None if a service
            that was used has no price.
        """
        waits = self._waits
        cost = None if self._cost is None else self._cost.amount
        return {
            "reason": ended.reason,
            "ended_by": _SENTENCES[ended.reason][0],
            "transferred_to": ended.transferred_to or None,
            "error": ended.error or None,
            "duration_s": self._duration_s,
            "turns": self._turns,
            "interruptions": self._interruptions,
            "failures": self._failures,
            "voice_to_voice_median_ms": round(median(waits)) if waits else None,
            "voice_to_voice_worst_ms": max(waits, default=None),
            "stt_s": round(self._heard_s, 1),
            "prompt_tokens": self._prompt,
            "cached_tokens": self._cached,
            "completion_tokens": self._completion,
            "estimated_tokens": self._estimated,
            "tts_characters": self._characters,
            "cost": cost,
            "currency": None if cost is None or self._cost is None else self._cost.currency,
        }

    def details(self, ended: CallEnded) -> dict[str, object]:
        """Return the summary for the log and for webhooks: `columns` without unknown values."""
        return {name: value for name, value in self.columns(ended).items() if value is not None}

    def sentence(self, ended: CallEnded) -> str:
        """Return in words why the call ended."""
        text = _SENTENCES[ended.reason][1].format(to=ended.transferred_to, error=ended.error)
        if ended.reason in ("failure", "operator") and ended.transferred_to:
            text += f"; the call was transferred to {ended.transferred_to}"
        return text

    def line(self, ended: CallEnded) -> str:
        """Return the summary as one line, for people."""
        known = self.columns(ended)
        turns = [counted(self._turns, "turn")]
        if self._waits:
            middle, worst = known["voice_to_voice_median_ms"], known["voice_to_voice_worst_ms"]
            turns.append(f"answers after {middle} ms (worst {worst} ms)")
        turns.append(counted(self._interruptions, "interruption"))
        turns.append(counted(self._failures, "failure"))
        used = [f"{known['stt_s']} s recognised"]
        if self._prompt or self._completion:
            estimated = f", {self._estimated} estimated" if self._estimated else ""
            used.append(
                f"{self._prompt} tokens asked ({self._cached} cached), "
                f"{self._completion} answered{estimated}"
            )
        used.append(f"{counted(self._characters, 'character')} spoken")
        return (
            f"call ends after {self._duration_s:.1f} s: {self.sentence(ended)}; "
            f"{', '.join(turns)}; {', '.join(used)}{self._price()}"
        )

    def _price(self) -> str:
        if self._cost is None:
            return ""
        if (amount := self._cost.amount) is None:
            return f"; cost unknown: no price of {', '.join(self._cost.unknown)}"
        return f"; cost {amount:.4f} {self._cost.currency}"
