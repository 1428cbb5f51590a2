"""Errors that say whose fault a failure is.

Any other exception is a bug of this service and is logged with its traceback.
"""

from typing import Literal, TypeAlias

FailureKind: TypeAlias = Literal[
    "connection", "timeout", "full", "unavailable", "rejected", "broken", "other"
]
"""What failed at a service, for statistics: the connection, nothing came in time, a limit of the
vendor was reached, the server failed (status 5xx), the request was rejected (key, model, account),
the answer cannot be used, something else."""


class CallerError(Exception):
    """The client of a transport asked for something that the service cannot do.

    The message, which is sent to the client, says what.
    """


class ServiceError(Exception):
    """A cloud service failed.

    service: "stt", "llm" or "tts".
    retryable: True if the same request may succeed later (busy, full, gone); False if the
        request will never succeed (wrong key, model or voice).
    retry_after: how long the service asked to wait before the next request (s), or None.
    kind: see FailureKind; None for "rejected", or "other" if the failure is retryable.
    """

    def __init__(
        self,
        service: str,
        message: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
        kind: FailureKind | None = None,
    ) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service
        self.retryable = retryable
        self.retry_after = retry_after
        self.kind: FailureKind = kind or ("other" if retryable else "rejected")


def kind_of_status(status: int) -> FailureKind:
    """Return the kind of a failure that an HTTP status reports."""
    if status >= 500:
        return "unavailable"
    known: dict[int, FailureKind] = {408: "timeout", 429: "full"}
    return known.get(status, "rejected")


class StoreError(Exception):
    """A store that processes or machines share cannot be read or written now.

    The message, which is sent to clients, says which store and why. It holds no secrets.
    """


class SettingsError(Exception):
    """The operator's settings cannot be used. One sentence names the setting and the correction."""


class InvalidValue(ValueError):
    """A value of a setting or an agent file is unusable. The text says what is allowed."""
