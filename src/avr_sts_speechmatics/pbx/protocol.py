"""The interface of a PBX client: hang up, transfer, check.

The clients are `ami.Ami` (Asterisk's manager interface) and `avr_ami.AvrAmi` (the service avr-ami,
in front of that interface). Transfer destinations, which come from a model, are checked here
before a client uses them.
"""

from typing import Protocol

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.dial_patterns import is_context, is_extension


class PbxError(Exception):
    """The PBX refused a request, failed, or cannot be reached. The text is a sentence.

    From `hang_up` and `transfer` the text is for the model and says what happened to the call;
    the cause is logged for the operator. From `check` the text says what the operator has to do.
    """


class Pbx(Protocol):
    """A PBX that can hang up and transfer calls.

    Every method returns or raises within a few seconds.
    """

    async def hang_up(self, caller: Caller) -> None:
        """End the caller's phone call. Raises PbxError."""

    async def transfer(self, caller: Caller, extension: str, context: str, priority: int) -> None:
        """Transfer the caller to an extension of the dialplan. Raises PbxError."""

    async def check(self) -> str:
        """Check that the PBX can be used, without effect on any call.

        Returns a sentence for the operator. Raises PbxError with what the operator has to do.
        """

    async def close(self) -> None: ...


def check_destination(extension: str, context: str, priority: int) -> None:
    """Reject anything that is not a plain extension and context.

    The check also blocks injection of extra lines or arguments. Raises PbxError.
    """
    if not is_extension(extension):
        raise PbxError(
            "the call was not transferred: that is no extension; give digits alone, such as 700"
        )
    if not is_context(context) or priority < 1:
        raise PbxError("the call was not transferred: the context or the priority is invalid")
