"""Playout where Asterisk owns the clock: speech is sent ahead, and marks say what was heard.

chan_websocket plays its queue at one frame every 20 ms and drops the queue immediately on command.
So this module does no pacing: audio is sent as it arrives, at most AHEAD_S beyond the audio that is
known to be played. That is far below the 18 s at which Asterisk asks to wait (this module obeys)
and the 20 s from which Asterisk drops audio silently. There is no work for single frames.

Marks show what the caller has heard. A mark is set every MARK_S and at the end of each utterance;
Asterisk reports a mark when its player has played the last frame before the mark. Between two marks
the position is computed from the clock, at most up to the next mark. A mark that is not reported
counts as reached LATE_S after its time, so that nothing waits for Asterisk for ever.

Only whole frames are sent, the last one of an utterance filled up with silence. Part of a frame
would wait at Asterisk behind the following mark, and Asterisk would, depending on the version, play
it as a short frame, during a pause, or at the start of the next answer. Buffering is switched on
as well, so that frames of any other size would do no harm.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from avr_sts_speechmatics.audio.pcm import FRAME_MS, FRAME_SAMPLES, seconds
from avr_sts_speechmatics.audio.playout import Played, Utterance
from avr_sts_speechmatics.audio.tap import AgentTap
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.transports import asterisk_control as control
from avr_sts_speechmatics.transports.asterisk_codec import ChannelCodec

AHEAD_S = 2.0
"""Longest audio sent beyond the audio that is known to be played (s): bridges network delays."""

MARK_S = 0.2
"""Distance between two marks (s of audio)."""

LATE_S = 1.0
"""Longest wait for a mark beyond its time (s)."""

INACCURATE_S = 0.25
"""Longest deviation of the known position that is not corrected in a recording (s): the way to a
distant Asterisk and back, which must not be heard as a gap within a word."""

_FRAME_S = FRAME_MS / 1000
_AHEAD_FRAMES = round(AHEAD_S / _FRAME_S)
_MARK_FRAMES = round(MARK_S / _FRAME_S)

_log = logging.getLogger(__name__)


class AsteriskPlayout:
    """The agent's side of one call through chan_websocket.

    Implements `playout.AgentAudio`; see there for the methods without a docstring.

    codec: the channel's codec; only this playout may encode with it.
    send_audio: function that sends whole frames in the channel's codec.
    send_command: function that sends a command, one text message.
    finished: function that is called once for each utterance that was heard to its end, in order;
        never from within `open`, `write` or `end`.
    tap: takes the agent's audio with the times at which Asterisk plays it, or None.
    """

    def __init__(
        self,
        codec: ChannelCodec,
        send_audio: Callable[[bytes], None],
        send_command: Callable[[bytes], None],
        finished: Callable[[Played], None],
        tap: AgentTap | None = None,
    ) -> None:
        self._codec = codec
        self._tap = None if tap is None else _TimedTap(tap)
        self._send_audio = send_audio
        self._send_command = send_command
        self._finished = finished
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Speech] = deque()  # utterances not completely sent
        self._marks: deque[_Mark] = deque()  # set and not yet reported
        self._last_mark = 0  # never used again, so that a mark of flushed audio means nothing
        self._sent = 0  # frames
        self._unmarked = 0  # frames sent since the last mark
        self._known = 0.0  # frames that had been played ...
        self._known_at = 0.0  # ... at this time of the loop (s)
        self._buffering = False
        self._paused = False
        self._full = False
        self._missed = False
        self._timer: running_time.Timer | None = None

    @property
    def idle(self) -> bool:
        """True if nothing is playing and nothing waits."""
        return not self._waiting and not self._marks

    # --- called by the call --------------------------------------------------------------------

    def start(self) -> None:
        """Nothing to start: Asterisk's player runs as long as the channel."""

    def close(self) -> None:
        self.flush()

    def open(self, number: int, *, ahead: bool = False) -> Utterance:
        speech = _Speech(number)
        if ahead:
            assert not any(waiting.utterance.written_bytes for waiting in self._waiting)
            self._waiting.appendleft(speech)
        else:
            self._waiting.append(speech)
        return speech.utterance

    def write(self, utterance: Utterance, pcm: bytes) -> None:
        if not utterance.ended:
            utterance.write(pcm)
            self._send()

    def end(self, utterance: Utterance, *, whole: bool = True) -> None:
        if not utterance.ended:
            utterance.end(whole=whole)
            self._send()

    def pause(self) -> None:
        if not self._paused:
            self._known, self._known_at = self._played(), self._loop.time()
            self._paused = True
            if self._tap is not None:
                self._tap.paused(self._known_at)
            self._send_command(control.PAUSE)

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._known_at = self._loop.time()
            if self._tap is not None:
                self._tap.resumed(self._known_at)
            self._send_command(control.CONTINUE)
            self._watch()

    def flush(self) -> list[Played]:
        played = self._played()
        left = [mark.ends for mark in self._marks if mark.ends is not None]
        left += self._waiting
        # Computed before the utterances are ended: the length of an unfinished one is unknown.
        dropped = [speech.heard(played) for speech in left]
        for speech in left:
            speech.utterance.end(whole=False)
        self._waiting.clear()
        self._marks.clear()
        self._codec.end()
        self._sent = self._unmarked = 0
        self._known, self._known_at = 0.0, self._loop.time()
        if self._tap is not None:
            self._tap.flushed(self._known_at)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._buffering:
            self._send_command(control.FLUSH)
            self._buffering = False  # a flush ends buffering at Asterisk, but not a pause
        if self._paused:
            self._send_command(control.CONTINUE)
            self._paused = False
        return dropped

    # --- Asterisk's reports --------------------------------------------------------------------

    def mark_reached(self, number: int) -> None:
        """Take Asterisk's report that all audio before a mark has been played.

        A mark of flushed audio is ignored.
        """
        self._reach(number, self._loop.time())
        self._send()

    def queue_full(self) -> None:
        """Send no more until `queue_has_room`."""
        self._full = True

    def queue_has_room(self) -> None:
        self._full = False
        self._send()

    # --- the position --------------------------------------------------------------------------

    def _played(self) -> float:
        """Return the frames played by now, computed from marks and clock."""
        played = self._known
        if not self._paused:
            played += (self._loop.time() - self._known_at) / _FRAME_S
        return min(played, self._marks[0].at if self._marks else self._sent)

    def _reach(self, number: int, at: float) -> None:
        while self._marks and self._marks[0].number <= number:
            mark = self._marks.popleft()
            if mark.at >= self._known:
                self._known, self._known_at = float(mark.at), at
            if mark.ends is not None:
                self._finished(mark.ends.heard(mark.at))

    def _watch(self) -> None:
        """Set the timer for the next mark that may not be reported."""
        if self._timer is None and self._marks and not self._paused:
            wait = self._due(self._marks[0]) + LATE_S - self._loop.time()
            self._timer = running_time.call_later(wait, self._miss)

    def _miss(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._marks and not self._paused:
            mark = self._marks[0]
            due = self._due(mark)
            if due + LATE_S > now:
                break
            if not self._missed:
                self._missed = True
                _log.warning(
                    "Asterisk does not report marks; what was heard is estimated by the clock"
                )
            # Counted at the time it was due: delays must not add up from mark to mark.
            self._reach(mark.number, due)
        self._send()

    def _due(self, mark: "_Mark") -> float:
        """Return when a mark should be reached (loop's time)."""
        return self._due_at(mark.at)

    def _due_at(self, frame: int) -> float:
        """Return when a frame should begin to be played (loop's time)."""
        return self._known_at + (frame - self._known) * _FRAME_S

    # --- sending -------------------------------------------------------------------------------

    def _send(self) -> None:
        """Send waiting speech, as far as AHEAD_S and Asterisk's queue allow."""
        if self._waiting and self._played() >= self._sent:
            # Everything has been played: the next audio begins when it reaches Asterisk.
            self._known, self._known_at = float(self._sent), self._loop.time()
        while self._waiting and not self._full:
            speech = self._waiting[0]
            welcome = _AHEAD_FRAMES - (self._sent - self._known)
            frames = speech.take(min(int(welcome), _MARK_FRAMES - self._unmarked))
            if frames:
                if speech.begin is None:
                    speech.begin = self._sent
                audio = b"".join(frames)
                if self._tap is not None:
                    self._tap.sent(self._due_at(self._sent), audio)
                self._send_frames(self._codec.encode(audio))
            if speech.all_sent:
                self._send_frames(self._codec.end())
                self._waiting.popleft()
                self._mark(speech)
            elif self._unmarked >= _MARK_FRAMES:
                self._mark(None)
            else:
                break
        self._watch()

    def _send_frames(self, frames: bytes) -> None:
        if not frames:
            return
        if not self._buffering:
            self._send_command(control.START_BUFFERING)
            self._buffering = True
        self._send_audio(frames)
        count = len(frames) // self._codec.frame_bytes
        self._sent += count
        self._unmarked += count

    def _mark(self, ends: "_Speech | None") -> None:
        self._unmarked = 0
        self._last_mark += 1
        self._marks.append(_Mark(self._last_mark, self._sent, ends))
        self._send_command(control.mark(self._last_mark))


class _TimedTap:
    """Gives a tap the times at which Asterisk plays the audio.

    The known position is inaccurate by the network's delays. So speech that Asterisk plays without
    a pause follows each other in the recording as well, unless the times differ by more than
    INACCURATE_S.
    """

    __slots__ = ("_end", "_held", "_paused", "_tap")

    def __init__(self, tap: AgentTap) -> None:
        self._tap = tap
        self._end = 0.0  # when the reported audio has been played
        self._paused = False
        self._held: float | None = None  # when the audio that waits in a pause would have begun

    def sent(self, at: float, audio: bytes) -> None:
        if abs(at - self._end) <= INACCURATE_S:
            at = self._end
        if self._paused and self._held is None:
            self._held = at
        self._end = at + seconds(len(audio))
        self._tap.agent(at, audio)

    def paused(self, at: float) -> None:
        self._tap.agent_paused(at)
        self._paused, self._held = True, at if self._end > at else None

    def resumed(self, at: float) -> None:
        self._tap.agent_resumed(at)
        if self._held is not None:
            self._end += at - self._held
        self._paused, self._held = False, None

    def flushed(self, at: float) -> None:
        self._tap.agent_flushed(at)
        self._end, self._paused, self._held = 0.0, False, None


class _Speech:
    """An utterance and its place in the sent audio.

    begin: number of the utterance's first frame, counted from the last flush.
    """

    __slots__ = ("begin", "utterance")

    def __init__(self, number: int) -> None:
        self.utterance = Utterance(number)
        self.begin: int | None = None

    @property
    def all_sent(self) -> bool:
        return self.utterance.ended and not self.utterance.waiting_bytes

    def take(self, most: int) -> list[bytes]:
        """Take the next whole frames, at most `most`."""
        frames: list[bytes] = []
        while len(frames) < most and (frame := self.utterance.take()) is not None:
            frames.append(frame)
        return frames

    def heard(self, played: float) -> Played:
        """Return the state of the utterance, with the number of its samples that were played.

        played: frames of all utterances that were played since the last flush.
        """
        sent = self.utterance.played()  # an Utterance counts what was taken from it as played
        if self.begin is None:
            return sent
        samples = int((played - self.begin) * FRAME_SAMPLES)
        return replace(sent, samples=min(sent.samples, max(0, samples)))


class _Mark:
    """A mark that Asterisk has not reported.

    at: frames sent before the mark.
    ends: the utterance that ends at the mark, if one does.
    """

    __slots__ = ("at", "ends", "number")

    def __init__(self, number: int, at: int, ends: _Speech | None) -> None:
        self.number = number
        self.at = at
        self.ends = ends
