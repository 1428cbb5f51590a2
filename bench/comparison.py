"""Answering ahead: savings and costs, from two runs of the same load with PREEMPTIVE off and on.

The savings are in the voice-to-voice latency, which the caller experiences from the last word to
the agent's first frame. At most the time between settled words and the end of the turn can be
saved. The costs are tokens for answers that are dropped because the caller went on speaking. They
are given as a percentage of the tokens of kept answers in the same run, because two runs never have
the same number of turns, and a longer call has longer prompts.
"""

from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import Spending, Spread
from bench.ledger import Delays
from bench.report import Report

# Budget of the service beyond the delays of STT, LLM and TTS (s), at p95.
_MARGIN = 0.03


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs that differ only in PREEMPTIVE.

    delays: of the synthetic services.
    goes_on: part of the questions in which callers paused and then went on, 0 to 1.
    off: the run with PREEMPTIVE=off.
    on: the run with PREEMPTIVE=on.
    """

    delays: Delays
    goes_on: float
    off: Report
    on: Report

    def document(self) -> dict[str, Any]:
        """The comparison for a machine. Times are in ms, token counts for the whole run."""
        off, on = _voice_to_voice(self.off), _voice_to_voice(self.on)
        return {
            "valid": self._is_valid,
            "settled_ms": 1000 * self.delays.settled,
            "speech_end_ms": 1000 * self.delays.speech_end,
            "goes_on": self.goes_on,
            "budget_p95_ms": self._budget_ms(),
            "off": _run(self.off),
            "on": _run(self.on),
            "saved_p50_ms": off.p50 - on.p50,
            "saved_p95_ms": off.p95 - on.p95,
            "extra_prompt_percent": _extra(self.on.spending, "prompt"),
            "extra_completion_percent": _extra(self.on.spending, "completion"),
        }

    def table(self) -> str:
        """The comparison for a person."""
        before = 1000 * (self.delays.stt - self.delays.settled)
        off, on = _voice_to_voice(self.off), _voice_to_voice(self.on)
        budget = self._budget_ms()
        part = f"{100 * self.goes_on:.0f} % of questions go on after a pause"
        met = "met" if off.count and off.p95 < budget else "MISSED"
        lower = "met" if on.count and on.p95 < off.p95 else "MISSED"
        verdict = f"   off < {budget:.0f}: {met}, on < off: {lower}"
        if not self._is_valid:
            verdict = f"   off < {budget:.0f}, on < off: NOT JUDGED, timings not valid"
        sound = 1000 * (self.delays.stt - self.delays.speech_end)
        costs = [
            (each.spending.kept, each.spending.dropped, max(1, each.spending.turns))
            for each in (self.off, self.on)
        ]
        rows = [
            f"answering ahead: words are settled {before:.0f} ms before the turn is over, {part};",
            f"SpeechEnded is sent {max(0.0, sound):.0f} ms before the end of the turn",
            "",
            f"{'PREEMPTIVE':34}{'off':>9}{'on':>9}{'on/off':>9}",
            *(
                _row(f"voice to voice {at}, ms", getattr(off, at), getattr(on, at))
                + (verdict if at == "p95" else "")
                for at in ("p50", "p95", "p99")
            ),
            _row(
                "requests to the model, a turn",
                *((kept.requests + dropped.requests) / turns for kept, dropped, turns in costs),
            ),
            _row(
                "  of these, dropped unheard",
                *(dropped.requests / turns for _, dropped, turns in costs),
            ),
        ]
        for kind in ("prompt", "completion"):
            rows.append(
                _row(
                    f"{kind} tokens, a turn",
                    *(
                        (getattr(kept, kind) + getattr(dropped, kind)) / turns
                        for kept, dropped, turns in costs
                    ),
                )
                + f"   for dropped answers: {_extra(self.on.spending, kind):+.1f} %"
            )
        return "\n".join([*rows, "", "with PREEMPTIVE=on:", *self.on.trust()])

    @property
    def _is_valid(self) -> bool:
        return not (self.off.doubt or self.on.doubt)

    def _budget_ms(self) -> float:
        clouds = self.delays.stt + self.delays.llm + self.delays.voice
        return 1000 * (clouds + _MARGIN)


def _voice_to_voice(report: Report) -> Spread:
    return Spread.of(report.timings.voice_to_voice, 1000)


def _run(report: Report) -> dict[str, Any]:
    return {
        "voice_to_voice_ms": asdict(_voice_to_voice(report)),
        "model": asdict(report.spending),
        "valid": not report.doubt,
        "doubt": report.doubt,
        "integrity": asdict(report.integrity),
        "whole": report.whole,
    }


def _extra(spending: Spending, part: str) -> float:
    """Tokens of the dropped answers, in percent of the tokens of the kept answers.

    part: "prompt" or "completion".
    """
    kept, dropped = getattr(spending.kept, part), getattr(spending.dropped, part)
    return 100 * dropped / kept if kept else 0.0


def _row(name: str, off: float, on: float) -> str:
    ratio = f"{on / off:9.2f}" if off else f"{'-':>9}"
    return f"{name:34}{off:9.2f}{on:9.2f}{ratio}"
