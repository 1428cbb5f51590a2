"""Waiting for requests in a test."""

import asyncio

import pytest

from avr_sts_speechmatics.sandbox.received import Received, Request


def request() -> Request:
    return Request("/generate/sarah", {}, {}, {"text": "Hello."})


async def test_waiting_ends_when_the_request_arrives() -> None:
    received = Received()
    waiting = asyncio.create_task(received.until(lambda: len(received.speech) == 2))
    for _ in range(2):
        await asyncio.sleep(0)
        received.speech.append(request())
        received.notify()
    await waiting


async def test_waiting_for_a_request_already_received_returns_at_once() -> None:
    received = Received()
    received.speech.append(request())
    await received.until(lambda: bool(received.speech), timeout=0)


async def test_waiting_without_a_request_times_out() -> None:
    with pytest.raises(TimeoutError):
        await Received().session(timeout=0.01)
