"""Reports of use: nobody is charged for what another call used."""

import asyncio

import pytest

from avr_sts_speechmatics.services.use import TextSent, report, report_to, server_of

ONE, OTHER = TextSent("a", "", 1), TextSent("b", "", 2)


async def test_each_task_reports_to_its_own_call() -> None:
    told: dict[str, list[object]] = {"one": [], "other": []}
    both_began = asyncio.Barrier(2)

    async def call(name: str, used: TextSent) -> None:
        report_to(told[name].append)
        await both_began.wait()
        await asyncio.create_task(request(used))

    async def request(used: TextSent) -> None:
        report(used)

    await asyncio.gather(call("one", ONE), call("other", OTHER))
    report(ONE)  # of no call
    assert told == {"one": [ONE], "other": [OTHER]}


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("wss://EU.rt.speechmatics.com/v2/agent?jwt=x", "eu.rt.speechmatics.com"),
        ("http://localhost:11434/v1", "localhost:11434"),
        ("http://[::1]:8000/v1", "[::1]:8000"),
        ("", ""),
    ],
)
def test_a_server_is_named_by_its_host_and_port(url: str, server: str) -> None:
    assert server_of(url) == server
