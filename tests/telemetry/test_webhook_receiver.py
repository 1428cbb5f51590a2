"""One request to a webhook receiver: what counts as taken, and what may be tried again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.webhook_target import never, nobody_there, replies, says, webhook_target

from avr_sts_speechmatics.telemetry.webhook_receiver import (
    REPLY_MAX,
    Undelivered,
    WebhookReceiver,
)
from avr_sts_speechmatics.values import Secret

EVENT = b'{"uuid": "a"}'


@asynccontextmanager
async def receiver_at(
    url: str, secret: str | None = None, timeout_s: float = 2
) -> AsyncIterator[WebhookReceiver]:
    receiver = WebhookReceiver(url, None if secret is None else Secret(secret), timeout_s)
    try:
        yield receiver
    finally:
        await receiver.close()


async def failure_at(url: str, timeout_s: float = 2) -> Undelivered:
    async with receiver_at(url, timeout_s=timeout_s) as receiver:
        with pytest.raises(Undelivered) as failure:
            await receiver.post(EVENT, wants_reply=True)
    return failure.value


async def test_the_secret_goes_into_the_header_avr_names() -> None:
    async with webhook_target() as target:
        async with receiver_at(target.url, "open sesame") as receiver:
            await receiver.post(EVENT)
        async with receiver_at(target.url) as receiver:
            await receiver.post(EVENT)
    first, second = (request.headers for request in target.requests)
    assert first["X-AVR-WEBHOOK-SECRET"] == "open sesame"
    assert first["Content-Type"] == "application/json"
    assert "X-AVR-WEBHOOK-SECRET" not in second


async def test_any_2xx_is_taken_and_its_reply_given() -> None:
    async with webhook_target(replies(204)) as target, receiver_at(target.url) as receiver:
        assert await receiver.post(EVENT) == b""
        target.answer = replies(201, "a word")
        assert await receiver.post(EVENT, wants_reply=True) == b"a word"


async def test_an_endless_reply_is_read_up_to_its_limit() -> None:
    async with webhook_target(replies(200, "x" * (REPLY_MAX + 1))) as target:
        async with receiver_at(target.url) as receiver:
            assert await receiver.post(EVENT, wants_reply=True) == b""


@pytest.mark.parametrize(
    ("status", "again"),
    [(500, True), (503, True), (429, True), (400, False), (401, False), (404, False)],
)
async def test_only_temporary_failures_are_retryable(status: int, again: bool) -> None:
    async with webhook_target(replies(status)) as target:
        failure = await failure_at(target.url)
    assert failure.again is again
    assert f"status {status}" in str(failure)


async def test_a_redirect_gets_neither_the_event_nor_the_secret() -> None:
    async with webhook_target() as other:
        async with webhook_target(replies(307, Location=other.url)) as target:
            failure = await failure_at(target.url)
    assert not other.requests
    assert not failure.again
    assert "WEBHOOK_URL" in str(failure)


async def test_a_receiver_that_does_not_answer_is_given_up_in_time() -> None:
    async with webhook_target(never) as target:
        failure = await failure_at(target.url, timeout_s=0.2)
    assert failure.again
    assert "0.2 s" in str(failure)


async def test_a_receiver_that_is_not_there_may_come_back() -> None:
    with nobody_there() as url:
        assert (await failure_at(url, timeout_s=0.5)).again


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nA b\r\n\r\n"])
async def test_a_reply_that_is_not_http_fails_without_showing_the_address(data: bytes) -> None:
    async with says(data) as url:
        failure = await failure_at(f"{url}?token=abc")
    assert failure.again
    assert "abc" not in str(failure)


def test_the_address_for_the_log_has_no_token() -> None:
    receiver = WebhookReceiver("https://example.org:8443/t/abc?key=def", None, 1)
    assert receiver.shown == "https://example.org:8443"
