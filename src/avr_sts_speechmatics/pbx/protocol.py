"""What can be done to the phone call itself, at the telephone exchange.

A deed is done by `ami.Ami` (Asterisk's manager interface) or by `avr_ami.AvrAmi` (the service of
that name, which stands before one). What comes from a model is checked here, before either sees it.
"""

from typing import Protocol

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.dial_patterns import is_context, is_extension


class PbxError(Exception):
    """The exchange did not do it, or cannot be asked. The text is a sentence.

    From a deed it is for the model: what became of the call; the operator's side of it is logged.
    From `check` it is for the operator: what to do.
    """


class Pbx(Protocol):
    """Hangs up and transfers. Every method ends within a few seconds, well or not."""

    async def hang_up(self, caller: Caller) -> None:
        """End the caller's phone call. Raises PbxError."""

    async def transfer(self, caller: Caller, extension: str, context: str, priority: int) -> None:
        """Send the caller's call to an extension of the dialplan. Raises PbxError."""

    async def check(self) -> str:
        """For the operator: say what is there. Raises PbxError saying what to do."""

    async def close(self) -> None: ...


def check_destination(extension: str, context: str, priority: int) -> None:
    """Refuse what can be no place in a dialplan, and so whatever could pass for more than one line
    or argument further on. Raises PbxError."""
    if not is_extension(extension):
        raise PbxError(
            "the call was not transferred: that is no extension; give its digits alone, as 700"
        )
    if not is_context(context) or priority < 1:
        raise PbxError("the call was not transferred: there can be no such place to go to")
