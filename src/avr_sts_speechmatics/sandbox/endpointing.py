"""From "was that a voice?" to turns: when speech starts, when to decode, when a turn is over.

Pure: 32 ms of audio at a time come in as the probability that somebody spoke in them, texts
come in when they were decoded, and out go messages for the client and orders to decode.
Audio itself never passes here, and time is the audio's own.

    while        | when                          | then                     | because
    -------------+-------------------------------+--------------------------+-----------------------
    nothing said | ONSET_FRAMES with a voice     | SpeechStarted            | one frame is a click
    speech       | PARTIAL_EVERY_S, decoder free | decode what there is     | partials; first word
                 |                               |                          | opens the turn
    speech       | SETTLE_S of silence           | decode, perhaps for good | the text is there when
                 |                               |                          | the turn ends
    speech       | voice again after that        | forget that text         | it was only a breath
    speech       | SPEECH_END_S of silence       | AddSegment, SpeechEnded  | a pause, maybe the end
    a pause      | ONSET_FRAMES with a voice     | SpeechStarted            | the turn goes on
    a pause      | TURN_END_S of silence         | EndOfTurn                | they want an answer
    long speech  | SETTLE_S of silence           | AddSegment, SpeechEnded  | the recogniser hears
    long speech  | LONGEST_S                     | AddSegment, and go on    | half a minute at most

A sound in which no word is found ends with SpeechEnded: without StartOfTurn no EndOfTurn.
In `external` mode there are no speech messages and only ForceEndOfUtterance ends a turn.
Should a turn end before its text is there (the decoder is slow), `waiting` is true: then no
more audio should come in until the text has, so that nothing is said out of order.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

from avr_sts_speechmatics.sandbox import stt_messages

FRAME_S = 0.032
ONSET = 0.5
STAYS = 0.35
"""Probability of a voice to start speech, and to go on with it: speech has weak moments."""
ONSET_FRAMES = 3
REVIVE_FRAMES = 2
"""Voiced frames in a row that end a silence within speech."""
DROPOUT_S = 0.1
"""A gap this short within speech needs no reviving."""
LEAD_S = 0.3
"""Audio decoded before the onset: it is noticed late, and a first consonant is quiet."""
TAIL_S = 0.2
"""Audio decoded after the last voice."""
PARTIAL_EVERY_S = 0.4
SETTLE_S = 0.25
SPEECH_END_S = 0.45
TURN_END_S = 0.6
"""Silences, from the last frame with a voice; the detector hears the voice 0.05 s too long."""
LONG_S = 15.0
LONGEST_S = 25.0
"""Lengths of a segment: any breath will do as its end, and it ends without one."""

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


@dataclass(frozen=True, slots=True)
class Decode:
    """Recognise this stretch of the session's audio and call `heard` with the same number.

    start, end: seconds of session audio. final: must be done; others may be skipped.
    """

    number: int
    start: float
    end: float
    final: bool


@dataclass(slots=True)
class _Segment:
    """A stretch of speech that becomes one segment.

    audio_start: with the lead. decoded_to: when it was last sent to be decoded. final: number
    of the decode since which no voice came: its text counts. text: that, once it is known.
    """

    audio_start: float
    start: float
    end: float
    decoded_to: float = 0.0
    final: int | None = None
    text: str | None = None
    shown: str = ""


Output = dict[str, Any] | Decode


class Turns:
    """One session's turns.

    external: the client ends turns. partials: send AddPartialSegment. sentences: a segment
    for each sentence. speaker: the label of everybody, None for no labels.
    """

    def __init__(
        self,
        *,
        external: bool = False,
        partials: bool = False,
        sentences: bool = False,
        speaker: str | None = None,
    ) -> None:
        self.partials = partials
        self._external = external
        self._sentences = sentences
        self._speaker = speaker
        self._frames = 0
        self._voiced = 0
        self._last_voice = 0.0
        self._segment: _Segment | None = None
        self._pending: deque[_Segment] = deque()
        self._decodes: dict[int, tuple[_Segment, Decode]] = {}
        self._decode_count = 0
        self._turn_open = False
        self._due: float | None = None

    @property
    def now(self) -> float:
        """Seconds of audio taken in."""
        return self._frames * FRAME_S

    @property
    def needed_from(self) -> float:
        """Audio before this time will not be asked for again."""
        lead = self.now - ONSET_FRAMES * FRAME_S - LEAD_S
        ordered = [decode.start for _, decode in self._decodes.values()]
        return min([lead, *ordered] + ([self._segment.audio_start] if self._segment else []))

    @property
    def waiting(self) -> bool:
        """The turn is over but its text is not there yet."""
        return self._due is not None and bool(self._pending)

    def frame(self, probability: float, *, decoder_idle: bool = True) -> list[Output]:
        """The next FRAME_S of audio, and the probability of a voice in it."""
        self._frames += 1
        self._voiced = self._voiced + 1 if probability >= ONSET else 0
        if self._segment is None:
            if self._voiced >= ONSET_FRAMES:
                return self._begin(self.now - ONSET_FRAMES * FRAME_S)
            return self._pause()
        self._follow(self._segment, probability)
        return self._progress(self._segment, decoder_idle)

    def heard(self, number: int, text: str) -> list[Output]:
        """The text of a Decode; empty if there was no speech in it."""
        segment, decode = self._decodes.pop(number)
        if segment is self._segment:
            if number == segment.final:
                segment.text = text
            return self._show(segment, text, decode.end)
        if number == segment.final:
            segment.text = text
        return [*self._settled(), *self._end_turn()]

    def force(self, timestamp: float) -> list[Output]:
        """End the turn now; EndOfTurn will carry the timestamp."""
        outputs = self._close(self._segment) if self._segment else []
        self._due = timestamp
        return [*outputs, *self._end_turn()]

    def finish(self) -> list[Output]:
        """The audio is over: so is the turn."""
        outputs = self._close(self._segment) if self._segment else []
        if outputs or self._turn_open or self._pending:
            self._due = self.now
        return [*outputs, *self._end_turn()]

    def _begin(self, start: float) -> list[Output]:
        self._last_voice = self.now
        self._segment = _Segment(max(0.0, start - LEAD_S), start, start, decoded_to=start)
        return [] if self._external else [stt_messages.speech_started(start)]

    def _follow(self, segment: _Segment, probability: float) -> None:
        """Whether the voice goes on. After a dropout it takes more than one frame to revive."""
        goes_on = probability >= STAYS and self.now - self._last_voice <= DROPOUT_S
        if goes_on or self._voiced >= REVIVE_FRAMES:
            self._last_voice = segment.end = self.now
            segment.final = segment.text = None

    def _progress(self, segment: _Segment, decoder_idle: bool) -> list[Output]:
        silence = self.now - self._last_voice
        length = self.now - segment.audio_start
        long = length >= LONG_S
        if silence >= (SETTLE_S if long else SPEECH_END_S) and (long or not self._external):
            return self._close(segment)
        if length >= LONGEST_S:
            return self._cut(segment)
        if silence >= SETTLE_S and segment.final is None:
            return [self._decode(segment, final=True)]
        due = self._last_voice - segment.decoded_to >= PARTIAL_EVERY_S
        if due and segment.final is None and decoder_idle:
            return [self._decode(segment, final=False)]
        return []

    def _pause(self) -> list[Output]:
        over = self._turn_open or bool(self._pending)
        silent = self.now - self._last_voice >= TURN_END_S
        if over and silent and not self._external and self._due is None:
            self._due = self.now
        return self._end_turn()

    def _decode(self, segment: _Segment, *, final: bool) -> Decode:
        self._decode_count += 1
        end = min(self.now, self._last_voice + TAIL_S) if final else self.now
        decode = Decode(self._decode_count, segment.audio_start, end, final)
        self._decodes[decode.number] = (segment, decode)
        segment.decoded_to = self.now
        if final:
            segment.final = decode.number
        return decode

    def _close(self, segment: _Segment) -> list[Output]:
        """Speech is over for now: its text counts, or is asked for."""
        self._segment = None
        self._voiced = 0
        self._pending.append(segment)
        outputs: list[Output] = []
        if segment.final is None:
            outputs.append(self._decode(segment, final=True))
        outputs += self._settled()
        if not self._external:
            outputs.append(stt_messages.speech_ended(segment.end))
        return outputs

    def _cut(self, segment: _Segment) -> list[Output]:
        """Nobody took a breath for too long: the speech goes on in another segment."""
        self._pending.append(segment)
        self._segment = _Segment(self.now, self.now, self.now, decoded_to=self.now)
        return [self._decode(segment, final=True)]

    def _show(self, segment: _Segment, text: str, end: float) -> list[Output]:
        """What is understood so far."""
        if not text:
            return []
        outputs = self._open(segment)
        if self.partials and text != segment.shown:
            start = segment.start
            outputs.append(stt_messages.partial_segment(text, start, end, self._speaker))
        segment.shown = text
        return outputs

    def _open(self, segment: _Segment) -> list[Output]:
        """A turn begins with its first word, not with its first sound."""
        if self._turn_open:
            return []
        self._turn_open = True
        return [stt_messages.start_of_turn(segment.start)]

    def _settled(self) -> list[Output]:
        """Segments whose text is there, in order: one that is late holds the others up."""
        outputs: list[Output] = []
        while self._pending and self._pending[0].text is not None:
            segment = self._pending.popleft()
            if segment.text:
                outputs += self._open(segment)
                outputs += self._final(segment, segment.text)
        return outputs

    def _final(self, segment: _Segment, text: str) -> list[Output]:
        parts = _SENTENCE_END.split(text) if self._sentences else [text]
        # Where a sentence ended is not known; its share of the letters is a fair guess.
        letters = sum(map(len, parts))
        outputs: list[Output] = []
        start = segment.start
        for part in parts:
            end = start + (segment.end - segment.start) * len(part) / letters
            outputs.append(stt_messages.segment(part, start, end, self._speaker))
            start = end
        return outputs

    def _end_turn(self) -> list[Output]:
        if self._due is None or self._pending:
            return []
        over = self._turn_open or self._external
        outputs: list[Output] = [stt_messages.end_of_turn(self._due)] if over else []
        self._due, self._turn_open = None, False
        return outputs
