"""The recording of one call: a tap on the event loop, and a file written by a thread.

The tap appends audio and its time to a queue for each side. `deque.append` and `deque.popleft` need
no lock, and neither floats nor bytes are objects for the collector. The thread takes what waits,
finds the place of each piece (see `timeline`) and writes what is known of both sides.

A queue is bounded. If the thread or the disk is too slow, audio is dropped and counted; its place
in the recording is silent, because all later audio has times of its own.
"""

import time
from collections import deque
from pathlib import Path

from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, RATE
from avr_sts_speechmatics.records.recordings.flac_file import BLOCK, FlacFile
from avr_sts_speechmatics.records.recordings.timeline import (
    AgentTimeline,
    CallerTimeline,
    Origin,
    Piece,
)

QUEUED_S = 5.0
"""Most audio of a side that waits for the thread (s)."""

AGENT_S = 0.06
"""How long after its time the agent's audio may be reported (s)."""

WRITTEN_S = 30.0
"""Most audio that is written in one go (s)."""

_QUEUED_BYTES = int(QUEUED_S * BYTES_PER_SECOND)
_WRITTEN = round(WRITTEN_S * RATE) // BLOCK * BLOCK
_PAUSED, _RESUMED, _FLUSHED = "paused", "resumed", "flushed"


class Recording:
    """The recording of one call. Implements `tap.Tap`; those methods belong to the event loop.

    key: the call's key.
    path: the file while it is written.
    began: when the call began, monotonic s.
    queued_bytes: see QUEUED_S (bytes).
    """

    __slots__ = (
        "_agent",
        "_agent_bytes",
        "_agent_taken",
        "_agent_time",
        "_caller",
        "_caller_bytes",
        "_caller_taken",
        "_caller_time",
        "_file",
        "_lost_bytes",
        "_most",
        "_origin",
        "_written",
        "ended_at",
        "key",
        "path",
    )

    def __init__(
        self, key: str, path: Path, began: float, *, queued_bytes: int = _QUEUED_BYTES
    ) -> None:
        self.key = key
        self.path = path
        self.ended_at: float | None = None
        """When the call ended (monotonic s); None while the call runs."""
        self._most = queued_bytes
        # Times and audio in turn. What was queued is counted by the loop, what was taken by the
        # thread: a number that both change would need a lock.
        self._caller: deque[float | bytes] = deque()
        self._agent: deque[float | bytes | str] = deque()
        self._caller_bytes = self._agent_bytes = 0
        self._caller_taken = self._agent_taken = 0
        self._lost_bytes = 0
        self._origin = Origin(began)
        self._caller_time = CallerTimeline(self._origin)
        self._agent_time = AgentTimeline(self._origin)
        self._file: FlacFile | None = None
        self._written = 0  # samples

    # --- the tap, called on the event loop -----------------------------------------------------

    def caller(self, at: float, pcm: bytes) -> None:
        if self._caller_bytes - self._caller_taken > self._most:
            self._lost_bytes += len(pcm)
            return
        self._caller_bytes += len(pcm)
        self._caller.append(at)
        self._caller.append(pcm)

    def agent(self, at: float, pcm: bytes) -> None:
        if self._agent_bytes - self._agent_taken > self._most:
            self._lost_bytes += len(pcm)
            return
        self._agent_bytes += len(pcm)
        self._agent.append(at)
        self._agent.append(pcm)

    def agent_paused(self, at: float) -> None:
        self._mark(at, _PAUSED)

    def agent_resumed(self, at: float) -> None:
        self._mark(at, _RESUMED)

    def agent_flushed(self, at: float) -> None:
        self._mark(at, _FLUSHED)

    def end(self) -> None:
        if self.ended_at is None:
            self.ended_at = time.monotonic()

    def _mark(self, at: float, mark: str) -> None:
        # A mark counts as audio of one byte, so that marks are bounded too. Without its marks a
        # recording may hold audio that was not heard; it is incomplete by then anyway.
        if self._agent_bytes - self._agent_taken <= self._most:
            self._agent_bytes += 1
            self._agent.append(at)
            self._agent.append(mark)

    # --- the file, called by the thread --------------------------------------------------------

    @property
    def begun(self) -> bool:
        """True if there is a file."""
        return self._file is not None

    @property
    def lost_s(self) -> float:
        """Audio that is missing because the thread or the disk was too slow (s)."""
        return self._lost_bytes / BYTES_PER_SECOND

    def give_up(self) -> None:
        """Take no more audio."""
        self._most = -1
        self._caller.clear()
        self._agent.clear()

    def write(self, now: float) -> None:
        """Write what is known of both sides. Raises OSError.

        now: monotonic s.
        """
        over = self.ended_at is not None
        heard = self._caller_time.add(self._take_caller(), now, over=over)
        self._take_agent()
        if self.ended_at is not None and over:
            until = max(self._origin.position(self.ended_at), self._caller_time.end)
        else:
            until = min(heard, self._origin.position(now - AGENT_S))
            until -= until % BLOCK
        while self._written < until and self._has_sound:
            if self._file is None:
                self._file = FlacFile(self.path)
                self._origin.fixed = True
            part = min(until, self._written + _WRITTEN)
            caller, agent = self._caller_time.take(part), self._agent_time.take(part)
            self._file.write(caller, agent)
            self._written = part

    def close(self) -> None:
        """Close the file. Raises OSError."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    @property
    def _has_sound(self) -> bool:
        """Whether the call has had a frame: a call without any has no recording."""
        return bool(self._caller_taken or self._agent_taken)

    def _take_caller(self) -> list[Piece]:
        queue, pieces = self._caller, []
        for _ in range(len(queue) // 2):
            at, audio = queue.popleft(), queue.popleft()
            assert isinstance(at, float)
            assert isinstance(audio, bytes)
            self._caller_taken += len(audio)
            pieces.append(Piece(at, audio))
        return pieces

    def _take_agent(self) -> None:
        queue, timeline = self._agent, self._agent_time
        for _ in range(len(queue) // 2):
            at, audio = queue.popleft(), queue.popleft()
            assert isinstance(at, float)
            if isinstance(audio, bytes):
                self._agent_taken += len(audio)
                timeline.add(Piece(at, audio))
            else:
                self._agent_taken += 1
                if audio == _PAUSED:
                    timeline.hold(at)
                elif audio == _RESUMED:
                    timeline.go_on(at)
                else:
                    timeline.drop(at)
