"""Speechmatics' real-time API, version 2: also for a container on the premises.

The service reports word groups and, after a fixed silence, the end of an utterance. It does not
report when sound begins or whether the caller has finished a thought. What a call needs beyond that
is made here:

message             | report
--------------------+-------------------------------------------------------------------------------
first words         | speech_started, at the time of the first word
AddPartialTranscript| words_heard, with the final words since the last segment before them
AddTranscript       | words_heard; the words are kept for the segment
the end of a        | segment_heard: word groups such as "good evening" would be too small for the
sentence            | history, and cut words from their full stop
LONGEST_S of words  | segment_heard, before the next word: little audio is kept for a replay
EndOfUtterance      | segment_heard, speech_ended, turn_ended
no EndOfUtterance   | the same, after a silence of words (`silence_rule`); words that are not final
                    | yet are taken as they are, and are ignored when they become final

[Speechmatics real-time reference, 2 to 4]
"""

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from avr_sts_speechmatics.audio.pcm import RATE, seconds
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.services.stt.protocol import SessionListener, TriedOut
from avr_sts_speechmatics.services.stt.silence_rule import SilenceRule
from avr_sts_speechmatics.services.stt.speechmatics import words_to_expect
from avr_sts_speechmatics.services.stt.speechmatics_session import SpeechmaticsSession
from avr_sts_speechmatics.services.stt.trial import try_once
from avr_sts_speechmatics.services.stt.websocket_session import Place, place
from avr_sts_speechmatics.values import Secret, VocabEntry

MODEL = "enhanced"
"""The model where the operator names none."""

MAX_DELAY_ABOVE_SILENCE_S = 0.1
"""The service asks for a silence that is shorter than `max_delay`. [real-time reference, 2]"""

LONGEST_MAX_DELAY_S = 4.0

LATE_S = 0.7
"""How much later than promised the end of an utterance may be reported (s)."""

LONGEST_S = 5.0
"""Longest text that waits for the end of its sentence (s of audio)."""

ADVICE = (
    "Nothing to do: a turn ends after STT_SILENCE_MS of silence, whatever was said, and a sound "
    "without words does not pause the agent, because this recogniser reports words only."
)

_log = logging.getLogger(__name__)


def realtime_url(base: str) -> str:
    """Return the address of real-time recognition for a base address.

    `/v2` is appended where there is no path. The path of Agent STT is removed, so that one address
    serves for both recognisers. A query stays.
    """
    parts = urlsplit(base)
    path = parts.path.rstrip("/").removesuffix("/agent")
    return parts._replace(path=path or "/v2").geturl()


class _Result(msgspec.Struct, frozen=True):
    type: str = ""
    is_eos: bool = False


class _Metadata(msgspec.Struct, frozen=True):
    start_time: float = 0.0
    end_time: float = 0.0
    transcript: str = ""


_NO_METADATA = _Metadata()


class _Message(msgspec.Struct):
    """Every message of the service; fields that a message does not have keep their defaults."""

    message: str
    seq_no: int = 0
    metadata: _Metadata = _NO_METADATA
    results: tuple[_Result, ...] = ()
    type: str = ""
    reason: str = ""
    id: str | None = None


