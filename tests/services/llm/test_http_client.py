"""Requests, redirects and refusals over real sockets. The vendor's SDK is the reference."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec
import openai
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.http_proxy import certificate, http_proxy
from tests.services.llm.wire import (
    END,
    FINISHED,
    STREAM,
    Answer,
    Request,
    WireServer,
    piece,
    whole,
    wire,
    words,
)

from avr_sts_speechmatics.network.proxies import Proxies, parse
from avr_sts_speechmatics.services.llm import http_client
from avr_sts_speechmatics.services.llm.api_error import ApiError
from avr_sts_speechmatics.services.llm.http_client import HttpClient
from avr_sts_speechmatics.services.llm.openai import _json
from avr_sts_speechmatics.values import Secret

BODY: dict[str, Any] = {
    "model": "gpt-6-luna",
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.3,
    "messages": [
        {"role": "system", "content": 'Say "hello".\nThen \\ and / and \t, \x08, \x1f, \x7f.'},
        {"role": "user", "content": "Grüße, 你好, \U0001f44b, \u2028, <&>"},
        {"role": "assistant", "content": None, "tool_calls": []},
    ],
    "tools": [{"type": "function", "function": {"parameters": {"maximum": 1.5, "minimum": -1}}}],
}


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[HttpClient]:
    options.setdefault("environ", {})
    http = HttpClient(url, Secret("a-key"), connect_s=2.0, **options)
    await http.prepare()
    try:
        yield http
    finally:
        await http.close()


async def ask(url: str, body: Mapping[str, Any] = BODY, **options: Any) -> ApiError | None:
    """Send a request by our client; return the refusal."""
    async with client(url, **options) as http:
        try:
            (await http.post(_json(dict(body)))).close()
        except ApiError as error:
            return error
    return None


async def ask_by_sdk(url: str, body: Mapping[str, Any] = BODY) -> openai.APIStatusError | None:
    """Send a request by the vendor's SDK; return the refusal."""
    base = urlsplit(url)
    async with openai.AsyncOpenAI(
        api_key="a-key",
        base_url=base._replace(query="").geturl(),
        default_query=dict(parse_qsl(base.query, keep_blank_values=True)),
        max_retries=0,
    ) as sdk:
        try:
            stream = await sdk.post(
                "/chat/completions",
                cast_to=object,
                body=body,
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
            await stream.close()
        except openai.APIStatusError as error:
            return error
    return None


def told(request: Request) -> tuple[Any, ...]:
    """Everything of a request that a server can act on."""
    target = urlsplit(request.path)
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in ("host", "user-agent", "accept-encoding", "connection", "content-length")
        and not name.startswith("x-stainless-")
    }
    query = parse_qsl(target.query, keep_blank_values=True)
    return request.method, target.path, query, headers, request.body


async def both(
    monkeypatch: pytest.MonkeyPatch,
    *answers: Answer,
    suffix: str = "",
    environ: Mapping[str, str] = {},
) -> tuple[list[Any], list[Any]]:
    """What a server is told by our client, and by the SDK."""
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    heard = []
    async with wire(*answers) as server:
        for asked in (ask(server.url + suffix, environ=environ), ask_by_sdk(server.url + suffix)):
            server.requests.clear()
            await asked
            heard.append(list(map(told, server.requests)))
    ours, theirs = heard
    return ours, theirs


