"""Metrics: all that the service counts and measures for Prometheus, and the series of this process.

Names follow Prometheus' conventions: base units, `_total` for counters. Labels are bounded: agents,
tools and transports have the names that the operator or this service gave them, and everything else
is OTHER. No label ever has a number, a uuid or a text of a caller.

A metric is declared here, once; docs/metrics.md is made from the declarations. `metrics_observer`
counts what happens in calls, `metrics_sampled` what the process knows of itself, and `metrics_page`
adds the processes up.
"""

from collections.abc import Callable, Collection
from typing import get_args

from avr_sts_speechmatics.admission.refusal import Kind as RefusalKind
from avr_sts_speechmatics.telemetry.metrics_memory import (
    Counter,
    Family,
    Gauge,
    Histogram,
    Over,
    SeriesMemory,
)

OTHER = "other"
"""Label of every name that is not known."""

LOST = "lost"
"""Reason of the end of calls whose process died."""

TRANSPORTS = ("avr-websocket", "audiosocket", "asterisk-websocket", "http-stream")

NAMES_MAX = 100
"""Most agents, and most tools, with a series of their own; the others are OTHER."""

REFUSED = (*get_args(RefusalKind), OTHER)

VOICE_TO_VOICE_S = (0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0)
PART_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
CALL_S = (5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
TOOL_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Upper bounds of buckets (s)."""

ALL: list[Family] = []
"""All metrics, in the order of the page."""


def _counter(name: str, about: str, *labels: str) -> Family:
    return _declared(Family(name, "counter", about, labels))


def _gauge(name: str, about: str, *labels: str, over: Over = "sum") -> Family:
    return _declared(Family(name, "gauge", about, labels, over))


def _histogram(name: str, about: str, *labels: str, bounds: tuple[float, ...]) -> Family:
    return _declared(Family(name, "histogram", about, labels, bounds=bounds))


def _declared(family: Family) -> Family:
    ALL.append(family)
    return family


# --- calls ---------------------------------------------------------------------------------------

CALLS = _gauge("avr_sts_calls", "Calls in progress.", "transport", "agent")
CALLS_LIMIT = _gauge(
    "avr_sts_calls_limit", "Most calls at once (MAX_CALLS), of all processes.", over="max"
)
BEGUN = _counter("avr_sts_calls_begun_total", "Calls that began.", "transport", "agent")
ENDED = _counter(
    "avr_sts_calls_ended_total",
    "Calls that ended, by reason: caller, agent, transfer, silence, longest_call, audio_over, "
    "failure, shutdown; lost for calls whose worker died.",
    *("reason", "transport", "agent"),
)
REFUSALS = _counter(
    "avr_sts_calls_refused_total",
    "Calls that were refused, by reason: starting, draining, full, no_sessions, no_descriptors, "
    "overloaded; other for calls that are never taken.",
    "reason",
)
CALL_SECONDS = _histogram(
    "avr_sts_call_duration_seconds", "Length of calls.", "transport", "agent", bounds=CALL_S
)

# --- turns ---------------------------------------------------------------------------------------

ANSWERS = _counter(
    "avr_sts_answers_total",
    "Answers of the agent, by result: whole, interrupted (the caller stopped the agent), dropped "
    "(the caller went on before anything was heard), failed (nothing was heard of the answer; an "
    "apology follows).",
    *("result", "agent"),
)
VOICE_TO_VOICE = _histogram(
    "avr_sts_voice_to_voice_seconds",
    "From the caller's last sound to the first sound of the answer.",
    "agent",
    bounds=VOICE_TO_VOICE_S,
)
PARTS = _histogram(
    "avr_sts_answer_part_seconds",
    "Parts of voice to voice, one after the other: confirm (the turn is known to be over), model "
    "(first text), clause (first piece for the voice), voice (first audio), frame (first audio "
    "sent). What the model did before the turn was known to be over is not part of the wait.",
    *("part", "agent"),
    bounds=PART_S,
)
BARGE_INS = _counter(
    "avr_sts_barge_ins_total",
    "Sounds of callers over the agent, by result: interrupted (the agent stopped), resumed (a "
    "false alarm: the agent paused and went on).",
    *("result", "agent"),
)

# --- services ------------------------------------------------------------------------------------

FAILURES = _counter(
    "avr_sts_service_failures_total",
    "Failures of a service (stt, llm, tts) in a call after all retries, by kind: connection, "
    "timeout, full (a limit of the vendor), unavailable (status 5xx), rejected (a key, a model, a "
    "request), broken (an answer that cannot be used), other.",
    *("service", "kind"),
)
RETRIES = _counter(
    "avr_sts_service_retries_total",
    "Requests and sessions of calls that were tried once more.",
    "service",
)
SESSIONS = _gauge("avr_sts_stt_sessions", "STT sessions that take audio.")
SESSIONS_LIMIT = _gauge(
    "avr_sts_stt_sessions_limit",
    "Most STT sessions at once (SPEECHMATICS_MAX_SESSIONS), of all processes; missing without a "
    "limit.",
    over="max",
)
SESSIONS_REFUSED = _counter(
    "avr_sts_stt_sessions_refused_total", "STT sessions that the vendor refused because it is full."
)
SERVICE_UP = _gauge(
    "avr_sts_service_up",
    "Whether a service works, as trials and calls show: 1 or 0. Missing until it is tried.",
    "service",
    over="min",
)
TOOL_CALLS = _counter(
    "avr_sts_tool_calls_total", "Tools that ran, by result: done, failed.", "tool", "result"
)
TOOL_SECONDS = _histogram(
    "avr_sts_tool_duration_seconds", "How long tools ran.", "tool", bounds=TOOL_S
)

# --- use -----------------------------------------------------------------------------------------

TOKENS = _counter(
    "avr_sts_llm_tokens_total",
    "Tokens of the model by kind: prompt (without cached ones), cached, completion.",
    *("kind", "agent"),
)
CHARACTERS = _counter("avr_sts_tts_characters_total", "Characters sent to voices.", "agent")
RECOGNISED = _counter(
    "avr_sts_stt_audio_seconds_total", "Audio sent to recognisers, silence included.", "agent"
)
COST = _counter(
    "avr_sts_cost_total",
    "Cost of calls that ended, by the price table, in units of the currency.",
    *("currency", "agent"),
)

# --- the process ---------------------------------------------------------------------------------

READY = _gauge("avr_sts_ready", "1 if a call can be taken now, else 0.", over="max")
LAG = _histogram(
    "avr_sts_event_loop_lag_seconds",
    "How late the event loop is, 40 times a second. Not measured with OVERLOAD_LAG_MS=0.",
    bounds=LAG_S,
)
COLLECTOR = _histogram(
    "avr_sts_collector_stop_seconds",
    "Stops of the process by Python's cycle collector.",
    bounds=LAG_S,
)
LATE = _counter(
    "avr_sts_playout_late_total", "Turns of the 20 ms clock that came more than a frame late."
)
GAPS = _counter(
    "avr_sts_playout_gaps_total",
    "Pauses in the sound of a call because the process was late by more than 3 frames.",
)
STARVED = _counter(
    "avr_sts_voice_gaps_total",
    "Pauses within a sentence because its audio came slower than it was heard.",
)
PHRASES = _gauge(
    "avr_sts_phrases_missing", "Kept phrases whose speech is not there yet.", over="max"
)
CPU = _counter("avr_sts_cpu_seconds_total", "CPU time of all processes.")
MEMORY = _gauge("avr_sts_resident_memory_bytes", "Memory of all processes, without swap.")
DESCRIPTORS = _gauge(
    "avr_sts_file_descriptors_left",
    "File descriptors that calls may still use, of the process with the fewest.",
    over="min",
)
STARTED = _gauge(
    "avr_sts_start_time_seconds", "When the service started, seconds since 1970.", over="min"
)
WORKERS = _gauge("avr_sts_workers", "Processes that run calls, those that end included.")
DIED = _counter("avr_sts_workers_died_total", "Workers that ended unasked.")
BUILD = _gauge("avr_sts_build_info", "Always 1.", "version", "python", over="max")

# --- what is written -----------------------------------------------------------------------------

WEBHOOKS_LOST = _counter("avr_sts_webhooks_lost_total", "Webhook events that were lost.")
LINES_LOST = _counter("avr_sts_log_lines_lost_total", "Lines of the log that were lost.")
RECORDS_WAITING = _gauge("avr_sts_records_waiting", "Records in memory that wait for the database.")
RECORDS_SPOOLED = _gauge("avr_sts_records_spooled", "Records in the spool file.")
RECORDS_LOST = _counter("avr_sts_records_lost_total", "Records that were lost.")


class Metrics:
    """The series of this process. A series is made when it is asked for first.

    memory: where the numbers are.
    """

    def __init__(self, memory: SeriesMemory) -> None:
        self.memory = memory
        self._series: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}

    def counter(self, family: Family, *labels: str) -> Counter:
        """Return a series. labels: one value for each label of the family."""
        found = self._found(family, labels)
        assert isinstance(found, Counter)
        return found

    def gauge(self, family: Family, *labels: str) -> Gauge:
        """See `counter`."""
        found = self._found(family, labels)
        assert isinstance(found, Gauge)
        return found

    def histogram(self, family: Family, *labels: str) -> Histogram:
        """See `counter`."""
        found = self._found(family, labels)
        assert isinstance(found, Histogram)
        return found

    def _found(self, family: Family, labels: tuple[str, ...]) -> Counter | Gauge | Histogram:
        key = (family.name, *labels)
        found = self._series.get(key)
        if found is None:
            memory = self.memory
            at = memory.add(family, dict(zip(family.labels, labels, strict=True)))
            if family.kind == "histogram":
                found = Histogram(memory.values, at, family.bounds)
            elif family.kind == "gauge":
                found = Gauge(memory.values, at)
            else:
                found = Counter(memory.values, at)
            self._series[key] = found
        return found


class KnownNames:
    """The names that a label may have. Everything else is OTHER.

    known: returns the names of the operator's agents or tools.
    """

    def __init__(self, known: Callable[[], Collection[str]]) -> None:
        self._known = known
        self._shown: set[str] = set()

    def label(self, name: str) -> str:
        """Return the label of a name."""
        if name in self._shown:
            return name
        if len(self._shown) >= NAMES_MAX or name not in self._known():
            return OTHER
        self._shown.add(name)
        return name


def table() -> str:
    """Return the table of docs/metrics.md."""
    rows = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
    for one in ALL:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        about = one.help
        if one.over != "sum":
            about += f" Of several processes the {'largest' if one.over == 'max' else 'smallest'}."
        rows.append(f"| `{one.name}` | {one.kind} | {labels} | {about} |")
    return "\n".join(rows) + "\n"
