"""The console: the API over calls, under `/api/`.

The server gives it what it knows; the console adds who may ask (`access`) and how the answers look
(`operations`).
"""

from collections.abc import Callable

from aiohttp import web

from avr_sts_speechmatics.console import openapi, sign_in
from avr_sts_speechmatics.console.access import Access
from avr_sts_speechmatics.console.operations import (
    Answer,
    Operation,
    application,
    json_answer,
)

PATH = "/api"
"""Path of everything here."""


class Console:
    """The API of one process.

    access: who may use the API.
    operations: what the API can do, besides signing in.
    refused: called with the address of a client that may not use the API, and the reason.
    """

    def __init__(
        self,
        access: Access,
        operations: list[Operation],
        refused: Callable[[str, str], None] = lambda address, why: None,
    ) -> None:
        self.operations = [*operations, *sign_in.operations(access)]
        self.operations.append(self._describing())
        self.document = openapi.document(self.operations, {})
        self._access = access
        self._refused = refused

    def application(self) -> web.Application:
        """Make the application that answers below PATH."""
        return application(self.operations, self._access, self._refused)

    def _describing(self) -> Operation:
        async def describe(request: web.Request, _: dict[str, object]) -> web.StreamResponse:
            return json_answer(self.document)

        return Operation(
            method="GET",
            path="/openapi.json",
            name="showApi",
            topic="The service",
            summary="Show this document",
            answers={200: Answer("OpenAPI 3.1", {"application/json": {"type": "object"}})},
            answer=describe,
        )
