"""The API of a console without operations of its own, for tests of who may use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.console.served import Port, serving

from avr_sts_speechmatics.console.access import Access
from avr_sts_speechmatics.console.console import described
from avr_sts_speechmatics.console.tokens import Tokens
from avr_sts_speechmatics.values import Secret

TOKEN, OTHER = "first-0123456789abcdef", "second-0123456789abcdef"
PATH = "/api/v1/openapi.json"
BEARER = f"Authorization: Bearer {TOKEN}"


class Refusals(list[tuple[str, str]]):
    """Address and reason of every refusal."""

    def __call__(self, address: str, why: str) -> None:
        self.append((address, why))


@asynccontextmanager
async def console(*tokens: str) -> AsyncIterator[tuple[Port, Refusals]]:
    refusals = Refusals()
    access = Access(Tokens([Secret(token) for token in tokens]), "avr_console")
    async with serving(described([], access, refusals)) as port:
        yield port, refusals


async def sign_in(port: Port, *headers: str) -> tuple[str, str, str]:
    """Sign in; cookie, CSRF text and attributes of the cookie."""
    body = {"token": TOKEN}
    response = await port.ask("/api/v1/session", *headers, method="POST", body=body)
    assert response.status == 201
    cookie, _, attributes = response.headers["set-cookie"].partition(";")
    return cookie, response.json()["csrf"], attributes
