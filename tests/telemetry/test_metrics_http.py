"""`GET /metrics` of a service of one process, with a call through the scripted cloud."""

from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.avr_core import dial
from tests.support import Serve, url_of

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox, scripted
from avr_sts_speechmatics.server import Server

UUID = str(uuid4())


@pytest.fixture
async def cloud() -> AsyncIterator[RunningSandbox]:
    async with running_sandbox(scripted(answers=["We close at five."] * 3)) as running:
        yield running


async def page(server: Server, accept: str = "") -> tuple[str, str]:
    url = url_of(server, "/metrics").replace("ws:", "http:")
    async with aiohttp.ClientSession() as http:
        async with http.get(url, headers={"Accept": accept}) as response:
            assert response.status == 200
            return await response.text(), response.content_type


async def test_a_call_is_on_the_page_and_nothing_of_the_caller(
    cloud: RunningSandbox, serve: Serve
) -> None:
    async with serve(cloud, preemptive="off") as server:
        url = url_of(server, "/?from=%2B4930987654&to=770123456&agent=nobody-known")
        async with dial(url) as core:
            await core.init(UUID)
            session = await cloud.received.session()
            session.say(stt_messages.segment("When do you close?", 1.0, 2.0))
            session.say(stt_messages.end_of_turn(2.0))
            await core.until(lambda heard: heard.said("agent") == "We close at five.")
            text, kind = await page(server)
            assert kind == "text/plain"
            assert 'avr_sts_calls{agent="default",transport="avr-websocket"} 1.0' in text
        for private in (UUID, "4930987654", "770123456", "nobody-known", "close"):
            assert private not in text
        samples = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert samples["avr_sts_answers_total", "default", "whole"] == 1
        assert samples["avr_sts_answer_part_seconds_count", "default", "model"] == 1
        assert samples["avr_sts_ready",] == 1
        assert samples["avr_sts_stt_sessions",] == 1


async def test_openmetrics_is_for_those_who_ask(cloud: RunningSandbox, serve: Serve) -> None:
    async with serve(cloud) as server:
        text, kind = await page(server, "application/openmetrics-text; version=1.0.0")
        assert kind == "application/openmetrics-text"
        assert text.endswith("# EOF\n")
