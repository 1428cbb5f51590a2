"""First audio: from the end of a turn to the agent's first frame, with a model at its real speed.

In the other runs the model writes whole sentences at once. Here it writes token by token, and its
first sentence is long and has no comma: how soon the caller hears something depends on where the
service cuts the first piece of speech.
"""

from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import Spread
from bench.ledger import Delays
from bench.report import Report

BUDGET_MS = 900
"""Budget at p95 (ms) for 75 tokens/s, 25 words, 350 ms to the first token and 120 ms of voice."""


@dataclass(frozen=True, slots=True)
class FirstAudio:
    """A run with a model at its real speed.

    delays: of the synthetic services.
    report: the run.
    """

    delays: Delays
    report: Report

    def document(self) -> dict[str, Any]:
        """The figure for a machine."""
        return {
            "first_audio_ms": asdict(self._spread),
            "tokens_per_second": self.delays.tokens_per_second,
            "first_sentence_words": self.delays.first_words,
            "llm_ms": 1000 * self.delays.llm,
            "tts_ms": 1000 * self.delays.voice,
            "calls": self.report.conditions.calls,
            "valid": not self.report.doubt,
            "doubt": self.report.doubt,
            "whole": self.report.whole,
        }

    def table(self) -> str:
        """The figure for a person."""
        spread, delays = self._spread, self.delays
        verdict = "met" if spread.count and spread.p95 < BUDGET_MS else "MISSED"
        if self.report.doubt:
            verdict = "NOT JUDGED, timings not valid"
        elif not spread.count:
            verdict = "NOT MEASURED, no turn ended"
        shown = "".join(
            f"{value:9.0f}" for value in (spread.p50, spread.p95, spread.p99, spread.worst)
        )
        title = (
            f"first audio: {delays.tokens_per_second:g} tokens/s, a first sentence of "
            f"{delays.first_words} words, {1000 * delays.llm:.0f} ms to the first token, "
            f"{1000 * delays.voice:.0f} ms of voice; {self.report.conditions.calls} calls"
        )
        rows = [
            title,
            "",
            f"{'':34}{'p50':>9}{'p95':>9}{'p99':>9}{'worst':>9}   budget",
            f"{'end of turn to first audio, ms':34}{shown}   p95 < {BUDGET_MS}: {verdict}",
            *self.report.trust(),
        ]
        return "\n".join(rows)

    @property
    def _spread(self) -> Spread:
        return Spread.of(self.report.timings.first_audio, 1000)
