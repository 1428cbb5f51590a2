"""Refusals: the meaning of a server's refusal of a request.

Servers name the same reason with many codes and wordings. The predicates below know the refusals of
OpenAI, Azure, Groq, OpenRouter, Mistral, DeepSeek, Gemini, vLLM, llama.cpp, Ollama and LM Studio.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from avr_sts_speechmatics.services.llm.api_error import ApiError

_CONTEXT = re.compile(
    r"context[_ ]length|context[_ ](?:window|size)|exceed_context|maximum context|context limit"
    r"|(?:prompt|input|request|message|conversation)s?\b[^.]{0,40}\btoo (?:long|large|many)"
    r"|too many (?:input )?tokens|reduce (?:the length|your (?:message|prompt|input))"
    r"|maximum (?:model|sequence|input|prompt) length|max_model_len"
    r"|token count[^.]{0,40}exceeds|tokens? (?:limit|must be|allowed)[^.]{0,60}(?:exceed|<=)"
    r"|`?inputs`? tokens|longer than the maximum|(?:exceeds?|exceeded) [^.]{0,60}\btokens?\b"
    r"|string_above_max_length|array_above_max_length|array too long|entity too large"
    r"|payload too large",
)
_NOT_SUPPORTED = re.compile(
    r"(?:not |un)support|(?:does|do|did)(?: ?n.t| not) (?:support|allow|accept|provide)"
    r"|not (?:been )?(?:enabled|allowed|available|permitted|implemented|accepted|possible|recogni)"
    r"|requires? |no endpoints|unrecogni[sz]ed|unknown|unexpected|extra |forbidden|disabled"
)
_TOOLS = re.compile(
    r"\btools?\b|\btool[_ ](?:choice|use|calls?|calling)\b"
    r"|\bfunction[_ -]?(?:call(?:s|ing)?|tools?)\b|\bfunctions\b"
)
_TOOL_MESSAGE = re.compile(
    r"roles?[`'\":]* ?[`'\"]?tool\b|[`'\"]tool[`'\"] (?:role|message)|tool_call_id|tool call ids?"
    r"|after role|tool_calls\b.{0,30}(?:message|content|respon)|messages\b.{0,20}\btool"
    r"|tool (?:message|result|response)"
)
_ROLES = re.compile(
    r"alternat|must (?:start|begin|end) with|first message|last (?:message|role)|last role"
    r"|role [`'\"]?(?:user|assistant|system|tool|developer)"
    r"|(?:unexpected|invalid|unknown|unsupported) role"
    r"|roles?\b.{0,40}(?:support|expected|allowed|order)|conversation|jinja|template"
    r"|no user (?:query|message)|prefill|consecutive|continue_final_message|add_generation_prompt"
)
_SYSTEM = re.compile(
    r"system[`'\"]? ?(?:role|message|prompt|instruction)s?\b.{0,40}?"
    r"(?:not|unsupported|only|invalid)"
    r"|(?:support|accept|allow)[a-z]*\b[^.]{0,20}[`'\"]system[`'\"]|role[s:]? [`'\"]?system"
    r"|(?:unsupported|unexpected|invalid|unknown) (?:role|value)[^.]{0,20}system"
    r"|developer instruction is not enabled|system role|only user and assistant"
    r"|(?:unsupported|unexpected|invalid|unknown)[^.]{0,20}[`'\"]developer[`'\"]"
    r"|does not support [`'\"](?:system|developer)[`'\"]"
)
_FAILED_CALL = re.compile(
    r"tool_use_failed|failed to call a function|failed_generation|tool call validation failed"
    r"|failed to parse (?:the )?(?:tool|function) call|malformed[_ ]function[_ ]call"
)
_TOOL_PLACE = re.compile(r"\b(?:tools|functions?|function_declarations)[\[.](\d+)")
_IDS = re.compile(r"ids?\b[^.]{0,40}\b(?:alphanumeric|length|pattern|a-za-z0-9|a-z)")
_ANSWER_FORM = re.compile(
    r"response[_ ]?format|json[_ ](?:schema|object|mode)|structured[_ ]output|guided|grammar"
    r"|\bschema\b"
)
_BEFORE_VALUES = re.compile(r"supported values|must be one of|one of|\bto\b|set |use ")
_EFFORTS = ("none", "minimal", "low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that the server did not accept.

    status: HTTP status; 0 for an error inside a stream.
    code: the server's code for the reason; may be empty.
    param: the refused field of the request; may be empty.
    text: everything the server wrote, in lower case.
    reason: the server's sentence, for the log.
    """

    status: int
    code: str
    param: str
    text: str
    reason: str

    @classmethod
    def of(cls, error: ApiError) -> "Refusal":
        body = error.body
        reason = body.get("message") if isinstance(body, Mapping) else None
        reason = reason if isinstance(reason, str) and reason else error.message
        return cls(
            error.status,
            error.code,
            error.param,
            " ".join(f"{error.message} {body} {error.code} {error.type}".lower().split()),
            " ".join(reason.split())[:200],
        )

    @property
    def may_be_cured(self) -> bool:
        """Whether another form of the request can help; False for a wrong key or a busy server."""
        if self.status in (0, 400, 413, 422, 500, 501):
            return True
        return (self.status == 404 and "support" in self.text) or (
            self.status == 429 and "too large" in self.text
        )

    @property
    def is_of_the_form(self) -> bool:
        """Whether the server says that the request itself is wrong."""
        return self.status in (400, 413, 422)

    @property
    def failed_call(self) -> bool:
        """The model wrote a tool call that its server could not read; another try may do better."""
        return bool(_FAILED_CALL.search(self.text))

    @property
    def too_long(self) -> bool:
        return self.status == 413 or bool(_CONTEXT.search(self.text))

    @property
    def tools(self) -> bool:
        """The server, or its model, takes no tools at all."""
        if self.param in ("tools", "tool_choice", "functions"):
            return True
        if self.param or _TOOL_MESSAGE.search(self.text) or not _TOOLS.search(self.text):
            return False
        return bool(_NOT_SUPPORTED.search(self.text))

    @property
    def tool_place(self) -> int | None:
        """Place of the one tool that is refused, such as a tool with an unusual schema."""
        found = _TOOL_PLACE.search(self._everything)
        return int(found[1]) if found else None

    def tool_named(self, name: str) -> bool:
        """Whether the schema of one tool is refused by name."""
        named = re.search(rf"[`'\"]{re.escape(name.lower())}[`'\"]", self.text)
        return bool(named and "schema" in self.text and "function" in self.text)

    @property
    def roles(self) -> bool:
        """The order or the kinds of the messages are refused."""
        return bool(_ROLES.search(self.text)) or self.param.startswith("messages")

    @property
    def system(self) -> bool:
        return bool(_SYSTEM.search(self.text))

    @property
    def wants_developer(self) -> bool:
        """The server knows `developer` messages: OpenAI's name for newer models' instructions."""
        return "'developer'" in self.text or "messages[0].role" in self._everything

    @property
    def tool_messages(self) -> bool:
        return bool(_TOOL_MESSAGE.search(self.text))

    @property
    def ids(self) -> bool:
        return bool(_IDS.search(self.text))

    @property
    def content(self) -> bool:
        """An assistant message without text is refused."""
        named = self.param.endswith("content") or re.search(r"\bcontent\b", self.text)
        why = r"null|none|nonetype|string|str\b|required|missing|empty|blank|valid"
        return bool(named and re.search(why, self.text))

    @property
    def answer_form(self) -> bool:
        """The wanted form of the answer, its schema or a keyword of the schema is refused."""
        return self.param.startswith("response_format") or bool(_ANSWER_FORM.search(self.text))

    def names(self, field: str) -> bool:
        """Whether a field of the request is named as the reason."""
        return self.param == field or bool(
            re.search(rf"(?<![\w-]){re.escape(field.lower())}(?![\w-])", self._everything)
        )

    def effort_instead_of(self, refused: object) -> str | None:
        """Return the smallest reasoning effort that the server names as accepted."""
        after = _BEFORE_VALUES.split(self.text, maxsplit=1)
        named = after[1] if len(after) == 2 else ""
        others = (effort for effort in _EFFORTS if effort != refused)
        return next((e for e in others if re.search(rf"[`'\"]{e}[`'\"]", named)), None)

    @property
    def _everything(self) -> str:
        return f"{self.param} {self.text}".lower()
