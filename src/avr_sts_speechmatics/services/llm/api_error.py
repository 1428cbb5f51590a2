"""Errors that a server of the Chat Completions API reports: refused requests, and broken answers.

The fields are those of the vendor's SDK. The message also quotes servers that send their reason
as a plain text, as Ollama and FastAPI do.
"""

import email.utils
import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress


class ApiError(Exception):
    """The server reports an error.

    message: the status and the server's sentence.
    body: the server's error object; another JSON value or a text if the server sends no object;
        None for an empty body.
    status: HTTP status; 0 for an error inside a stream.
    request_id: the server's name for the request, for its support; may be empty.
    retry_after: wait that the server asks for (s), or None.
    """

    def __init__(
        self,
        message: str,
        body: object,
        *,
        status: int = 0,
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.body = body
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def code(self) -> str:
        """The server's code for the reason; may be empty."""
        return self._field("code")

    @property
    def param(self) -> str:
        """The refused field of the request; may be empty."""
        return self._field("param")

    @property
    def type(self) -> str:
        """The server's kind of the error; may be empty."""
        return self._field("type")

    def _field(self, name: str) -> str:
        value = self.body.get(name) if isinstance(self.body, Mapping) else None
        return "" if value is None else str(value)


def refused(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Return the error for a request that was answered with a status other than 2xx.

    headers: names are compared without regard to case.
    """
    text = body.decode("utf-8", "replace").strip()
    found: object = text or None
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
    error, said = found, ""
    if isinstance(found, dict):
        error = found.get("error", found)
        said = error if isinstance(error, str) else _said(error)
    return ApiError(
        f"Error code: {status} - {said}" if said else f"Error code: {status}",
        error,
        status=status,
        request_id=headers.get("x-request-id", ""),
        retry_after=_retry_after(headers),
    )


def inside_stream(error: object, request_id: str = "") -> ApiError:
    """Return the error for an error object among the chunks of an answer."""
    message = _said(error) or (error if isinstance(error, str) else "")
    return ApiError(message or "an error inside the answer", error, request_id=request_id)


def _said(error: object) -> str:
    """Return the server's sentence in an error object, or an empty text."""
    if not isinstance(error, dict):
        return ""
    for name in ("message", "detail"):
        if isinstance(said := error.get(name), str) and said:
            return said
    return ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait that a server asks for (s): milliseconds, seconds, or a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if not math.isnan(wait):
            return max(0.0, wait)
    with suppress(ValueError, OverflowError, TypeError, IndexError):  # a date that is none
        date = email.utils.parsedate_tz(headers.get("retry-after", ""))
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
    return None
