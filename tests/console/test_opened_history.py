"""The API of a service that keeps calls: what the service writes, the API shows and deletes."""

import asyncio
from pathlib import Path

from tests.avr_core import dial
from tests.console.kept import call_row, key_of
from tests.console.served import Port, following
from tests.console.test_openapi import Described
from tests.support import Serve, url_of

from avr_sts_speechmatics.console.opened_history import OpenedHistory
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn


async def test_what_the_service_keeps_is_shown_and_deleted(serve: Serve, tmp_path: Path) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, history="transcripts", data_dir=tmp_path) as server,
    ):
        port = Port(*server.addresses[0])
        assert server._parts is not None
        assert server._parts.kept is not None
        server._parts.kept.writer.add(Change("calls", call_row(1)))
        async with asyncio.timeout(30):
            while not (page := (await port.ask("/api/v1/calls")).json()["calls"]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # the writer tells nobody
        assert [call["uuid"] for call in page] == ["uuid-1"]
        deleted = await port.ask(f"/api/v1/calls/{key_of(1)}", method="DELETE")
        assert deleted.json() == {"calls": 1, "recordings": 0}
        assert (await port.ask("/api/v1/calls")).json()["calls"] == []


async def test_a_call_that_was_followed_is_found_afterwards(serve: Serve, tmp_path: Path) -> None:
    question = turn("When do you close?", start=0.2, end=0.8)
    async with (
        running_sandbox(scripted(question, answers=["At five."])) as cloud,
        serve(cloud, history="transcripts", data_dir=tmp_path) as server,
        following(*server.addresses[0]) as events,
    ):
        async with dial(url_of(server)) as core:
            await core.init()
            key = (await events.until("began"))["key"]
            await core.stay(1.6)
            await core.until(lambda heard: heard.said("agent") == "At five.")
        summary = await events.until("ended", key=key)
        port = Port(*server.addresses[0])
        path = f"/api/v1/calls/{key}"
        async with asyncio.timeout(30):
            while (call := (await port.ask(path)).json()).get("ended") is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # the writer tells nobody
        described = Described((await port.ask("/api/v1/openapi.json")).json())
        described.check("/v1/calls/{call}", "get", await port.ask(path))
    assert [one["said"] for one in call["turns"]] == ["When do you close?", "At five."]
    assert (call["reason"], call["running"]) == (summary["reason"], False)


async def test_nothing_kept_is_no_history() -> None:
    assert await OpenedHistory(lambda: None)() is None
