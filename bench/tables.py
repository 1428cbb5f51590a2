"""A table of several numbers of calls: one row each, with the figures that budgets are about."""

from typing import Any

_HEAD = (
    f"{'calls':>6}{'added latency, ms':>26}{'longest':>9}{'CPU, ms':>9}{'of':>7}{'memory':>8}  \n"
    f"{'':6}{'p50':>8}{'p95':>9}{'p99':>9}{'stop, ms':>9}{'/call-s':>9}{'bare':>7}{'MB/call':>8}"
    "  words"
)


def overview(documents: list[dict[str, Any]]) -> str:
    """The table of several runs, from their documents."""
    rows = [_HEAD]
    for document in documents:
        added = document["added_latency_ms"]
        stop = document.get("longest_stop_ms")
        ratio = (document.get("beside_bare") or {}).get("ratio", {})
        share = ratio.get("CPU, ms per second of call")
        words = "whole" if document["whole"] else f"{len(document['integrity']['faults'])} FAULTS"
        doubt = f"   NOT VALID: {document['doubt']}" if document["doubt"] else ""
        rows.append(
            f"{document['calls']:6}{added['p50']:8.1f}{added['p95']:9.1f}{added['p99']:9.1f}"
            + (f"{'-':>9}" if stop is None else f"{stop:9.1f}")
            + f"{document['cpu_ms_per_call_second']:9.2f}"
            + (f"{'-':>7}" if share is None else f"{share:7.2f}")
            + f"{document['memory_mb_per_call']:8.2f}  {words}{doubt}"
        )
    return "\n".join(rows)
