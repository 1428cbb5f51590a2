"""Table bookings of a restaurant. The data are made up and kept in memory: yours are elsewhere.

With a database or an HTTP service use a library that is awaited, or `asyncio.to_thread` around one
that is not: while a tool blocks, no caller hears anything.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from avr_sts_speechmatics.tools import CallFacts, tool

BOOKINGS = {
    "KX41": {"name": "Example", "day": "Friday", "time": "seven in the evening", "people": 4},
    "RT07": {"name": "Sample", "day": "Sunday", "time": "noon", "people": 2},
}


@dataclass
class Request:
    """What somebody asked to be called back for."""

    number: str
    about: str


CALL_BACK: list[Request] = []


@tool
async def find_booking(code: str) -> dict[str, object] | str:
    """Look up a table booking by its code.

    Args:
        code: two letters and two digits, such as KX41; ask the caller to spell it
    """
    found = BOOKINGS.get(code.replace(" ", "").upper())
    return found or "There is no booking with this code. Ask the caller to check it."


@tool
async def ask_for_call_back(
    about: Annotated[str, Field(description="what it is about, in a few words", max_length=200)],
    call: CallFacts,
) -> str:
    """Note that the caller wants to be called back by a person."""
    number = call.facts.get("from")
    if not number:
        return "The caller's number is not known. Ask for it, and say that this cannot be noted."
    CALL_BACK.append(Request(number, about))
    return "Noted. Somebody calls back today."
