"""A caller for whom there is no call: one kept sentence, then the end, or a transfer.

Only a transport that has answered the phone already needs this (AudioSocket): the others refuse a
call before it begins. The caller costs frames of kept audio and nothing else: no STT, no LLM, no
request to the TTS. The number of such callers at once is bounded, because a service that is full
or overloaded must not be kept busy by them; the callers beyond are hung up on at once.
"""

import asyncio
import logging

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.pcm import seconds, silence
from avr_sts_speechmatics.audio.playout import Played, PlayoutClock
from avr_sts_speechmatics.call.services import Services
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.pbx.protocol import PbxError
from avr_sts_speechmatics.speech.sentences import sentences_of

AT_ONCE = 20
"""Most callers who hear the sentence, or wait for their transfer, at once."""

MARGIN_S = 0.5
"""How long the line stays after the last word (s)."""

LATE_S = 5.0
"""Longest delay of a sentence that does not get through (s); then the line is closed."""

_log = logging.getLogger(__name__)


class BusyCalls:
    """All callers of the process who cannot be taken.

    services: shared by all calls.
    clock: the 20 ms clock of the process.
    on_busy: value of the setting ON_BUSY.
    at_once: see AT_ONCE.
    """

    def __init__(
        self, services: Services, clock: PlayoutClock, on_busy: str, *, at_once: int = AT_ONCE
    ) -> None:
        self._services = services
        self._pacing = Pacing(clock, services.ambience)
        self._transfer_to = on_busy.removeprefix("transfer:") if ":" in on_busy else ""
        self._silent = on_busy == "refuse"
        self._at_once = at_once
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def take(self, caller: Caller, line: Line) -> CallerSide | None:
        """Take a caller who is refused. Returns None if the line must be ended at once."""
        if self._silent or len(self._tasks) >= self._at_once:
            return None
        speech = self._speech_for(caller)
        if not speech and not self._transfer_to:
            return None
        busy = _BusyCall(caller, line, self._pacing, speech)
        task = asyncio.create_task(self._run(busy), name=f"busy call {caller.uuid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return busy

    async def close(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _speech_for(self, caller: Caller) -> bytes:
        """The sentence of the agent that would have answered; empty unless all of it is kept."""
        agent = self._services.agents.for_call(caller)
        _, phrases = self._services.voice_of(agent)
        kept = [phrases.get(one) for one in sentences_of(agent.manners.busy, agent.language)]
        return b"" if None in kept else b"".join(pcm for pcm in kept if pcm)

    async def _run(self, busy: "_BusyCall") -> None:
        try:
            busy.start()
            if not self._transfer_to or not await self._transferred(busy):
                await busy.speak()
        finally:
            busy.close()

    async def _transferred(self, busy: "_BusyCall") -> bool:
        """Transfer the caller, who hears silence meanwhile. Returns False if that failed."""
        try:
            await self._services.departures.transfer(self._transfer_to, busy.caller, busy.line)
        except PbxError as error:
            _log.warning("ON_BUSY: %s", error)
            return False
        return True


class _BusyCall:
    """Implements `line.CallerSide`: whatever the caller says or presses is ignored."""

    def __init__(self, caller: Caller, line: Line, pacing: Pacing, speech: bytes) -> None:
        self.caller = caller
        self.line = line
        self._speech = speech
        self._playout = line.open_playout(pacing, self._finished)
        self._over = asyncio.Event()

    def start(self) -> None:
        self._playout.start()

    async def speak(self) -> None:
        """Play the sentence to its end, unless the caller leaves."""
        if not self._speech:
            return
        utterance = self._playout.open(1)
        # The last word is still on its way to the caller when the last frame has left.
        self._playout.write(utterance, self._speech + silence(MARGIN_S))
        self._playout.end(utterance)
        try:
            async with asyncio.timeout(seconds(len(self._speech)) + LATE_S):
                await self._over.wait()
        except TimeoutError:
            _log.warning("a caller who cannot be taken could not be told so in time")

    def close(self) -> None:
        self._playout.close()
        self.line.close(failed=False)

    def hear(self, pcm: bytes) -> None: ...
    def press(self, digit: str) -> None: ...
    def write(self, text: str) -> None: ...

    def audio_ended(self) -> None: ...

    def leave(self) -> None:
        self._over.set()

    def _finished(self, played: Played) -> None:
        self._over.set()
