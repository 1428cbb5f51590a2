"""An answer through all its rounds: when the model is asked, and when anything is given out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import pytest
from tests.support import until

from avr_sts_speechmatics.call.answer import Answer
from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolResult, ToolSpec
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.llm.protocol import Brief, LlmState, Usage

LOOK = ToolSpec("look", "Looks.", {"type": "object"})
BRIEF = Brief("Be brief.", (LOOK,))
QUESTION = Message("user", "When do you close?")
CALL = ToolCall("a", "look", "{}")


class Model:
    """Gives its answers in order; keeps what it was asked, and how many streams are open."""

    def __init__(self, *answers: Sequence[str | ToolCall | ServiceError]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[Brief, tuple[Entry, ...]]] = []
        self.open = 0
        self.given = 0

    async def reply(
        self,
        brief: Brief,
        history: Sequence[Entry],
        used: Callable[[Usage], None] | None = None,
    ) -> AsyncGenerator[str | ToolCall, None]:
        self.asked.append((brief, tuple(history)))
        self.open += 1
        try:
            for piece in self._answers.pop(0):
                if isinstance(piece, ServiceError):
                    raise piece
                self.given += 1
                yield piece
        finally:
            self.open -= 1

    def state(self) -> LlmState:
        return LlmState()

    async def warm_up(self) -> None: ...
    async def close(self) -> None: ...


class Told:
    """What a caller of `Answer` gets: text and tools in the order they came."""

    def __init__(self, model: Model) -> None:
        self.came: list[str | tuple[ToolCall, ...] | None] = []
        self.answer = Answer(model, BRIEF, self.came.append)
        self._changed = asyncio.Event()

    async def read(self) -> None:
        async with aclosing(self.answer.text()) as text:
            async for piece in text:
                self.came.append(piece)


async def turns_of_the_loop() -> None:
    """Give everything that can happen without time passing the time to happen."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_text_is_given_as_it_comes_and_the_answer_ends_with_it() -> None:
    told = Told(model := Model(["At ", "five."]))
    told.answer.confirm()
    told.answer.go_on([QUESTION])
    await told.read()
    assert told.came == ["At ", "five."]
    assert model.asked == [(BRIEF, (QUESTION,))]


async def test_nothing_is_given_out_before_it_is_wanted() -> None:
    told = Told(model := Model(["At ", "five.", CALL], ["Yes."]))
    told.answer.go_on([QUESTION])
    reading = asyncio.create_task(told.read())
    await turns_of_the_loop()
    assert (len(model.asked), model.given, told.came) == (1, 1, [])  # the rest is not fetched
    told.answer.confirm()
    await turns_of_the_loop()
    assert told.came == ["At ", "five.", None, (CALL,)]
    told.answer.go_on([QUESTION])
    await reading


async def test_an_answer_of_nothing_but_tools_asks_for_none_before_it_is_wanted() -> None:
    told = Told(Model([CALL], ["Yes."]))
    told.answer.go_on([QUESTION])
    reading = asyncio.create_task(told.read())
    await turns_of_the_loop()
    assert told.came == []
    told.answer.confirm()
    await turns_of_the_loop()
    assert told.came == [None, (CALL,)]
    told.answer.go_on([QUESTION])
    await reading


async def test_the_model_is_asked_only_when_there_is_something_to_ask() -> None:
    told = Told(model := Model(["Yes."]))
    told.answer.confirm()
    reading = asyncio.create_task(told.read())
    await turns_of_the_loop()
    assert model.asked == []
    told.answer.go_on([QUESTION])
    await reading
    assert told.came == ["Yes."]


async def test_tools_are_asked_for_together_after_all_text_and_the_model_goes_on_with_results() -> (
    None
):
    other = ToolCall("b", "look", "{}")
    told = Told(model := Model(["Wait.", CALL, other], ["At five."]))
    told.answer.confirm()
    told.answer.go_on([QUESTION])
    reading = asyncio.create_task(told.read())
    await turns_of_the_loop()
    assert told.came == ["Wait.", None, (CALL, other)]
    assert model.open == 0  # no connection is held while tools run
    history: list[Entry] = [QUESTION, CALL, other, ToolResult("a", "five"), ToolResult("b", "six")]
    told.answer.go_on(history)
    await reading
    assert told.came[3:] == ["At five."]
    assert model.asked[1] == (BRIEF, tuple(history))


async def test_a_round_without_tools_offers_none_and_only_that_round() -> None:
    told = Told(model := Model([CALL], [CALL], ["Done."]))
    told.answer.confirm()
    reading = asyncio.create_task(told.read())
    for tools in (True, False, True):
        told.answer.go_on([QUESTION], tools=tools)
        await turns_of_the_loop()
    await reading
    assert [brief.tools for brief, _ in model.asked] == [(LOOK,), (), (LOOK,)]


async def test_a_model_that_fails_has_given_what_came_before() -> None:
    told = Told(Model(["At ", ServiceError("llm", "cut", retryable=True)]))
    told.answer.confirm()
    told.answer.go_on([QUESTION])
    with pytest.raises(ServiceError, match="cut"):
        await told.read()
    assert told.came == ["At "]


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_closed_answer_stops_the_model_at_once(wanted: bool) -> None:
    told = Told(model := Model(["At ", *["and "] * 1000, CALL]))
    if wanted:
        told.answer.confirm()
    told.answer.go_on([QUESTION])
    text = told.answer.text()
    taking = asyncio.create_task(anext(text))
    await turns_of_the_loop()
    assert model.open == 1
    taking.cancel()
    await asyncio.wait((taking,))
    await text.aclose()
    assert model.open == 0
    assert model.given == 1
    assert told.came == []


async def test_a_model_that_calls_tools_without_being_offered_any_is_told_once() -> None:
    told = Told(Model([CALL], [CALL], ["Never asked."]))
    told.answer.confirm()
    told.answer.go_on([QUESTION], tools=False)
    reading = asyncio.create_task(told.read())
    await until(lambda: told.came[-1:] == [(CALL,)])
    told.answer.go_on([QUESTION, CALL, ToolResult("a", "Not done.")], tools=False)
    await reading
    assert told.came == [None, (CALL,)]
