"""A call as a table for a person, and as a document for a machine."""

from tests.phone.calling import Printed, call
from tests.phone.simple_agent import ANSWER, Agent, answering


async def test_an_answered_call_is_printed_live_and_as_a_table(printed: Printed) -> None:
    async with answering(Agent(answers=[ANSWER])) as url:
        assert await call("--url", url, "--say", "What are your opening hours?") == 0
    out, err = printed()
    lines = out.splitlines()
    assert lines[:2] == ["caller: A question?", "agent: An answer."]
    assert lines[3].split()[:2] == ["1", "What"]
    assert lines[3].endswith("ms")
    assert lines[4].startswith("1 of 1 turns answered, median ")
    assert err == ""


async def test_a_call_without_any_answer_fails(printed: Printed) -> None:
    async with answering(Agent(answers=[None])) as url:
        assert await call("--url", url, "--say", "Hello?") == 1
    out, _ = printed()
    assert "error: no answer today" in out
    assert "no answer\n0 of 1 turns answered" in out


async def test_the_table_shows_only_what_was_heard_if_the_service_reports_no_timing(
    printed: Printed,
) -> None:
    tells: dict[str, object] = {"type": "of_another_service", "frame_ms": 5}
    async with answering(Agent(answers=[ANSWER], tells=tells)) as url:
        assert await call("--url", url, "--say", "Hello?") == 0
    assert printed()[0].splitlines()[2] == "turn  caller said  answered after"
