"""The operator's own tools: a typed, documented function is all there is to write."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from tests.support import ROOT

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.tools import CallFacts
from avr_sts_speechmatics.tools.function_tool import FunctionTool
from avr_sts_speechmatics.tools.python_files import load
from avr_sts_speechmatics.tools.toolbox import ToolError

EXAMPLES = ROOT / "examples" / "tools"
IMPORT = "from avr_sts_speechmatics.tools import CallFacts, tool\n"
CALL = CallFacts("0b7f6a52", "websocket", {"from": "+4922812345"})


@pytest.fixture(autouse=True)
def _what_was_imported_is_forgotten() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, text: str, name: str = "shop.py") -> Path:
    file = folder / name
    file.write_text(IMPORT + dedent(text))
    return file


def one(folder: Path, text: str) -> FunctionTool:
    write(folder, text)
    (tool,) = load(folder)
    return tool


def refused(folder: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder)
    return str(caught.value)


async def mistakes(tool: FunctionTool, arguments: dict[str, object]) -> str:
    with pytest.raises(ToolError) as caught:
        await tool.run(arguments, CALL)
    return str(caught.value)


# --- what the model is told -----------------------------------------------------------------------


def test_a_signature_becomes_a_schema(tmp_path: Path) -> None:
    tool = one(
        tmp_path,
        '''
        from datetime import date
        from typing import Annotated, Literal
        from pydantic import Field

        @tool
        async def book(
            day: date,
            people: Annotated[int, Field(description="how many come", ge=1, le=20)],
            where: Literal["inside", "outside"] = "inside",
            *,
            call: CallFacts,
        ) -> str:
            """Book a table."""
            return ""
        ''',
    )
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


def test_a_docstring_describes_parameters_and_is_not_repeated(tmp_path: Path) -> None:
    tool = one(
        tmp_path,
        '''
        @tool
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
        ''',
    )
    described = {k: v["description"] for k, v in tool.spec.parameters["properties"].items()}
    assert described == {
        "code": "two letters and two digits, such as KX41: spelt",
        "people": "how many come",
    }
    assert "letters" not in tool.spec.description
    assert tool.spec.description.startswith("Find a booking.\n\nOnly by its code.")
    assert "what is known of it" in tool.spec.description


async def test_types_may_be_text_and_parameters_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        dedent(
            '''
            from __future__ import annotations
            from avr_sts_speechmatics.tools import CallFacts, tool
            from pydantic import Field

            @tool
            async def late(schema: int, copy: list[str], call: CallFacts, n: int = Field(3, le=9)):
                """Parameters that pydantic's models would take for their own."""
                return [schema, copy, call.facts["from"], n]
            '''
        )
    )
    (tool,) = load(tmp_path)
    assert set(tool.spec.parameters["properties"]) == {"schema", "copy", "n"}
    assert tool.spec.parameters["required"] == ["schema", "copy"]
    result = await tool.run({"schema": 1, "copy": ["a"]}, CALL)
    assert json.loads(result) == [1, ["a"], "+4922812345", 3]


# --- running --------------------------------------------------------------------------------------


async def test_arguments_that_do_not_fit_are_told_by_name_and_nothing_is_run(
    tmp_path: Path,
) -> None:
    tool = one(
        tmp_path,
        '''
        from datetime import date

        @tool
        async def book(day: date, people: list[int], call: CallFacts) -> str:
            """Book."""
            raise AssertionError("was run")
        ''',
    )
    told = await mistakes(tool, {"day": "30 February", "people": [1, "many"], "call": {}, "x": 1})
    for name in ("day: ", "people.1: ", "call: ", "x: "):
        assert name in told
    assert "day: Field required" in await mistakes(tool, {"people": []})


async def test_a_tool_gets_values_of_its_types(tmp_path: Path) -> None:
    tool = one(
        tmp_path,
        '''
        from dataclasses import dataclass
        from datetime import date

        @dataclass
        class Guest:
            name: str

        @tool
        async def weekday(day: date, guest: Guest) -> str:
            """The day of the week."""
            return f"{guest.name}: {day:%A}"
        ''',
    )
    assert await tool.run({"day": "2026-03-30", "guest": {"name": "A"}}, CALL) == "A: Monday"


@pytest.mark.parametrize(
    ("returns", "told"),
    [
        ("'as it is'", "as it is"),
        ("None", "Done."),
        ("{'open': True, 'day': date(2026, 3, 30)}", '{"open":true,"day":"2026-03-30"}'),
        ("[1, 2.5]", "[1,2.5]"),
    ],
)
async def test_a_result_is_text_or_becomes_json(tmp_path: Path, returns: str, told: str) -> None:
    tool = one(
        tmp_path,
        f'''
        from datetime import date

        @tool
        async def look():
            """Look."""
            return {returns}
        ''',
    )
    assert await tool.run({}, CALL) == told


async def test_a_tool_that_exits_does_not_end_the_service(tmp_path: Path) -> None:
    tool = one(
        tmp_path,
        '''
        import sys

        @tool
        async def leave():
            """Leave."""
            sys.exit(3)
        ''',
    )
    with pytest.raises(RuntimeError, match="exit"):
        await tool.run({}, CALL)


async def test_the_examples_work() -> None:
    tools = {tool.spec.name: tool for tool in load(EXAMPLES)}
    for tool in tools.values():
        for about in tool.spec.parameters["properties"].values():
            assert about["description"]
    assert "seven in the evening" in await tools["find_booking"].run({"code": "k x 41"}, CALL)
    assert await tools["opening_hours"].run({"day": "2026-12-25"}, CALL) == (
        "Closed, it is Christmas Day."
    )
    assert "Noted" in await tools["ask_for_call_back"].run({"about": "a bill"}, CALL)


# --- what may stand in the directory --------------------------------------------------------------


def test_helpers_can_be_imported_and_are_no_tools(tmp_path: Path) -> None:
    (tmp_path / "_prices_of_shop.py").write_text("PRICE = 7\n")
    (tmp_path / "notes.txt").write_text("no Python")
    (tmp_path / "more").mkdir()
    write(
        tmp_path,
        '''
        from _prices_of_shop import PRICE

        @tool
        async def price() -> int:
            """The price."""
            return PRICE

        @tool
        async def discount() -> int:
            """The discount."""
            return 0
        ''',
    )
    assert [tool.spec.name for tool in load(tmp_path)] == ["price", "discount"]


def test_a_tool_named_like_a_module_of_python_does_not_replace_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        '''
        import calendar

        @tool
        async def look() -> str:
            """Look."""
            return calendar.day_name[0]
        ''',
        "calendar.py",
    )
    assert [tool.spec.name for tool in load(tmp_path)] == ["look"]


GOOD = '''
@tool
async def look() -> str:
    """Look."""
    return ""
