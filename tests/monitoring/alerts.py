"""When alerts fire, and when they do not: series for `promtool test rules`.

A value is written as promtool writes it: `0+3x60` is 0, 3, 6, ... for 60 intervals of 15 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

AT = "20m"
"""When the alerts are looked at."""

_LAST = 90  # intervals of 15 s

JOB = 'job="avr-sts-speechmatics"'
HERE = f'{JOB}, instance="a:6040"'


def steady(value: float) -> str:
    return f"{value}x{_LAST}"


def growing(by: float) -> str:
    """A counter that grows by so much in 15 s."""
    return f"0+{by}x{_LAST}"


Series = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One alert with series that fire it and series that do not.

    labels: of the alert, besides those that the rule sets.
    """

    fires: tuple[Series, ...]
    quiet: tuple[Series, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


def counter(name: str, by: float, labels: str = "") -> dict[str, str]:
    return {f"{name}{{{HERE}{labels and ', ' + labels}}}": growing(by)}


def gauge(name: str, value: float, labels: str = "") -> dict[str, str]:
    return {f"{name}{{{HERE}{labels and ', ' + labels}}}": steady(value)}


def answers(whole: float, failed: float = 0, late: float = 0, dropped: float = 0) -> dict[str, str]:
    """Answers in 15 s: heard at once, without sound, after 6 s, and not waited for."""
    name, voice = "avr_sts_answers_total", "avr_sts_voice_to_voice_seconds"
    agent = 'agent="default"'
    return {
        **counter(name, whole + late, f'{agent}, result="whole"'),
        **counter(name, failed, f'{agent}, result="failed"'),
        **counter(name, dropped, f'{agent}, result="dropped"'),
        **counter(f"{voice}_bucket", whole, f'{agent}, le="1.1"'),
        **counter(f"{voice}_bucket", whole, f'{agent}, le="5.0"'),
        **counter(f"{voice}_bucket", whole + late, f'{agent}, le="7.5"'),
        **counter(f"{voice}_bucket", whole + late, f'{agent}, le="+Inf"'),
        **counter(f"{voice}_count", whole + late, agent),
    }


def ended(well: float, failed: float) -> dict[str, str]:
    name, of = "avr_sts_calls_ended_total", 'transport="audiosocket", agent="default"'
    return {
        **counter(name, well, f'{of}, reason="caller"'),
        **counter(name, failed, f'{of}, reason="failure"'),
    }


def lag(on_time: float, late: float) -> dict[str, str]:
    """Beats in 15 s: within 1 ms, and within 100 ms."""
    name = "avr_sts_event_loop_lag_seconds_bucket"
    return {
        **counter(name, on_time, 'le="0.001"'),
        **counter(name, on_time, 'le="0.05"'),
        **counter(name, on_time + late, 'le="0.1"'),
        **counter(name, on_time + late, 'le="+Inf"'),
    }


OF_JOB = {"job": "avr-sts-speechmatics"}
OF_MACHINE = OF_JOB | {"instance": "a:6040"}


def lost(name: str) -> Case:
    """A counter of losses: each one matters, and those long ago do not."""
    key = f"{name}{{{HERE}}}"
    return Case(
        (counter(name, 1), {key: "0x75 3x20"}),
        (counter(name, 0), {key: "0x5 3x90"}),
        OF_MACHINE,
    )


CASES: Mapping[str, Case] = {
    "AvrStsCallersHearSilence": Case(
        (answers(10, failed=1), answers(10, late=1), answers(0, failed=5)),
        (
            answers(10),
            answers(100, failed=1),
            answers(10, dropped=5),  # the caller went on: nobody waited
            answers(0.1, failed=0.1),  # too few to tell
            answers(0),
        ),
        OF_JOB,
    ),
    "AvrStsCallersHearPauses": Case(
        (counter("avr_sts_playout_gaps_total", 1),),
        (counter("avr_sts_playout_gaps_total", 0.1), counter("avr_sts_playout_gaps_total", 0)),
        OF_MACHINE,
    ),
    "AvrStsVoiceTooSlow": Case(
        (answers(10) | counter("avr_sts_voice_gaps_total", 1),),
        (answers(10) | counter("avr_sts_voice_gaps_total", 0.2), answers(10)),
        OF_JOB,
    ),
    "AvrStsVendorFull": Case(
        (
            counter("avr_sts_stt_sessions_refused_total", 0.1),
            counter("avr_sts_calls_refused_total", 0.1, 'reason="no_sessions"'),
            counter("avr_sts_service_failures_total", 0.1, 'service="llm", kind="full"'),
        ),
        (
            counter("avr_sts_stt_sessions_refused_total", 0)
            | counter("avr_sts_calls_refused_total", 1, 'reason="full"')
            | counter("avr_sts_service_failures_total", 1, 'service="llm", kind="timeout"'),
        ),
        OF_JOB,
    ),
    "AvrStsVendorNearlyFull": Case(
        (
            gauge("avr_sts_stt_sessions", 46) | gauge("avr_sts_stt_sessions_limit", 50),
            # Two machines that share the limit.
            gauge("avr_sts_stt_sessions", 24)
            | gauge("avr_sts_stt_sessions_limit", 50)
            | {
                f'avr_sts_stt_sessions{{{JOB}, instance="b:6040"}}': steady(24),
                f'avr_sts_stt_sessions_limit{{{JOB}, instance="b:6040"}}': steady(50),
            },
        ),
        (
            gauge("avr_sts_stt_sessions", 30) | gauge("avr_sts_stt_sessions_limit", 50),
            gauge("avr_sts_stt_sessions", 300),  # no limit is known
        ),
        OF_JOB,
    ),
    "AvrStsAnswersLate": Case(
        (answers(10, late=2),),
        (answers(10), answers(100, late=1), answers(0.1, late=0.1)),
        OF_JOB | {"agent": "default"},
    ),
    "AvrStsCallsFail": Case(
        (
            ended(10, 1),
            ended(0, 1),
            ended(10, 0)
            | counter(
                "avr_sts_calls_ended_total",
                1,
                'transport="audiosocket", agent="default", reason="lost"',
            ),
        ),
        (ended(10, 0), ended(100, 1), ended(0, 0)),
        OF_JOB,
    ),
    "AvrStsCallsRefused": Case(
        (counter("avr_sts_calls_refused_total", 0.1, 'reason="overloaded"'),),
        (
            counter("avr_sts_calls_refused_total", 1, 'reason="draining"')
            | counter("avr_sts_calls_refused_total", 1, 'reason="other"')
            | counter("avr_sts_calls_refused_total", 0, 'reason="overloaded"'),
        ),
        OF_JOB | {"reason": "overloaded"},
    ),
    "AvrStsServiceFails": Case(
        (
            counter("avr_sts_service_failures_total", 1, 'service="tts", kind="timeout"'),
            gauge("avr_sts_service_up", 0, 'service="tts"'),
        ),
        (
            counter("avr_sts_service_failures_total", 0.1, 'service="tts", kind="timeout"'),
            gauge("avr_sts_service_up", 1, 'service="tts"'),
        ),
        OF_JOB | {"service": "tts"},
    ),
    "AvrStsDown": Case((gauge("up", 0),), (gauge("up", 1),), OF_MACHINE),
    "AvrStsNotReady": Case((gauge("avr_sts_ready", 0),), (gauge("avr_sts_ready", 1),), OF_MACHINE),
    "AvrStsWorkersDie": lost("avr_sts_workers_died_total"),
    "AvrStsLate": Case((lag(90, 10),), (lag(1000, 1), lag(100, 0)), OF_MACHINE),
    "AvrStsRecordsLost": lost("avr_sts_records_lost_total"),
    "AvrStsDatabaseAway": Case(
        (gauge("avr_sts_records_spooled", 7),), (gauge("avr_sts_records_spooled", 0),), OF_MACHINE
    ),
    "AvrStsWebhooksLost": lost("avr_sts_webhooks_lost_total"),
    "AvrStsLogLinesLost": lost("avr_sts_log_lines_lost_total"),
}
