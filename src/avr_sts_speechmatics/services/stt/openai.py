"""Any server that speaks OpenAI's realtime transcription over a WebSocket, such as speaches.

Audio goes out as JSON with base64, 24 kHz. The server (or this module, see below) cuts the audio
into items, one for each stretch of speech, and transcribes each item:

event                       | report
----------------------------+-----------------------------------------------------------------------
speech_started              | speech_started
…transcription.delta        | words_heard, with the items before that have no final text yet
speech_stopped              | speech_ended
…transcription.completed    | segment_heard, in the order of the items
…transcription.failed       | segment_heard with the words that came before the failure, if any
no item is left, no speech  | turn_ended: the silence that ends an item ends the turn

A model without turn detection (gpt-live-transcribe) never says that speech began or stopped. The
first words are then the beginning, and a silence of words (`silence_rule`) commits the item.

Servers differ, and each difference is met here:
- Times count from the start of the session at OpenAI, and from the last commit at speaches.
- speaches wants the model and the language in the address, where OpenAI must not find them.
- Most servers run their voice detector over seconds of audio for each message: audio is sent in
  pieces of PIECE_BYTES, also in a turn.
- Nothing is acknowledged. A server is alive while it answers pings, and while each item becomes
  text within ITEM_S.

[OpenAI realtime transcription guide; speaches, src/speaches/realtime]
"""

import asyncio
import base64
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

import msgspec
from picows import WSMsgType, WSTransport

from avr_sts_speechmatics.audio.pcm import FRAME_BYTES, seconds
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.services.stt.protocol import OpenAnotherSession, SessionListener, TriedOut
from avr_sts_speechmatics.services.stt.silence_rule import SilenceRule
from avr_sts_speechmatics.services.stt.trial import try_once
from avr_sts_speechmatics.services.stt.websocket_session import WebSocketSession, place
from avr_sts_speechmatics.values import Secret, VocabEntry

BASE_URL = "https://api.openai.com/v1"
MODEL = "gpt-live-transcribe"
"""The model where the operator names none and uses OpenAI's own server."""

RATE = 24_000
"""The only rate of OpenAI's PCM (Hz)."""

PIECE_BYTES = 2 * FRAME_BYTES
"""Least audio in a message (bytes at 8 kHz): 40 ms."""

ITEM_S = 10.0
"""Longest wait for the text of an item (s). The next session hears the item again."""

LATE_S = 0.6
"""How much later than spoken a model without turn detection reports words (s)."""

CLOCK_S = 0.3
"""How far a time of the server may lie beyond the audio sent (s): the network delays events."""

OWN_TURNS = (
    "Nothing to do: the model has no turn detection, so a turn ends STT_SILENCE_MS after the last "
    "word, and a sound without words does not pause the agent."
)
SERVER_TURNS = (
    "Nothing to do: a turn ends after STT_SILENCE_MS of silence, whatever was said (speaches: 550 "
    "ms). Where a server sends no words before a turn ends, as speaches does, only whole turns "
    "interrupt the agent."
)

_AUDIO = b'{"type":"input_audio_buffer.append","audio":"'
_COMMIT = b'{"type":"input_audio_buffer.commit"}'
_WITHOUT_TURNS = "gpt-live-transcribe"
_TAKES_KEYWORDS = ("gpt-live-transcribe", "gpt-transcribe")
_TAKES_NO_WORDS = "gpt-realtime-whisper"
_ISO = {"cmn": "zh"}

_log = logging.getLogger(__name__)


def transcription_url(base: str, model: str, language: str) -> str:
    """Return the WebSocket address of a transcription session.

    base: base address of the server, such as `http://localhost:8000/v1`; http: becomes ws:.
    language: as of `iso_language`; empty for none.
    """
    parts = urlsplit(base)
    query = [parts.query, "intent=transcription"]
    if parts.hostname != "api.openai.com":
        query.append(f"model={quote(model, safe='')}")
        if language:
            query.append(f"language={language}")
    return parts._replace(
        scheme=parts.scheme.replace("http", "ws"),
        path=parts.path.rstrip("/") + "/realtime",
        query="&".join(filter(None, query)),
    ).geturl()


