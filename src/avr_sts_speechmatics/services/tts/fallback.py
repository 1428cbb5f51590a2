"""Two TTS voices as one: the second voice says the sentences that the first voice cannot say.

    a sentence         | the leading voice …      | then
    -------------------+--------------------------+-------------------------------------------------
    before its audio   | fails                    | the other voice says it, and leads from now on
    before its audio   | is late                  | the other voice is asked as well; the first of
                       |                          | both to speak says it, and leads from now on
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
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.tts.race import Failed, Race, Spoke

FIRST_AUDIO_S = 2.0
"""Longest wait for a voice's first audio before the other voice is asked as well (s). A voice's own
retries would take longer, and the caller would hear silence."""

LONGEST_S = 5.0
"""Longest wait for the first audio of a sentence, in whichever voice (s)."""

REST_S = 30.0
"""How long the first voice is not tried after a failure (s)."""

_log = logging.getLogger(__name__)


class FallbackTts:
    """Both voices, for the process. Implements `services.tts.protocol.Tts`.

    A call takes its voice by `for_call`.

    first: the voice that is preferred.
    second: the voice that stands in; its audio is resampled to the rate of the first voice.
    patience: see FIRST_AUDIO_S.
    longest: see LONGEST_S.
    clock: function that returns monotonic seconds.
    """

    def __init__(
        self,
        first: Tts,
        second: Tts,
        *,
        patience: float = FIRST_AUDIO_S,
        longest: float = LONGEST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = first.rate
        self.patience = patience
        self.longest = longest
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

    def in_order(self, failures: Mapping[Tts, ServiceError]) -> tuple[ServiceError, ServiceError]:
        """Return the failure of the first and that of the second voice."""
        return failures[self._first], failures[self._second]

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

    @property
    def changed(self) -> bool:
        """Whether the call has changed to the second voice."""
        return self._changed

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        # A sentence is requested only after the sentence before it has a voice. Otherwise two
        # sentences fetched side by side could change the voice in the wrong order.
        async with self._beginning:
            begun = await self._begin(text)
        async with aclosing(begun.audio) as audio:
            yield begun.piece
            try:
                async for pcm in audio:
                    yield pcm
            except ServiceError as error:
                self._voices.failed(begun.who, error)
                self._changed = True
                raise

    async def close(self) -> None:
        """Do nothing: both voices belong to the process."""

    async def _begin(self, text: str) -> Spoke[Tts]:
        """Find a voice for a sentence. Raises ServiceError."""
        voices = self._voices
        leading, other = voices.order(changed=self._changed)
        failures: dict[Tts, ServiceError] = {}
        race = Race[Tts]()
        race.add(leading, leading.speak(text))
        now = running_time.now()
        ask_other_at, until = now + voices.patience, now + voices.longest
        try:
            while True:
                asked = other in failures or other in race.running
                outcome = await race.next((until if asked else ask_other_at) - now)
                now = running_time.now()
                if isinstance(outcome, Spoke):
                    if outcome.who is other and leading not in failures:
                        voices.failed(leading, _late(voices.patience))
                    voices.spoke(outcome.who)
                    self._changed = voices.is_second(outcome.who)
                    return outcome
                if isinstance(outcome, Failed):
                    failures[outcome.who] = outcome.error
                    voices.failed(outcome.who, outcome.error)
                elif asked:
                    for voice in race.running:
                        failures[voice] = _late(voices.longest)
                        voices.failed(voice, failures[voice])
                if leading in failures and other in failures:
                    first, second = voices.in_order(failures)
                    raise _both(first, second) from second
                if not asked:
                    race.add(other, other.speak(text))
        finally:
            await race.close()


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
        first.service,
        what,
        retryable=first.retryable,
        retry_after=first.retry_after,
        kind=first.kind,
    )


def _late(within: float) -> ServiceError:
    return ServiceError("tts", f"no audio within {within:g} s", retryable=True, kind="timeout")
