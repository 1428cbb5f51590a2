"""An operator's tools, for whole calls: what they did is seen in `ran`, and a test holds them up.

The service imports this file anew for each start; a test finds it by `tests.live_call.desk`.
"""

import asyncio

from avr_sts_speechmatics.tools import CallFacts, tool

ran: list[str] = []
stopped: list[str] = []
may_end = asyncio.Event()


@tool
async def find_booking(code: str, call: CallFacts) -> str:
    """Look up a booking by its code."""
    ran.append(f"find_booking {code} for {call.facts.get('from')}")
    return f"{code} is on Friday."


@tool(cancel_on_hangup=True)
async def slow_booking(code: str) -> str:
    """Look up a booking where it takes long."""
    ran.append(f"slow_booking {code}")
    try:
        await may_end.wait()
    except asyncio.CancelledError:
        stopped.append(code)
        raise
    return f"{code} is on Friday."


@tool
async def make_booking(code: str) -> str:
    """Make a booking, which takes long."""
    ran.append(f"make_booking {code}")
    await may_end.wait()
    ran.append(f"made {code}")
    return f"{code} is booked."


@tool
async def broken_booking(code: str) -> str:
    """Look up a booking where it fails."""
    ran.append(f"broken_booking {code}")
    raise LookupError(code)
