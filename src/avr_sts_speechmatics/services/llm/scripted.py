"""The scripted receptionist behind the interface of an LLM client, for use without a model."""

import json
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.language_packs import base_language, pack_for
from avr_sts_speechmatics.receptionist import (
    FaqError,
    Receptionist,
    filled,
    load_faq,
    messages_of,
)
from avr_sts_speechmatics.services.llm.chat_messages import chat_messages
from avr_sts_speechmatics.services.llm.protocol import AnswerForm, Brief, LlmState, Usage

__all__ = ["FaqError", "Receptionist", "ScriptedLlm", "load_faq"]


class ScriptedLlm:
    """The receptionist as an LLM client. Implements `services.llm.protocol.Llm`.

    The receptionist's rules are for English. In another language only the operator's FAQ answers,
    which is in the language of the callers. Where the FAQ has no answer, the receptionist says so
    in a sentence of the language pack. In a language without a pack the reply is empty, and the
    agent apologises in the operator's words.

    receptionist: answers from its FAQ file.
    own_faq: the FAQ is the operator's. The FAQ that the package brings along is English.
    """

    def __init__(self, receptionist: Receptionist, *, own_faq: bool = False) -> None:
        self._receptionist = receptionist
        self._own_faq = own_faq

    async def reply(
        self,
        brief: Brief,
        history: Sequence[Entry],
        used: Callable[[Usage], None] | None = None,
    ) -> AsyncGenerator[str | ToolCall, None]:
        if brief.answer is not None:
            yield _filled(brief.answer, history)
            return
        if base_language(brief.language) != "en":
            if text := self._in_other_language(brief.language, history):
                yield text
            return
        offered = frozenset(tool.name for tool in brief.tools)
        reply = self._receptionist.reply(chat_messages("", history), offered)
        yield reply.text
        if reply.tool is not None:
            yield ToolCall(f"call_{uuid.uuid4()}", reply.tool.name, reply.tool.arguments_json())

    def _in_other_language(self, language: str, history: Sequence[Entry]) -> str:
        pack, messages = pack_for(language), chat_messages("", history)
        if self._own_faq and (answer := self._receptionist.faq_answer(messages)):
            return answer
        if pack is None:
            return ""
        said = any(isinstance(entry, Message) and entry.role == "user" for entry in history)
        text = pack.receptionist.refusal if said else pack.receptionist.greeting
        return text.format(company=self._receptionist.company)

    def state(self) -> LlmState:
        return LlmState()

    async def warm_up(self) -> None:
        """Do nothing: there is nothing to load."""

    async def close(self) -> None:
        """Do nothing: no connection is open."""


def _filled(form: AnswerForm, history: Sequence[Entry]) -> str:
    """Return the object that the receptionist's memory of a call gives. Raises ServiceError."""
    asked = history[-1]
    text = asked.content if isinstance(asked, Message) else ""
    found = filled(form.schema, messages_of(text))
    if not found:
        why = "no model is set, and the scripted receptionist knows none of the fields"
        raise ServiceError("llm", why, retryable=False)
    return json.dumps(found)
