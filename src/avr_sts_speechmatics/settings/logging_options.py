"""Settings: what is logged, and in which form."""

from dataclasses import dataclass
from pathlib import Path

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting

LOG_LEVELS = ("debug", "info", "warning", "error")
_OTHER_LEVELS = {
    "warn": "warning",
    "err": "error",
    "critical": "error",
    "fatal": "error",
    "trace": "debug",
    "verbose": "debug",
    "notice": "info",
}
"""Levels as other programs call them."""


@dataclass(frozen=True, kw_only=True)
class LoggingOptions:
    """Contents, level and form of the log."""

    log_transcripts: bool = setting(
        check.yes_or_no,
        "Whether the log contains what is said and the arguments of tools (`true`, `false`).",
        False,
    )
    log_level: str = setting(
        check.one_of(*LOG_LEVELS, also=_OTHER_LEVELS),
        "Least severe messages that are logged: "
        f"{', '.join(f'`{level}`' for level in LOG_LEVELS)}.",
        "info",
    )
    log_format: str = setting(
        check.one_of("console", "json"), "Form of the log: `console` or `json`.", "console"
    )
    call_trace_dir: Path | None = setting(
        check.directory,
        "Directory for traces: one file for each call, with the call's events and commands as JSON "
        "lines. Words are masked unless `LOG_TRANSCRIPTS=true`. See [Traces](traces.md).",
    )
