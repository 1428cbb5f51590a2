"""A loop whose time is made up: waiting takes no time, and everything happens in its order."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class _NoWaiting(selectors.DefaultSelector):
    """Where the loop would wait for a socket, its clock goes on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        self.now += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _NoWaiting()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        raise context.get("exception") or RuntimeError(context["message"])


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end; `asyncio.sleep` and timers cost no time."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
