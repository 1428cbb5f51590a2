"""One answer of the model, with all rounds of tools, as a stream of text.

An answer may be begun before the caller's turn is over. Its stream is then opened and its first
piece fetched, and nothing is passed on before `confirm`. Text that the model writes meanwhile waits
in the connection.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from avr_sts_speechmatics.conversation import Entry, ToolCall
from avr_sts_speechmatics.services.llm.protocol import Brief, Llm, Usage


class Answer:
    """The text of one answer. Between rounds the call runs the tools.

    llm: the model.
    brief: instructions, tools and model of the agent.
    ask: is called with the model's tool calls, after all the text before them was taken.
    used: is called with the tokens of each round, if the server reports them.
    """

    def __init__(
        self,
        llm: Llm,
        brief: Brief,
        ask: Callable[[tuple[ToolCall, ...]], None],
        used: Callable[[Usage], None] | None = None,
    ) -> None:
        self._llm = llm
        self._brief = brief
        self._ask = ask
        self._used = used
        self._confirmed = asyncio.Event()
        self._asked: tuple[Brief, Sequence[Entry]] | None = None  # for the next round
        self._may_go_on = asyncio.Event()

    def confirm(self) -> None:
        """The caller's turn is over: pass the text on."""
        self._confirmed.set()

    def go_on(self, history: Sequence[Entry], *, tools: bool = True) -> None:
        """Ask the model for the first round, or for the next one with the results of its tools.

        history: the conversation, oldest first.
        tools: the model may call tools.
        """
        self._asked = (self._brief if tools else replace(self._brief, tools=())), history
        self._may_go_on.set()

    async def text(self) -> AsyncGenerator[str | None, None]:
        """Pieces of text, cut anywhere. None: the text so far is complete and is spoken now.

        Raises ServiceError. Closing the generator stops the model at once.
        """
        calls: list[ToolCall] = [ToolCall("", "", "")]
        told = False  # the model was told that it may call no tools, and called one
        while calls:
            await self._may_go_on.wait()
            self._may_go_on.clear()
            assert self._asked is not None
            brief, history = self._asked
            calls = []
            async with aclosing(self._llm.reply(brief, history, self._used)) as pieces:
                async for piece in pieces:
                    await self._confirmed.wait()
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                    else:
                        yield piece
            await self._confirmed.wait()
            if not brief.tools:
                # The model is told once. A model that does not listen would be asked for ever.
                calls, told = ([] if told else calls), bool(calls)
            if calls:
                yield None
                self._ask(tuple(calls))


@dataclass(frozen=True, slots=True, eq=False)
class ReplyUnderWay:
    """A reply under way. answer: None for a fixed text."""

    answer: Answer | None
    task: asyncio.Task[None]


async def fixed_text(text: str) -> AsyncGenerator[str | None, None]:
    """Yield a text that no model writes, as `Answer.text` does."""
    yield text
