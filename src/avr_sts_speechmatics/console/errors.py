"""Errors of the API. Each says why a request was not answered and what to do."""

from collections.abc import Mapping


class Refused(Exception):
    """A request is not answered.

    status: HTTP status, 400 or more.
    why: the reason and what to do, for the client.
    retry_after_s: when to try again (s); 0 if that is not known.
    headers: further headers of the response.
    """

    def __init__(
        self,
        status: int,
        why: str,
        retry_after_s: int = 0,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.headers = dict(headers or {})
        if retry_after_s:
            self.headers["Retry-After"] = str(retry_after_s)
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"
