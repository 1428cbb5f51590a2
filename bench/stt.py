"""The synthetic STT: Agent STT's wire protocol, with results from the signatures of the frames.

The STT decodes the signature of every frame, sees from its level whether the caller speaks, and
sends each event at the frame at which the event is due. SpeechStarted is sent at the first sound,
StartOfTurn a moment later, as a real recogniser does: so a service that stops for words only is
measured as slower, not as wrong.

While the caller speaks, a partial is sent every 0.3 s; its last word may be incomplete. In silence
a partial with all words is sent twice, unchanged: the words are settled. The final segment is sent
only with the end of the turn. SpeechEnded is sent between the two, as documented, or earlier if
`Delays.speech_end` says so. [Agent STT page, 4]
"""

import json
import time

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from bench.codewords import Turn, question, so_far
from bench.frames import FRAME_SECONDS, SPEECH_FRAMES, Mark
from bench.ledger import Delays, Ledger, Session

# The first word is recognised this long after its sound began.
_WORDS_AFTER_FRAMES = 5
_GUESS_EVERY_FRAMES = 15
_TEXT = WSMsgType.TEXT


class SttStream(WSListener):
    """One session of one call.

    ledger: record of the run.
    settled_frames: silence after which the words are settled, frames.
    speech_end_frames: silence after which SpeechEnded is sent, frames.
    silence_frames: silence after which the turn ends, frames.
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
        """Accept a connection to /v2/agent; return None to refuse any other."""
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
        payload = frame.get_payload_as_bytes()
        session = self._session
        if session:
            # Silence before and after a turn, which is most of a call, needs no more than this;
            # the type of a frame costs more than the check of its signature.
            received = session.received
            speaking = received.expected(payload)
            if speaking is not None:
                self._acknowledge(transport)
                if speaking or self._loud:
                    turn = Turn(received.call or 0, received.turn)
                    self._hear(Mark(turn, received.next_number - 1, speaking), transport, session)
                return
        kind = frame.msg_type
        if kind is WSMsgType.BINARY and session:
            self._acknowledge(transport)
            for mark in session.received.take(payload):
                self._hear(mark, transport, session)
        elif kind is WSMsgType.TEXT:
            self._obey(json.loads(payload), transport)
        elif kind is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        elif kind is WSMsgType.BINARY:
            self._ledger.protocol_errors.append("audio came before RecognitionStarted")

    def _acknowledge(self, transport: WSTransport) -> None:
        self._acknowledged += 1
        transport.send(_TEXT, b'{"message":"AudioAdded","seq_no":%d}' % self._acknowledged)

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
