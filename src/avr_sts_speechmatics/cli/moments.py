"""Moments as an operator types them: `10:42`, `2h`, `yesterday`, `2026-12-01 10:42`.

A moment without a zone is in the zone of the operator: TIME_ZONE, or the zone of this machine. A
moment without a date is the last one that has passed: `18:00` is yesterday's in the morning.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from avr_sts_speechmatics.errors import InvalidValue

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_WANTED = "give 10:42, 2h, 3d, today, yesterday, 2026-12-01 or 2026-12-01T10:42"


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a text names: a moment of the length that the text leaves open.

    first: the beginning.
    until: the end; equal to `first` for a moment that is exact.
    """

    first: datetime
    until: datetime

    @property
    def first_ms(self) -> int:
        return round(self.first.timestamp() * 1000)

    @property
    def until_ms(self) -> int:
        return round(self.until.timestamp() * 1000)


def span(text: str, now: datetime) -> Span:
    """Return the time that a text names. Raises InvalidValue.

    now: the present, in the zone of the operator.
    """
    wanted = text.strip().lower()
    if (ago := _AGO.fullmatch(wanted)) is not None:
        moment = _before(now, timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        return Span(moment, moment)
    if wanted in ("now", "today", "yesterday"):
        if wanted == "now":
            return Span(now, now)
        return _day(now, -1 if wanted == "yesterday" else 0)
    zone, plain = now.tzinfo, wanted.replace("t", " ").replace("z", "+0000")
    for pattern, length in _FORMS:
        try:
            found = datetime.strptime(plain, pattern)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
        return _placed(found, length, now, zone, has_date="%Y" in pattern)
    raise InvalidValue(_WANTED)


_FORMS: tuple[tuple[str, timedelta], ...] = (
    ("%H:%M", timedelta(minutes=1)),
    ("%H:%M:%S", timedelta(seconds=1)),
    ("%Y-%m-%d", timedelta(days=1)),
    ("%Y-%m-%d %H:%M", timedelta(minutes=1)),
    ("%Y-%m-%d %H:%M:%S", timedelta(seconds=1)),
    ("%Y-%m-%d %H:%M:%S.%f", timedelta()),
    ("%Y-%m-%d %H:%M%z", timedelta(minutes=1)),
    ("%Y-%m-%d %H:%M:%S%z", timedelta(seconds=1)),
    ("%Y-%m-%d %H:%M:%S.%f%z", timedelta()),
)


def checked_span(text: str) -> Callable[[datetime], Span]:
    """Return what gives the time of a text once the zone is known. Raises InvalidValue."""
    span(text, datetime(2026, 1, 2).astimezone())
    return lambda now: span(text, now)


def now_in_zone(zone: tzinfo | None) -> datetime:
    """Return the present in a zone; None for the zone of this machine."""
    return datetime.now(zone).astimezone(zone)


def zone_shown(moment: datetime) -> str:
    """Return the zone of a moment for people, such as "Europe/Berlin, UTC+01:00"."""
    offset = moment.strftime("%z")
    utc = f"UTC{offset[:3]}:{offset[3:5]}" if offset.strip("+-0") else "UTC"
    name = getattr(moment.tzinfo, "key", None) or moment.strftime("%Z")
    return utc if not name or name.startswith(("UTC", "+", "-")) else f"{name}, {utc}"


def _placed(
    found: datetime, length: timedelta, now: datetime, zone: tzinfo | None, *, has_date: bool
) -> Span:
    try:
        if not has_date:
            found = found.replace(year=now.year, month=now.month, day=now.day)
            if found.replace(tzinfo=zone) > now:
                found -= timedelta(days=1)
        if found.tzinfo is None:
            return Span(_local(found, zone), _local(found + length, zone))
        return Span(found.astimezone(zone), (found + length).astimezone(zone))
    except (OverflowError, ValueError, OSError):
        raise InvalidValue(_WANTED) from None


def _day(now: datetime, days: int) -> Span:
    first = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    first += timedelta(days=days)
    return Span(_local(first, now.tzinfo), _local(first + timedelta(days=1), now.tzinfo))


def _local(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return a moment of a zone. The zone of a machine is an offset, which summer time changes."""
    named = zone is not None and hasattr(zone, "key")
    return moment.replace(tzinfo=zone) if named else moment.astimezone()


def _before(now: datetime, ago: timedelta) -> datetime:
    try:
        return now - ago
    except OverflowError:
        raise InvalidValue(_WANTED) from None
