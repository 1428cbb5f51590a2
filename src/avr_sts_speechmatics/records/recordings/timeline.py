"""The timelines of a recording: where on the call's own time each piece of audio belongs.

Both sides arrive with times of this machine's clock (monotonic s). A timeline turns them into
positions, in samples since the beginning of the recording, and fills what is missing with silence.

The agent's audio carries the time at which it left, or will be played, and goes there.

The caller's audio is counted, because its frames arrive late and in bursts while its samples follow
each other. How late a piece is, is the time of its arrival minus the position of its last sample.

    a piece is ...                        | then
    --------------------------------------+--------------------------------------------------------
    at most GAP_S late                    | it follows the piece before
    later, and so are all pieces of the   | audio is missing: silence, as long as the least late of
        next LOOK_AHEAD_S                 |     these pieces is late
    later, and the next pieces are not    | it was delayed: it follows the piece before
    missing for HOLD_S                    | silence is filled in; audio that belongs there and
                                          |     comes after all is lost to the recording

A clock of the caller that is faster or slower than ours shows in the least late piece of a second:
then a sample is repeated or dropped in each piece, which nobody hears. A caller's side that sends
faster than real time is recorded in its own speed, and catches up in its pauses.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avr_sts_speechmatics.audio.pcm import RATE, SAMPLE_BYTES

GAP_S = 0.06
"""Longest delay of a piece that is not examined (s)."""

LOOK_AHEAD_S = 0.3
"""How long pieces are watched that may tell a delay from a gap (s)."""

HOLD_S = 0.8
"""Longest delay of audio that is still put in its place (s)."""

AHEAD_S = 10.0
"""Most audio of the caller that waits for its time (s); more is lost to the recording."""

DRIFT_S = 0.01
"""Deviation of the caller's clock that is corrected (s)."""

QUIET = 200
"""Highest amplitude of a piece that may be left out to catch up."""

WINDOW_S = 1.0
"""Time over which the caller's clock is watched (s)."""

JOINT_S = 0.003
"""Inaccuracy of the agent's times (s): pieces this close follow each other without a gap."""

_GAP, _LOOK_AHEAD, _HOLD, _AHEAD, _DRIFT, _JOINT = (
    round(seconds * RATE) for seconds in (GAP_S, LOOK_AHEAD_S, HOLD_S, AHEAD_S, DRIFT_S, JOINT_S)
)
_EARLY = RATE  # longest burst that is taken as audio from before the first piece arrived
_SAMPLE = np.dtype("<i2")


class Piece(NamedTuple):
    """Audio with a time.

    at: monotonic s. Of the caller: when it arrived. Of the agent: when it begins to be heard.
    audio: s16le mono at 8 kHz, whole samples.
    """

    at: float
    audio: bytes


class Origin:
    """The beginning of a recording, shared by both sides.

    at: monotonic s.
    fixed: True as soon as a part of the recording is written.
    """

    __slots__ = ("at", "fixed")

    def __init__(self, at: float) -> None:
        self.at = at
        self.fixed = False

    def position(self, at: float) -> int:
        """Return the position of a time (samples)."""
        return round((at - self.at) * RATE)


