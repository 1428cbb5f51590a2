"""Log lines about strangers: few, counted, and never without bound in memory."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.transports.limited_log import (
    LINE_MAX,
    LINES,
    NOBODY,
    OTHERS,
    LimitedLog,
    address_of,
)

KIND, PEER = "malformed requests", "10.0.0.5"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_the_first_lines_are_logged_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    log = LimitedLog(now=clock)
    for number in range(LINES + 37):
        log.say(KIND, PEER, f"request {number}")
    assert lines(caplog) == [f"request {number}" for number in range(LINES)]
    clock.now = 61.0
    log.say(KIND, PEER, "another")
    assert lines(caplog)[LINES:] == [f"37 more {KIND} from {PEER} in 60 s", "another"]


async def test_the_count_is_logged_when_the_window_ends_though_nothing_else_happens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = LimitedLog(lines=1, window_s=0.05)
    for _ in range(3):
        log.say(KIND, PEER, "a line")
    async with asyncio.timeout(5):
        while len(caplog.records) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert lines(caplog) == ["a line", f"2 more {KIND} from {PEER} in 0 s"]
    assert len(log) == 0
    log.close()


def test_kinds_and_clients_have_their_own_counts(caplog: pytest.LogCaptureFixture) -> None:
    log = LimitedLog(lines=1)
    log.say(KIND, PEER, "one")
    log.say(KIND, "10.0.0.6", "two")
    log.say("refused calls", PEER, "three")
    assert lines(caplog) == ["one", "two", "three"]


def test_counts_left_are_logged_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    log = LimitedLog(lines=1)
    log.say(KIND, PEER, "one", level=logging.INFO)
    log.say(KIND, PEER, "two", level=logging.WARNING)
    log.close()
    assert lines(caplog)[-1] == f"1 more {KIND} from {PEER} in 60 s"
    assert len(log) == 0


def test_a_line_is_one_line_and_not_too_long(caplog: pytest.LogCaptureFixture) -> None:
    LimitedLog().say(KIND, PEER, "a\r\nb\x1b[31m" + "x" * 10_000)
    (line,) = lines(caplog)
    assert line.startswith("ab[31mx")
    assert len(line) <= LINE_MAX


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200)), max_size=300))
def test_memory_is_bounded_and_every_line_is_logged_or_counted(
    said: list[tuple[str, int]],
) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("avr_sts_speechmatics.transports.limited_log")
    logger.addHandler(handler)
    try:
        log = LimitedLog(lines=2, remembered=20)
        for kind, peer in said:
            log.say(kind, str(peer), "a line")
            assert len(log) <= 20 + 3  # and one for each kind from others
        log.close()
    finally:
        logger.removeHandler(handler)
    texts = [record.getMessage() for record in records]
    counted = sum(int(text.split()[0]) for text in texts if " more " in text)
    assert texts.count("a line") + counted == len(said)


def test_clients_beyond_those_remembered_share_one_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = LimitedLog(lines=1, remembered=2)
    for number in range(10):
        log.say(KIND, f"10.0.0.{number}", "a line")
    log.close()
    assert lines(caplog)[-1] == f"7 more {KIND} from {OTHERS} in 60 s"


def test_a_client_without_an_address_has_a_name() -> None:
    assert address_of(None) == NOBODY
