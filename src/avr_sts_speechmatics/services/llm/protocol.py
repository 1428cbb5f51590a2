"""The interface of an LLM client: a cloud model, or the scripted receptionist."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from avr_sts_speechmatics.conversation import Entry, ToolCall, ToolSpec


@dataclass(frozen=True, slots=True, eq=False)
class AnswerForm:
    """The form of an answer that is a JSON object, for a program.

    name: names the form; letters and _.
    schema: JSON Schema of the object. The answer may differ: the caller of `reply` checks it.
    strict: a schema for servers that keep strictly to a schema; None if these cannot have it.
    max_tokens: longest answer (tokens), whatever the settings say.
    """

    name: str
    schema: Mapping[str, Any]
    strict: Mapping[str, Any] | None
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Brief:
    """The part of a request that is not the conversation.

    instructions: the system prompt.
    tools: the tools that the model may call.
    model: name of the model; None for the model of the settings.
    language: of the caller, such as "en". A model learns the language from the instructions.
    answer: the form of the answer; None for words. Nobody waits for an answer of a form.
    """

    instructions: str
    tools: tuple[ToolSpec, ...] = ()
    model: str | None = None
    language: str = "en"
    answer: AnswerForm | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one request.

    prompt: tokens of the request.
    cached: tokens of the request that came from the server's cache, included in `prompt`.
    completion: tokens of the answer, reasoning included.
    server: host of the server, and port if it is not the usual one.
    model: name of the model.
    estimated: the server did not count the tokens.
    """

    prompt: int
    cached: int
    completion: int
    server: str = ""
    model: str = ""
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class LlmState:
    """Findings of an LLM client about its server, for operators.

    tools: False if a model is asked without tools because its server refuses them.
    adaptations: how requests differ from what the settings ask for, one sentence each; empty for a
        server that accepts everything.
    """

    tools: bool = True
    adaptations: tuple[str, ...] = ()


class Llm(Protocol):
    """Generates what the agent says next."""

    def reply(
        self,
        brief: Brief,
        history: Sequence[Entry],
        used: Callable[[Usage], None] | None = None,
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Stream an answer: pieces of text, cut anywhere, then complete tool calls.

        brief: instructions, tools and model.
        history: the conversation. Each ToolCall is followed by its ToolResult before the next
            Message.
        used: called with the tokens of each request that the server accepted, also of a request
            that failed later or was dropped.

        Closing the generator, or cancelling its task, ends the request at once.
        Raises ServiceError. A request is not repeated after its first text has been yielded.
        """

    def state(self) -> LlmState:
        """Return the findings about the server since the start of the process."""

    async def warm_up(self) -> None:
        """Load libraries in a thread, so that the first answer does not wait for them."""

    async def close(self) -> None: ...
