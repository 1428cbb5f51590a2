"""The operator's own tools: Python files in TOOLS_DIR, each with one or more functions.

A file whose name begins with `_` is a helper that tools may import. Other files that are not
Python are ignored, except JavaScript files. Those are tools for other AVR connectors: an operator
who mounts such a tool expects it to work, so the error says how to rewrite the tool in Python.

All checks are done at loading: every tool that loads can be offered and run.
"""

import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.tools import MARK
from avr_sts_speechmatics.tools.function_tool import FunctionTool, NoTool

_JAVASCRIPT = (".js", ".cjs", ".mjs", ".ts")


def load(tools_dir: Path) -> list[FunctionTool]:
    """Import every file of the directory, in the order of names, and return the tools.

    Raises SettingsError for the first mistake, with file, line and what to do.
    """
    try:
        files = sorted(path for path in tools_dir.iterdir() if path.is_file())
    except OSError as error:
        raise SettingsError(f"TOOLS_DIR={tools_dir}: cannot be read: {error.strerror}.") from error
    tools: dict[str, FunctionTool] = {}
    # Last in the path: a tool calendar.py must not replace Python's module `calendar`.
    if (place := str(tools_dir.resolve())) not in sys.path:
        sys.path.append(place)
    for file in files:
        if file.suffix in _JAVASCRIPT:
            raise SettingsError(_how_to_port(file))
        if file.suffix != ".py" or file.name.startswith(("_", ".")):
            continue
        for tool in _tools_of(file):
            name = tool.spec.name
            if (other := tools.get(name)) is not None:
                raise SettingsError(
                    f"{tool.source}: a tool {name} is also in {other.source}; rename one of them."
                )
            tools[name] = tool
    return list(tools.values())


def _tools_of(file: Path) -> list[FunctionTool]:
    marked = [thing for thing in vars(_imported(file)).values() if _is_marked(thing)]
    if not marked:
        raise SettingsError(
            f"{file}: no tool in it; put @tool above an async function (from "
            "avr_sts_speechmatics.tools import tool), or begin the file's name with _ if it is a "
            "helper."
        )
    tools = []
    for function in dict.fromkeys(marked):
        source = _source(function, file)
        try:
            tools.append(FunctionTool(function, source))
        except NoTool as error:
            raise SettingsError(f"{source}: {error}") from error
    return tools


def _is_marked(thing: object) -> bool:
    """Whether the object itself is under @tool. An instance of a marked class is not."""
    return MARK in getattr(thing, "__dict__", {})


def _source(function: Callable[..., Any], file: Path) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else str(file)


def _imported(file: Path) -> ModuleType:
    # A name that no other module has. The module is registered under the name, because reading
    # type hints looks the module up.
    name = "avr_tool_" + re.sub(r"\W", "_", file.stem)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # an operator's file may raise anything
        del sys.modules[name]
        line = _line(error, file)
        where = file if line is None else f"{file}:{line}"
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise SettingsError(
            f"{where}: cannot be imported: {type(error).__name__}: {said}. "
            "Correct the file, or take it out of TOOLS_DIR."
        ) from error
    return module


def _line(error: BaseException, file: Path) -> int | None:
    """Return the last line of `file` in the traceback of an error, or None.

    For an error inside a module that the file imports, this is the line of the import.
    """
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == str(file)), None)


def _how_to_port(file: Path) -> str:
    name = re.sub(r"\W", "_", file.stem)
    if not name.isidentifier():
        name = f"tool_{name}"
    return f'''{file}: a tool in JavaScript; here tools are Python.
Write {name}.py like this, then take {file.name} away:

from typing import Annotated

from pydantic import Field

from avr_sts_speechmatics.tools import CallFacts, tool


@tool
async def {name}(
    example: Annotated[str, Field(description="from input_schema")], call: CallFacts
) -> str:
    """What `description` says: what the tool does, and when to use it."""
    return "what `handler` returns"  # its uuid is call.uuid
'''
