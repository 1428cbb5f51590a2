"""The API as part of the service: on its port, in its log, beside its calls."""

from pathlib import Path

import pytest
from tests.avr_core import dial
from tests.console.guarded import BEARER, TOKEN
from tests.console.served import Port, following
from tests.support import Serve, url_of

from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.values import Secret


async def test_a_refused_client_is_logged_a_few_times_and_a_token_never(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with (
        running_sandbox() as cloud,
        serve(cloud, data_dir=tmp_path, console_token=(Secret(TOKEN),)) as server,
    ):
        port = Port(*server.addresses[0])
        for number in range(30):
            await port.ask("/api/v1/service", f"Authorization: Bearer wrong-{number:020}")
        assert (await port.ask("/api/v1/service", BEARER)).status == 429
    lines = [record.getMessage() for record in caplog.records]
    refused = [line for line in lines if "a request to the API from 127.0.0.1 was refused" in line]
    assert 0 < len(refused) <= 10
    assert "wrong-0" not in caplog.text
    assert TOKEN not in caplog.text


async def test_without_a_token_the_port_answers_this_machine_and_no_foreign_page(
    serve: Serve, tmp_path: Path
) -> None:
    async with running_sandbox() as cloud, serve(cloud, data_dir=tmp_path) as server:
        port = Port(*server.addresses[0])
        assert (await port.ask("/api/v1/service")).status == 200
        foreign = await port.ask("/api/v1/service", "Origin: https://evil.example")
        assert foreign.status == 403
        rebound = await port.ask("/api/v1/service", host="evil.example")
        assert rebound.status == 403
        assert (await port.ask("/api/v1/nothing")).status == 404
        # What load balancers and avr-core ask has no such rule.
        assert (await port.ask("/health", host="evil.example")).status == 200


async def test_clients_that_follow_do_not_count_as_connections_without_a_call(
    serve: Serve, tmp_path: Path
) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, data_dir=tmp_path) as server,
        following(*server.addresses[0]) as events,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await events.until("began")
        assert len(server._reception.waiting) == 0
