"""The spans of one reply of the agent: the model's requests, the voice, and the playout.

A reply is a turn (an answer of the model, with the caller's turn before it) or a fixed text such as
the welcome. Its times are collected while it goes on; the spans are made when it is over.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from avr_sts_speechmatics.call.observer import TokensUsed
from avr_sts_speechmatics.call_in_log import CallName
from avr_sts_speechmatics.conversation import Entry, Message, ToolCall
from avr_sts_speechmatics.telemetry.open_telemetry_span import (
    TEXT_MAX,
    Attributes,
    Kind,
    Span,
    Value,
    known,
)

HISTORY_MAX = 20
"""Most entries of a conversation that a span holds, its end."""

SOON_S = 0.002
"""A first text that comes this soon after the end of the turn (s) may have waited for that end."""

_PROVIDERS = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.anthropic.com": "anthropic",
    "api.cohere.ai": "cohere",
    "generativelanguage.googleapis.com": "gcp.gemini",
}
"""Names that the conventions give to providers, by the ends of their hosts."""


@dataclass(frozen=True, slots=True)
class Model:
    """The model of an agent.

    name: of the model.
    provider: by the conventions' names; "openai" for every server that speaks its protocol.
    host: of the server; empty for the scripted receptionist.
    port: of the server.
    """

    name: str
    provider: str
    host: str = ""
    port: int = 0

    @classmethod
    def at(cls, name: str, url: str) -> "Model":
        """Describe a model by the address of its server."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        provider = next((it for end, it in _PROVIDERS.items() if host.endswith(end)), "openai")
        return cls(name, provider, host, parts.port or (443 if parts.scheme == "https" else 80))

    def attributes(self) -> Attributes:
        found: Attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self.provider,
            "gen_ai.request.model": self.name,
            "gen_ai.request.stream": True,
        }
        if self.host:
            found |= {"server.address": self.host, "server.port": self.port}
        return found


@dataclass(slots=True)
class Request:
    """One request to the model.

    span_id: of its span.
    began: when the model was asked.
    history: the conversation; None if words are not recorded.
    first_text: when its first text arrived.
    ended: when its last piece arrived, as far as that is known.
    last_sentence: when its last sentence was sent to the voice.
    texts: its sentences, if words are recorded.
    """

    span_id: str
    began: float
    history: Sequence[Entry] | None = None
    first_text: float | None = None
    ended: float | None = None
    last_sentence: float | None = None
    used: TokensUsed | None = None
    error: str = ""
    texts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Utterance:
    """A clause or sentence on its way to the caller.

    sent: when it was sent to the voice.
    audio: when its first audio arrived.
    kept: its audio was kept from an earlier time.
    first_frame: when its first frame left.
    left: when its last frame left, or when it was dropped.
    share: share of it that was played.
    filler: it is a phrase that bridges a wait.
    """

    sent: float
    characters: int
    text: str = ""
    audio: float | None = None
    kept: bool = False
    first_frame: float | None = None
    left: float | None = None
    share: float = 0.0
    filler: bool = False
    error: str = ""


@dataclass(slots=True)
class Reply:
    """A reply under way.

    span: of the turn or the fixed text; its begin is moved when the turn is confirmed.
    name: name of the call within the span, in the context of the reply's task.
    confirmed: when the caller's turn was over; None while that is not known.
    heard_since: when the caller began to speak.
    stopped: when the caller stopped.
    """

    span: Span
    name: CallName | None = None
    confirmed: float | None = None
    heard_since: float | None = None
    stopped: float | None = None
    requests: list[Request] = field(default_factory=list)
    utterances: dict[int, Utterance] = field(default_factory=dict)

    def open_request(self) -> Request | None:
        """Return the request whose answer still comes."""
        last = self.requests[-1] if self.requests else None
        return last if last is not None and last.ended is None else None

    def waiting_utterance(self) -> Utterance | None:
        """Return the utterance that has waited longest for its audio."""
        waiting = (one for one in self.utterances.values() if one.audio is None and not one.error)
        return next(waiting, None)

    def sentence(self, at: float, number: int, text: str, *, words: bool) -> None:
        """A sentence was sent to the voice."""
        self.utterances[number] = Utterance(at, len(text), text if words else "")
        if self.requests:
            self.requests[-1].last_sentence = at
            if words:
                self.requests[-1].texts.append(text)


Make = Callable[..., Span]
"""Makes a span: name, span_id, parent_id, began, ended; kind and attributes if wanted."""


