"""One answer of the model, through all its rounds of tools, as a stream of text.

An answer may be begun before it is certain that it is wanted: then its stream is opened and its
first piece fetched, and nothing is given out before `confirm`. What the model wrote meanwhile
waits in the connection.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.services.llm.protocol import Brief, Llm


class Answer:
    """Text for the voice; between the rounds the tools run, wherever they run.

    ask: told the tools the model asks for, after all the text before them was taken.
    """

    def __init__(self, llm: Llm, brief: Brief, ask: Callable[[tuple[ToolCall, ...]], None]) -> None:
        self._llm = llm
        self._brief = brief
        self._ask = ask
        self._confirmed = asyncio.Event()
        self._asked: tuple[Brief, Sequence[Entry]] | None = None  # of the round to come
        self._may_go_on = asyncio.Event()

    def confirm(self) -> None:
        """The answer is wanted."""
        self._confirmed.set()

    def go_on(self, history: Sequence[Entry], *, tools: bool = True) -> None:
        """Ask the model, at first or with the results of its tools.

        tools: whether it may ask for any.
        """
        self._asked = (self._brief if tools else replace(self._brief, tools=())), history
        self._may_go_on.set()

    async def text(self) -> AsyncGenerator[str | None, None]:
        """Pieces of text, cut anywhere; None where what was said so far is to be spoken whole.

        Raises ServiceError. Closing it stops the model at once.
        """
        calls: list[ToolCall] = [ToolCall("", "", "")]
        while calls:
            await self._may_go_on.wait()
            self._may_go_on.clear()
            assert self._asked is not None
            brief, history = self._asked
            calls = []
            async with aclosing(self._llm.reply(brief, history)) as thoughts:
                async for thought in thoughts:
                    await self._confirmed.wait()
                    if isinstance(thought, ToolCall):
                        calls.append(thought)
                    else:
                        yield thought
            await self._confirmed.wait()
            if calls:
                yield None
                self._ask(tuple(calls))
