"""One Agent STT session: the order of the protocol, its errors and its end.

The client sends StartRecognition once, as its first message. Every AddAudio is acknowledged.
EndOfStream is answered with the pending messages, EndOfTranscript and close code 1000. The engine
sends the results in between; deliberate failures come from `faults`.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.sandbox import faults, stt_messages
from avr_sts_speechmatics.sandbox.engines import Listener, ServerMessage, SttEngine
from avr_sts_speechmatics.sandbox.faults import Fault, Faults
from avr_sts_speechmatics.sandbox.misbehaviour import break_off
from avr_sts_speechmatics.sandbox.received import Received, SttSession
from avr_sts_speechmatics.sandbox.stt_messages import Refused, StartRecognition

log = logging.getLogger(__name__)

BROKEN = 1006
"""Close code that stands for a connection without a close frame [RFC 6455, 7.4.1]."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a session.

    close: close code; None breaks the connection without a close frame.
    error: Error message to send first; None for no message.
    """

    close: int | None
    error: Mapping[str, Any] | None = None


CLIENT_LEFT = Ending(1000)


class ClientLeft(Exception):
    """The client closed the connection, or the connection broke."""


class Session:
    """One connection, from the end of the handshake to the close."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        engine: SttEngine,
        faults: Faults,
        received: Received | None,
    ) -> None:
        self._request = request
        self._socket = socket
        self._engine = engine
        self._faults = faults
        self._received = received
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._record = SttSession(
            request.path, dict(request.query), dict(request.headers), self._send
        )
        self._last_force = -1.0
        if received is not None:
            received.sessions.append(self._record)
            received.notify()

    async def run(self, *, start_timeout: float, quota: int | None) -> None:
        """Serve the session until it ends.

        start_timeout: time in which the client must send StartRecognition, s.
        quota: the limit of sessions if this session exceeds it; otherwise None.
        """
        ending = Ending(None)
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            try:
                ending = await self._converse(start_timeout, quota)
                await self._end(ending)
            finally:
                writer.cancel()
                # Record the code of the side that closed first.
                code = self._socket.close_code if ending is CLIENT_LEFT else ending.close
                self._record.close_code = code or BROKEN
                self._notify()

    async def _converse(self, start_timeout: float, quota: int | None) -> Ending:
        try:
            start = await self._start(start_timeout)
            if quota is not None:
                raise Refused("quota_exceeded", f"this sandbox carries {quota} calls at a time")
            fault = await self._fault_at_start(start)
        except Refused as refused:
            return _refusal(refused)
        except ClientLeft:
            return CLIENT_LEFT
        ending = CLIENT_LEFT
        try:
            async with self._engine.listen(start, self._send) as listener:
                self._send(stt_messages.recognition_started(str(uuid.uuid4())))
                ending = await self._attend(start, listener, fault)
        except* Exception:
            log.exception("the STT engine failed")
            ending = _refusal(Refused("job_error", "the sandbox failed; its log says why"))
        return ending

    async def _start(self, timeout: float) -> StartRecognition:
        try:
            async with asyncio.timeout(timeout):
                message = await self._receive()
        except TimeoutError:
            reason = f"StartRecognition did not arrive within {timeout:g} s"
            raise Refused("start_recognition_timeout", reason) from None
        if isinstance(message, bytes):
            raise Refused("protocol_error", "audio came before StartRecognition")
        start = stt_messages.parse(message)
        if not isinstance(start, StartRecognition):
            raise Refused("protocol_error", "the first message must be StartRecognition")
        with contextlib.suppress(BadJson):  # a field that is not used may be anything
            self._record.start = decode(message)
        self._notify()
        return start

    async def _fault_at_start(self, start: StartRecognition) -> Fault | None:
        fault = self._faults.peek("stt")
        rate = start.audio_format.sample_rate
        if isinstance(fault, faults.RefuseRate) and fault.rate != rate:
            return None
        self._faults.take("stt")
        if isinstance(fault, faults.RefuseRate):
            raise Refused("invalid_audio_type", f"sample_rate {rate} is not supported")
        if isinstance(fault, faults.RefuseKey):
            raise Refused("not_authorised", "the API key was refused")
        if isinstance(fault, faults.Stall) and fault.after is None:
            await self._ignore_client(fault.seconds)
            return None
        return fault

    async def _attend(
        self, start: StartRecognition, listener: Listener, fault: Fault | None
    ) -> Ending:
        """Process the client's messages until the session ends."""
        seconds = 0.0
        try:
            while True:
                if fault is not None and seconds >= (_after(fault) or 0):
                    ending = await self._misbehave(fault)
                    if ending is not None:
                        return ending
                    fault = None
                message = await self._receive()
                if isinstance(message, bytes):
                    await self._hear(message, start, listener)
                    seconds += len(message) / start.audio_format.bytes_per_second
                elif await self._obey(stt_messages.parse(message), start, listener):
                    return Ending(1000)
        except Refused as refused:
            return _refusal(refused)
        except ClientLeft:
            return CLIENT_LEFT

    async def _hear(self, pcm: bytes, start: StartRecognition, listener: Listener) -> None:
        if len(pcm) % start.audio_format.sample_bytes:
            raise Refused("protocol_error", f"{len(pcm)} bytes are not a whole number of samples")
        self._record.frames += 1
        if self._received is not None:
            self._record.audio += pcm
            self._notify()
        await listener.hear(pcm)
        self._send(stt_messages.audio_added(self._record.frames))

    async def _obey(
        self, message: stt_messages.ClientMessage, start: StartRecognition, listener: Listener
    ) -> bool:
        """Handle a message. Returns True for the last message of the session."""
        match message:
            case stt_messages.EndOfStream():
                await listener.finish()
                if start.wants_speakers:
                    self._send(stt_messages.speakers_result())
                self._send(stt_messages.end_of_transcript())
                return True
            case stt_messages.ForceEndOfUtterance(timestamp=at):
                if start.turn_config.turn_detection_mode == "external":
                    await self._force(at, listener)
            case stt_messages.SetRecognitionConfig(transcription_config=config):
                listener.show_partials(config.enable_partials)
            case stt_messages.GetSpeakers():
                self._send(stt_messages.speakers_result())
            case stt_messages.StartRecognition():
                raise Refused("protocol_error", "StartRecognition came a second time")
        return False

    async def _force(self, at: float, listener: Listener) -> None:
        if at <= self._last_force:
            reason = f"ForceEndOfUtterance at {at:g} s is not later than the previous one"
            self._send(stt_messages.warning(None, reason))
            return
        self._last_force = at
        await listener.force(at)

    async def _misbehave(self, fault: Fault) -> Ending | None:
        match fault:
            case faults.Drop(close=code):
                return Ending(code)
            case faults.Error(type=type, reason=reason):
                return _refusal(Refused(type or "job_error", reason))
            case faults.Malformed(text=text):
                self._send(text)
            case faults.Stall(seconds=seconds):
                await self._ignore_client(seconds)
            case _:
                pass
        return None

    async def _ignore_client(self, seconds: float | None) -> None:
        """Act like a server that hangs: read and discard messages until the client disconnects."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._receive()

    async def _receive(self) -> bytes | str:
        frame = await self._socket.receive()
        if frame.type is WSMsgType.BINARY:
            return bytes(frame.data)
        if frame.type is not WSMsgType.TEXT:
            raise ClientLeft
        text = str(frame.data)
        if self._received is not None:
            with contextlib.suppress(BadJson):
                self._record.messages.append(decode(text))
            self._notify()
        return text

    def _send(self, message: ServerMessage) -> None:
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        self._outbox.put_nowait(text)

    async def _write(self) -> None:
        while True:
            text = await self._outbox.get()
            # The reading side notices a broken connection and ends the session.
            with contextlib.suppress(ConnectionError):
                await self._socket.send_str(text)
            self._outbox.task_done()

    async def _end(self, ending: Ending) -> None:
        if ending.error is not None:
            self._send(ending.error)
        await self._outbox.join()
        if ending.close is None:
            break_off(self._request)
        else:
            await self._socket.close(code=ending.close)

    def _notify(self) -> None:
        if self._received is not None:
            self._received.notify()


def _refusal(refused: Refused) -> Ending:
    return Ending(refused.close_code, stt_messages.error(refused.type, refused.reason))


def _after(fault: Fault) -> float | None:
    match fault:
        case faults.Drop() | faults.Error() | faults.Malformed() | faults.Stall():
            return fault.after
        case _:
            return None
