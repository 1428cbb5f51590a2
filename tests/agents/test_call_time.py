"""The day and time of a call, as the model is told and as the voice says."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.agents.call_time import (
    TIME_FACTS,
    now_in,
    spoken_time_facts,
    time_facts,
    time_sentence,
    zone_name,
)

PACKS = ("en", "de", "it", "fr", "es", "pt", "nl")

BERLIN = datetime(2026, 12, 4, 9, 3, tzinfo=ZoneInfo("Europe/Berlin"))


def test_the_model_is_told_in_one_sentence() -> None:
    assert time_sentence(BERLIN) == (
        "This call began on Friday, 2026-12-04, at 09:03 (Europe/Berlin, UTC+01:00)."
    )


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        (BERLIN, "Europe/Berlin, UTC+01:00"),
        (BERLIN.replace(month=7), "Europe/Berlin, UTC+02:00"),
        (BERLIN.replace(tzinfo=ZoneInfo("UTC")), "UTC"),
        (BERLIN.replace(tzinfo=UTC), "UTC"),
        (BERLIN.replace(tzinfo=ZoneInfo("Asia/Kolkata")), "Asia/Kolkata, UTC+05:30"),
        (BERLIN.replace(tzinfo=timezone(timedelta(hours=-3), "-03")), "-03, UTC-03:00"),
        (BERLIN.replace(tzinfo=timezone(timedelta(hours=1))), "UTC+01:00"),
    ],
)
def test_a_zone_has_its_name_and_its_distance_from_utc(moment: datetime, name: str) -> None:
    assert zone_name(moment) == name


@pytest.mark.parametrize(
    ("language", "weekday", "date"),
    [
        ("en", "Friday", "December 4"),
        ("en_ta", "Friday", "December 4"),
        ("de", "Freitag", "4. Dezember"),
        ("fr", "vendredi", "4 décembre"),
        ("es", "viernes", "4 de diciembre"),
        ("it", "venerdì", "4 dicembre"),
        ("nl", "vrijdag", "4 december"),
        ("pt", "sexta-feira", "4 de dezembro"),
        ("de-AT", "Freitag", "4. Dezember"),
        ("tlh", "", "2026-12-04"),
    ],
)
def test_the_voice_says_the_day_in_the_agents_language(
    language: str, weekday: str, date: str
) -> None:
    facts = spoken_time_facts(BERLIN, language)
    assert (facts["weekday"], facts["date"]) == (weekday, date)


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(PACKS))
def test_every_moment_has_every_fact(moment: datetime, language: str) -> None:
    for facts in (time_facts(moment), spoken_time_facts(moment, language)):
        assert set(facts) == set(TIME_FACTS)
        assert all(facts.values())


def test_without_a_zone_the_machine_decides() -> None:
    assert now_in(None).utcoffset() == datetime.now().astimezone().utcoffset()
    assert now_in(ZoneInfo("Asia/Kolkata")).utcoffset() == timedelta(hours=5, minutes=30)
