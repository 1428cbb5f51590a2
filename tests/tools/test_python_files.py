"""The operator's own tools: what is marked in the files of TOOLS_DIR is loaded, or explained."""

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from tests.support import ROOT

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.tools import CallFacts
from avr_sts_speechmatics.tools.python_files import load

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


def refused(folder: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder)
    return str(caught.value)


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
    "reserved": (
        '@tool\nasync def avr_hangup():\n    """Look."""\n',
        2,
        ["avr_hangup", "used by a tool of the service"],
    ),
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


@pytest.mark.parametrize("content", [b"x = 1\0", b"x = '\xff'"])
def test_a_mistake_without_a_line_is_named_with_its_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "shop.py"
    file.write_bytes(content)
    told = refused(tmp_path)
    assert told.startswith((f"{file}: cannot be imported: ", f"{file}:1: "))
    assert "None" not in told


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