@pytest.mark.parametrize(
    "suffix",
    [
        *("", "/", "/openai/deployments/gpt%2F4o", "/a%20b/ü", "?api-version=2024-10-21"),
        *("/?token=a%2Fb%20c&empty=", "?plus=a+b&percent=50%25&and=a%26b", "?q=ü#fragment"),
    ],
)
async def test_a_request_is_the_sdks(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = await both(monkeypatch, FINISHED, suffix=suffix)
    assert ours == theirs
    assert len(ours) == 1


@pytest.mark.parametrize(
    "environ",
    [
        {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-2"},
        {"OPENAI_CUSTOM_HEADERS": "X-Team: phones\n cf-access : a:b \nno colon\n"},
        {"OPENAI_CUSTOM_HEADERS": "authorization: Custom a\nAccept: text/event-stream"},
        {"OPENAI_CUSTOM_HEADERS": "OpenAI-Project: other", "OPENAI_PROJECT_ID": "proj-2"},
    ],
)
async def test_headers_from_the_environment_are_the_sdks(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = await both(monkeypatch, FINISHED, environ=environ)
    assert ours == theirs


async def test_an_empty_variable_sends_no_header() -> None:
    async with wire(FINISHED) as server:
        await ask(server.url, environ={"OPENAI_ORG_ID": "", "OPENAI_PROJECT_ID": " "})
        assert not [name for name in server.requests[0].headers if name.startswith("openai-")]


async def test_a_user_name_in_the_address_takes_the_place_of_the_key() -> None:
    async with wire(FINISHED) as server:
        url = server.url.replace("//", "//me:p%40ss@")
        for asked in (ask(url), ask_by_sdk(url)):
            await asked
        ours, theirs = (request.headers["authorization"] for request in server.requests)
        assert ours == theirs == aiohttp.encode_basic_auth("me", "p@ss")


async def test_a_server_without_keys_is_sent_something() -> None:
    async with wire(FINISHED) as server:
        http = HttpClient(server.url, None, connect_s=2.0, environ={})
        (await http.post(b"{}")).close()
        await http.close()
        assert server.requests[0].headers["authorization"] == "Bearer none"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**99), 2**99) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_body_has_the_bytes_of_the_sdk(body: dict[str, Any]) -> None:
    expected = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    assert _json(body) == expected


def test_half_of_a_surrogate_pair_does_not_stop_a_request() -> None:
    assert json.loads(_json({"content": "a \ud83d b", "x": "ü"})) == {"content": "a ? b", "x": "ü"}
    assert msgspec.json.decode(_json({"content": "ok"})) == {"content": "ok"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["/v2/elsewhere?x=1", "sideways"])
async def test_a_redirect_is_followed_as_by_the_sdk(
    status: int, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wire(whole(b"", f"{status} Elsewhere", f"Location: {where}"), FINISHED) as server:
        heard = []
        for asked in (ask(server.url), ask_by_sdk(server.url)):
            server.requests.clear()
            await asked
            heard.append(list(map(told, server.requests)))
    assert heard[0] == heard[1]
    assert len(heard[0]) == 2


async def test_the_key_does_not_go_to_another_server() -> None:
    async with wire(FINISHED) as other:
        moved = whole(b"", "308 Moved", f"Location: {other.url}/chat/completions")
        async with wire(moved) as server:
            await ask(server.url)
            await ask_by_sdk(server.url)
    ours, theirs = map(told, other.requests)
    assert ours == theirs
    assert "authorization" not in other.requests[0].headers


async def test_the_key_goes_on_from_http_to_https_of_the_same_host(tmp_path: Path) -> None:
    tls, list_of_one = certificate(tmp_path, ["llm.test"])
    moved = whole(b"", "308 Moved", "Location: https://llm.test/v1/chat/completions")
    async with wire(moved, FINISHED) as server, http_proxy(server.port, tls) as proxy:
        proxy.user = "me:word"
        through = parse(f"http://me:word@127.0.0.1:{proxy.port}")
        chosen = Proxies(http=through, https=through).for_url("http://llm.test/v1")
        environ = {"SSL_CERT_FILE": str(list_of_one)}
        assert await ask("http://llm.test/v1", proxy=chosen, environ=environ) is None
        assert [line.split(" ")[0] for line in proxy.asked] == ["POST", "CONNECT"]
    keys = [request.headers.get("authorization") for request in server.requests]
    assert keys == ["Bearer a-key", "Bearer a-key"]
    assert "proxy-authorization" not in server.requests[1].headers


async def test_redirects_in_a_circle_end() -> None:
    circle = whole(b"", "307 Again", "Location: /v1/chat/completions")
    async with wire(circle) as server, client(server.url) as http:
        with pytest.raises(aiohttp.ClientError, match="redirects"):
            await http.post(b"{}")
        assert len(server.requests) == http_client.REDIRECTS + 1


REASON = {"message": "No, thanks.", "type": "invalid", "param": "messages", "code": "no_way"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((status, {"error": REASON}) for status in (400, 401, 403, 404, 409, 422, 429, 500, 503)),
        *((413, {"error": REASON}), (304, None), (501, {"error": REASON}), (600, {})),
        *((400, REASON), (400, {"error": {"message": ""}}), (400, {"error": {"code": 7}})),
        *((400, {"error": {**REASON, "code": None, "param": None}}), (400, []), (400, 7)),
        *((502, "<html>Bad gateway</html>"), (500, ""), (500, '{"error": '), (404, {"error": {}})),
        *((400, {"error": {"message": {"a": 1}}}), (400, {"message": "top"})),
    ],
)
async def test_a_refusal_is_the_sdks(status: int, body: Any) -> None:
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    answer = whole(text.encode(), f"{status} No", "x-request-id: req_7")
    if status == 304:
        answer = b"HTTP/1.1 304 No\r\nx-request-id: req_7\r\n\r\n"
    async with wire(answer) as server:
        ours, theirs = await ask(server.url), await ask_by_sdk(server.url)
    assert ours is not None
    assert theirs is not None
    assert (ours.status, ours.message) == (theirs.status_code, theirs.message)
    assert (ours.code, ours.param, ours.type) == (
        theirs.code or "",
        theirs.param or "",
        theirs.type or "",
    )
    assert ours.body == (theirs.body if theirs.body != "" else None)
    assert ours.request_id == theirs.request_id == "req_7"


async def test_a_refusal_that_is_cut_is_a_refusal() -> None:
    def cut(transport: asyncio.Transport) -> None:
        transport.write(whole(b'{"error": {"message": "busy"', "503 No").replace(b": 28", b": 99"))
        transport.close()

    async with wire(cut) as server:
        error = await ask(server.url)
    assert error is not None
    assert error.status == 503


async def test_a_refusal_of_any_length_is_bounded() -> None:
    long = b"x" * (3 * http_client.LONGEST_ERROR)
    async with wire(whole(long, "400 No")) as server:
        error = await ask(server.url)
    assert error is not None
    assert isinstance(error.body, str)
    assert len(error.body) == http_client.LONGEST_ERROR


async def test_the_connection_of_a_refusal_is_used_again() -> None:
    async with wire(whole(b"{}", "503 Busy"), FINISHED) as server, client(server.url) as http:
        with pytest.raises(ApiError):
            await http.post(b"{}")
        (await http.post(b"{}")).close()
        assert server.opened == 1


async def test_a_server_is_trusted_by_its_own_authority_only(tmp_path: Path) -> None:
    tls, list_of_one = certificate(tmp_path, ["localhost"])

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "localhost", 0, ssl_context=tls)
        await site.start()
        url = f"https://localhost:{runner.addresses[0][1]}/v1"
        assert await ask(url, environ={"SSL_CERT_FILE": str(list_of_one)}) is None
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await ask(url)
    finally:
        await runner.cleanup()


