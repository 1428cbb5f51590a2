"""Errors that say whose fault a failure is.

Any other exception is a bug of this service and is logged with its traceback.
"""


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
    """

    def __init__(
        self, service: str, message: str, *, retryable: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service
        self.retryable = retryable
        self.retry_after = retry_after


class StoreError(Exception):
    """A store that processes or machines share cannot be read or written now.

    The message, which is sent to clients, says which store and why. It holds no secrets.
    """


class SettingsError(Exception):
    """The operator's settings cannot be used. One sentence names the setting and the correction."""


class InvalidValue(ValueError):
    """A value of a setting or an agent file is unusable. The text says what is allowed."""
