"""The speaker: the text of a reply becomes audio for the caller, sentence by sentence.

    text of the model -> sentences -> TTS (one sentence ahead) -> 8 kHz -> playout

A piece of text that must leave although its sentence is not complete is cut by `sentences`; the
speaker tells it the time with each token, and by one timer when no token comes.

While the caller hears one sentence, the next one is fetched, and no more: speech that is fetched
too early costs characters and is thrown away when the caller interrupts. A sentence has its place
in the playout from the moment it is requested, so two sentences fetched side by side cannot change
places.

A reply that fails does not end in silence: the audio that is ready is played, then ReplyFailed goes
to the dialogue.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, RATE
from avr_sts_speechmatics.audio.playout import AgentAudio, Utterance
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.errors import FailureKind, ServiceError
from avr_sts_speechmatics.runtime.task_group import TaskGroup
from avr_sts_speechmatics.runtime.tracebacks import drop_traceback
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.use import Use, report_to
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases
from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.sentences import Sentences, sentences_of

AHEAD = 2
"""Sentences of a reply that may be under way in parallel: the current one and the next."""

COMFORT_BYTES = BYTES_PER_SECOND // 5
GATHER_S = 0.1
"""Resampling 10 ms of audio costs nearly as much as resampling 200 ms. While more than
COMFORT_BYTES wait to be heard, the speaker lets audio gather in the TTS client for GATHER_S; until
then all of it is passed on immediately."""

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


@dataclass(frozen=True, slots=True)
class AudioStarted:
    """The first audio of a clause or sentence arrived. Fillers are not reported.

    utterance: number of the utterance.
    kept: True if the audio was kept from an earlier time, so that no TTS was asked.
    """

    utterance: int
    kept: bool


@dataclass(frozen=True, slots=True)
class ServiceFailed:
    """A service failed in a call, after all retries.

    name: "stt", "llm" or "tts".
    error: the reason in words.
    kind: see `errors.FailureKind`.
    """

    name: str
    error: str
    kind: FailureKind = "other"


Report: TypeAlias = TextStarted | ClauseReady | AudioStarted | ServiceFailed | Use
"""What a speaker reports besides events of the dialogue."""


class Speaker:
    """Speaks the replies of one call.

    voice: the agent's TTS.
    phrases: cached phrases of that voice.
    playout: takes the audio.
    tell: function that is called with each event of a reply (SentenceReady, VoiceStarted,
        ReplyEnded, ReplyFailed).
    report: function that is called with each observation that the dialogue does not need
        (TextStarted, ClauseReady, AudioStarted, ServiceFailed, and what the voice charges for).
    language: of the replies, such as "en".
    """

    def __init__(
        self,
        voice: Tts,
        phrases: KeptPhrases,
        playout: AgentAudio,
        tell: Callable[[ev.Event], None],
        report: Callable[[Report], None],
        *,
        language: str = "en",
    ) -> None:
        self._voice = voice
        self._language = language
        self._phrases = phrases
        self._playout = playout
        self._tell = tell
        self._report = report
        self._utterances = 0
        self._under_way: dict[int, _Reply] = {}  # by utterance
        self._replies: dict[int, _Reply] = {}
        self._prepared: dict[str, bytes] = {}

    async def speak(self, number: int, text: AsyncGenerator[str | None, None]) -> None:
        """Speak a reply to its end, then send ReplyEnded or ReplyFailed.

        number: number of the reply.
        text: pieces of text, cut anywhere. None means that the text so far is complete and that
            more may come much later.

        Cancelling stops the model and the TTS requests immediately, and sends no event. The playout
        keeps the audio that waits there: the code that cancels also flushes.
        """
        report_to(self._report)
        reply = self._replies[number] = _Reply(number, asyncio.current_task())
        try:
            async with TaskGroup() as fetching:
                try:
                    async with aclosing(text):
                        reply.fetching = fetching
                        await self._speak_text(reply, text)
                except ServiceError as error:
                    drop_traceback(error)
                    _log.warning("%s", error)
                    self._report(ServiceFailed(error.service, str(error), error.kind))
                    await self._start_sentences(reply)  # they were complete before the failure
                    reply.failed = True
                while await reply.heard_or_cut():
                    await self._start_sentences(reply)
        finally:
            reply.task = reply.fetching = None
            del self._replies[number]
            for utterance in reply.utterances:
                self._under_way.pop(utterance, None)
        # A reply without a word is as silent as a reply that failed.
        if reply.failed or not reply.started:
            self._tell(ev.ReplyFailed(number))
        else:
            self._tell(ev.ReplyEnded(number))

    def fill(self, number: int, phrase: str) -> None:
        """Play a cached phrase before the rest of a reply. No effect once the reply is heard.

        number: number of the reply.
        phrase: text of a filler; nothing is played if its speech is not cached yet.
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

    def hold(self, number: int) -> None:
        """Stop a reply whose audio was flushed, and keep what was not heard of the reply.

        number: of the reply. The sentence that was cut off is said again after `go_on`, from its
            beginning, and the rest of the reply follows.
        """
        reply = self._replies.get(number)
        if reply is None:
            return
        reply.may_speak.clear()
        for utterance, sentence in reversed(reply.utterances.items()):
            self._under_way.pop(utterance, None)
            if utterance not in reply.fillers:
                reply.sentences.appendleft(sentence)
                reply.room += 1
        reply.utterances.clear()
        for fetch in reply.fetches:
            fetch.cancel()
        reply.changed.set()

    def go_on(self, number: int) -> None:
        """Go on with a reply that was held. number: of the reply."""
        if (reply := self._replies.get(number)) is not None:
            reply.may_speak.set()
            reply.changed.set()
            self._start_soon(reply)

    def played(self, utterance: int) -> None:
        """Take the report that an utterance was played to its end.

        utterance: number of the utterance.
        """
        reply = self._under_way.pop(utterance, None)
        if reply is not None:
            reply.utterance_heard(utterance)
            self._start_soon(reply)

    async def prepare(self, text: str, after: Iterable[str]) -> None:
        """Fetch the first sentence of a text that is said soon, unless its speech is cached.

        after: texts that are said before. If one is not cached, the voice has enough to do.
        """
        before = [one for other in after for one in sentences_of(other, self._language)]
        first = next(iter(sentences_of(text, self._language)), "")
        if not first or any(self._phrases.get(one) is None for one in before):
            return
        if self._phrases.get(first) is not None:
            return
        resampler, speech = Resampler(self._voice.rate, RATE), bytearray()
        try:
            async with aclosing(self._voice.speak(spoken(first, self._language))) as audio:
                async for pcm in audio:
                    speech += resampler.feed(pcm)
        except ServiceError as error:
            drop_traceback(error)  # the sentence is fetched again when it is said
            return
        self._prepared[first] = bytes(speech + resampler.flush())

    async def _speak_text(self, reply: "_Reply", text: AsyncGenerator[str | None, None]) -> None:
        now = asyncio.get_running_loop().time
        sentences = reply.text = Sentences(self._language)
        try:
            async for delta in text:
                if not reply.has_text:
                    reply.has_text = True
                    self._report(TextStarted(reply.number))
                if delta is None:
                    reply.sentences += sentences.end()
                    sentences = reply.text = Sentences(self._language)
                else:
                    reply.sentences += sentences.feed(delta, now())
                self._watch(reply, now())
                if reply.sentences:
                    await self._start_sentences(reply)
                if reply.failed:
                    return
        finally:
            reply.end_watch()
        reply.sentences += sentences.end()
        await self._start_sentences(reply)

    def _watch(self, reply: "_Reply", now: float) -> None:
        """Set the timer for the text that has come, should no more come.

        A timer that is earlier stays and is set anew when it fires: most tokens move the time and
        set no timer.
        """
        assert reply.text is not None
        due = reply.due_at = reply.text.due_at(now)
        if due is not None and (reply.timer is None or reply.timer.when() > due):
            if reply.timer is not None:
                reply.timer.cancel()
            loop = asyncio.get_running_loop()
            reply.timer = loop.call_at(due, self._no_text_came, reply)

    def _no_text_came(self, reply: "_Reply") -> None:
        reply.timer = None
        now = asyncio.get_running_loop().time()
        if reply.text is None or reply.due_at is None:
            return
        if reply.due_at <= now:
            reply.sentences += reply.text.due(now)
            self._start_waiting(reply)
        self._watch(reply, now)

    def _start_soon(self, reply: "_Reply") -> None:
        """Start the sentences that wait, if `speak` itself waits for text."""
        if reply.text is not None and reply.sentences:
            asyncio.get_running_loop().call_soon(self._start_waiting, reply)

    def _start_waiting(self, reply: "_Reply") -> None:
        # A reply that is being cancelled was flushed already: no sentence may follow.
        if reply.task is not None and not reply.task.cancelling():
            while reply.may_start:
                self._start_sentence(reply, reply.sentences.popleft())

    async def _start_sentences(self, reply: "_Reply") -> None:
        """Start the sentences that wait, one after another, as room for them comes."""
        while reply.sentences and not reply.failed:
            if reply.may_start:
                self._start_sentence(reply, reply.sentences.popleft())
            else:
                reply.changed.clear()
                await reply.changed.wait()

    def _start_sentence(self, reply: "_Reply", sentence: str) -> None:
        reply.room -= 1
        utterance = self._open(reply, sentence)
        self._report(ClauseReady(reply.number))
        kept = self._prepared.pop(sentence, None) or self._phrases.get(sentence)
        if kept is not None:
            self._write(reply, utterance, kept, kept=True)
            self._playout.end(utterance)
        else:
            assert reply.fetching is not None
            fetch = reply.fetching.create_task(self._fetch(reply, utterance, sentence))
            reply.fetches.add(fetch)
            fetch.add_done_callback(reply.fetches.discard)

    def _open(self, reply: "_Reply", text: str, *, ahead: bool = False) -> Utterance:
        """Open an utterance in the playout for a piece of a reply.

        ahead: the utterance comes before all that wait.
        """
        self._utterances += 1
        number = self._utterances
        utterance = self._playout.open(number, ahead=ahead)
        reply.utterances[number] = text
        self._under_way[number] = reply
        self._tell(ev.SentenceReady(reply.number, number, text))
        return utterance

    async def _fetch(self, reply: "_Reply", utterance: Utterance, sentence: str) -> None:
        resampler = Resampler(self._voice.rate, RATE)
        whole = False
        try:
            async with aclosing(self._voice.speak(spoken(sentence, self._language))) as audio:
                async for pcm in audio:
                    self._write(reply, utterance, resampler.feed(pcm))
                    if utterance.waiting_bytes > COMFORT_BYTES:
                        await asyncio.sleep(GATHER_S)
                        await utterance.room()
            self._write(reply, utterance, resampler.flush())
            whole = True
        except ServiceError as error:
            drop_traceback(error)
            _log.warning("%s", error)
            self._report(ServiceFailed(error.service, str(error), error.kind))
            # Half a sentence was heard: the next sentence confuses the caller less than an apology.
            if not utterance.written_bytes:
                reply.failed = True
                reply.changed.set()
        finally:
            self._playout.end(utterance, whole=whole)

    def _write(
        self, reply: "_Reply", utterance: Utterance, pcm: bytes, *, kept: bool = False
    ) -> None:
        if not pcm:
            return
        if not utterance.written_bytes:
            reply.started = True
            self._report(AudioStarted(utterance.number, kept))
            self._tell(ev.VoiceStarted(reply.number))
        self._playout.write(utterance, pcm)


