"""`/health` of several workers in one."""

from typing import Any

from avr_sts_speechmatics.workers.health import of_all


def one(**changes: Any) -> dict[str, Any]:
    health = {
        "status": "ok",
        "ready": True,
        "version": "1",
        "uptime_s": 5.0,
        "calls": 1,
        "calls_refused": 2,
        "calls_refused_by_reason": {"full": 2},
        "loop_lag_ms": 1.0,
        "file_descriptors_left": 100,
        "service_states": {"stt": {"state": "not tried yet"}},
        "phrases_missing": 0,
        "log_lines_lost": 1,
        "records": {"keeps": "calls", "waiting": 1, "lost": 0, "away": ""},
        "warnings": ["one"],
    }
    return health | changes


def others(*healths: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "uptime_s": 99.0,
        "deaths": 3,
        "log_lines_lost": 10,
        "warnings": ["a port"],
        "workers": [
            {"number": number, "pid": 1000 + number, "health": health}
            for number, health in enumerate(healths, 2)
        ],
    }


def test_counts_are_added_and_the_worst_is_shown() -> None:
    whole = of_all(
        one(),
        1,
        others(
            one(
                calls=4,
                calls_refused_by_reason={"full": 1, "draining": 1},
                loop_lag_ms=7.0,
                phrases_missing=3,
                warnings=["one", "two"],
                service_states={"stt": {"state": "ok"}},
            )
        ),
    )
    assert whole["calls"] == 5
    assert whole["calls_refused"] == 4
    assert whole["calls_refused_by_reason"] == {"full": 3, "draining": 1}
    assert whole["loop_lag_ms"] == 7.0
    assert whole["phrases_missing"] == 3
    assert whole["log_lines_lost"] == 12
    assert whole["records"] == {"keeps": "calls", "waiting": 2, "lost": 0, "away": ""}
    assert whole["warnings"] == ["a port", "one", "two"]
    assert whole["service_states"]["stt"]["state"] == "ok"
    assert whole["uptime_s"] == 99.0
    assert whole["workers_died"] == 3
    assert [(worker["number"], worker["calls"]) for worker in whole["workers"]] == [(1, 1), (2, 4)]


def test_a_failure_that_one_worker_knows_of_is_shown_by_all() -> None:
    failed = one(status="degraded", service_states={"stt": {"state": "failed"}})
    worked = one(service_states={"stt": {"state": "ok"}})
    for asked, other in ((failed, worked), (worked, failed)):
        whole = of_all(asked, 1, others(other))
        assert whole["status"] == "degraded"
        assert whole["ready"]
        assert whole["service_states"]["stt"]["state"] == "failed"


def test_the_service_is_ready_if_one_worker_takes_calls() -> None:
    full, drains = one(status="overloaded", ready=False), one(status="draining", ready=False)
    assert of_all(full, 1, others(one()))["status"] == "ok"
    assert of_all(drains, 1, others(one(), drains))["ready"]
    assert of_all(full, 1, others(drains))["status"] == "overloaded"
    assert of_all(drains, 1, others(drains))["status"] == "draining"


def test_calls_of_workers_that_drain_count() -> None:
    assert of_all(one(), 1, others(one(status="draining", ready=False, calls=7)))["calls"] == 8


def test_a_worker_that_does_not_answer_is_shown() -> None:
    whole = of_all(one(), 1, others(None))
    assert whole["workers"][1]["status"] == "no answer"
    assert whole["calls"] == 1


def test_without_a_supervisor_a_worker_speaks_for_itself() -> None:
    whole = of_all(one(), 4, None)
    assert whole["calls"] == 1
    assert whole["uptime_s"] == 5.0
    assert [worker["number"] for worker in whole["workers"]] == [4]


def test_records_that_wait_are_added_and_a_reason_is_shown() -> None:
    away = {"keeps": "calls", "waiting": 5, "lost": 2, "away": "no answer within 5 s"}
    whole = of_all(one(), 1, others(one(records=away), None))
    assert whole["records"] == {**away, "waiting": 6}


def test_spans_of_all_workers_are_added() -> None:
    sent = {"sent": 5, "waiting": 1, "lost": 2}
    whole = of_all(one(spans=sent), 1, others(one(spans={**sent, "lost": 40}), one()))
    assert whole["spans"] == {"sent": 10, "waiting": 2, "lost": 42}
    assert of_all(one(spans=None), 1, None)["spans"] is None
