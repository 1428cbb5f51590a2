"""A refusal: the reason why no new call can be taken now."""

from dataclasses import dataclass
from typing import Literal

from avr_sts_speechmatics.errors import CallerError

Kind = Literal["starting", "draining", "full", "no_sessions", "no_descriptors", "overloaded"]
"""Why calls are refused, in one word for `/health` and metrics."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no new call can be taken now.

    kind: the cause in one word.
    reason: one sentence without a full stop, for the peer and for the log.
    retry_after_s: when the peer may try again (s); a whole number, as HTTP's Retry-After wants it.
    """

    kind: Kind
    reason: str
    retry_after_s: int = 5

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an HTTP response with status 503."""
        return {"Retry-After": str(self.retry_after_s)}


STARTING = Refusal("starting", "the service is not ready; try again later", 5)
DRAINING = Refusal("draining", "the service is about to end and takes no new call", 1)


class CallRefused(CallerError):
    """A call is refused because the service can take no call now. refusal: the reason."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal
