"""One answer of the model, with all rounds of tools, as a stream of text.

An answer may begin before it is certain that the caller's turn has ended. Then the stream is opened
and the first piece fetched, but nothing is yielded before `confirm`. Further text of the model
waits in the connection.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.services.llm.protocol import Brief, Llm


class Answer:
    """The text of one answer. Between the rounds, the user of this class runs the tools.

    llm: the model.
    brief: instructions, tools and name of the model.
    ask: called with the tools that the model requests, after all text before them was consumed.
    """

    def __init__(self, llm: Llm, brief: Brief, ask: Callable[[tuple[ToolCall, ...]], None]) -> None:
        self._llm = llm
        self._brief = brief
        self._ask = ask
        self._confirmed = asyncio.Event()
        self._asked: tuple[Brief, Sequence[Entry]] | None = None  # for the next round
        self._may_go_on = asyncio.Event()

    def confirm(self) -> None:
        """Release the text: the caller's turn has ended as expected."""
        self._confirmed.set()

    def go_on(self, history: Sequence[Entry], *, tools: bool = True) -> None:
        """Send the first or the next request to the model.

        history: the conversation, with the results of the tools of the round before.
        tools: True if the model may request tools.
        """
        self._asked = (self._brief if tools else replace(self._brief, tools=())), history
        self._may_go_on.set()

    async def text(self) -> AsyncGenerator[str | None, None]:
        """Yield pieces of text, cut anywhere, and None where the text so far must be spoken now.

        Raises ServiceError. Closing the generator cancels the request to the model at once.
        """
        calls: list[ToolCall] = [ToolCall("", "", "")]
        while calls:
            await self._may_go_on.wait()
            self._may_go_on.clear()
            assert self._asked is not None
            brief, history = self._asked
            calls = []
            async with aclosing(self._llm.reply(brief, history)) as pieces:
                async for piece in pieces:
                    await self._confirmed.wait()
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                    else:
                        yield piece
            await self._confirmed.wait()
            if calls:
                yield None
                self._ask(tuple(calls))
