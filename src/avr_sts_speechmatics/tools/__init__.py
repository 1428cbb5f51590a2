"""What the agent can do to the call and to the world.

From here an operator's own tools import what they need, `from avr_sts_speechmatics.tools import
CallFacts, tool`; `docs/tools.md` tells them how. Nothing else is loaded with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

MARK = "__avr_tool__"
"""The attribute that makes a function a tool."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """The call a tool is run for. A parameter of this type is filled in by the service.

    uuid: names the call in logs; not a key, two calls may carry the same.
    transport: how the call came in, such as "avr-websocket".
    facts: whatever else came with the call, such as `from`; text of others, never to be trusted.
    """

    uuid: str
    transport: str
    facts: Mapping[str, str] = field(default_factory=dict)


def tool(function: _Function) -> _Function:
    """Offer an async function to the model as a tool.

    Its name, docstring and parameters are what the model is told. The function stays as it is, so
    that it can be called and tested without the service; it is checked when the service starts.
    """
    setattr(function, MARK, True)
    return function
