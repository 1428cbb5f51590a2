"""Playout: queued speech, released 20 ms at a time.

Nothing downstream keeps time: avr-core's queue is not documented, and Asterisk writes an
AudioSocket frame to the network the moment the frame arrives. So one clock in this process decides
when a frame leaves, against absolute deadlines. A late tick shortens the next wait and never causes
a drift or a burst of more than MAX_CATCH_UP frames: a phone's jitter buffer would drop the rest.
After a longer delay the deadline moves instead, and no frame is lost.

The first frame leaves at once, without waiting for a tick, because it decides the latency of an
answer. Later frames leave in slots of the clock, SLOT_MS wide, so that one wake-up serves all
calls of a slot.

A playout with a background is continuous, for lines that need a frame every 20 ms, speech or not
(Asterisk ends a quiet AudioSocket call; a room is heard in pauses too). The clock serves a
continuous playout from `start` to `close`: speech leaves with the next slot, and pauses are filled
with background.

Because it paces, a playout knows what the caller has heard. It does not know the words: see
dialogue/history.py.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Protocol

from avr_sts_speechmatics.audio.pcm import FRAME_MS
from avr_sts_speechmatics.audio.utterance import HIGH_WATER_BYTES as HIGH_WATER_BYTES
from avr_sts_speechmatics.audio.utterance import MAX_CATCH_UP as MAX_CATCH_UP
from avr_sts_speechmatics.audio.utterance import Played as Played
from avr_sts_speechmatics.audio.utterance import Utterance as Utterance

SLOT_MS = 2
SLOTS = FRAME_MS // SLOT_MS

_FRAME_S = FRAME_MS / 1000
_SLOT_S = SLOT_MS / 1000
_PAUSE_S = MAX_CATCH_UP * _FRAME_S  # a longer pause is counted


class AgentAudio(Protocol):
    """Speech on its way to the caller, paced by this process or by the transport's peer."""

    def start(self) -> None:
        """Begin the call: from now on frames may be sent."""

    def close(self) -> None:
        """Send no more frames and drop waiting speech. May be called more than once."""

    def open(self, number: int, *, ahead: bool = False) -> Utterance:
        """Add an utterance behind the waiting utterances. Its audio is written later.

        number: the call's number of the utterance.
        ahead: True to place the utterance before the waiting utterances; allowed only while none
            of them has audio.
        """

    def write(self, utterance: Utterance, pcm: bytes) -> None:
        """Add audio to an utterance. Audio for an ended utterance is dropped.

        pcm: s16le mono at 8 kHz, whole samples.
        """

    def end(self, utterance: Utterance, *, whole: bool = True) -> None:
        """Declare that an utterance gets no more audio.

        whole: False if TTS broke off.
        """

    def pause(self) -> None:
        """Stop before the next frame. Waiting speech is kept."""

    def resume(self) -> None:
        """Continue at the sample at which `pause` stopped."""

    def flush(self) -> list[Played]:
        """Drop all speech that was not played, and end a pause.

        Returns how much of each dropped utterance was played.
        """


