"""The speaker: converts the text of a reply to audio in the playout, sentence by sentence.

    text, as the model writes it -> sentences -> TTS (one ahead) -> 8 kHz -> playout

While the caller hears one sentence, only the next sentence is synthesised: audio synthesised
earlier costs characters and is dropped when the caller interrupts. A sentence gets its place in the
playout when it is requested, so two sentences synthesised side by side cannot change places.

When a reply fails, its finished audio is played, and then the dialogue is informed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, RATE
from avr_sts_speechmatics.audio.playout import AgentAudio, Utterance
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases
from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.sentences import Sentences

AHEAD = 2
"""Most unfinished sentences of a reply: the one that the caller hears, and the next one."""

PIECE_BYTES = 6400
COMFORT_BYTES = BYTES_PER_SECOND // 5
"""Resampling 10 ms of audio costs nearly as much as 200 ms. While more than COMFORT_BYTES wait in
the playout, audio is resampled in pieces of PIECE_BYTES; before that, it is passed on at once."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TextStarted:
    """The first text of a reply arrived, from the model or from a fixed text.

    reply: number of the reply.
    """

    reply: int


@dataclass(frozen=True, slots=True)
class ClauseReady:
    """A clause or sentence of a reply was sent to the TTS. Fillers are not reported.

    reply: number of the reply.
    """

    reply: int


class Speaker:
    """Speaks the replies of one call.

    voice: the TTS.
    phrases: kept phrases of the voice.
    playout: receives the audio.
    tell: called with the events of replies (SentenceReady, VoiceStarted, ReplyEnded, ReplyFailed).
    report: called with observations for measurements (TextStarted, ClauseReady).
    """

    def __init__(
        self,
        voice: Tts,
        phrases: KeptPhrases,
        playout: AgentAudio,
        tell: Callable[[ev.Event], None],
        report: Callable[[TextStarted | ClauseReady], None],
    ) -> None:
        self._voice = voice
        self._phrases = phrases
        self._playout = playout
        self._tell = tell
        self._report = report
        self._utterances = 0
        self._under_way: dict[int, _Reply] = {}  # by utterance
        self._replies: dict[int, _Reply] = {}

    async def speak(self, number: int, text: AsyncGenerator[str | None, None]) -> None:
        """Speak a reply to its end and report how the reply ended.

        number: number of the reply.
        text: pieces of text, cut anywhere; None means that the text so far must be spoken now,
            because the next piece may come much later.

        Cancelling stops the model and the TTS at once. The canceller must flush the playout.
        """
        reply = self._replies[number] = _Reply(number)
        try:
            async with asyncio.TaskGroup() as fetching:
                try:
                    async with aclosing(text):
                        await self._speak_text(reply, text, fetching)
                except ServiceError as error:
                    _log.warning("%s", error)
                    reply.failed = True
            await reply.wait_until_heard()
        finally:
            del self._replies[number]
            for utterance in reply.utterances:
                self._under_way.pop(utterance, None)
        # The caller hears nothing of an empty reply, so it counts as failed.
        if reply.failed or not reply.started:
            self._tell(ev.ReplyFailed(number))
        else:
            self._tell(ev.ReplyEnded(number))

    def fill(self, number: int, phrase: str) -> None:
        """Play a kept phrase before the audio of a reply; do nothing if the reply is speaking.

        number: number of the reply.
        phrase: text of the kept phrase.
        """
        reply = self._replies.get(number)
        speech = self._phrases.get(phrase)
        if reply is None or speech is None or (reply.started and reply.utterances):
            return
        utterance = self._open(reply, phrase, ahead=True)
        reply.fillers.add(utterance.number)
        self._tell(ev.VoiceStarted(number, filler=True))
        self._playout.write(utterance, speech)
        self._playout.end(utterance)

    def played(self, utterance: int) -> None:
        """Report that the playout has played an utterance to its end."""
        reply = self._under_way.pop(utterance, None)
        if reply is not None:
            reply.utterance_heard(utterance)

    async def _speak_text(
        self, reply: "_Reply", text: AsyncGenerator[str | None, None], fetching: asyncio.TaskGroup
    ) -> None:
        sentences = Sentences()
        async for delta in text:
            if not reply.has_text:
                reply.has_text = True
                self._report(TextStarted(reply.number))
            if delta is None:
                pieces, sentences = sentences.end(), Sentences()
            else:
                pieces = sentences.feed(delta)
            for sentence in pieces:
                await self._start_sentence(reply, sentence, fetching)
            if reply.failed:
                return
        for sentence in sentences.end():
            await self._start_sentence(reply, sentence, fetching)

    async def _start_sentence(
        self, reply: "_Reply", sentence: str, fetching: asyncio.TaskGroup
    ) -> None:
        await reply.room.acquire()
        if reply.failed:
            return
        utterance = self._open(reply, sentence)
        self._report(ClauseReady(reply.number))
        kept = self._phrases.get(sentence)
        if kept is not None:
            self._write(reply, utterance, kept)
            self._playout.end(utterance)
        else:
            fetching.create_task(self._fetch(reply, utterance, sentence))

    def _open(self, reply: "_Reply", text: str, *, ahead: bool = False) -> Utterance:
        """Reserve a place in the playout for a piece of a reply.

        ahead: True to place it before all waiting utterances.
        """
        self._utterances += 1
        number = self._utterances
        utterance = self._playout.open(number, ahead=ahead)
        reply.utterances.add(number)
        self._under_way[number] = reply
        self._tell(ev.SentenceReady(reply.number, number, text))
        return utterance

    async def _fetch(self, reply: "_Reply", utterance: Utterance, sentence: str) -> None:
        resampler = Resampler(self._voice.rate, RATE)
        whole = False
        try:
            async with aclosing(self._voice.speak(spoken(sentence))) as audio:
                held = b""
                async for pcm in audio:
                    held += pcm
                    if utterance.waiting_bytes > COMFORT_BYTES and len(held) < PIECE_BYTES:
                        continue
                    self._write(reply, utterance, resampler.feed(held))
                    held = b""
                    await utterance.room()
            self._write(reply, utterance, resampler.feed(held) + resampler.flush())
            whole = True
        except ServiceError as error:
            _log.warning("%s", error)
            # The caller heard half a sentence: the next sentence confuses less than an apology.
            if not utterance.written_bytes:
                reply.failed = True
        finally:
            self._playout.end(utterance, whole=whole)

    def _write(self, reply: "_Reply", utterance: Utterance, pcm: bytes) -> None:
        if not pcm:
            return
        if not utterance.written_bytes:
            reply.started = True
            self._tell(ev.VoiceStarted(reply.number))
        self._playout.write(utterance, pcm)


class _Reply:
    """State of a running reply."""

    __slots__ = (
        *("_heard", "failed", "fillers", "has_text", "number", "room", "started", "utterances"),
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.has_text = False
        self.started = False
        self.failed = False
        self.utterances: set[int] = set()
        self.fillers: set[int] = set()  # utterances of kept phrases
        self.room = asyncio.Semaphore(AHEAD)
        self._heard = asyncio.Event()

    def utterance_heard(self, utterance: int) -> None:
        self.utterances.discard(utterance)
        if utterance not in self.fillers:
            self.room.release()
        self._heard.set()

    async def wait_until_heard(self) -> None:
        while self.utterances:
            self._heard.clear()
            await self._heard.wait()
