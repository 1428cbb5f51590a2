"""The agent's tools. An operator's own tools import `CallFacts` and `tool` from this package.

    from avr_sts_speechmatics.tools import CallFacts, tool

`docs/tools.md` describes how to write a tool. Importing this package loads no other library.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

_Function = TypeVar("_Function", bound=Callable[..., Any])

MARK = "__avr_tool__"
"""The attribute that makes a function a tool. Its value is a Mark."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a function is a tool.

    cancel_on_hangup: True if the function is stopped when its call ends.
    """

    cancel_on_hangup: bool = False


@dataclass(frozen=True, slots=True)
class CallFacts:
    """The call that a tool is run for. The service fills in a parameter of this type.

    uuid: identifier of the call in logs. Not unique: two calls may have the same uuid.
    transport: the transport that the call arrived by, such as "avr-websocket".
    facts: everything else that arrived with the call, such as `from`. The texts come from outside
        and must not be trusted.
    """

    uuid: str
    transport: str
    facts: Mapping[str, str] = field(default_factory=dict)


@overload
def tool(function: _Function) -> _Function: ...
@overload
def tool(*, cancel_on_hangup: bool = False) -> Callable[[_Function], _Function]: ...
def tool(
    function: _Function | None = None, *, cancel_on_hangup: bool = False
) -> _Function | Callable[[_Function], _Function]:
    """Offer an async function to the model as a tool.

    cancel_on_hangup: True to stop the tool when the caller hangs up, for a tool that only looks
        something up. By default a tool that has begun is finished.

    The model sees the function's name, docstring and parameters. The function is returned
    unchanged, so that it can be called and tested without the service. The service checks the
    function when the service starts.
    """

    def marked(function: _Function) -> _Function:
        setattr(function, MARK, Mark(cancel_on_hangup=cancel_on_hangup))
        return function

    return marked if function is None else marked(function)
