"""Who may use the API: attacks by web pages, proxies, guesses and malformed requests."""

import pytest
from tests.console.guarded import BEARER, OTHER, PATH, TOKEN, console, sign_in

# --- without a token: this machine only -----------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "localhost:6040", "127.0.0.1:6040", "[::1]:6040"])
async def test_a_client_of_this_machine_is_answered(host: str) -> None:
    async with console() as (port, _):
        response = await port.ask(PATH, host=host)
    assert response.status == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "host",
    [
        "calls.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:6040",
        "evil.example@localhost",
        "localhost/evil",
        "localhost:no-port",
        "10.0.0.5:6040",
        "[fe80::1]",
        "[",
    ],
)
async def test_a_name_that_was_made_to_mean_this_machine_is_refused(host: str) -> None:
    async with console() as (port, refusals):
        response = await port.ask(PATH, host=host)
    assert response.status == 403
    assert "http://localhost" in response.error
    assert len(refusals) == 1


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: https://evil.example"],
        ["Origin: null"],
        ["Origin: http://localhost:1"],
        ["Origin: http://localhost:{port}.evil.example"],
        ["Origin: file://"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
        ["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"],
    ],
)
@pytest.mark.parametrize("tokens", [(), (TOKEN,)])
async def test_a_page_of_another_origin_is_refused(
    headers: list[str], tokens: tuple[str, ...]
) -> None:
    async with console(*tokens) as (port, _):
        lines = [line.format(port=port.number) for line in headers]
        response = await port.ask(PATH, *lines, *([BEARER] if tokens else []))
    assert response.status == 403
    assert "another" in response.error


async def test_a_page_of_another_site_cannot_change_anything_by_navigating() -> None:
    navigation = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
    async with console() as (port, _):
        assert (await port.ask(PATH, *navigation)).status == 200
        post = await port.ask("/api/v1/session", *navigation, method="POST", body={})
        assert post.status == 403


async def test_the_page_of_this_service_is_answered() -> None:
    async with console() as (port, _):
        for origin in (f"http://localhost:{port.number}", f"https://localhost:{port.number}"):
            assert (await port.ask(PATH, f"Origin: {origin}")).status == 200
        assert (await port.ask(PATH, "Origin: http://localhost", host="localhost")).status == 200


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "x-real-ip: ::1", "Via: 1.1 proxy"],
)
async def test_what_a_proxy_passes_on_is_refused_without_a_token(header: str) -> None:
    async with console() as (port, refusals):
        response = await port.ask(PATH, header)
    assert response.status == 403
    assert "CONSOLE_TOKEN" in response.error
    assert [address for address, _ in refusals] == ["127.0.0.1"]


async def test_a_client_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with console() as (port, _):
        # There is no other machine here: the client's address is replaced.
        monkeypatch.setattr(
            "avr_sts_speechmatics.console.access.address_of", lambda request: "10.0.0.5"
        )
        response = await port.ask(PATH)
    assert response.status == 403
    assert "10.0.0.5" in response.error
    assert "ssh -L" in response.error


# --- smuggled headers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"GET %s HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET %s HTTP/1.0\r\n\r\n",
        b"GET http://localhost%s HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET http://evil.example%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET %s HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: null\r\n\r\n",
        b"GET %s HTTP/1.1\r\nHost : localhost\r\nConnection: close\r\n\r\n",
        b"GET %s HTTP/1.1\r\nX: a\r\n Host: localhost\r\nConnection: close\r\n\r\n",
    ],
)
async def test_a_request_whose_host_or_origin_is_ambiguous_is_refused(raw: bytes) -> None:
    async with console() as (port, _):
        response = await port.send(raw % PATH.encode())
    assert response.status in (400, 403)
    assert b"openapi" not in response.content


async def test_a_second_request_behind_the_first_is_checked_as_well() -> None:
    first = f"GET {PATH} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n"
    second = f"GET {PATH} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    async with console() as (port, refusals):
        await port.send((first + second).encode())
    assert len(refusals) == 2


async def test_everything_below_the_path_is_guarded_even_what_is_not_there() -> None:
    async with console(TOKEN) as (port, _):
        for path in ("/api/", "/api/v1", "/api/v2/calls", "/api/v1/../v1/x", "/api/v1/%2e%2e/x"):
            assert (await port.ask(path)).status == 401
        missing = await port.ask("/api/v1/nothing", BEARER)
        assert (missing.status, "openapi.json" in missing.error) == (404, True)
        wrong = await port.ask(PATH, BEARER, method="DELETE")
        assert (wrong.status, wrong.headers["allow"]) == (405, "GET,HEAD")


# --- with tokens ----------------------------------------------------------------------------------


async def test_every_token_is_good_and_nothing_else() -> None:
    async with console(TOKEN, OTHER) as (port, _):
        for token in (TOKEN, OTHER):
            assert (await port.ask(PATH, f"Authorization: bearer {token}")).status == 200
        for wrong in (
            f"Bearer {TOKEN},{OTHER}",
            f"Basic {TOKEN}",
            "Bearer",
            f"Bearer {TOKEN[:-1]}",
        ):
            response = await port.ask(PATH, f"Authorization: {wrong}")
            assert response.status == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in response.error
        two = await port.ask(PATH, BEARER, "Authorization: Bearer x")
        assert two.status == 400


async def test_without_a_token_the_answer_says_how_to_sign_in() -> None:
    async with console(TOKEN) as (port, _):
        response = await port.ask(PATH)
    assert response.status == 401
    assert "POST /api/v1/session" in response.error


async def test_a_proxy_may_pass_on_requests_that_have_a_token() -> None:
    async with console(TOKEN) as (port, _):
        proxied = ("X-Forwarded-For: 10.0.0.5", BEARER)
        assert (await port.ask(PATH, *proxied, host="calls.example")).status == 200


async def test_a_token_in_the_query_is_refused() -> None:
    async with console(TOKEN) as (port, _):
        assert (await port.ask(f"{PATH}?token={TOKEN}")).status == 401


async def test_after_five_wrong_tokens_even_the_right_one_is_refused_for_a_while() -> None:
    async with console(TOKEN) as (port, refusals):
        session = await sign_in(port)
        for _ in range(5):
            wrong = await port.ask(PATH, "Authorization: Bearer wrong-0123456789")
            assert wrong.status == 401
        right = await port.ask(PATH, BEARER)
        assert right.status == 429
        assert 50 < int(right.headers["retry-after"]) <= 60
        body = {"token": TOKEN}
        assert (await port.ask("/api/v1/session", method="POST", body=body)).status == 429
        assert (await port.ask(PATH, f"Cookie: {session[0]}")).status == 200, (
            "a session is no guess"
        )
    assert TOKEN not in str(refusals)