def request_span(
    make: Make,
    request: Request,
    number: int,
    model: Model,
    parent_id: str,
    at: float,
    **more: Value,
) -> Span:
    """Make the span of a request to the model.

    number: of the request within its reply, from 1.
    at: when the reply was over.
    more: further attributes; their names have `__` for each dot.
    """
    ended = request.ended or (request.last_sentence if not request.error else None) or at
    attributes = model.attributes()
    if number > 1:
        attributes["avr.request.round"] = number
    attributes |= {name.replace("__", "."): value for name, value in more.items()}
    if (used := request.used) is not None:
        attributes |= {
            "gen_ai.usage.input_tokens": used.prompt,
            "gen_ai.usage.output_tokens": used.completion,
            "gen_ai.usage.cache_read.input_tokens": used.cached,
        }
        if used.estimated:
            attributes["avr.request.tokens_estimated"] = True
    if request.history is not None:
        attributes["gen_ai.input.messages"] = _messages(request.history)
        if request.texts:
            said = [{"type": "text", "content": " ".join(request.texts)[:TEXT_MAX]}]
            attributes["gen_ai.output.messages"] = _json([{"role": "assistant", "parts": said}])
    kind: Kind = "client" if model.host else "internal"
    span = make(f"chat {model.name}", request.span_id, parent_id, request.began, ended, kind)
    span.attributes |= attributes
    if request.first_text is not None:
        span.happened(request.first_text, "first text")
    if request.error:
        span.failed(request.error)
    return span


def spans_of(reply: Reply, make: Make, model: Model, at: float, *, cut: bool) -> Iterator[Span]:
    """Make the spans below a reply that is over.

    at: when it was over.
    cut: the reply was cancelled.
    """
    parent_id = reply.span.context.span_id
    yield from _hearing(reply, make, parent_id)
    for number, request in enumerate(reply.requests, start=1):
        if cut and request.ended is None:
            request.ended = at
        more: Attributes = {}
        ahead = reply.confirmed is not None and request.began < reply.confirmed
        first = request.first_text
        # A request ahead of the end of the turn passes its text on only then.
        if first is not None and not (ahead and first - (reply.confirmed or 0) < SOON_S):
            took_s = first - request.began
            more["gen_ai__response__time_to_first_chunk"] = round(took_s, 4)
        span = request_span(make, request, number, model, parent_id, at, **more)
        if ahead and reply.confirmed is not None:
            span.attributes["avr.request.ahead_ms"] = _ms(request.began, reply.confirmed)
            span.happened(reply.confirmed, "turn confirmed")
        yield span
    for utterance in reply.utterances.values():
        yield _voice(utterance, make, parent_id, at)
    if (playout := _playout(reply, make, parent_id, at)) is not None:
        yield playout


def _hearing(reply: Reply, make: Make, parent_id: str) -> Iterator[Span]:
    if reply.confirmed is None or reply.heard_since is None:
        return
    hearing = make("hearing", None, parent_id, reply.heard_since, reply.confirmed)
    yield hearing
    if reply.stopped is not None and reply.stopped <= reply.confirmed:
        above = hearing.context.span_id
        yield make("end of turn", None, above, reply.stopped, reply.confirmed)


def _voice(utterance: Utterance, make: Make, parent_id: str, at: float) -> Span:
    """Make the span of the wait for the voice, from the text to the first audio."""
    ended = utterance.audio or utterance.left or at
    kind: Kind = "internal" if utterance.kept or utterance.filler else "client"
    span = make("voice", None, parent_id, utterance.sent, ended, kind)
    # Encoding costs time for each attribute: what is as usual is left out.
    span.attributes["avr.voice.characters"] = utterance.characters
    if utterance.kept or utterance.filler:
        span.attributes["avr.voice.kept"] = True
    if utterance.filler:
        span.attributes["avr.voice.filler"] = True
    if utterance.share < 1:
        span.attributes["avr.voice.heard_share"] = round(utterance.share, 3)
    if utterance.text:
        span.attributes["avr.voice.text"] = utterance.text[:TEXT_MAX]
    if utterance.error:
        span.failed(utterance.error)
    elif utterance.audio is None:
        span.attributes["avr.voice.dropped"] = True
    return span


def _playout(reply: Reply, make: Make, parent_id: str, at: float) -> Span | None:
    frames = [one.first_frame for one in reply.utterances.values() if one.first_frame is not None]
    if not frames:
        return None
    left = max((one.left or at for one in reply.utterances.values() if one.first_frame), default=at)
    return make("playout", None, parent_id, min(frames), left)


def _messages(history: Sequence[Entry]) -> str:
    """Return the end of a conversation in the form of the conventions, as JSON."""
    return _json([_message(entry) for entry in history[-HISTORY_MAX:]])


def _message(entry: Entry) -> dict[str, object]:
    if isinstance(entry, Message):
        part: dict[str, object] = {"type": "text", "content": entry.content[:TEXT_MAX]}
        return {"role": entry.role, "parts": [part]}
    if isinstance(entry, ToolCall):
        called = {"type": "tool_call", "id": entry.id, "name": entry.name}
        return {"role": "assistant", "parts": [called | {"arguments": entry.arguments[:TEXT_MAX]}]}
    result = {"type": "tool_call_response", "id": entry.id, "response": entry.content[:TEXT_MAX]}
    return {"role": "tool", "parts": [result]}


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair
        return "[]"


def _ms(began: float, ended: float) -> int:
    return round((ended - began) * 1000)


def turn_attributes(waits: dict[str, int | bool | None]) -> Attributes:
    """Return the waits of a turn, as the log has them, as attributes."""
    return known({f"avr.turn.{name}": value for name, value in waits.items()})