class _Reply:
    """The state of a reply under way.

    sentences: sentences that were not started yet.
    utterances: sentences that were started and not heard yet, by their utterance.
    fillers: utterances that no TTS request belongs to.
    fetches: TTS requests under way.
    fetching: the owner of those requests.
    task: the task that speaks the reply.
    text: cuts the text; None unless text is awaited.
    due_at: when to cut the text if no more comes, in the loop's time (s); None for never.
    timer: fires at `due_at` or earlier.
    room: how many sentences may be started.
    may_speak: set unless the reply is held.
    changed: set when `may_start` may have changed.
    """

    __slots__ = (
        *("changed", "due_at", "failed", "fetches", "fetching", "fillers", "has_text", "may_speak"),
        *("number", "room", "sentences", "started", "task", "text", "timer", "utterances"),
    )

    def __init__(self, number: int, task: asyncio.Task[Any] | None) -> None:
        self.number = number
        self.task = task
        self.fetching: TaskGroup | None = None
        self.text: Sentences | None = None
        self.due_at: float | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.has_text = False
        self.started = False
        self.failed = False
        self.sentences: deque[str] = deque()
        self.utterances: dict[int, str] = {}
        self.fillers: set[int] = set()
        self.fetches: set[asyncio.Task[None]] = set()
        self.room = AHEAD
        self.may_speak = asyncio.Event()
        self.may_speak.set()
        self.changed = asyncio.Event()

    @property
    def may_start(self) -> bool:
        """Whether a sentence waits and has room."""
        waits = bool(self.sentences) and not self.failed
        return waits and self.room > 0 and self.may_speak.is_set()

    def end_watch(self) -> None:
        self.text = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def utterance_heard(self, utterance: int) -> None:
        self.utterances.pop(utterance, None)
        if utterance not in self.fillers:
            self.room += 1
        self.changed.set()

    async def heard_or_cut(self) -> bool:
        """Wait until all that was started was heard. Returns True if sentences wait again."""
        while self.utterances or not self.may_speak.is_set():
            self.changed.clear()
            if self.sentences and not self.failed:
                return True
            await (self.changed if self.utterances else self.may_speak).wait()
        return bool(self.sentences) and not self.failed