class CallerTimeline:
    """The caller's side."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._waiting: deque[Piece] = deque()  # arrived, not placed
        self._placed: deque[bytes] = deque()  # placed, not taken
        self._taken = 0  # position up to which audio was taken
        self._end = 0  # position behind the placed audio
        self._next: int | None = None  # position of the next sample of the stream
        self._watched_from = 0.0  # arrival of the first piece of the present window
        self._least: float = math.inf  # how late the least late piece of the window is
        self._correction = 0  # samples to repeat, or to drop if negative
        self.lost = 0
        """Samples that came too late or too early for the recording."""

    @property
    def end(self) -> int:
        """Position behind the last audio that has its place."""
        return self._end

    def add(self, pieces: Sequence[Piece], now: float, *, over: bool = False) -> int:
        """Add pieces in the order of their arrival.

        now: monotonic s.
        over: True if no more audio will come.

        Returns the position up to which the side is known (samples).
        """
        if not self._waiting and not self._correction and self._next == self._end:
            pieces = pieces[self._place_timely(pieces) :]
        self._waiting.extend(pieces)
        if self._next is None and self._waiting and not self._begin(now, over=over):
            return self._end
        while self._waiting:
            count = self._examine(now, over=over)
            if not count:
                return self._end
            for _ in range(count):
                self._place(self._waiting.popleft())
        return max(self._end, self._origin.position(now) - _HOLD)

    def take(self, until: int) -> NDArray[np.int16]:
        """Return the samples up to a position, and forget them."""
        size = (until - self._taken) * SAMPLE_BYTES
        found, length = [], 0
        while self._placed and length < size:
            audio = self._placed.popleft()
            if length + len(audio) > size:
                cut = size - length
                self._placed.appendleft(audio[cut:])
                audio = audio[:cut]
            found.append(audio)
            length += len(audio)
        found.append(bytes(size - length))
        self._taken = until
        self._end = max(self._end, until)
        return np.frombuffer(b"".join(found), _SAMPLE)

    def _begin(self, now: float, *, over: bool) -> bool:
        """Find the position of the first sample. Returns False while that is not possible."""
        first, position = self._waiting[0], self._origin.position
        # A first frame may be late. And a side that has collected audio sends it in a burst, which
        # ends now: it is audio of the time before.
        if not over and now - first.at < LOOK_AHEAD_S:
            return False
        count, begins = 0, []
        for piece in self._waiting:
            if piece.at - first.at > LOOK_AHEAD_S:
                break
            count += len(piece.audio) // SAMPLE_BYTES
            begins.append(position(piece.at) - count)
        begin = max(min(begins), begins[0] - _EARLY)
        if begin < 0 and not self._origin.fixed:
            self._origin.at += begin / RATE
            begin = 0
        self._next = max(begin, self._taken)
        self._watched_from = first.at
        return True

    def _examine(self, now: float, *, over: bool) -> int:
        """Decide whether audio is missing before the first waiting piece.

        Returns the number of pieces that can be placed; 0 while that is not known.
        """
        assert self._next is not None
        position, first = self._origin.position, self._waiting[0]
        end = self._next + len(first.audio) // SAMPLE_BYTES
        least = late = position(first.at) - end
        if late <= _GAP:
            return 1
        count, known = 1, over or now - first.at > LOOK_AHEAD_S
        for index, piece in enumerate(self._waiting):
            if not index:
                continue
            if piece.at - first.at > LOOK_AHEAD_S:
                known = True
                break
            end += len(piece.audio) // SAMPLE_BYTES
            late = position(piece.at) - end
            if late < least:
                least, count = late, index + 1
                if least <= _DRIFT:
                    break
        if least <= _GAP:
            return count
        if not known:
            return 0
        self._next += least
        self._least, self._correction = math.inf, 0
        return count

    def _place_timely(self, pieces: Sequence[Piece]) -> int:
        """Place the first pieces, up to one that must be examined. Returns their number.

        Does the same as `_examine` and `_place`, for nearly all audio, in a quarter of the time.
        """
        origin, end, least, count = self._origin.at, self._end, self._least, 0
        for at, audio in pieces:
            size = len(audio) // SAMPLE_BYTES
            late = (at - origin) * RATE - end - size
            if late > _GAP or late < -_AHEAD:
                break
            if at - self._watched_from > WINDOW_S:
                if abs(least) > _DRIFT:
                    break
                self._watched_from, least = at, math.inf
            if late < least:
                least = late
            end += size
            count += 1
        self._least = least
        self._placed.extend(piece.audio for piece in pieces[:count])
        self._next = self._end = end
        return count

    def _place(self, piece: Piece) -> None:
        assert self._next is not None
        audio = piece.audio
        count = len(audio) // SAMPLE_BYTES
        late = self._origin.position(piece.at) - (self._next + count)
        if late < -_AHEAD:
            self.lost += count
            return
        self._watch_clock(piece.at, late)
        if self._correction and count:
            audio = self._corrected(audio, count)
        self._next += len(audio) // SAMPLE_BYTES
        begin = self._next - len(audio) // SAMPLE_BYTES
        if begin < self._end:
            self.lost += min(self._end - begin, len(audio) // SAMPLE_BYTES)
            audio = audio[(self._end - begin) * SAMPLE_BYTES :]
        elif begin > self._end:
            self._placed.append(bytes((begin - self._end) * SAMPLE_BYTES))
            self._end = begin
        self._placed.append(audio)
        self._end += len(audio) // SAMPLE_BYTES

    def _watch_clock(self, at: float, late: int) -> None:
        if at - self._watched_from > WINDOW_S:
            # The piece itself may be the first of a burst: it belongs to the next window.
            found = math.isfinite(self._least) and abs(self._least) > _DRIFT
            self._correction = int(self._least) if found else 0
            self._watched_from, self._least = at, math.inf
        self._least = min(self._least, late)

    def _corrected(self, audio: bytes, count: int) -> bytes:
        """Return the audio with a sample more or less, or nothing for a quiet piece."""
        if self._correction > 0:
            self._correction -= 1
            return audio + audio[-SAMPLE_BYTES:]
        if self._correction <= -count and np.abs(np.frombuffer(audio, _SAMPLE)).max() <= QUIET:
            self._correction += count
            return b""
        self._correction += 1
        return audio[:-SAMPLE_BYTES]


class AgentTimeline:
    """The agent's side. Pieces may be added before their time, and taken back."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._pieces: deque[Piece] = deque()
        self._held: list[Piece] | None = None  # None: not paused
        self._taken = 0
        self._speaks = False  # the samples taken last were audio

    def add(self, piece: Piece) -> None:
        """Add audio, in the order in which it is heard."""
        if self._held is not None:
            self._held.append(piece)
        else:
            self._pieces.append(piece)

    def hold(self, at: float) -> None:
        """Stop the audio at a time (monotonic s)."""
        if self._held is None:
            self._held = self._cut(at)

    def go_on(self, at: float) -> None:
        """Continue at a time (monotonic s) with the audio that `hold` stopped."""
        held, self._held = self._held, None
        if held:
            shift = at - held[0].at
            self._pieces.extend(Piece(piece.at + shift, piece.audio) for piece in held)

    def drop(self, at: float) -> None:
        """Drop the audio that was not heard at a time (monotonic s)."""
        self._held = None
        self._cut(at)

    def take(self, until: int) -> NDArray[np.int16]:
        """Return the samples up to a position, and forget them."""
        found, end = [], self._taken
        while self._pieces:
            piece = self._pieces[0]
            begin = self._origin.position(piece.at)
            if begin - end > (_JOINT if self._speaks else 0):
                silence = min(begin, until) - end
                found.append(bytes(silence * SAMPLE_BYTES))
                end += silence
                self._speaks = False
            if end >= until:
                break
            self._pieces.popleft()
            self._speaks = True
            room = until - end
            count = len(piece.audio) // SAMPLE_BYTES
            if count > room:
                audio = piece.audio[: room * SAMPLE_BYTES]
                rest = Piece(piece.at + room / RATE, piece.audio[room * SAMPLE_BYTES :])
                self._pieces.appendleft(rest)
                count = room
            else:
                audio = piece.audio
            found.append(audio)
            end += count
        if end < until:
            found.append(bytes((until - end) * SAMPLE_BYTES))
            self._speaks = False
        self._taken = until
        return np.frombuffer(b"".join(found), _SAMPLE)

    def _cut(self, at: float) -> list[Piece]:
        """Remove the audio from a time on, and return it."""
        rest: list[Piece] = []
        while self._pieces:
            piece = self._pieces[-1]
            heard = round((at - piece.at) * RATE) * SAMPLE_BYTES
            if heard >= len(piece.audio):
                break
            self._pieces.pop()
            if heard > 0:
                rest.append(Piece(at, piece.audio[heard:]))
                self._pieces.append(Piece(piece.at, piece.audio[:heard]))
                break
            rest.append(piece)
        rest.reverse()
        return rest
