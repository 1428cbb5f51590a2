"""Whole calls with an outcome: filled in after the call, sent as the webhook `call_summary`."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.calls.live_call import LiveCall, Rig, live_service
from tests.support import Serve
from tests.webhook_target import Target, webhook_target

from avr_sts_speechmatics.network.database_address import sqlite_file
from avr_sts_speechmatics.records.call_filter import CallFilter
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.history import History
from avr_sts_speechmatics.records.outcome_filling import ENDED, NO_WORDS
from avr_sts_speechmatics.sandbox.faults import Status, Strict
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought
from avr_sts_speechmatics.values import Secret

AGENT = """
instructions: You are the host.
outcome:
  reason: Why the caller called
  booked: [yes, no]
"""
GOOD = {"reason": "opening hours", "booked": "no"}
FILLED = json.dumps(GOOD)


class Rigged:
    """A service whose default agent declares an outcome, and the receiver of its webhooks."""

    def __init__(self, rig: Rig, target: Target) -> None:
        self.rig = rig
        self.target = target

    @asynccontextmanager
    async def call(self, query: str = "") -> AsyncIterator[LiveCall]:
        async with self.rig.call(query) as call:
            yield call

    async def asked(self, question: str = "When do you close?") -> None:
        """A call with one question; the caller then hangs up."""
        async with self.call() as call:
            call.say(question)
            await call.until(lambda heard: bool(heard.said("agent")))

    async def summary(self, number: int = 1) -> dict[str, Any]:
        """The payload of a `call_summary`, as soon as it has come."""

        def came() -> list[dict[str, Any]]:
            return [one for one in self.target.events if one["type"] == "call_summary"]

        await self.target.until(lambda: len(came()) >= number)
        return came()[number - 1]["payload"]  # type: ignore[no-any-return]

    @property
    def forms(self) -> list[dict[str, Any] | None]:
        """The `response_format` of each request that asks for an outcome."""
        bodies = [chat.body for chat in self.rig.cloud.received.chats]
        return [
            body.get("response_format")
            for body in bodies
            if body["messages"][0]["content"].startswith("You fill in a form")
        ]


@pytest.fixture
def rigged(serve: Serve, tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def making(
        *answers: Thought,
        outcomes: Sequence[Thought] = (FILLED,),
        agent: str = AGENT,
        **changes: Any,
    ) -> AsyncIterator[Rigged]:
        (tmp_path / "default.yaml").write_text(agent, encoding="utf-8")
        chosen: dict[str, Any] = {"agents_dir": tmp_path, "outcomes": outcomes} | changes
        answers = answers or ("At five.",)
        async with (
            webhook_target() as target,
            live_service(serve, *answers, webhook_url=target.url, **chosen) as rig,
        ):
            yield Rigged(rig, target)

    return making


async def test_an_outcome_is_filled_in_after_the_call_and_sent(rigged: Any) -> None:
    async with rigged(webhook_secret=Secret("the-secret")) as service:
        async with service.call("?from=5550100") as call:
            call.say("When do you close?")
            await call.until_said("At five.")
            assert service.forms == []
        payload = await service.summary()
        kinds = [event["type"] for event in service.target.events]
        request = service.rig.cloud.received.chats[-1]
        headers = service.target.requests[-1].headers
    assert payload["outcome"] == GOOD
    assert "outcome_error" not in payload
    assert (payload["reason"], payload["turns"]) == ("caller", 1)
    assert kinds[-2:] == ["call_ended", "call_summary"]
    assert headers["X-AVR-WEBHOOK-SECRET"] == "the-secret"
    # The caller's words are data in one message.
    system, user = request.body["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    transcript = json.loads(user["content"].rpartition("\n")[2])
    assert transcript == [
        {"speaker": "caller", "said": "When do you close?"},
        {"speaker": "agent", "said": "At five."},
    ]
    assert '{"from": "5550100"}' in user["content"]
    form = request.body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["required"] == ["reason", "booked"]
    assert "tools" not in request.body


async def test_an_outcome_is_in_the_record_of_its_call_and_is_found_by_its_value(
    rigged: Any, tmp_path: Path
) -> None:
    async with rigged(history="calls", data_dir=tmp_path / "data") as service:
        await service.asked()
        await service.summary()
        async with service.call():
            pass
        await service.summary(2)
    database = Database(sqlite_file(tmp_path / "data" / "calls.db"))
    await database.open()
    history = History(database)
    filled, silent = (await history.calls(CallFilter())).calls[::-1]
    found = (await history.calls(CallFilter(outcome="booked=no"))).calls
    await database.close()
    assert (filled["outcome"], filled["outcome_error"]) == (GOOD, None)
    assert (silent["outcome"], silent["outcome_error"]) == (None, NO_WORDS)
    assert [one["key"] for one in found] == [filled["key"]]
    assert filled["prompt_tokens"] > 0


async def test_the_tokens_of_the_request_count_for_the_call(rigged: Any) -> None:
    async with rigged() as service:
        await service.asked()
        payload = await service.summary()
        (ended,) = [one for one in service.target.events if one["type"] == "call_ended"]
    assert payload["prompt_tokens"] > ended["payload"]["prompt_tokens"]
    assert payload["completion_tokens"] > ended["payload"]["completion_tokens"]


async def test_a_call_of_an_agent_without_an_outcome_asks_nothing(rigged: Any) -> None:
    async with rigged(agent="instructions: You are the host.") as service:
        await service.asked()
        await service.target.until(lambda: service.target.events[-1]["type"] == "call_ended")
        await asyncio.sleep(0.1)
        assert service.forms == []
        assert service.target.events[-1]["type"] == "call_ended"


async def test_a_call_without_words_asks_nothing_and_says_so(rigged: Any) -> None:
    async with rigged() as service:
        async with service.call():
            pass
        payload = await service.summary()
        assert service.forms == []
    assert (payload["outcome"], payload["outcome_error"]) == (None, NO_WORDS)


async def test_keys_are_words(rigged: Any) -> None:
    async with rigged() as service:
        async with service.call() as call:
            await call.core.send({"type": "dtmf_digit", "digit": "5"})
            await call.core.send({"type": "dtmf_digit", "digit": "#"})
            await call.until_said("At five.")
        assert (await service.summary())["outcome"] == GOOD


@pytest.mark.parametrize("message", [None, "Bad Request"], ids=["named", "not named"])
async def test_a_server_without_structured_output_is_asked_in_words_and_remembered(
    rigged: Any, message: str | None
) -> None:
    answers = ("At five.", FILLED)
    async with rigged(*answers) as service:
        refuses = Strict(rule="field", field="response_format", message=message, count=None)
        service.rig.cloud.faults.add(refuses)
        await service.asked()
        assert (await service.summary())["outcome"] == GOOD
        refused = len(service.forms) - 1
        assert refused >= 1
        assert service.forms[-1] is None
        system = service.rig.cloud.received.chats[-1].body["messages"][0]["content"]
        assert '"booked"' in system, "the schema is told in words"
        # The next call knows.
        await service.asked("And on Sunday?")
        assert (await service.summary(2))["outcome"] == GOOD
        assert service.forms[refused + 1 :] == [None]


async def test_a_schema_that_no_server_keeps_strictly_is_sent_as_it_is(rigged: Any) -> None:
    agent = "outcome:\n  type: object\n  properties:\n    reason: {}\n    booked: {}\n"
    async with rigged(agent=agent) as service:
        await service.asked()
        assert (await service.summary())["outcome"] == GOOD
        (form,) = service.forms
    assert form["json_schema"]["strict"] is False
    assert form["json_schema"]["schema"]["properties"] == {"reason": {}, "booked": {}}


@pytest.mark.parametrize("nonsense", ["I do not know.", '{"booked": "maybe"}', '{"reason": "A'])
async def test_a_model_that_answers_nonsense_is_asked_once_more(
    rigged: Any, nonsense: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with rigged(outcomes=[[nonsense], FILLED]) as service:
        await service.asked()
        assert (await service.summary())["outcome"] == GOOD
        assert len(service.forms) == 2
    assert "When do you" not in caplog.text


async def test_a_model_that_always_answers_nonsense_costs_the_outcome(
    rigged: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with rigged(outcomes=['{"reason": 5, "booked": "SECRET"}']) as service:
        await service.asked()
        payload = await service.summary()
        assert len(service.forms) == 2
    assert payload["outcome"] is None
    assert payload["outcome_error"] == "reason does not fit the schema (type)"
    assert "no outcome of the call: reason does not fit" in caplog.text
    assert "SECRET" not in caplog.text


async def test_a_model_that_refuses_costs_the_outcome(rigged: Any) -> None:
    async with rigged() as service:
        async with service.call() as call:
            call.say("When do you close?")
            await call.until_said("At five.")
            service.rig.cloud.faults.add(Status(part="llm", status=401, count=None))
        payload = await service.summary()
    assert payload["outcome"] is None
    assert "401" in payload["outcome_error"] or "check OPENAI_API_KEY" in payload["outcome_error"]


async def test_the_end_of_the_service_waits_for_an_outcome_that_is_being_written(
    rigged: Any,
) -> None:
    written = asyncio.Event()
    async with rigged(outcomes=[[written, FILLED]]) as service:
        await service.asked()
        await service.rig.cloud.received.until(lambda: len(service.forms) == 1)
        asyncio.get_running_loop().call_later(0.2, written.set)
        await service.rig.server.stop()
        payload = await service.summary()
    assert payload["outcome"] == GOOD


async def test_an_outcome_that_is_not_there_at_the_end_of_the_service_is_given_up(
    rigged: Any,
) -> None:
    async with rigged(outcomes=[[asyncio.Event()]]) as service:
        await service.asked()
        await service.rig.cloud.received.until(lambda: len(service.forms) == 1)
        await service.rig.server.stop()
        payload = await service.summary()
    assert (payload["outcome"], payload["outcome_error"]) == (None, ENDED)


async def test_a_call_that_a_drain_ends_has_its_outcome(rigged: Any) -> None:
    async with rigged(drain_s=0.5) as service:
        async with service.call() as call:
            call.say("When do you close?")
            await call.until_said("At five.")
            await service.rig.server.drain(replaced=False)
        payload = await service.summary()
    assert (payload["outcome"], payload["reason"]) == (GOOD, "shutdown")


async def test_the_receptionist_fills_in_what_it_remembers(rigged: Any) -> None:
    agent = "outcome:\n  caller_name: Who called\n  callback_number: Where to call back\n"
    async with rigged(agent=agent, thinking="receptionist") as service:
        async with service.call() as call:
            call.say("My name is Anna Smith, please call me back on five five three eight eight.")
            await call.until(lambda heard: bool(heard.said("agent")))
        payload = await service.summary()
    assert payload["outcome"] == {"caller_name": "Anna Smith", "callback_number": "55388"}


async def test_the_receptionist_leaves_out_what_it_does_not_know(rigged: Any) -> None:
    async with rigged(thinking="receptionist", agent="outcome: {mood: Mood}") as service:
        await service.asked()
        payload = await service.summary()
    assert payload["outcome"] is None
    assert "no model is set" in payload["outcome_error"]