async def test_a_list_of_certificates_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with wire(FINISHED) as server:
        with pytest.raises(OSError, match=r"SSL_CERT_FILE: .*none\.pem has no certificates"):
            await ask(server.url, environ={"SSL_CERT_FILE": str(tmp_path / "none.pem")})
        (tmp_path / "empty.pem").touch()
        with pytest.raises(OSError, match="SSL_CERT_FILE"):
            await ask(server.url, environ={"SSL_CERT_FILE": str(tmp_path / "empty.pem")})
        assert not server.requests


async def test_calls_do_not_wait_for_each_other() -> None:
    """150 requests at once: no answer comes before all of them have arrived."""
    begun = []

    def hold(transport: asyncio.Transport) -> None:
        begun.append(transport)
        if len(begun) == 150:
            for waiting in begun:
                waiting.write(STREAM + piece(words("Yes.")) + END)

    async with wire(hold) as server, client(server.url) as http:
        responses = await asyncio.gather(*(http.post(b"{}") for _ in range(150)))
        assert len(server.requests) == 150
        for response in responses:
            response.close()


async def test_a_cookie_of_one_call_does_not_go_into_another() -> None:
    head = STREAM.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n\r\n")
    answer = FINISHED.replace(STREAM, head)
    async with wire(answer) as server, client(server.url) as http:
        for _ in range(2):
            (await http.post(b"{}")).close()
        assert "cookie" not in server.requests[1].headers


async def test_a_server_that_is_not_there_is_an_error_of_the_connection() -> None:
    async with wire(FINISHED) as server:
        url = server.url
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(url)


async def until_closed(server: WireServer) -> None:
    await server.until(lambda: not server.open)


async def test_a_request_that_is_cancelled_gives_up_its_connection() -> None:
    async with wire(lambda _: None) as server, client(server.url) as http:
        asking = asyncio.create_task(http.post(b"{}"))
        await server.until(lambda: bool(server.requests))
        asking.cancel()
        await until_closed(server)
        with pytest.raises(asyncio.CancelledError):
            await asking
