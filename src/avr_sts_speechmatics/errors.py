"""Whose fault it is. Anything that is not one of these is our own bug and is loud."""


class CallerError(Exception):
    """The other end of the line asked for what cannot be had; the message tells them what."""


class ServiceError(Exception):
    """A cloud service failed us.

    service: "stt", "llm" or "voice".
    retryable: whether the same request may succeed later (busy, full, gone) or never will
    (key, model, voice).
    retry_after: seconds the service asked us to wait, where it said so.
    """

    def __init__(
        self, service: str, message: str, *, retryable: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service
        self.retryable = retryable
        self.retry_after = retry_after


class SettingsError(Exception):
    """The operator gave a value we cannot use: one sentence that names the setting and the mend."""


class InvalidValue(ValueError):
    """A setting or a key of an agent file is unusable; the text says what is allowed."""
