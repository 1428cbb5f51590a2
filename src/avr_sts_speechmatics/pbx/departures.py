"""The tools that end the agent's part of a phone call: hang up, transfer.

The tools have the names that other AVR connectors use. The dialogue decides when a tool runs:
after the caller has heard the farewell. The operator decides where calls may be transferred: the
model can choose only among the allowed extensions. [AVR protocol, 5, 8]
"""

import logging
from collections.abc import Collection
from secrets import token_hex
from typing import Any

import msgspec

from avr_sts_speechmatics.conversation import HANG_UP, TRANSFER, ToolCall, ToolSpec
from avr_sts_speechmatics.dialogue.events import ToolRequest
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.pbx import dial_patterns
from avr_sts_speechmatics.pbx.dial_patterns import Pattern
from avr_sts_speechmatics.pbx.protocol import Pbx, PbxError

_log = logging.getLogger(__name__)


class Departures:
    """Hang-up and transfer for all calls of the process.

    pbx: the PBX, or None. Without a PBX only transports that can hang up themselves do so.
    allow: the extensions that calls may be transferred to.
    context: dialplan context of every transfer.
    priority: dialplan priority of every transfer.
    """

    def __init__(
        self,
        pbx: Pbx | None,
        allow: tuple[Pattern, ...] = (),
        *,
        context: str = "demo",
        priority: int = 1,
    ) -> None:
        self._pbx = pbx
        self._allow = allow
        self._context = context
        self._priority = priority

    def specs(self, line: Line) -> list[ToolSpec]:
        """Return the tools that can be offered to the model for a call on this line."""
        offered = []
        if self._pbx is not None or line.can_hang_up:
            offered.append(
                ToolSpec(
                    HANG_UP,
                    "End the phone call. Say goodbye in the same answer, before you use it; the "
                    "caller hears that to its end.",
                    {"type": "object", "properties": {}, "additionalProperties": False},
                )
            )
        if self._pbx is not None and self._allow:
            where = ", ".join(pattern.text for pattern in self._allow)
            extension = {
                "type": "string",
                "description": f"One of: {where} (X stands for a digit, N for 2 to 9, Z for 1 to 9)"
                if any(pattern.text.startswith("_") for pattern in self._allow)
                else f"One of: {where}",
            }
            offered.append(
                ToolSpec(
                    TRANSFER,
                    "Transfer the caller to another extension. Say so in the same answer, before "
                    "you use it; the caller hears that to its end.",
                    {
                        "type": "object",
                        "properties": {"transfer_extension": extension},
                        "required": ["transfer_extension"],
                    },
                )
            )
        return offered

    def request(self, call: ToolCall, *, allowed: Collection[str] | None = None) -> ToolRequest:
        """Classify a tool call: a hang-up, a transfer, a refusal, or a tool of another module.

        allowed: names of the agent's tools; None allows every tool. The names are checked because
            a model may call a tool that was not offered.
        """
        if call.name not in (HANG_UP, TRANSFER):
            return ToolRequest(call)
        if allowed is not None and call.name not in allowed:
            return ToolRequest(call, refused="Not done: there is no tool of this name.")
        if call.name == HANG_UP:
            return ToolRequest(call, leaves="hang_up")
        extension = _extension(call.arguments)
        if extension is None:
            refused = "Not done: give transfer_extension, as text."
        elif not dial_patterns.allowed(self._allow, extension):
            where = ", ".join(pattern.text for pattern in self._allow) or "nowhere"
            refused = f"Not done: calls may not be transferred to that extension, only to: {where}."
        else:
            return ToolRequest(call, leaves="transfer")
        _log.warning("the model asked for a transfer that TRANSFER_ALLOW does not allow; refused")
        return ToolRequest(call, refused=refused)

    def transfer_by_operator(self, extension: str, line: Line) -> ToolRequest:
        """Return the request for a transfer that the operator asks for.

        Its `refused` says what to do if calls may not be transferred there.
        """
        arguments = msgspec.json.encode({"transfer_extension": extension}).decode()
        call = ToolCall(f"operator_{token_hex(4)}", TRANSFER, arguments)
        refused = ""
        if not dial_patterns.allowed(self._allow, extension):
            where = ", ".join(pattern.text for pattern in self._allow) or "nowhere"
            refused = (
                f"TRANSFER_ALLOW lets calls go to {where}, not there; add the extension to it."
            )
        elif self._pbx is None and not line.rehearsed:
            refused = "There is no phone system that could transfer; set AMI_HOST or AMI_URL."
        return ToolRequest(call, leaves="transfer", refused=refused, by_operator=True)

    async def run(self, call: ToolCall, caller: Caller, line: Line) -> str:
        """Hang up or transfer. Returns a text for the model.

        Raises PbxError, whose text is for the model too.
        """
        if call.name == TRANSFER:
            await self.transfer(_extension(call.arguments) or "", caller, line)
            return "The call has been transferred."
        await self.hang_up(caller, line)
        return "The call has been ended."

    async def hang_up(self, caller: Caller, line: Line) -> None:
        """End the phone call, if the line or a PBX can do so. Raises PbxError."""
        if line.can_hang_up or line.rehearsed:
            line.hang_up()
        elif self._pbx is not None:
            await self._pbx.hang_up(caller)

    async def transfer(self, extension: str, caller: Caller, line: Line) -> None:
        """Transfer the call to an extension. Raises PbxError."""
        if line.rehearsed:
            line.hang_up()
            return
        if self._pbx is None:
            raise PbxError("There is no phone system that could transfer the call.")
        await self._pbx.transfer(caller, extension, self._context, self._priority)


def extension_of(call: ToolCall) -> str:
    """The extension that a tool call names; empty if the call is no transfer."""
    return (_extension(call.arguments) or "") if call.name == TRANSFER else ""


def _extension(arguments: str) -> str | None:
    try:
        given: Any = decode(arguments)
    except BadJson:
        return None
    extension = given.get("transfer_extension") if isinstance(given, dict) else None
    if isinstance(extension, int) and not isinstance(extension, bool):
        extension = str(extension)
    return extension if isinstance(extension, str) else None
