"""Moments as operators type them."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.cli.moments import (
    Span,
    checked_span,
    now_in_zone,
    span,
    zone_shown,
)
from avr_sts_speechmatics.errors import InvalidValue

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 29, 9, 0, 30, tzinfo=BERLIN)


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("text", "first", "until"),
    [
        ("08:42", "2026-11-29T08:42", "2026-11-29T08:43"),
        ("10:42", "2026-11-28T10:42", "2026-11-28T10:43"),  # today's is still to come
        ("08:42:05", "2026-11-29T08:42:05", "2026-11-29T08:42:06"),
        ("2h", "2026-11-29T07:00:30", "2026-11-29T07:00:30"),
        ("90 m", "2026-11-29T07:30:30", "2026-11-29T07:30:30"),
        ("3d", "2026-11-26T09:00:30", "2026-11-26T09:00:30"),
        ("today", "2026-11-29", "2026-11-30"),
        ("Yesterday", "2026-11-28", "2026-11-29"),
        ("now", "2026-11-29T09:00:30", "2026-11-29T09:00:30"),
        ("2026-12-01", "2026-12-01", "2026-12-02"),
        ("2026-10-25", "2026-10-25", "2026-10-26"),  # a day of 25 hours
        (" 2026-12-01 10:42 ", "2026-12-01T10:42", "2026-12-01T10:43"),
        ("2026-12-01T10:42:07", "2026-12-01T10:42:07", "2026-12-01T10:42:08"),
        ("2026-12-01T09:42:07.120Z", "2026-12-01T10:42:07.120", "2026-12-01T10:42:07.120"),
        ("2026-12-01T10:42+0100", "2026-12-01T10:42", "2026-12-01T10:43"),
    ],
)
def test_a_moment_is_read_in_the_zone_of_the_operator(text: str, first: str, until: str) -> None:
    assert span(text, NOW) == Span(at(first), at(until))


@pytest.mark.parametrize(
    "text", ["", "foo", "25:00", "10:61", "2026-13-01", "9999999d", "-2h", "10", "2h3m", "٣d"]
)
def test_any_other_text_is_refused_with_examples(text: str) -> None:
    for read in (lambda: span(text, NOW), lambda: checked_span(text)):
        with pytest.raises(InvalidValue, match=r"give 10:42, 2h, 3d"):
            read()


def test_what_was_checked_is_read_later() -> None:
    assert checked_span("2h")(NOW) == span("2h", NOW)


def test_days_have_their_length_where_clocks_change() -> None:
    day = span("2026-10-25", NOW)
    assert day.until_ms - day.first_ms == 25 * 3_600_000


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (NOW, "Europe/Berlin, UTC+01:00"),
        (at("2026-07-01"), "Europe/Berlin, UTC+02:00"),
        (datetime(2026, 1, 1, tzinfo=UTC), "UTC"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-3))), "UTC-03:00"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))), "UTC+05:45"),
    ],
)
def test_a_zone_is_shown_with_its_distance(moment: datetime, shown: str) -> None:
    assert zone_shown(moment) == shown


def test_the_present_is_in_the_zone_that_is_set() -> None:
    assert now_in_zone(BERLIN).utcoffset() == datetime.now(BERLIN).utcoffset()
    assert now_in_zone(None).tzinfo is not None


@given(st.text(max_size=30))
def test_no_text_ends_in_another_error(text: str) -> None:
    try:
        found = span(text, NOW)
    except InvalidValue:
        return
    assert found.first <= found.until
