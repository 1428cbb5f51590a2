"""The files of the pages, as a browser gets them."""

import re

import aiohttp
import pytest
from tests.support import Serve

from avr_sts_speechmatics.console import pages
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox

FOLDER = "src/avr_sts_speechmatics/console/pages"


async def test_every_file_comes_with_its_type_and_rules_that_let_nothing_else_in(
    serve: Serve,
) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server, aiohttp.ClientSession() as http:
        base = "http://{}:{}".format(*server.addresses[0])
        async with http.get(base + "/") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/html"
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            text = await answer.text()
        named = re.findall(r'(?:href|src)="(/[^"]+)"', text)
        assert named
        for path in named:
            async with http.get(base + path) as answer:
                assert answer.status == 200, path
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.content_type in ("text/javascript", "text/css", "image/svg+xml")


async def test_nothing_comes_from_another_host(serve: Serve) -> None:
    for name, content in pages.Pages(lambda request: None)._contents.items():
        text = content.decode()
        addresses = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"'`]*", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name


async def test_a_file_that_has_not_changed_is_not_sent_again(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server, aiohttp.ClientSession() as http:
        url = "http://{}:{}/console/style.css".format(*server.addresses[0])
        async with http.get(url) as answer:
            tag = answer.headers["ETag"]
        async with http.get(url, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        async with http.get(url, headers={"If-None-Match": '"other"'}) as answer:
            assert answer.status == 200


async def test_without_a_token_the_pages_are_for_this_machine(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server, aiohttp.ClientSession() as http:
        url = "http://{}:{}/".format(*server.addresses[0])
        for headers in ({"Host": "evil.example"}, {"X-Forwarded-For": "198.51.100.7"}):
            async with http.get(url, headers=headers) as answer:
                assert answer.status == 403
                assert "localhost" in (text := await answer.text()) or "CONSOLE_TOKEN" in text


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpages.py", "%2e%2e/pages.py", "__init__.py"])
async def test_no_other_file_is_served(serve: Serve, name: str) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server, aiohttp.ClientSession() as http:
        url = "http://{}:{}/console/".format(*server.addresses[0])
        async with http.get(url + name) as answer:
            assert answer.status == 404
