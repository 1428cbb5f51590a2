"""Ending and transferring a running call: the caller hears a sentence first.

The call itself does it, by its own means (`dialogue`, rows T46 and T47): a goodbye and the hangup,
or a sentence and the transfer.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from aiohttp import web

from avr_sts_speechmatics.call.call import Call
from avr_sts_speechmatics.call.services import Services
from avr_sts_speechmatics.call_in_log import current_call
from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.operations import Answer, Operation, body_of, json_answer
from avr_sts_speechmatics.console.parameters import Parameter, Text
from avr_sts_speechmatics.dialogue.events import OperatorLeaves
from avr_sts_speechmatics.pbx.dial_patterns import EXTENSION_MAX, is_extension

KEY = Parameter(
    "key",
    Text(32, "[0-9a-f]{32}", "the key of a call: 32 hexadecimal digits"),
    "Key of the call.",
    where="path",
)

Outcome = dict[str, Any]
"""What came of an order: `found`, whether the call is running; `refused`, why the order is not
carried out, or an empty text. A JSON object, because it may come from another worker."""

NOT_FOUND: Outcome = {"found": False, "refused": ""}

Leave = Callable[[str, str | None], Awaitable[Outcome]]
"""Ends the call with a key, or transfers the call to an extension."""

_log = logging.getLogger(__name__)

_LEAVING = {
    "type": "object",
    "required": ["key", "leaving"],
    "additionalProperties": False,
    "properties": {"key": {"type": "string"}, "leaving": {"const": True}},
}

_EXTENSION = {
    "type": "object",
    "required": ["extension"],
    "additionalProperties": False,
    "properties": {"extension": {"type": "string", "maxLength": EXTENSION_MAX}},
}


class Parts(Protocol):
    """Has the services that the calls share."""

    @property
    def services(self) -> Services: ...


class CallControl:
    """Ends and transfers the running calls of the service.

    calls: returns the running calls of this process.
    parts: returns what has the services that the calls share; None until the process is ready.
    """

    def __init__(
        self, calls: Callable[[], Iterable[Call]], parts: Callable[[], Parts | None]
    ) -> None:
        self._calls = calls
        self._parts = parts
        self.elsewhere: Leave | None = None
        """The same for the calls of other workers, if there are any."""

    async def leave(self, key: str, extension: str | None) -> Outcome:
        """End or transfer a call of any process. extension: None to end the call."""
        here = self.leave_here(key, extension)
        if here["found"] or self.elsewhere is None:
            return here
        return await self.elsewhere(key, extension)

    def leave_here(self, key: str, extension: str | None) -> Outcome:
        """End or transfer a call of this process. extension: None to end the call."""
        call = next((one for one in self._calls() if one.caller.key == key), None)
        parts = self._parts()
        if call is None or parts is None:
            return NOT_FOUND
        transfer = None
        if extension is not None:
            transfer = parts.services.departures.transfer_by_operator(extension, call.line)
            if transfer.refused:
                return {"found": True, "refused": transfer.refused}
        outside = current_call.set(call.name)
        if transfer is None:
            _log.info("the operator ends the call")
        else:
            _log.info("the operator transfers the call")
        current_call.reset(outside)
        call.take_leave(OperatorLeaves(transfer))
        return {"found": True, "refused": ""}


def operations(leave: Leave) -> list[Operation]:
    """Return the operations of this topic."""

    async def order(key: str, extension: str | None) -> web.StreamResponse:
        outcome = await leave(key, extension)
        if not outcome["found"]:
            raise Refused(404, "No running call has this key; GET /api/v1/live shows the keys.")
        if outcome["refused"]:
            raise Refused(409, outcome["refused"])
        return json_answer({"key": key, "leaving": True}, 202)

    async def hang_up(_: web.Request, given: dict[str, Any]) -> web.StreamResponse:
        return await order(given["key"], None)

    async def transfer(request: web.Request, given: dict[str, Any]) -> web.StreamResponse:
        body = await body_of(request)
        extension = body.get("extension")
        if len(body) != 1 or not isinstance(extension, str) or not is_extension(extension):
            raise Refused(
                400,
                'Send {"extension": "…"}: letters, digits and * # + _ -, at most '
                f"{EXTENSION_MAX} characters.",
            )
        return await order(given["key"], extension)

    return [
        Operation(
            method="POST",
            path="/calls/{key}/hangup",
            name="endCall",
            topic="Running calls",
            summary="End a running call",
            about="The agent says goodbye, then the call ends as when the agent hangs up.",
            parameters=(KEY,),
            answers={202: Answer("the call is being ended", {"application/json": _LEAVING})},
            refusals={404: "no running call has this key"},
            answer=hang_up,
        ),
        Operation(
            method="POST",
            path="/calls/{key}/transfer",
            name="transferCall",
            topic="Running calls",
            summary="Transfer a running call",
            about="The agent says so, then the exchange transfers the call. The extension must be "
            "one of TRANSFER_ALLOW. If the exchange cannot do it, the agent goes on.",
            parameters=(KEY,),
            body=_EXTENSION,
            answers={202: Answer("the call is being transferred", {"application/json": _LEAVING})},
            refusals={404: "no running call has this key", 409: "calls may not be moved there"},
            answer=transfer,
        ),
    ]