'''

MISTAKES = {
    "not async": (
        '@tool\ndef look(code: str) -> str:\n    """Look."""\n    return ""\n',
        2,
        ["look", "async def"],
    ),
    "no docstring": ("@tool\nasync def look() -> str:\n    return ''\n", 2, ["look", "docstring"]),
    "only Args": (
        '@tool\nasync def look(a: str) -> str:\n    """\n    Args:\n        a: b\n    """\n',
        2,
        ["look", "docstring"],
    ),
    "untyped": ('\n@tool\nasync def look(code):\n    """Look."""\n', 3, ["code", "code: str"]),
    "unknown type": (
        '@tool\nasync def look(code: "Nope"):\n    """Look."""\n',
        2,
        ["look", "Nope"],
    ),
    "no such type in JSON": (
        'import typing\n@tool\nasync def look(a: typing.Callable[[], int]):\n    """Look."""\n',
        3,
        ["look", "JSON"],
    ),
    "a type that cannot be checked": (
        'class Odd: ...\n\n@tool\nasync def look(code: Odd):\n    """Look."""\n',
        4,
        ["look", "Odd"],
    ),
    "any arguments": ('@tool\nasync def look(**all: str):\n    """Look."""\n', 2, ["all", "name"]),
    "described, not there": (
        '@tool\nasync def look(code: str):\n    """Look.\n\n    Args:\n        cod: x\n    """\n',
        2,
        ["look", "cod"],
    ),
    "reserved": ('@tool\nasync def avr_hangup():\n    """Look."""\n', 2, ["avr_hangup", "taken"]),
    "no name for a model": ('@tool\nasync def öffnen():\n    """Look."""\n', 2, ["öffnen", "a-z"]),
    "a class": ('@tool\nclass Look:\n    """Look."""\n', None, ["Look", "async def"]),
    "forgot @tool": ("async def look(): ...\n", None, ["no tool", "@tool", "_"]),
    "does not import": ("x = 1\nimport no_such_module\n", 3, ["no_such_module"]),
    "fails deep inside": ("import json\n\njson.loads('{')\n", 4, ["JSONDecodeError"]),
    "no Python": ("async def (:\n", 2, ["SyntaxError"]),
    "exits": ("raise SystemExit(1)\n", 2, ["SystemExit"]),
}


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_file_and_line(
    tmp_path: Path, text: str, line: int | None, says: list[str]
) -> None:
    file = tmp_path / "shop.py"
    file.write_text(IMPORT + text)
    told = refused(tmp_path)
    assert told.startswith(f"{file}:{line}: " if line else f"{file}: ")
    for word in says:
        assert word in told


def test_two_tools_of_one_name_are_both_named(tmp_path: Path) -> None:
    first, second = write(tmp_path, GOOD, "a.py"), write(tmp_path, GOOD, "b.py")
    told = refused(tmp_path)
    assert told.startswith(f"{second}:3: ")
    assert f"{first}:3" in told


async def test_a_tool_in_javascript_is_answered_with_what_to_write(tmp_path: Path) -> None:
    script = tmp_path / "find-booking.js"
    script.write_text("module.exports = {name: 'find-booking'}")
    told = refused(tmp_path)
    assert str(script) in told
    assert "find_booking.py" in told
    script.unlink()
    (tmp_path / "find_booking.py").write_text(told.split("away:\n")[1])
    (tool,) = load(tmp_path)
    assert tool.spec.name == "find_booking"
    assert list(tool.spec.parameters["properties"]) == ["example"]
    assert await tool.run({"example": "x"}, CALL)


def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone").startswith(f"TOOLS_DIR={tmp_path}/gone: ")
