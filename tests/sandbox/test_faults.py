"""Faults as values: decoded, queued, used up."""

import json

import pytest

from avr_sts_speechmatics.sandbox.faults import (
    Drop,
    FaultError,
    Faults,
    Pass,
    RefuseKey,
    Stall,
    Status,
    parse,
)


def test_a_fault_has_defaults() -> None:
    (fault,) = parse(b'{"fault": "status", "part": "tts"}')
    assert fault == Status(part="tts", status=503, retry_after=None, count=1)


def test_a_request_may_hold_several_faults() -> None:
    text = json.dumps(
        [
            {"fault": "status", "part": "llm", "status": 429, "retry_after": 1, "count": 2},
            {"fault": "stall", "part": "llm", "after": None},
        ]
    )
    assert [type(fault) for fault in parse(text.encode())] == [Status, Stall]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"fault": "explode", "part": "tts"}',
        '{"fault": "status"}',
        '{"fault": "status", "part": "kitchen"}',
        '{"fault": "drop", "part": "tts"}',
        '{"fault": "status", "part": "tts", "code": 503}',
        '{"fault": "status", "part": "tts", "status": 200}',
        '{"fault": "status", "part": "tts", "count": 0}',
    ],
)
def test_an_invalid_fault_is_refused(text: str) -> None:
    with pytest.raises(FaultError):
        parse(text.encode())


def test_faults_of_a_part_form_a_queue() -> None:
    faults = Faults()
    faults.add(Status(part="tts", count=2), Pass(part="tts"), RefuseKey(part="tts"))
    taken = [type(faults.take("tts")) for _ in range(5)]
    assert taken == [Status, Status, Pass, RefuseKey, type(None)]


def test_each_part_has_its_own_queue_of_faults() -> None:
    faults = Faults()
    faults.add(Status(part="tts"), Drop())
    assert isinstance(faults.take("stt"), Drop)
    assert isinstance(faults.peek("tts"), Status)


def test_a_fault_with_count_null_stays_until_cleared() -> None:
    faults = Faults()
    faults.add(RefuseKey(part="stt", count=None))
    assert all(faults.take("stt") for _ in range(10))
    faults.clear()
    assert faults.take("stt") is None
