"""What an examination found, as text for a person: a line for each check, then what to do."""

from collections.abc import Sequence

from avr_sts_speechmatics.doctor.check import Check


def summary(checks: Sequence[Check]) -> str:
    """A line for each check, the advice, and whether calls can be taken.

    checks: at least one.
    """
    width = max(len(check.what) for check in checks)
    lines = []
    for check in checks:
        took = "" if check.latency_ms is None else f"{check.latency_ms} ms"
        head = f"{check.state:7}  {check.what:{width}}  {took:>8}  "
        lines.append(head + check.detail.replace("\n", "\n" + " " * len(head)))
    advice = [f"  {check.what}: {check.advice}" for check in checks if check.advice]
    lines += ["", "What to do:", *dict.fromkeys(advice)] if advice else []
    failed = sum(check.state == "failed" for check in checks)
    lines += ["", f"{failed} of {len(checks)} checks failed." if failed else "Calls can be taken."]
    return "\n".join(lines)
