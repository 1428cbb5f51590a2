"""Both connections of a service over real sockets: messages, and the end of a call."""

import pytest
from tests.cli.commands import free_port
from tests.phone.calling import Printed, call, report
from tests.phone.simple_agent import ANSWER, QUESTION, Agent, answering, answering_posts


async def test_an_agent_that_hangs_up_ends_the_call_but_not_the_report(printed: Printed) -> None:
    agent = Agent(answers=[ANSWER], hangs_up_after_answer=True)
    async with answering(agent) as url:
        status, told = await report(printed, "--url", url, "--say", "One?", "--say", "Two?")
    assert status == 0
    assert told["ended"] == "the service hung up (1011 out of voices)"
    assert [turn["said"] for turn in told["turns"]] == ["One?"]


@pytest.mark.parametrize("tells", [{"type": "turn", "requests": "many"}, {"type": ["turn"]}])
async def test_an_invalid_message_is_reported_and_the_call_goes_on(
    printed: Printed, tells: dict[str, object]
) -> None:
    async with answering(Agent(answers=[ANSWER], tells=tells)) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?")
    assert (status, told["turns"][0]["answers"]) == (0, [])
    assert told["errors"][0].startswith("the service sent a message that is not valid")


async def test_the_older_http_connection_carries_a_call(printed: Printed) -> None:
    agent = Agent(answers=[ANSWER])
    async with answering_posts(agent) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?", "--uuid", "call-8")
    assert (status, agent.uuid) == (0, "call-8")
    assert agent.path == "/speech-to-speech-stream"  # it has nobody to tell more than sound
    assert 170 <= told["turns"][0]["latency_ms"] <= 300
    assert bytes(agent.audio).strip(b"\0") == QUESTION.strip(b"\0")


async def test_a_refused_http_connection_is_reported(printed: Printed) -> None:
    async with answering_posts(Agent(), status=503) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?")
    assert status == 1
    assert told["ended"] == "the service answered 503 Service Unavailable"


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_a_missing_service_is_reported_in_one_sentence(printed: Printed, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}"
    assert await call("--url", url, "--say", "Hello?") == 2
    out, err = printed()
    assert out == ""
    assert err == (
        f"Nobody answers at {url}: is the service running (make run)? "
        "Give another address with --url.\n"
    )


async def test_another_service_at_the_address_is_reported_in_one_sentence(printed: Printed) -> None:
    async with answering_posts(Agent()) as url:
        assert await call("--url", url.replace("http", "ws"), "--say", "Hello?") == 2
    out, err = printed()
    assert out == ""
    assert err.count("\n") == 1
    assert "give the service's address with --url" in err
