"""Two TTS voices as one: the second voice says the sentences that the first voice cannot say.

    a sentence         | the leading voice …      | then
    -------------------+--------------------------+-------------------------------------------------
    before its audio   | fails, or is too late    | the other voice says it, and leads from now on
    in mid-sentence    | breaks off (the first)   | it stays cut; the second voice says the next
    at any time        | both voices fail         | ServiceError that names both

The leading voice is a state of the call: after a change the call does not change back, which would
sound broken, unless the second voice fails too. The outage of the first voice is a state of the
process: for REST_S seconds no call tries the first voice; then one sentence of a call that has not
changed tries it again. Kept phrases stay in the voice that made them, because a welcome in another
voice than the answers is better than a late welcome.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.tts.protocol import Tts

FIRST_AUDIO_S = 2.0
"""Longest wait for a voice's first audio before the other voice is tried (s). A voice's own
retries would take longer, and the caller would hear silence."""

REST_S = 30.0
"""How long the first voice is not tried after a failure (s)."""

_log = logging.getLogger(__name__)


class FallbackTts:
    """Both voices, for the process. Implements `services.tts.protocol.Tts`.

    A call takes its voice by `for_call`.

    first: the voice that is preferred.
    second: the voice that stands in; its audio is resampled to the rate of the first voice.
    patience: longest wait for a voice's first audio while the other voice can still be tried (s).
    clock: function that returns monotonic seconds.
    """

    def __init__(
        self,
        first: Tts,
        second: Tts,
        *,
        patience: float = FIRST_AUDIO_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = first.rate
        self.patience = patience
        self.first = self._first = first
        self._second = _Resampled(second, first.rate)
        self._clock = clock
        self._first_is_out = False
        self._rests_until = 0.0

    def for_call(self) -> "CallTts":
        """Return the voice of one call. The voice of a call need not be closed."""
        return CallTts(self)

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Stream a sentence that belongs to no call, in the voice that works."""
        return self.for_call().speak(text)

    async def close(self) -> None:
        try:
            await self._first.close()
        finally:
            await self._second.close()

    def order(self, *, changed: bool) -> tuple[Tts, Tts]:
        """Return the voice to try first for a sentence, and the voice to try after a failure.

        changed: True if the call has changed to the second voice.
        """
        if changed or not self._may_ask_first():
            return self._second, self._first
        return self._first, self._second

    def is_second(self, voice: Tts) -> bool:
        return voice is self._second

    def failed(self, voice: Tts, error: ServiceError) -> None:
        """Record that a voice failed, before or within a sentence."""
        if voice is not self._first:
            return
        self._rests_until = self._clock() + REST_S
        if not self._first_is_out:
            self._first_is_out = True
            _log.warning("%s; the second voice speaks instead", error)

    def spoke(self, voice: Tts) -> None:
        """Record that a voice has delivered its first audio of a sentence."""
        if voice is self._first and self._first_is_out:
            self._first_is_out = False
            _log.info("tts: the first voice speaks again")

    def _may_ask_first(self) -> bool:
        if not self._first_is_out:
            return True
        if self._clock() < self._rests_until:
            return False
        # This sentence tries the first voice; other sentences do not wait for the outcome.
        self._rests_until = self._clock() + REST_S
        return True


class CallTts:
    """The voice of one call, of two. Implements `services.tts.protocol.Tts`."""

    def __init__(self, voices: FallbackTts) -> None:
        self.rate = voices.rate
        self._voices = voices
        self._changed = False
        self._beginning = asyncio.Lock()

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        # A sentence is requested only after the sentence before it has a voice. Otherwise two
        # sentences fetched side by side could change the voice in the wrong order.
        async with self._beginning:
            voice, audio, piece = await self._begin(text)
        async with aclosing(audio):
            yield piece
            try:
                async for pcm in audio:
                    yield pcm
            except ServiceError as error:
                self._voices.failed(voice, error)
                self._changed = True
                raise

    async def close(self) -> None:
        """Do nothing: both voices belong to the process."""

    async def _begin(self, text: str) -> tuple[Tts, AsyncGenerator[bytes, None], bytes]:
        """Find a voice for a sentence; returns the voice, the audio and its first piece."""
        leading, other = self._voices.order(changed=self._changed)
        try:
            return await self._ask(leading, text, within=self._voices.patience)
        except ServiceError as error:
            failure = error
        try:
            return await self._ask(other, text, within=None)
        except ServiceError as error:
            if self._voices.is_second(leading):
                error, failure = failure, error
            raise _both(failure, error) from error

    async def _ask(
        self, voice: Tts, text: str, *, within: float | None
    ) -> tuple[Tts, AsyncGenerator[bytes, None], bytes]:
        audio = voice.speak(text)
        try:
            piece = await _first_piece(audio, within)
        except ServiceError as error:
            self._voices.failed(voice, error)
            raise
        self._voices.spoke(voice)
        self._changed = self._voices.is_second(voice)
        return voice, audio, piece


class _Resampled:
    """A voice whose audio is resampled to another rate (Hz)."""

    def __init__(self, voice: Tts, rate: int) -> None:
        self.rate = rate
        self._voice = voice

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        resampler = Resampler(self._voice.rate, self.rate)
        async with aclosing(self._voice.speak(text)) as audio:
            async for pcm in audio:
                if resampled := resampler.feed(pcm):
                    yield resampled
        if rest := resampler.flush():
            yield rest

    async def close(self) -> None:
        await self._voice.close()


def _both(first: ServiceError, second: ServiceError) -> ServiceError:
    what = f"{str(first).removeprefix(f'{first.service}: ')}; the second {second}"
    return ServiceError(
        first.service, what, retryable=first.retryable, retry_after=first.retry_after
    )


async def _first_piece(audio: AsyncGenerator[bytes, None], within: float | None) -> bytes:
    try:
        async with asyncio.timeout(within):
            return await anext(audio)
    except TimeoutError:
        raise ServiceError("tts", f"no audio within {within:g} s", retryable=True) from None
