"""Operations: bodies, methods, faults."""

from typing import Any

import pytest
from aiohttp import web
from tests.console.served import Port, serving

from avr_sts_speechmatics.console.access import Access
from avr_sts_speechmatics.console.operations import (
    BODY_MAX,
    Answer,
    Operation,
    application,
    body_of,
    json_answer,
)
from avr_sts_speechmatics.console.tokens import Tokens
from avr_sts_speechmatics.errors import StoreError


async def echo(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    return json_answer(await body_of(request))


async def away(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    if request.method == "GET":
        raise StoreError("the store is away; start it")
    raise RuntimeError("a fault")


def app() -> web.Application:
    operations = [
        Operation(
            method=method,
            path=f"/{name}",
            name=f"{method}{name}",
            topic="Test",
            summary="Test",
            answers={200: Answer("ok")},
            answer=answer,
        )
        for method, name, answer in (("POST", "echo", echo), ("GET", "away", away))
    ]
    return application(operations, Access(Tokens([]), "c"), lambda address, why: None)


def post(content: bytes, *headers: str, kind: str = "application/json") -> bytes:
    lines = ["POST /api/v1/echo HTTP/1.1", "Host: localhost", f"Content-Type: {kind}"]
    lines += [*headers, "Connection: close"]
    if not headers:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


async def test_a_body_is_one_json_object() -> None:
    async with serving(app()) as port:
        assert (await port.send(post(b'{"a":1}'))).json() == {"a": 1}
        assert (await port.send(post(b'{"a":1}', kind="application/json; charset=utf-8"))).json()
        for wrong in (b"", b"[]", b"5", b"{", b"\xff", b"[" * 5000, b'{"a":' + b"9" * 5000 + b"}"):
            response = await port.send(post(wrong))
            assert response.status == 400, wrong[:10]
            assert "JSON object" in response.error


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/x"])
async def test_a_body_that_a_form_can_send_is_refused(kind: str) -> None:
    async with serving(app()) as port:
        assert (await port.send(post(b"{}", kind=kind))).status == 415


async def test_a_large_body_is_refused_with_and_without_its_length() -> None:
    large = b'{"a":"' + b"x" * BODY_MAX + b'"}'
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(large), large)
    async with serving(app()) as port:
        assert (await port.send(post(large))).status == 413
        assert (await port.send(post(chunked, "Transfer-Encoding: chunked"))).status == 413


async def test_a_length_and_chunks_at_once_are_refused() -> None:
    smuggled = post(
        b"0\r\n\r\nGET /api/v1/away HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "Transfer-Encoding: chunked",
        "Content-Length: 5",
    )
    async with serving(app()) as port:
        response = await port.send(smuggled)
    assert response.status == 400


async def test_a_store_that_is_away_is_503_and_a_fault_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(app()) as port:
        response = await port.ask("/api/v1/away")
        assert (response.status, response.error) == (503, "the store is away; start it")
        fault = await port.ask("/api/v1/away", method="HEAD")
    assert fault.status == 500
    assert b"a fault" not in fault.content
    assert "please report it" in caplog.text


async def test_a_method_that_is_not_there_names_those_that_are() -> None:
    async with serving(app()) as port:
        for method, allowed in (("PUT", "GET,HEAD"), ("OPTIONS", "GET,HEAD"), ("TRACE", "")):
            response = await Port(port.host, port.number).ask("/api/v1/away", method=method)
            assert response.status in (400, 405)
            if allowed:
                assert response.headers["allow"] == allowed
        assert "access-control-allow-origin" not in response.headers
