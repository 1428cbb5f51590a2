"""The part of `/health` about the services and what else a call needs."""

import platform
from typing import Any

from avr_sts_speechmatics.assembly.parts import Parts, needs_sandbox
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.log import lines_lost
from avr_sts_speechmatics.telemetry.services_in_use import services_in_use
from avr_sts_speechmatics.telemetry.versions import versions


def health_of(settings: Settings, parts: Parts | None) -> dict[str, Any]:
    """Return that part; it holds no secrets.

    parts: the parts of a call; None until they are open.
    """
    kept = None if parts is None else parts.kept
    spans = None if parts is None else parts.spans
    return {
        "engine": "sandbox" if needs_sandbox(settings) else "cloud",
        "services": services_in_use(settings),
        "service_states": {} if parts is None else parts.states.shown(),
        "phrases_missing": None if parts is None else parts.voices.missing,
        "records": {"keeps": "off"} if kept is None else kept.health(),
        "log_lines_lost": lines_lost(),
        "spans": None if spans is None else spans.health(),
        "versions": {"python": platform.python_version(), **versions()},
    }
