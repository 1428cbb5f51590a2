"""One answer of a model, read chunk by chunk: visible text, tool calls, completeness."""

from collections.abc import Mapping
from typing import Any

from avr_sts_speechmatics.conversation import ToolCall
from avr_sts_speechmatics.services.llm.chunks import Chunk, merged
from avr_sts_speechmatics.services.llm.protocol import Brief, Usage
from avr_sts_speechmatics.services.llm.request_form import RequestForm
from avr_sts_speechmatics.services.llm.tool_call_pieces import ToolCallPieces
from avr_sts_speechmatics.services.llm.visible_text import VisibleText


class StreamedAnswer:
    """An answer as far as it has arrived.

    brief: the brief of the call; a tool call that is written as text must name one of its tools.
    form: the form of requests that the server accepts.
    """

    def __init__(self, brief: Brief, form: RequestForm) -> None:
        self.text = VisibleText(
            brief.tools, reasons_first=form.reasons_first, suspicious=not form.proven
        )
        self.usage: Usage | None = None
        self.length = 0  # of the text so far, invisible text included (characters)
        self._pieces = ToolCallPieces()
        self._opaque: Mapping[str, Any] = {}
        self._finish = ""
        self._end = ""
        self.has_text = False
        self._as_is = brief.answer is not None  # an object is no text in which calls may hide

    def add(self, chunk: Chunk) -> str:
        """Take a chunk; return the text that is visible now."""
        if chunk.finish:
            self._finish = chunk.finish
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.opaque:
            self._opaque = merged(self._opaque, chunk.opaque)
            if any(value and key.startswith("reasoning") for key, value in chunk.opaque.items()):
                self.text.reasons_elsewhere()
        if chunk.calls:
            self._pieces.add(chunk.calls)
        delta = chunk.text
        if not delta:
            return ""
        self.length += len(delta)
        if not delta.isspace():
            self._end = delta
        if self._as_is:
            return delta
        text = self.text.feed(delta)
        if text:
            self.has_text = True
        return text

    def end(self) -> str:
        """End the stream and return the rest of the visible text."""
        text = self.text.end(cut=self._finish == "length" or bool(self._pieces))
        self.has_text = self.has_text or bool(text)
        return text

    @property
    def is_complete(self) -> bool:
        """Whether the answer has an end.

        Some servers send no finish_reason. Then a complete sentence or a complete tool call counts
        as the end.
        """
        if self._finish:
            return self._finish != "error"
        whole = self._pieces.are_whole or bool(self.text.calls)
        if self._as_is:
            return self._end.rstrip().endswith("}")
        return whole or self._end.rstrip().endswith((".", "!", "?", "…"))

    def calls(self, server: str) -> list[ToolCall]:
        return self._pieces.whole(self.text.calls, server=server, message=self._opaque)
