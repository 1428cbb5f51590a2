"""A tool made from an operator's function and its signature.

Name, docstring and typed parameters become the tool's name, description and JSON Schema. The same
types check the arguments that the model sends. A parameter is described in the docstring's `Args:`
or by `Annotated[..., Field(description=...)]`. A parameter of type `CallFacts` is hidden from the
model; the service passes the facts of the call to it.

`python_files` finds the functions.
"""

import inspect
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_json

from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.tools import MARK, CallFacts, Mark
from avr_sts_speechmatics.tools.protocol import RESERVED, ToolError

TOLD_MAX = 5
"""Most mistakes in the arguments that one result reports to the model."""

# Function names that OpenAI accepts.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_ARGS = ("Args:", "Arguments:", "Parameters:")
_ARG = re.compile(r"(\w+)(?:[ \t]*\([^)]*\))?[ \t]*:[ \t]*(.*)")


class NoTool(Exception):
    """A function cannot be a tool. The text is a sentence that says why and what to do."""


class FunctionTool:
    """An operator's function as a tool. Implements `tools.protocol.Tool`.

    function: the async function.
    source: where the function is defined, `file:line`.

    Raises NoTool.
    """

    def __init__(self, function: Callable[..., Coroutine[Any, Any, object]], source: str) -> None:
        self.source = source
        self.cancel_on_hangup = getattr(function, MARK, Mark()).cancel_on_hangup
        self._function = function
        name = getattr(function, "__name__", "")
        if not inspect.isfunction(function) or not inspect.iscoroutinefunction(function):
            raise NoTool(
                f"{name or 'this'} is not an async function; write `async def` under @tool."
            )
        if name in RESERVED:
            raise NoTool(f"the name {name} is used by a tool of the service; choose another name.")
        if not _NAME.fullmatch(name):
            raise NoTool(f"{name} is no name for a tool; use up to 64 of a-z, A-Z, 0-9 and _.")
        description, described = _read(inspect.getdoc(function) or "")
        if not description:
            raise NoTool(
                f"{name} has no docstring; write in it what the tool does and when to use it, as "
                "the model sees nothing else of the tool."
            )
        self._facts: list[str] = []
        self._names: dict[str, str] = {}
        self._model = self._model_of(name, described)
        try:
            schema = self._model.model_json_schema(schema_generator=_Schema)
        except PydanticInvalidForJsonSchema as error:
            raise NoTool(
                f"{name} has a parameter of a type JSON does not have ({error})."
            ) from error
        del schema["title"]
        self.spec = ToolSpec(name, description, schema)

    def _model_of(self, name: str, described: dict[str, str]) -> type[BaseModel]:
        try:
            hints = get_type_hints(self._function, include_extras=True)
        except Exception as error:  # whatever evaluating an annotation may raise
            raise NoTool(f"the types of {name} cannot be read ({error}).") from error
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(self._function).parameters.values():
            where = f"the parameter {parameter.name} of {name}"
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise NoTool(f"{where} cannot be given by name; write plain parameters only.")
            if parameter.name not in hints:
                raise NoTool(f"{where} has no type; write one, such as {parameter.name}: str.")
            if hints[parameter.name] is CallFacts:
                self._facts.append(parameter.name)
                continue
            # Fields get generated names: an operator's parameter may be called `schema` or `copy`,
            # which are names of pydantic's own methods.
            own_name = f"p{len(fields)}"
            self._names[own_name] = parameter.name
            kind, default = hints[parameter.name], parameter.default
            if isinstance(default, FieldInfo):
                kind, default = Annotated[kind, default], inspect.Parameter.empty
            extra: dict[str, Any] = {"alias": parameter.name}
            if parameter.name in described:
                extra["description"] = described.pop(parameter.name)
            if default is not inspect.Parameter.empty:
                extra["default"] = default
            fields[own_name] = (kind, Field(**extra))
        if described:
            raise NoTool(f"{name} describes {', '.join(described)}, but has no such parameter.")
        try:
            return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        except PydanticUserError as error:
            reason = str(error).splitlines()[0]
            raise NoTool(f"{name} has a type that cannot be checked ({reason}).") from error

    async def run(self, arguments: dict[str, object], call: CallFacts) -> str:
        """Call the function once if the arguments fit. Raises ToolError if they do not."""
        try:
            checked = self._model.model_validate(arguments)
        except ValidationError as error:
            raise ToolError(_mistakes(error)) from None
        given = {name: getattr(checked, own) for own, name in self._names.items()}
        try:
            result = await self._function(**given, **dict.fromkeys(self._facts, call))
        except SystemExit as error:  # would end the service and all its calls
            raise RuntimeError("the tool called exit") from error
        if result is None:
            return "Done."
        return result if isinstance(result, str) else to_json(result).decode()


class _Schema(GenerateJsonSchema):
    """JSON Schema without titles, which would repeat the names and cost tokens in every call."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _read(docstring: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into the tool's description and the description of each parameter."""
    lines = docstring.splitlines()
    begin = next((n for n, line in enumerate(lines) if line.rstrip() in _ARGS), len(lines))
    rest = enumerate(lines[begin + 1 :], begin + 1)
    end = next((n for n, line in rest if line.strip() and not _indent(line)), len(lines))
    block = [line for line in lines[begin + 1 : end] if line.strip()]
    margin = min(map(_indent, block), default=0)
    described: dict[str, str] = {}
    name = ""
    for line in block:
        entry = _ARG.fullmatch(line.strip())
        if entry and _indent(line) == margin:
            name = entry[1]
            described[name] = entry[2]
        elif name:
            described[name] = f"{described[name]} {line.strip()}".strip()
    return "\n".join(lines[:begin] + lines[end:]).strip(), described


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _mistakes(error: ValidationError) -> str:
    """Return a sentence for the model that says which arguments are wrong, and why."""
    wrong = error.errors(include_url=False, include_input=False, include_context=False)
    mistakes = [
        f"{'.'.join(map(str, one['loc'])) or 'all'}: {one['msg']}" for one in wrong[:TOLD_MAX]
    ]
    return f"The tool was not run: its arguments do not fit. {'; '.join(mistakes)}."
