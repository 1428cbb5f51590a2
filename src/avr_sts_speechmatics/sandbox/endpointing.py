"""Endpointing: when speech starts, when to decode it, when a turn is over.

Pure logic without audio and without a clock. Input: for each 32 ms of audio the probability of
speech, and the texts as they are decoded. Output: messages for the client and orders to decode.
Time is the position in the session's audio.

    while        | when                          | then                     | because
    -------------+-------------------------------+--------------------------+-----------------------
    no speech    | ONSET_FRAMES of speech        | SpeechStarted            | one frame is a click
    speech       | PARTIAL_EVERY_S, decoder free | decode the segment       | partials; the first
                 |                               |                          | word opens the turn
    speech       | SETTLE_S of silence           | decode, maybe finally    | the text is ready when
                 |                               |                          | the turn ends
    speech       | speech after that silence     | discard the final text   | it was only a breath
    speech       | SPEECH_END_S of silence       | AddSegment, SpeechEnded  | a pause, maybe the end
    a pause      | ONSET_FRAMES of speech        | SpeechStarted            | the turn goes on
    a pause      | TURN_END_S of silence         | EndOfTurn                | the caller waits
    long speech  | SETTLE_S of silence           | AddSegment, SpeechEnded  | the recogniser takes
    long speech  | LONGEST_S                     | AddSegment, and go on    | 28 s of speech at most

A sound without words ends with SpeechEnded; without StartOfTurn there is no EndOfTurn.
In `external` mode there are no speech messages, and only ForceEndOfUtterance ends a turn.
If a turn ends before its text is ready (the decoder is slow), `waiting` is true: the session must
then hold back further audio until the text is ready, so that messages stay in order.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

from avr_sts_speechmatics.sandbox import stt_messages

FRAME_S = 0.032
ONSET = 0.5
"""Probability of speech in a frame from which speech starts."""
STAYS = 0.35
"""Probability of speech in a frame from which speech goes on: lower, as speech has weak moments."""
ONSET_FRAMES = 3
"""Speech frames in a row that start speech."""
REVIVE_FRAMES = 2
"""Speech frames in a row that end a silence within speech."""
DROPOUT_S = 0.1
"""A silence up to this long (s) ends with a single speech frame."""
LEAD_S = 0.3
"""Audio decoded before the onset (s): the onset is detected late, and first consonants are
quiet."""
TAIL_S = 0.2
"""Audio decoded after the last speech frame (s)."""
PARTIAL_EVERY_S = 0.4
SETTLE_S = 0.25
SPEECH_END_S = 0.45
TURN_END_S = 0.6
"""Silences (s) after the last speech frame; the detector reports speech 0.05 s too long."""
LONG_S = 15.0
"""Length of a segment (s) from which SETTLE_S of silence ends the segment."""
LONGEST_S = 25.0
"""Length of a segment (s) at which the segment is cut without a silence."""

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


@dataclass(frozen=True, slots=True)
class Decode:
    """Order to recognise a stretch of the session's audio and to pass the text to `Turns.heard`.

    number: identifies the order; `heard` takes the same number.
    start: seconds of session audio.
    end: seconds of session audio.
    final: the order must be carried out; orders that are not final may be skipped.
    """

    number: int
    start: float
    end: float
    final: bool


@dataclass(slots=True)
class _Segment:
    """A stretch of speech that becomes one segment. Times are seconds of session audio.

    audio_start: start of the audio to decode, LEAD_S before the speech.
    start: start of the speech.
    end: end of the speech so far.
    decoded_to: time of the last order to decode.
    final: number of the order whose text counts, because no speech came after it; None so far.
    text: the text of the order `final`, once it is decoded.
    shown: the last partial text.
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
    """The turns of one session.

    external: the client ends turns.
    partials: AddPartialSegment is sent; may be changed during the session.
    sentences: each sentence becomes a segment.
    speaker: the label of all speakers; None for no labels.
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
        """Seconds of audio processed so far."""
        return self._frames * FRAME_S

    @property
    def needed_from(self) -> float:
        """Audio before this time (s) will not be needed by any order to decode."""
        lead = self.now - ONSET_FRAMES * FRAME_S - LEAD_S
        ordered = [decode.start for _, decode in self._decodes.values()]
        return min([lead, *ordered] + ([self._segment.audio_start] if self._segment else []))

    @property
    def waiting(self) -> bool:
        """Whether the turn is over but its text is not ready yet."""
        return self._due is not None and bool(self._pending)

    def frame(self, probability: float, *, decoder_idle: bool = True) -> list[Output]:
        """Process the next FRAME_S of audio.

        probability: of speech in these FRAME_S, 0 to 1.
        decoder_idle: an order that is not final would be carried out at once.
        """
        self._frames += 1
        self._voiced = self._voiced + 1 if probability >= ONSET else 0
        if self._segment is None:
            if self._voiced >= ONSET_FRAMES:
                return self._begin(self.now - ONSET_FRAMES * FRAME_S)
            return self._pause()
        self._follow(self._segment, probability)
        return self._progress(self._segment, decoder_idle)

    def heard(self, number: int, text: str) -> list[Output]:
        """Process the text of a Decode.

        number: of the Decode.
        text: empty if the recogniser found no speech.
        """
        segment, decode = self._decodes.pop(number)
        if segment is self._segment:
            if number == segment.final:
                segment.text = text
            return self._show(segment, text, decode.end)
        if number == segment.final:
            segment.text = text
        return [*self._settled(), *self._end_turn()]

    def force(self, timestamp: float) -> list[Output]:
        """End the turn now. EndOfTurn will carry the timestamp (s)."""
        outputs = self._close(self._segment) if self._segment else []
        self._due = timestamp
        return [*outputs, *self._end_turn()]

    def finish(self) -> list[Output]:
        """End the turn, because the audio has ended."""
        outputs = self._close(self._segment) if self._segment else []
        if outputs or self._turn_open or self._pending:
            self._due = self.now
        return [*outputs, *self._end_turn()]

    def _begin(self, start: float) -> list[Output]:
        self._last_voice = self.now
        self._segment = _Segment(max(0.0, start - LEAD_S), start, start, decoded_to=start)
        return [] if self._external else [stt_messages.speech_started(start)]

    def _follow(self, segment: _Segment, probability: float) -> None:
        """Extend the segment if speech goes on; after DROPOUT_S this takes REVIVE_FRAMES."""
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
        """End the segment: use its final text, or order the text if there is none yet."""
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
        """Cut a segment that is too long: the speech goes on in a new segment."""
        self._pending.append(segment)
        self._segment = _Segment(self.now, self.now, self.now, decoded_to=self.now)
        return [self._decode(segment, final=True)]

    def _show(self, segment: _Segment, text: str, end: float) -> list[Output]:
        """Messages for a text that is not final: the start of the turn, and a partial."""
        if not text:
            return []
        outputs = self._open(segment)
        if self.partials and text != segment.shown:
            start = segment.start
            outputs.append(stt_messages.partial_segment(text, start, end, self._speaker))
        segment.shown = text
        return outputs

    def _open(self, segment: _Segment) -> list[Output]:
        """StartOfTurn, if the turn is not open yet: a turn begins with its first word."""
        if self._turn_open:
            return []
        self._turn_open = True
        return [stt_messages.start_of_turn(segment.start)]

    def _settled(self) -> list[Output]:
        """Messages for segments whose text is ready, in order: a late text holds later ones up."""
        outputs: list[Output] = []
        while self._pending and self._pending[0].text is not None:
            segment = self._pending.popleft()
            if segment.text:
                outputs += self._open(segment)
                outputs += self._final(segment, segment.text)
        return outputs

    def _final(self, segment: _Segment, text: str) -> list[Output]:
        parts = _SENTENCE_END.split(text) if self._sentences else [text]
        # The end of each sentence is not known; it is estimated from the number of letters.
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
