"""What happens before it is known who answers is kept, and is not lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.agents.instructions import DEFAULT_INSTRUCTIONS
from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND
from avr_sts_speechmatics.call.arrival import EARLY_S, Arrival
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.settings import Settings

CALLER = Caller("a-call", "test")


@asynccontextmanager
async def instructed(status: int) -> AsyncIterator[Agents]:
    """Agents whose instructions come from a web service that answers with this status."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response({"system": "Of the service."}, status=status)

    app = web.Application()
    app.router.add_get("/agent", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    url = f"http://{host}:{port}/agent"
    agents = Agents.load(Settings(speechmatics_url_instructions=url))
    try:
        yield agents
    finally:
        await agents.close()
        await runner.cleanup()


def arrival_at(settings: Settings) -> Arrival:
    return Arrival(Agents.load(settings), CALLER)


async def test_an_agent_of_the_settings_is_known_at_once() -> None:
    arrival = arrival_at(Settings())
    assert not arrival.must_ask
    assert await arrival.answering_agent() == arrival.agent


async def test_the_instructions_are_those_of_the_service() -> None:
    async with instructed(200) as agents:
        arrival = Arrival(agents, CALLER)
        assert arrival.must_ask
        assert (await arrival.answering_agent()).instructions == "Of the service."


async def test_a_service_that_fails_leaves_the_agent_as_it_was() -> None:
    async with instructed(500) as agents:
        agent = await Arrival(agents, CALLER).answering_agent()
        assert agent.instructions == DEFAULT_INSTRUCTIONS


def test_early_audio_is_handed_over_once_in_one_piece() -> None:
    arrival, heard = arrival_at(Settings()), list[bytes]()
    arrival.hear(b"\x01\x02")
    arrival.hear(b"\x03\x04")
    arrival.hand_over_audio(heard.append)
    arrival.hand_over_audio(heard.append)
    assert heard == [b"\x01\x02\x03\x04"]


def test_early_audio_is_bounded() -> None:
    arrival, heard = arrival_at(Settings()), list[bytes]()
    frame = bytes(320)
    for _ in range(round(2 * EARLY_S / 0.02)):
        arrival.hear(frame)
    arrival.hand_over_audio(heard.append)
    assert len(heard[0]) == EARLY_S * BYTES_PER_SECOND


def test_early_events_come_after_the_beginning_in_their_order_and_once() -> None:
    arrival = arrival_at(Settings())
    early: list[ev.Event] = [ev.KeyPressed("1"), ev.KeyPressed("2"), ev.AudioEnded()]
    for event in early:
        arrival.keep(event)
    assert list(arrival.hand_over_events()) == [ev.CallStarted(), *early]
    assert list(arrival.hand_over_events()) == [ev.CallStarted()]
