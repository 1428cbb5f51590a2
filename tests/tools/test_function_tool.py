"""A typed, documented function is a tool: its signature describes it and checks its arguments."""

import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from avr_sts_speechmatics.tools import CallFacts
from avr_sts_speechmatics.tools import tool as offered
from avr_sts_speechmatics.tools.function_tool import TOLD_MAX, FunctionTool, NoTool
from avr_sts_speechmatics.tools.protocol import RESERVED, ToolError

CALL = CallFacts("0b7f6a52", "websocket", {"from": "+4922812345"})


def made_of(function: Callable[..., Coroutine[Any, Any, object]]) -> FunctionTool:
    return FunctionTool(function, "shop.py:3")


async def mistakes(tool: FunctionTool, arguments: dict[str, object]) -> str:
    with pytest.raises(ToolError) as caught:
        await tool.run(arguments, CALL)
    return str(caught.value)


# --- what the model is told -----------------------------------------------------------------------


def test_a_signature_becomes_a_schema() -> None:
    async def book(
        day: date,
        people: Annotated[int, Field(description="how many come", ge=1, le=20)],
        where: Literal["inside", "outside"] = "inside",
        *,
        call: CallFacts,
    ) -> str:
        """Book a table."""
        return ""

    tool = made_of(book)
    assert tool.source == "shop.py:3"
    assert tool.spec.name == "book"
    assert tool.spec.description == "Book a table."
    assert tool.spec.parameters == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "day": {"type": "string", "format": "date"},
            "people": {
                "type": "integer",
                "description": "how many come",
                "minimum": 1,
                "maximum": 20,
            },
            "where": {"type": "string", "enum": ["inside", "outside"], "default": "inside"},
        },
        "required": ["day", "people"],
    }


def test_a_docstring_describes_parameters_and_is_not_repeated() -> None:
    async def find(code: str, people: int = 2) -> str:
        """Find a booking.

        Only by its code.

        Args:
            code (str): two letters and two digits,
                such as KX41: spelt
            people: how many come

        Returns:
            what is known of it
        """
        return ""

    spec = made_of(find).spec
    described = {k: v["description"] for k, v in spec.parameters["properties"].items()}
    assert described == {
        "code": "two letters and two digits, such as KX41: spelt",
        "people": "how many come",
    }
    assert "letters" not in spec.description
    assert spec.description.startswith("Find a booking.\n\nOnly by its code.")
    assert "what is known of it" in spec.description


async def test_types_may_be_text_and_parameters_may_have_any_name() -> None:
    async def late(
        schema: "int",
        copy: "list[str]",
        call: "CallFacts",
        n: "int" = Field(3, le=9),  # noqa: B008 - as operators write it
    ) -> "object":
        """Parameters that pydantic's models would take for their own."""
        return [schema, copy, call.facts["from"], n]

    tool = made_of(late)
    assert set(tool.spec.parameters["properties"]) == {"schema", "copy", "n"}
    assert tool.spec.parameters["required"] == ["schema", "copy"]
    result = await tool.run({"schema": 1, "copy": ["a"]}, CALL)
    assert json.loads(result) == [1, ["a"], "+4922812345", 3]


# --- running --------------------------------------------------------------------------------------


async def test_arguments_that_do_not_fit_are_told_by_name_and_nothing_is_run() -> None:
    async def book(day: date, people: list[int], call: CallFacts) -> str:
        """Book."""
        raise AssertionError("was run")

    tool = made_of(book)
    told = await mistakes(tool, {"day": "30 February", "people": [1, "many"], "call": {}, "x": 1})
    for name in ("day: ", "people.1: ", "call: ", "x: "):
        assert name in told
    assert "day: Field required" in await mistakes(tool, {"people": []})


async def test_the_model_is_told_a_few_mistakes_and_not_hundreds() -> None:
    async def add(numbers: list[int]) -> int:
        """Add."""
        return sum(numbers)

    told = await mistakes(made_of(add), {"numbers": ["many"] * 100})
    assert told.count("numbers.") == TOLD_MAX


async def test_a_tool_gets_values_of_its_types() -> None:
    @dataclass
    class Guest:
        name: str

    async def weekday(day: date, guest: Guest) -> str:
        """The day of the week."""
        return f"{guest.name}: {day:%A}"

    tool = made_of(weekday)
    assert await tool.run({"day": "2026-03-30", "guest": {"name": "A"}}, CALL) == "A: Monday"


@pytest.mark.parametrize(
    ("returns", "told"),
    [
        ("as it is", "as it is"),
        (None, "Done."),
        ({"open": True, "day": date(2026, 3, 30)}, '{"open":true,"day":"2026-03-30"}'),
        ([1, 2.5], "[1,2.5]"),
    ],
)
async def test_a_result_is_text_or_becomes_json(returns: object, told: str) -> None:
    async def look() -> object:
        """Look."""
        return returns

    assert await made_of(look).run({}, CALL) == told


@given(st.text())
async def test_a_text_passes_through_a_tool_unchanged(text: str) -> None:
    async def echo(text: str) -> str:
        """Say it again."""
        return text

    assert await made_of(echo).run({"text": text}, CALL) == text


async def test_a_tool_that_exits_does_not_end_the_service() -> None:
    async def leave() -> None:
        """Leave."""
        sys.exit(3)

    with pytest.raises(RuntimeError, match="exit"):
        await made_of(leave).run({}, CALL)


# --- functions that cannot be tools ---------------------------------------------------------------


@pytest.mark.parametrize("name", RESERVED)
def test_a_name_that_the_call_itself_uses_is_taken(name: str) -> None:
    async def function() -> None:
        """Look."""

    function.__name__ = name
    with pytest.raises(NoTool, match=f"^the name {name} is used by a tool of the service"):
        made_of(function)


def test_only_a_plain_async_function_can_be_a_tool() -> None:
    def look() -> str:
        """Look."""
        return ""

    class Look:
        """Look."""

        async def __call__(self) -> None: ...

    async def whole(text: str) -> None:
        """Look."""

    for function in (look, Look, Look(), partial(whole, "")):
        with pytest.raises(NoTool, match="is not an async function"):
            made_of(function)  # type: ignore[arg-type]


def test_a_tool_is_finished_after_a_hangup_unless_it_is_declared_otherwise() -> None:
    @offered
    async def book() -> str:
        """Book a table."""
        return ""

    @offered(cancel_on_hangup=True)
    async def look_up() -> str:
        """Look a table up."""
        return ""

    assert [made_of(function).cancel_on_hangup for function in (book, look_up)] == [False, True]
