"""Names that resemble a setting: variables that an operator meant for this service and misspelt."""

import difflib
import re
from collections.abc import Collection

FOREIGN = frozenset(
    {
        # Names of the openai SDK. The client of the model reads the first three as well.
        *("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS", "OPENAI_LOG"),
        # Read by the compose files; compose reads the same `.env`.
        *("STS_TARGET", "EXTERNAL_ADDRESS", "SIP_PASSWORD"),
    }
)
"""Variables of other programs that have one of our prefixes or share our `.env`."""

_OTHER_TELEMETRY = re.compile(
    r"OTEL_EXPORTER_OTLP_(METRICS|LOGS|PROFILES)_.*"
    r"|OTEL_EXPORTER_OTLP_(TRACES_)?(COMPRESSION|INSECURE|CLIENT_KEY|CLIENT_CERTIFICATE)"
    r"|OTEL_(METRICS|LOGS)_EXPORTER|OTEL_PROPAGATORS|OTEL_LOG_LEVEL|OTEL_ENTITIES"
    r"|OTEL_EXPORTER_(?!OTLP_).*"
    r"|OTEL_(BSP|BLRP|SPAN|LOGRECORD|ATTRIBUTE|EVENT|LINK|METRICS?|PYTHON|NODE|JAVA|JAVAAGENT|DOTNET"
    r"|GO|PHP|RUBY|INSTRUMENTATION|SEMCONV|EXPERIMENTAL|CONFIG)_.*"
)
"""Variables of OpenTelemetry that this service does not read. An environment that several programs
share may have them, `.env` has no reason to."""

# No other program's variables begin with these. AMI_, MCP_, TOOL_, WEBHOOK_ and the like may belong
# to other programs.
_OUR_PREFIXES = ("SPEECHMATICS_", "OPENAI_", "AMBIENT_NOISE", "AUDIOSOCKET_", "BARGE")

# Names that other programs use for a setting of ours, not similar enough to be found by likeness.
_MEANT = {"OPENAI_URL": "OPENAI_BASE_URL", "OPENAI_API_BASE": "OPENAI_BASE_URL"}

_NEAR = 0.85
"""Least similarity of a reported name without one of our prefixes (ratio of difflib, 0 to 1)."""

_VERY_NEAR = 0.88
"""Least similarity of a reported name whose first word is none of ours (ratio, 0 to 1)."""

_LONG_WORD = 6
"""Shortest first word (characters) that may be a misspelling. HTTP_PORT is ours, HTTPS_PORT belongs
to another program."""


def report(name: str, known: Collection[str], *, from_file: bool) -> str | None:
    """Return one sentence about a probably misspelt name of a setting; otherwise None.

    name: name of the variable, as written.
    known: names of all settings.
    from_file: whether the name stands in `.env`, where every name is meant for us.
    """
    upper = name.upper().replace("-", "_").replace(".", "_")
    if name in known or upper in FOREIGN:
        return None
    if not from_file and _OTHER_TELEMETRY.fullmatch(upper):
        return None
    if upper in known:
        # A single word in small letters, such as `port`, is too common in an environment.
        ours = from_file or "_" in upper
        return f"{name} has no effect; did you mean {upper}?" if ours else None
    ours = from_file or upper.startswith(_OUR_PREFIXES)
    meant = _MEANT.get(upper) or _nearest(upper, known, ours=ours)
    if not ours and meant is None:
        return None
    ending = f"; did you mean {meant}?" if meant else "; it has no effect."
    return f"{name} is not a setting of this version{ending}"


def _nearest(name: str, known: Collection[str], *, ours: bool) -> str | None:
    bare = {one.replace("_", ""): one for one in known}
    if (same := bare.get(name.replace("_", ""))) is not None:
        return same  # OPEN_AI_API_KEY
    if ours:
        return _closest(name, known, 0.6)
    first = _first_word(name)
    alike = {one for one in known if _first_word(one) == first}
    if alike:
        return _closest(name, alike, _NEAR)
    if len(first) < _LONG_WORD:
        return None
    alike = {
        one
        for one in known
        if difflib.SequenceMatcher(None, _first_word(one), first).ratio() >= 0.8
    }
    return _closest(name, alike, _VERY_NEAR)


def _closest(name: str, known: Collection[str], cutoff: float) -> str | None:
    near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return near[0] if near else None


def _first_word(name: str) -> str:
    return name.partition("_")[0]
