"""The day and time of a call, for the model and for the placeholders of texts.

A model does not know the day, and "Friday" needs one. Everything is fixed when the call begins: a
time that changed would make every request of the call new to the server's cache of prompts.
"""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = (
    "January February March April May June July August September October November December".split()
)

_SPOKEN: Mapping[str, tuple[str, str, str]] = {
    "en": (" ".join(_WEEKDAYS), " ".join(_MONTHS), "{month} {day}"),
    "de": (
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "{day}. {month}",
    ),
    "fr": (
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "{day} {month}",
    ),
    "es": (
        "lunes martes miércoles jueves viernes sábado domingo",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "{day} de {month}",
    ),
    "it": (
        "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        (
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
            "dicembre"
        ),
        "{day} {month}",
    ),
    "nl": (
        "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "{day} {month}",
    ),
    "pt": (
        "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "{day} de {month}",
    ),
}
"""Weekdays, months and the form of a date, by language. Other languages use
the English forms."""


def now_in(zone: ZoneInfo | None) -> datetime:
    """Return the present moment.

    zone: time zone of the result; None for the time zone of the machine.
    """
    return datetime.now(zone).astimezone(zone)


def time_facts(moment: datetime) -> dict[str, str]:
    """Return the placeholders' values for the model: in English, date and time as in ISO 8601."""
    return {
        "weekday": _WEEKDAYS[moment.weekday()],
        "date": f"{moment:%Y-%m-%d}",
        "time": f"{moment:%H:%M}",
        "time_zone": zone_name(moment),
    }


def spoken_time_facts(moment: datetime, language: str) -> dict[str, str]:
    """Return the values of the placeholders for the voice.

    language: language of the agent, such as "en" or "de".
    """
    base = language.lower().replace("_", "-").split("-")[0]
    weekdays, months, form = _SPOKEN.get(base, _SPOKEN["en"])
    return time_facts(moment) | {
        "weekday": weekdays.split()[moment.weekday()],
        "date": form.format(day=moment.day, month=months.split()[moment.month - 1]),
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