def iso_language(code: str) -> str:
    """Return OpenAI's code for Speechmatics' code of a language.

    Empty for a pair of languages, such as `en_ta`: the server then finds the language itself.
    """
    return "" if "_" in code else _ISO.get(code, code)


class _Error(msgspec.Struct, frozen=True):
    type: str | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None

    def __str__(self) -> str:
        return ": ".join(str(part) for part in (self.code or self.type, self.message) if part)


class _Session(msgspec.Struct, frozen=True):
    id: str | None = None


class _Event(msgspec.Struct, frozen=True):
    """Every event of the server; fields that an event does not have keep their defaults."""

    type: str
    item_id: str = ""
    delta: str | None = None
    transcript: str | None = None
    audio_start_ms: float = 0
    audio_end_ms: float = 0
    error: _Error | None = None
    session: _Session | None = None


@dataclass(slots=True)
class _Item:
    """A stretch of speech.

    text: the words so far; final once `done`.
    end: of its audio (s); None while the caller speaks.
    due: time by which it must be done (running time, s); None while the caller speaks.
    """

    text: str = ""
    end: float | None = None
    due: float | None = None
    done: bool = False


class OpenAiStt:
    """Implements `protocol.Recogniser`.

    url: base address of the server, see `transcription_url`.
    key: API key; None for a server without keys.
    language: the caller's language, a code of Speechmatics.
    silence_s: silence after which a turn is over (s).
    model: name of the server's model.
    vocab: words that the recogniser should expect.
    proxy: the HTTP proxy to connect through, or None.

    server_turns: whether the server cuts the audio into turns; becomes False when it refuses to.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None,
        *,
        language: str,
        silence_s: float,
        model: str = MODEL,
        vocab: Sequence[VocabEntry] = (),
        proxy: Proxy | None = None,
    ) -> None:
        language = iso_language(language)
        whole = transcription_url(url, model, language)
        self.place = place(whole, key, proxy, key_setting="OPENAI_STT_API_KEY")
        self.server_turns = not model.startswith(_WITHOUT_TURNS)
        self._model = model
        self._silence_s = silence_s
        self._transcription: dict[str, Any] = {"model": model}
        if language:
            self._transcription["language"] = language
        words = [entry.content for entry in vocab]
        if words and model.startswith(_TAKES_KEYWORDS):
            self._transcription["keywords"] = words
        elif words and not model.startswith(_TAKES_NO_WORDS):
            self._transcription["prompt"] = ", ".join(words)

    def session(self, listener: SessionListener) -> "OpenAiSession":
        silence_s = None if self.server_turns else self._silence_s + LATE_S
        return OpenAiSession(self, listener, silence_s)

    async def try_out(self) -> TriedOut:
        while True:
            try:
                took_s = await try_once(self.session)
            except OpenAnotherSession:
                continue
            advice = SERVER_TURNS if self.server_turns else OWN_TURNS
            return TriedOut(took_s, self._model, advice)

    def update_message(self) -> bytes:
        """Return the message that asks for a session."""
        turns = {
            "type": "server_vad",
            "prefix_padding_ms": 300,
            "silence_duration_ms": round(self._silence_s * 1000),
        }
        audio = {
            "format": {"type": "audio/pcm", "rate": RATE},
            "transcription": self._transcription,
            "turn_detection": turns if self.server_turns else None,
        }
        session = {"type": "transcription", "audio": {"input": audio}}
        return msgspec.json.encode({"type": "session.update", "session": session})


class OpenAiSession(WebSocketSession):
    """Implements `protocol.SttSession`.

    stt: the recogniser.
    listener: takes the reports.
    silence_s: audio without other words that ends a turn (s); None if the server finds the ends.
    """

    fatal_codes: ClassVar[frozenset[int]] = frozenset({1003, 3000, 4001})

    decode: Any = msgspec.json.Decoder(_Event).decode

    def __init__(self, stt: OpenAiStt, listener: SessionListener, silence_s: float | None) -> None:
        super().__init__(stt.place, RATE, listener)
        self._stt = stt
        self._rule = None if silence_s is None else SilenceRule(silence_s)
        self._committing: asyncio.Handle | None = None
        self._unsent = bytearray()
        self._sent_bytes = 0  # at 8 kHz
        self._items: dict[str, _Item] = {}  # in the order of their audio
        self._speaking = False
        self._committed_at = self._ended_at = 0.0
        self._turn_to: float | None = None  # end of the turn's last segment; None without segments
        self._on_trial = False
        self.has_confirmed_all = False

    # --- audio ---------------------------------------------------------------------------------

    def send(self, pcm: bytes) -> None:
        self._sent_bytes += len(pcm)
        self._unsent += pcm
        if len(self._unsent) >= PIECE_BYTES:
            self._flush()
        rule = self._rule
        if rule is not None and self._committing is None and rule.is_over(self._now):
            # Not within `send`: the call is in the middle of handing over audio.
            self._committing = asyncio.get_running_loop().call_soon(self._commit)

    @property
    def _now(self) -> float:
        """Audio sent so far (s)."""
        return seconds(self._sent_bytes)

    def _flush(self) -> None:
        if self._unsent and self._transport is not None and self._resampler is not None:
            pcm = self._resampler.feed(bytes(self._unsent))
            self._unsent.clear()
            self._transport.send(WSMsgType.TEXT, b'%b%b"}' % (_AUDIO, base64.b64encode(pcm)))

    def ask_for_confirmation(self) -> None:
        """Have the audio transcribed, so that a trial finds a model that does not work."""
        self._on_trial = True
        self._flush()
        assert self._transport is not None
        self._transport.send(WSMsgType.TEXT, _COMMIT)

    def _commit(self) -> None:
        """The rule has found the end of a turn: have its audio transcribed to the end."""
        self._committing = None
        if self._rule is None or self._over.done() or self._transport is None:
            return
        self._rule.turn_ended()
        self._speaking = False
        self._flush()
        self._listener.speech_ended(self._ended_at)
        open_items = [item for item in self._items.values() if item.end is None]
        if open_items:
            self._transport.send(WSMsgType.TEXT, _COMMIT)
        for item in open_items:
            self._close_item(item, self._ended_at)
        self._settle()

    # --- the session ---------------------------------------------------------------------------

    def _opened(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, self._stt.update_message())

    def _say_goodbye(self, transport: WSTransport) -> bool:
        self._flush()
        return False  # the close frame is the goodbye

    def _check(self, now: float) -> None:
        for item in self._items.values():
            if item.due is not None and now > item.due and not item.done:
                self._fail(
                    f"speech did not become text within {ITEM_S:.0f} s",
                    retryable=True,
                    kind="timeout",
                )

    def _take(self, event: _Event) -> None:
        match event.type:
            case "session.updated" | "transcription_session.updated":
                self._begin(None if event.session is None else event.session.id)
            case "error":
                self._take_error(event.error or _Error())
            case _ if self._error is None:
                self._report(event)

    def _take_error(self, error: _Error) -> None:
        said = f"{error} {error.param or ''}".lower()
        if self.started_at is not None and not self._on_trial:
            _log.warning("stt: the server reports %s", error)
        elif "turn_detection" in said and self._stt.server_turns:
            self._stt.server_turns = False
            _log.info("stt: the model has no turn detection; turns end by a silence of words")
            self._error = self._error or OpenAnotherSession("turn detection is refused")
            self._end()
        elif re.search(r"api.?key|authenticat|unauthori[sz]ed", said):
            self._fail(f"{error}; check {self._place.key_setting}", retryable=False)
        elif "insufficient_quota" in said or "billing" in said:
            self._fail(f"{error}; check the account's credit", retryable=False)
        elif re.search(r"rate.?limit|quota|too many|capacity|overloaded", said):
            self._fail(str(error), retryable=True, busy=True)
        elif "language" in said:
            self._fail(f"{error}; check SPEECHMATICS_LANGUAGE", retryable=False)
        elif "model" in said:
            self._fail(f"{error}; check OPENAI_STT_MODEL", retryable="loading" in said)
        else:
            self._fail(str(error), retryable=error.type != "invalid_request_error")

    # --- what the caller says ------------------------------------------------------------------

    def _report(self, event: _Event) -> None:
        match event.type.removeprefix("conversation.item.input_audio_transcription."):
            case "input_audio_buffer.speech_started":
                self._speaking = True
                self._item(event)
                self._listener.speech_started(self._time(event.audio_start_ms))
            case "input_audio_buffer.speech_stopped":
                self._speaking = False
                item = self._item(event)
                self._close_item(item, self._time(event.audio_end_ms))
                self._listener.speech_ended(self._ended_at)
            case "input_audio_buffer.committed":
                self._committed_at = self._now
                if not self._on_trial:
                    item = self._item(event)
                    if item.end is None:
                        self._close_item(item, self._now)
            case "delta" if event.delta:
                self._take_words(self._item(event), event.delta)
            case "completed":
                self._finish(event, (event.transcript or "").strip())
            case "failed":
                _log.warning("stt: speech could not be transcribed: %s", event.error or "")
                if self._on_trial:
                    what = f"speech cannot be transcribed: {event.error}; check OPENAI_STT_MODEL"
                    self._fail(what, retryable=False)
                else:
                    self._finish(event, self._item(event).text.strip())

    def _item(self, event: _Event) -> _Item:
        return self._items.setdefault(event.item_id, _Item())

    def _time(self, ms: float) -> float:
        """Return when something happened (s of the session's audio).

        ms: counted from the start of the session or from the last commit; see above. A time since
            the start lies behind the last end, and added to the last commit it lies in the future.
        """
        since_start = ms / 1000
        since_commit = self._committed_at + since_start
        future = since_commit > self._now + CLOCK_S
        at = since_start if future and since_start >= self._ended_at else since_commit
        return min(at, self._now)

    def _close_item(self, item: _Item, end: float) -> None:
        item.end = self._ended_at = end
        item.due = running_time.now() + ITEM_S

    def _take_words(self, item: _Item, delta: str) -> None:
        item.text += delta
        if self._rule is not None and item.end is None:
            self._ended_at = self._now
            if not self._speaking:
                self._speaking = True
                self._listener.speech_started(max(0.0, self._now - LATE_S))
        text = " ".join(filter(None, (item.text.strip() for item in self._items.values())))
        if self._rule is not None:
            self._rule.words_heard(text, self._now)
        self._listener.words_heard(text, self._now if item.end is None else item.end)

    def _finish(self, event: _Event, text: str) -> None:
        """The text of an item is final."""
        if self._on_trial:
            self.has_confirmed_all = True
            return
        item = self._item(event)
        item.text, item.done = text, True
        if item.end is None:
            self._close_item(item, self._now)
        self._settle()

    def _settle(self) -> None:
        """Report final items, in the order of their audio, and the end of the turn."""
        for name, item in tuple(self._items.items()):
            if not item.done or item.end is None:
                break
            del self._items[name]
            self._turn_to = item.end
            self._listener.segment_heard(item.text, item.end)
        if self._turn_to is not None and not self._items and not self._speaking:
            end, self._turn_to = self._turn_to, None
            self._listener.turn_ended(end)
