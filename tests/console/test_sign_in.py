"""Signing in: sessions of browsers, forged ones, and what changes something."""

import pytest
from tests.console.guarded import PATH, TOKEN, console, sign_in


async def test_a_browser_signs_in_once_and_has_a_session() -> None:
    async with console(TOKEN) as (port, _):
        cookie, csrf, attributes = await sign_in(port)
        assert "HttpOnly" in attributes
        assert "SameSite=Strict" in attributes
        assert "Secure" not in attributes
        assert TOKEN not in cookie
        shown = (await port.ask("/api/v1/session", f"Cookie: {cookie}")).json()
        assert (shown["by"], shown["csrf"]) == ("session", csrf)
        gone = await port.ask(
            "/api/v1/session", f"Cookie: {cookie}", f"X-CSRF-Token: {csrf}", method="DELETE"
        )
        assert gone.status == 204
        assert "Max-Age=0" in gone.headers["set-cookie"]


async def test_over_tls_the_cookie_is_secure() -> None:
    async with console(TOKEN) as (port, _):
        assert "Secure" in (await sign_in(port, "X-Forwarded-Proto: https"))[2]


async def test_a_session_changes_nothing_without_its_csrf_text() -> None:
    async with console(TOKEN) as (port, _):
        cookie, csrf, _ = await sign_in(port)
        other = (await sign_in(port))[1]
        for header in ((), (f"X-CSRF-Token: {other}",), ("X-CSRF-Token: ",)):
            response = await port.ask(
                "/api/v1/session", f"Cookie: {cookie}", *header, method="DELETE"
            )
            assert response.status == 403
            assert "X-CSRF-Token" in response.error
        assert csrf != other


@pytest.mark.parametrize("value", ["", "x", "A" * 75, "%00", "é"])
async def test_a_forged_session_is_refused(value: str) -> None:
    async with console(TOKEN) as (port, _):
        response = await port.ask(PATH, f"Cookie: avr_console={value}")
        assert response.status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"token": 5}, 400),
        ({"token": TOKEN, "x": 1}, 400),
        ([], 400),
        ({"token": ""}, 401),
    ],
)
async def test_a_sign_in_that_is_malformed_is_refused(body: object, status: int) -> None:
    async with console(TOKEN) as (port, _):
        response = await port.ask("/api/v1/session", method="POST", body=body)
        assert response.status == status


async def test_a_form_or_a_large_body_cannot_sign_in() -> None:
    async with console(TOKEN) as (port, _):
        form = (
            b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"
        )
        assert (await port.send(form)).status == 415
        large = {"token": "x" * 100_000}
        assert (await port.ask("/api/v1/session", method="POST", body=large)).status == 413
