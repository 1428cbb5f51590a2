"""What the servers share: keys, refusals, silences and broken connections."""

import asyncio

from aiohttp import web

from avr_sts_speechmatics.sandbox.faults import RefuseKey, Stall, Status


def has_key(request: web.Request) -> bool:
    """Whether a key came along. Any will do: nothing here is worth protecting."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(key.strip())


def refuse(fault: RefuseKey | Status) -> web.Response:
    """The HTTP answer to somebody who is not served.

    Both vendors' error forms in one body, so that either client finds what it looks for.
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
    """Say nothing for as long as the fault wants; cancelled when the client leaves."""
    if fault.seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(fault.seconds)


def break_off(request: web.Request) -> None:
    """Break the connection under the answer, after what is already written."""
    if request.transport is not None:
        request.transport.close()
