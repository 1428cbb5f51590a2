"""The synthetic recogniser: Agent STT's wire protocol, with ears that know each caller.

It reads every frame's signature, hears from its level when the caller speaks, and reports a
turn at the very frame at which it is due, so that the time of the report is the time it was sent.
Sound is reported at once, words a moment later, as a real recogniser does: a service that stops
only for words is seen to be slower, not wrong.

While the caller speaks, guesses at the words come every 0.3 s, the last word of each still in the
making. In silence all words said are guessed, then guessed the same again: they are settled. The
final segment comes with the end of the turn, and not before; the end of the sound is told between
the two, as documented, or earlier if asked to. [Agent STT page, 4]
"""

import json
import time

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from bench.codewords import question, so_far
from bench.frames import FRAME_SECONDS, SPEECH_FRAMES, Mark
from bench.ledger import Delays, Ledger, Session

# A word is known this long after its sound began.
_WORDS_AFTER_FRAMES = 5
_GUESS_EVERY_FRAMES = 15


class SttStream(WSListener):
    """One session of one call.

    Silence after which the words are settled, the sound is over, and the turn is: settled_frames,
    speech_end_frames, silence_frames.
    """

    def __init__(
        self, ledger: Ledger, settled_frames: int, speech_end_frames: int, silence_frames: int
    ) -> None:
        self._ledger = ledger
        self._speech_end_frames = speech_end_frames
        self._silence_frames = silence_frames
        self._guess_frames = (max(1, settled_frames // 2), settled_frames)
        self._session: Session | None = None
        self._acknowledged = 0
        self._loud = 0
        self._quiet = 0
        self._sounding = False

    @classmethod
    def answer(
        cls, request: WSUpgradeRequest, ledger: Ledger, delays: Delays
    ) -> "SttStream | None":
        """Take a connection, or refuse one that is not for the recogniser."""
        if not request.path.startswith(b"/v2/agent"):
            ledger.protocol_errors.append(f"the recogniser was asked for {request.path!r}")
            return None
        return cls(
            ledger,
            max(2, round(delays.settled / FRAME_SECONDS)),
            max(1, round(delays.speech_end / FRAME_SECONDS)),
            max(1, round(delays.stt / FRAME_SECONDS)),
        )

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.BINARY and self._session:
            self._acknowledged += 1
            transport.send(
                WSMsgType.TEXT, b'{"message":"AudioAdded","seq_no":%d}' % self._acknowledged
            )
            for mark in self._session.received.take(frame.get_payload_as_bytes()):
                self._hear(mark, transport, self._session)
        elif frame.msg_type is WSMsgType.TEXT:
            self._obey(json.loads(frame.get_payload_as_bytes()), transport)
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        elif frame.msg_type is WSMsgType.BINARY:
            self._ledger.protocol_errors.append("audio came before RecognitionStarted")

    def _obey(self, order: dict[str, object], transport: WSTransport) -> None:
        if order["message"] == "StartRecognition":
            expected = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000}
            if order["audio_format"] != expected:
                self._ledger.protocol_errors.append(f"audio format {order['audio_format']}")
            self._session = Session(time.perf_counter())
            self._ledger.sessions.append(self._session)
            _send(transport, message="RecognitionStarted", id="bench")
        elif order["message"] == "EndOfStream":
            _send(transport, message="EndOfTranscript")

    def _hear(self, mark: Mark, transport: WSTransport, session: Session) -> None:
        at = {"start_time": mark.number * FRAME_SECONDS, "end_time": mark.number * FRAME_SECONDS}
        if mark.speaking:
            if not self._loud:
                session.speech_began[mark.turn.number] = time.perf_counter()
            if not self._sounding:
                self._sounding = True
                _send(transport, message="SpeechStarted", metadata={"start_time": at["start_time"]})
            self._quiet = 0
            self._loud += 1
            if self._loud == _WORDS_AFTER_FRAMES:
                _send(transport, message="StartOfTurn", metadata={"start_time": at["start_time"]})
            if self._loud % _GUESS_EVERY_FRAMES == _WORDS_AFTER_FRAMES:
                self._guess(mark, transport, at, settled=False)
        elif self._loud:
            self._quiet += 1
            over = self._quiet >= self._silence_frames
            if over:
                self._loud = self._quiet = 0
                _say(transport, "AddSegment", question(mark.turn), at)
            if self._sounding and (over or self._quiet == self._speech_end_frames):
                self._sounding = False
                _send(transport, message="SpeechEnded", metadata={"end_time": at["end_time"]})
            if over:
                session.turn_ended[mark.turn.number] = time.perf_counter()
                _send(transport, message="EndOfTurn", metadata={"end_time": at["end_time"]})
            elif self._quiet in self._guess_frames:
                self._guess(mark, transport, at, settled=True)

    def _guess(
        self, mark: Mark, transport: WSTransport, at: dict[str, float], *, settled: bool
    ) -> None:
        words = so_far(mark.turn, self._loud / SPEECH_FRAMES, settled=settled)
        _say(transport, "AddPartialSegment", words, at)


def _say(transport: WSTransport, message: str, words: str, at: dict[str, float]) -> None:
    _send(transport, message=message, segment={"transcript": words}, metadata=at)


def _send(transport: WSTransport, **message: object) -> None:
    transport.send(WSMsgType.TEXT, json.dumps(message))