class Playout:
    """The agent's side of one call: utterances in order, one frame every 20 ms.

    Implements `AgentAudio`; see there for the methods without a docstring.

    clock: the clock of this process.
    send: called with each frame (320 bytes) when the frame is due; must not block. Returns False if
        the caller will never hear the frame.
    finished: called once for each utterance that was heard to its end, in order.
    background: called every 20 ms from `start` to `close` with a frame of speech, or with None in
        a pause; returns the frame to send. None: nothing is sent while nobody speaks.
    tap: called with the time at which a frame was due (monotonic s) and the frame, after the frame
        was sent; or None.
    """

    __slots__ = (
        "_background",
        "_clock",
        "_deadline",
        "_finished",
        "_send",
        "_tap",
        "_utterances",
        "context",
        "paused",
        "slot",
    )

    def __init__(
        self,
        clock: "PlayoutClock",
        send: Callable[[bytes], object],
        finished: Callable[[Played], None],
        *,
        background: Callable[[bytes | None], bytes] | None = None,
        tap: Callable[[float, bytes], None] | None = None,
    ) -> None:
        self._tap = tap
        self._background = background
        self._clock = clock
        self._send = send
        self._finished = finished
        self._utterances: deque[Utterance] = deque()
        self._deadline = 0.0
        self.context = copy_context()  # the clock runs `tick` in it
        self.paused = False
        self.slot: int | None = None  # set by the clock: the slot that serves this playout

    @property
    def idle(self) -> bool:
        """True if nothing is playing and nothing waits."""
        return not self._utterances

    def start(self) -> None:
        """Begin a continuous playout: its first frame leaves with the next slot.

        The clock then keeps the playout until `close`. A playout without background begins with
        its first speech. What the clock does for the playout runs in the context of this method.
        """
        self.context = copy_context()
        if self._background is not None and self.slot is None:
            self._deadline = time.monotonic()
            self._clock.join(self, self._deadline)

    def close(self) -> None:
        self.flush()
        self._clock.leave(self)

    def open(self, number: int, *, ahead: bool = False) -> Utterance:
        utterance = Utterance(number)
        if ahead:
            assert not any(waiting.written_bytes for waiting in self._utterances)
            self._utterances.appendleft(utterance)
        else:
            self._utterances.append(utterance)
        return utterance

    def write(self, utterance: Utterance, pcm: bytes) -> None:
        if not utterance.ended:
            utterance.write(pcm)
            self._wake()

    def end(self, utterance: Utterance, *, whole: bool = True) -> None:
        if not utterance.ended:
            utterance.end(whole=whole)
            self._wake()

    def pause(self) -> None:
        self.paused = True
        if self._background is None:
            self._clock.leave(self)

    def resume(self) -> None:
        self.paused = False
        if self.slot is None:
            self._deadline = max(self._deadline, time.monotonic())  # the pause was meant
        self._wake()

    def flush(self) -> list[Played]:
        if self._background is None:
            self._clock.leave(self)
        self.paused = False
        # Read before the utterances are ended: an unfinished utterance has no known length.
        dropped = [utterance.played() for utterance in self._utterances]
        for utterance in self._utterances:
            utterance.end(whole=False)
        self._utterances.clear()
        return dropped

    def tick(self, now: float) -> None:
        """Send the frames that are due at `now` (monotonic s). Called by the clock."""
        for _ in range(MAX_CATCH_UP):
            # Half a slot early counts as due: a timer's resolution must not cost 20 ms.
            if self.slot is None or self._deadline > now + _SLOT_S / 2:
                return
            if self._background is not None:
                # The callback `finished` may have closed this playout.
                if (self.paused or not self._play_one()) and self.slot is not None:
                    if self._utterances and not self.paused and self._utterances[0].is_starving():
                        self._clock.starved += 1
                    frame, due = self._background(None), self._deadline
                    self._deadline = due + _FRAME_S
                    if self._send(frame) is not False and self._tap is not None:
                        self._tap(due, frame)
            elif not self._play_one() or not self._utterances or self.paused:
                self._clock.leave(self)
                return
        if self._deadline < now:
            # The deadline moves by whole frames, to keep its distance from the slot. Otherwise
            # frames could be due just before one tick and just after the next: two frames at
            # once, then none.
            self._deadline += math.ceil((now - self._deadline) / _FRAME_S) * _FRAME_S
            self._clock.gaps += 1

    def _wake(self) -> None:
        """Start playing, if a frame is available and the playout is not paused."""
        if self.paused or self.slot is not None or self._background is not None:
            return
        now = time.monotonic()
        # If the last frame is still being heard (TTS was late for a moment, or a new answer
        # follows a flush at once), the next frame is due at the end of the last frame.
        if self._deadline <= now:
            if now - self._deadline > _PAUSE_S and self._is_in_a_sentence():
                self._clock.starved += 1
            self._deadline = now
            if not self._play_one():
                return
        if self._utterances and not self.paused:
            self._clock.join(self, self._deadline)

    def _is_in_a_sentence(self) -> bool:
        first = self._utterances[0] if self._utterances else None
        return first is not None and first.played_bytes > 0 and not first.ended

    def _play_one(self) -> bool:
        utterances = self._utterances
        if utterances and utterances[0].over:
            self._drop_finished()
        if not utterances or (frame := utterances[0].take()) is None:
            return False
        due = self._deadline
        self._deadline = due + _FRAME_S
        if self._background is not None:
            frame = self._background(frame)
        if self._send(frame) is not False and self._tap is not None:
            self._tap(due, frame)
        if utterances and utterances[0].over:  # the line may have flushed while it sent
            self._drop_finished()
        return True

    def _drop_finished(self) -> None:
        while self._utterances and self._utterances[0].over:
            self._finished(self._utterances.popleft().played())


class PlayoutClock:
    """The one 20 ms clock of the process: a wheel of slots, turned once every 20 ms.

    The clock wakes only for slots that contain a playout. Without speech and without a continuous
    playout, the clock does not run. Belongs to the running event loop.

    The clock runs in an empty context: otherwise the log would attribute the lines of all calls to
    the call that happened to start the clock. Each playout is served in the context of its call.

    late: number of turns that came more than a frame late.
    gaps: pauses in the sound of calls because the process was late by more than MAX_CATCH_UP
        frames.
    starved: pauses of this length within utterances, because their audio came too slowly.
    """

    late = gaps = starved = 0

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = Context()
        self._slots: list[dict[Playout, None]] = [{} for _ in range(SLOTS)]
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0  # absolute number of the slot the timer waits for
        self._turned = 0  # absolute number of the last slot served

    def join(self, playout: Playout, deadline: float) -> None:
        """Serve `playout` every 20 ms, first in the slot at or after `deadline` (monotonic s)."""
        number = math.ceil(deadline / _SLOT_S)
        playout.slot = number % SLOTS
        self._slots[playout.slot][playout] = None
        if self._timer is None or number < self._due:
            if self._timer is None:
                self._turned = number - 1
            self._wait_for(number)

    def leave(self, playout: Playout) -> None:
        """Stop serving `playout`, if it is served."""
        if playout.slot is not None:
            del self._slots[playout.slot][playout]
            playout.slot = None

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait_for(self, number: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = number
        delay = number * _SLOT_S - time.monotonic()
        self._timer = self._loop.call_later(max(0.0, delay), self._turn, context=self._context)

    def _turn(self) -> None:
        now = time.monotonic()
        if now - self._due * _SLOT_S > _FRAME_S:
            self.late += 1
        current = math.floor(now / _SLOT_S + 0.5)
        # At most one turn of the wheel, however late: each playout catches up by itself.
        first = max(self._turned + 1, current - SLOTS + 1)
        for number in range(first, current + 1):
            for playout in tuple(self._slots[number % SLOTS]):
                playout.context.run(playout.tick, now)
        self._turned = max(self._turned, current)
        self.close()  # a playout that joined meanwhile may have set the timer
        for number in range(self._turned + 1, self._turned + SLOTS + 1):
            if self._slots[number % SLOTS]:
                self._wait_for(number)
                return