class RealtimeStt:
    """Implements `protocol.Recogniser`.

    url: WebSocket address of `/v2`.
    key: API key; None for a server without keys.
    language: the caller's language, a code of Speechmatics.
    silence_s: silence after which a turn is over (s).
    max_delay_s: longest wait from the end of a word until the word is final (s).
    model: name of a Speechmatics model.
    vocab: words that the recogniser should expect.
    proxy: the HTTP proxy to connect through, or None.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None,
        *,
        language: str,
        silence_s: float,
        max_delay_s: float,
        model: str = MODEL,
        vocab: Sequence[VocabEntry] = (),
        proxy: Proxy | None = None,
    ) -> None:
        self.place = place(url, key, proxy, key_setting="SPEECHMATICS_API_KEY")
        self._model = model
        longer = max(max_delay_s, silence_s + MAX_DELAY_ABOVE_SILENCE_S)
        max_delay_s = min(longer, LONGEST_MAX_DELAY_S)
        self._silence_s = silence_s + max_delay_s + LATE_S
        config: dict[str, Any] = {
            "language": language,
            "model": model,
            "enable_partials": True,
            "max_delay": round(max_delay_s, 3),
            "conversation_config": {"end_of_utterance_silence_trigger": silence_s},
        }
        if vocab:
            config["additional_vocab"] = words_to_expect(vocab)
        audio = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": RATE}
        start = {
            "message": "StartRecognition",
            "audio_format": audio,
            "transcription_config": config,
        }
        self._start = msgspec.json.encode(start)

    def session(self, listener: SessionListener) -> "RealtimeSession":
        return RealtimeSession(self.place, self._start, listener, self._silence_s)

    async def try_out(self) -> TriedOut:
        return TriedOut(await try_once(self.session), self._model, ADVICE)


class RealtimeSession(SpeechmaticsSession):
    """Implements `protocol.SttSession`.

    place: where the service is.
    start: the StartRecognition message.
    listener: takes the reports.
    silence_s: audio without other words after which a turn is over, should the service not report
        the end of the utterance (s).
    """

    decode: Any = msgspec.json.Decoder(_Message).decode

    def __init__(
        self, place: Place, start: bytes, listener: SessionListener, silence_s: float
    ) -> None:
        super().__init__(place, RATE, start, listener)
        self._rule = SilenceRule(silence_s)
        self._sent_bytes = 0
        self._speaking = False
        # Text and its audio (s): final words that wait for their segment, and words after them that
        # may change.
        self._final = ""
        self._final_from = self._final_to = 0.0
        self._partial = ""
        self._partial_to = 0.0
        self._taken_to = 0.0  # words before this are in a segment, whether they were final or not
        self._heard_to = 0.0  # end of the newest words

    def send(self, pcm: bytes) -> None:
        super().send(pcm)
        self._sent_bytes += len(pcm)

    def _take(self, message: Any) -> None:
        super()._take(message)
        if self._speaking and self._rule.is_over(seconds(self._sent_bytes)):
            _log.warning("stt: the end of an utterance was not reported; the turn is over")
            self._take_partial()
            self._end_turn(self._heard_to)

    def _report(self, message: Any) -> None:
        match message.message:
            case "AddPartialTranscript":
                self._take_words(message.metadata)
            case "AddTranscript":
                self._take_final_words(message.metadata, message.results)
            case "EndOfUtterance":
                self._end_turn(message.metadata.end_time)

    def _take_words(self, words: _Metadata) -> None:
        if words.end_time <= self._taken_to:
            return
        self._partial, self._partial_to = words.transcript, words.end_time
        if words.transcript.strip():
            self._show(words)

    def _take_final_words(self, words: _Metadata, results: tuple[_Result, ...]) -> None:
        if not words.transcript.strip():
            if not self._final and words.end_time > self._taken_to:
                self._listener.segment_heard("", words.end_time)  # silence: not needed again
            return
        if words.start_time < self._taken_to:
            return
        begins_with_word = not results or results[0].type != "punctuation"
        if self._final_to - self._final_from >= LONGEST_S and begins_with_word:
            self._end_segment()
        if not self._final:
            self._final_from = words.start_time
        if not begins_with_word:  # a full stop belongs to the word before it
            self._final = self._final.rstrip()
        self._final += words.transcript
        self._final_to = words.end_time
        self._partial = ""
        self._show(words)
        if results and results[-1].is_eos:
            self._end_segment()

    def _show(self, words: _Metadata) -> None:
        """Report the words since the last segment."""
        if not self._speaking:
            self._speaking = True
            self._listener.speech_started(words.start_time)
        self._heard_to = words.end_time
        text = (self._final + self._partial).strip()
        self._rule.words_heard(text, seconds(self._sent_bytes))
        self._listener.words_heard(text, words.end_time)

    def _take_partial(self) -> None:
        """Take the words that are not final as they are."""
        if self._partial.strip():
            if not self._final:
                self._final_from = self._final_to
            self._final += self._partial
            self._final_to = self._partial_to
            self._partial = ""

    def _end_segment(self) -> None:
        text, self._final = self._final.strip(), ""
        if text:
            self._taken_to = self._final_to
            self._rule.words_heard("", seconds(self._sent_bytes))
            self._listener.segment_heard(text, self._final_to)

    def _end_turn(self, end: float) -> None:
        self._end_segment()
        self._partial = ""
        self._rule.turn_ended()
        if self._speaking:
            self._speaking = False
            self._listener.speech_ended(self._heard_to)
            self._listener.turn_ended(max(end, self._heard_to))
