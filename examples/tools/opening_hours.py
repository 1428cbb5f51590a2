"""Opening hours, looked up for a day the caller names."""

from datetime import date
from typing import Annotated

from pydantic import Field

from avr_sts_speechmatics.tools import tool

HOURS = {
    "Monday": "nine to six",
    "Tuesday": "nine to six",
    "Wednesday": "nine to one",
    "Thursday": "nine to eight",
    "Friday": "nine to six",
    "Saturday": "ten to two",
}
HOLIDAYS = {(1, 1): "New Year's Day", (12, 25): "Christmas Day", (12, 26): "Boxing Day"}


@tool
async def opening_hours(day: Annotated[date, Field(description="the day, as 2026-03-30")]) -> str:
    """When the shop is open on a day. Use it whenever the caller asks for opening hours."""
    if holiday := HOLIDAYS.get((day.month, day.day)):
        return f"Closed, it is {holiday}."
    weekday = f"{day:%A}"
    hours = HOURS.get(weekday)
    return f"{weekday}: {hours}." if hours else f"Closed on {weekday}s."
