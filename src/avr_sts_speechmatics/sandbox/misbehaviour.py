"""Helpers of the servers: API keys, error answers, stalls and broken connections."""

import asyncio

from aiohttp import web

from avr_sts_speechmatics.sandbox.faults import RefuseKey, Stall, Status


def has_key(request: web.Request) -> bool:
    """Whether the request carries an API key. Any key is accepted."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(key.strip())


def refuse(fault: RefuseKey | Status) -> web.Response:
    """The HTTP answer to a request that is refused.

    The body has the error fields of both vendors, so that the clients of both can read it.
    """
    if isinstance(fault, RefuseKey):
        status, reason, headers = 401, "the API key was refused", {}
    else:
        status, reason = fault.status, f"the sandbox was asked to answer {fault.status}"
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    error = {"message": reason, "type": "invalid_request_error", "param": None, "code": None}
    return web.json_response(
        {"code": status, "detail": reason, "error": error}, status=status, headers=headers
    )


async def stall(fault: Stall) -> None:
    """Wait for `fault.seconds`, or until cancelled, which happens when the client disconnects."""
    if fault.seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(fault.seconds)


def break_off(request: web.Request) -> None:
    """Close the connection in the middle of the answer, after the data already written."""
    if request.transport is not None:
        request.transport.close()
