"""The day and time of a call, for the model and for the placeholders of texts.

A model does not know the day, and "Friday" needs one. Everything is fixed when the call begins: a
time that changed would make every request of the call new to the server's cache of prompts.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from avr_sts_speechmatics.language_packs import ENGLISH, pack_for


def now_in(zone: ZoneInfo | None) -> datetime:
    """Return the present moment.

    zone: time zone of the result; None for the time zone of the machine.
    """
    return datetime.now(zone).astimezone(zone)


def time_facts(moment: datetime) -> dict[str, str]:
    """Return the placeholders' values for the model: in English, date and time as in ISO 8601."""
    return {
        "weekday": ENGLISH.weekdays[moment.weekday()],
        "date": f"{moment:%Y-%m-%d}",
        "time": f"{moment:%H:%M}",
        "time_zone": zone_name(moment),
    }


def spoken_time_facts(moment: datetime, language: str) -> dict[str, str]:
    """Return the values of the placeholders for the voice.

    language: language of the agent, such as "en" or "de". In a language without a pack the date is
        in figures, and the weekday is empty: an English word would be worse.
    """
    pack = pack_for(language)
    if pack is None:
        return time_facts(moment) | {"weekday": ""}
    return time_facts(moment) | {
        "weekday": pack.weekdays[moment.weekday()],
        "date": pack.date.format(day=moment.day, month=pack.months[moment.month - 1]),
    }


def time_sentence(moment: datetime) -> str:
    """Return the day and time for the model, in one sentence."""
    facts = time_facts(moment)
    return (
        f"This call began on {facts['weekday']}, {facts['date']}, at {facts['time']} "
        f"({facts['time_zone']})."
    )


def zone_name(moment: datetime) -> str:
    """Return the time zone of a moment and the distance from UTC: `Europe/Berlin, UTC+01:00`."""
    offset = f"UTC{moment:%z}" if moment.utcoffset() else "UTC"
    offset = f"{offset[:-2]}:{offset[-2:]}" if moment.utcoffset() else offset
    zone = moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else moment.tzname() or offset
    return zone if zone == offset else f"{zone}, {offset}"


TIME_FACTS = ("weekday", "date", "time", "time_zone")
"""Names of the placeholders."""
