"""The client side of the two connections that a speech-to-speech service accepts.

`ws://` is the WebSocket that avr-core uses today: JSON messages with audio, transcripts,
interruptions and DTMF digits. `http://` is avr-core's older streaming POST: raw samples in both
directions, nothing else. Both connections pass every message to a `Listener` immediately, in the
event loop.

The WebSocket URL carries `watch=1` in its query. A service that knows `watch` also reports the
timing of each answer and the tools that ran, for which avr-core has no use. A service that does not
know `watch` ignores it, or passes it on with the other query parameters as a fact of the call.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec
from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

_HANG_UP_SECONDS = 1.0


class AnswerTimes(msgspec.Struct, frozen=True):
    """The timing of one answer of the agent, as the service measured it.

    The five waits confirm, model, clause, voice and frame follow one another: each begins where
    the wait before it ended. A wait that did not end is None.

    voice_to_voice_ms: from the caller's last sound to the first frame of the answer.
    confirm_ms: from the caller's last sound until the end of the turn was confirmed.
    ahead_ms: how long before the confirmation the model was asked; None if it was not.
    model_ms: until the model's first word.
    clause_ms: until the first words that could be spoken.
    voice_ms: until the first audio of the TTS.
    frame_ms: until the first frame was sent.
    requests: number of requests to the model.
    interrupted: the caller interrupted the answer.
    words_said: number of words in the answer.
    words_heard: number of words played to the caller.
    """

    voice_to_voice_ms: int | None = None
    confirm_ms: int | None = None
    ahead_ms: int | None = None
    model_ms: int | None = None
    clause_ms: int | None = None
    voice_ms: int | None = None
    frame_ms: int | None = None
    requests: int = 0
    interrupted: bool = False
    words_said: int = 0
    words_heard: int = 0


class CallError(Exception):
    """The call cannot be made; the text is one sentence for the operator."""


class Listener(Protocol):
    """Receives the events of a call. The methods run in the event loop and must not block."""

    def audio(self, pcm: bytes) -> None:
        """Agent audio arrived: whole s16le samples at 8 kHz, any number."""

    def interruption(self) -> None:
        """The service interrupted the agent: agent audio that is still queued must be dropped."""

    def transcript(self, role: str, text: str) -> None:
        """A transcript arrived. role: "user" (the caller) or "agent"."""

    def answer_ended(self, times: AnswerTimes) -> None:
        """An answer of the agent ended: it was played, interrupted or discarded."""

    def tool_ran(self, name: str, took_ms: int) -> None:
        """A tool has ended."""

    def error(self, message: str) -> None:
        """The service reported a failure, or sent a message that cannot be decoded."""

    def closed(self, reason: str) -> None:
        """The connection was closed by either side, or lost. No other event follows."""


class Connection(Protocol):
    """An open call."""

    def speak(self, pcm: bytes) -> None:
        """Send caller audio: s16le at 8 kHz."""

    def press(self, digit: str) -> None:
        """Send a DTMF digit.

        digit: 0-9, *, # or A-D.

        Raises CallError on an http:// connection, which has no DTMF.
        """

    async def hang_up(self) -> None:
        """End the call; returns when the connection is gone, within about a second."""


async def open_connection(url: str, uuid: str, listener: Listener) -> Connection:
    """Open a call at `url`; the scheme of `url` selects the kind of connection.

    Raises CallError when nothing listens at `url`, or something else than an AVR service.
    """
    unreachable = (
        f"Nobody answers at {url}: is the service running (make run)? "
        "Give another address with --url."
    )
    try:
        if is_websocket(url):
            return await WebSocketConnection.open(url, uuid, listener)
        return await StreamConnection.open(url, uuid, listener)
    except (OSError, aiohttp.ClientConnectionError) as error:
        raise CallError(unreachable) from error
    except (WSError, aiohttp.ClientError, ValueError) as error:
        if why := _busy(error):
            raise CallError(f"{url} takes no call now: {why}.") from error
        # Only the first line: a refused handshake carries the whole reply.
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CallError(
            f"{url} does not take calls ({said}): give the service's address with --url."
        ) from error


class _Busy(msgspec.Struct, frozen=True):
    error: str


def _busy(error: Exception) -> str:
    """Why the service refused a WebSocket with status 503; empty if it did not."""
    if not isinstance(error, WSHandshakeError) or error.response is None:
        return ""
    if error.response.status != HTTPStatus.SERVICE_UNAVAILABLE:
        return ""
    try:
        return msgspec.json.decode(error.raw_body or b"", type=_Busy).error
    except msgspec.DecodeError:
        return "it is busy"


def is_websocket(url: str) -> bool:
    """Whether `url` is a WebSocket address. Raises CallError when it is no HTTP address either."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # urlsplit checks the port only when it is read
    except ValueError as error:
        raise CallError(f"--url {url}: no address ({error}); give ws://host:port.") from None
    if parts.scheme not in ("ws", "wss", "http", "https"):
        raise CallError(
            f"--url {url}: begin it with ws:// (the usual connection) "
            "or http:// (the older one, with the path /speech-to-speech-stream)."
        )
    if not parts.hostname or not url.isprintable() or " " in url:
        raise CallError(f"--url {url!r}: no address; give ws://host:port.")
    return parts.scheme in ("ws", "wss")


class _Message(msgspec.Struct):
    """Any message from the service to avr-core. audio: base64 on the wire."""

    type: str
    audio: bytes = b""
    role: str = ""
    text: str = ""
    message: str = ""
    name: str = ""
    took_ms: int = 0


class WebSocketConnection(WSListener):
    """The connection avr-core uses today."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._messages = msgspec.json.Decoder(_Message)
        self._times = msgspec.json.Decoder(AnswerTimes)

    @classmethod
    async def open(cls, url: str, uuid: str, listener: Listener) -> "WebSocketConnection":
        """Connect and send the `init` message."""
        connection = cls(listener)
        await ws_connect(lambda: connection, _watching(url))
        connection._send({"type": "init", "uuid": uuid})
        return connection

    def speak(self, pcm: bytes) -> None:
        self._send({"type": "audio", "audio": base64.b64encode(pcm).decode()})

    def press(self, digit: str) -> None:
        self._send({"type": "dtmf_digit", "digit": digit})

    async def hang_up(self) -> None:
        self._transport.send_close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._transport.wait_disconnected(), _HANG_UP_SECONDS)
        self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT:
            payload = frame.get_payload_as_memoryview()
            try:
                message = self._messages.decode(payload)
                times = self._times.decode(payload) if message.type == "turn" else None
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._listener.error(f"the service sent a message that is not valid: {error}")
                return
            if times is not None:
                self._listener.answer_ended(times)
            else:
                self._pass_on(message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        goodbye = transport.close_handshake and transport.close_handshake.recv
        if not goodbye:
            self._listener.closed("the connection was lost")
        elif goodbye.code is WSCloseCode.NO_INFO:
            self._listener.closed("the service hung up")
        else:
            said = f"{int(goodbye.code.value)} {goodbye.reason or ''}".strip()
            self._listener.closed(f"the service hung up ({said})")

    def _pass_on(self, message: _Message) -> None:
        if message.type == "audio":
            self._listener.audio(message.audio[: len(message.audio) & ~1])
        elif message.type == "interruption":
            self._listener.interruption()
        elif message.type == "transcript":
            self._listener.transcript(message.role, message.text)
        elif message.type == "tool":
            self._listener.tool_ran(message.name, message.took_ms)
        elif message.type == "error":
            self._listener.error(message.message)

    def _send(self, message: dict[str, str]) -> None:
        self._transport.send(WSMsgType.TEXT, msgspec.json.encode(message))


def _watching(url: str) -> str:
    """Return the address with `watch=1` appended to its query.

    A `watch` that is there already comes first and therefore takes effect.
    """
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, "watch=1")))
    return urlunsplit(parts._replace(path=parts.path or "/", query=query))


class StreamConnection:
    """The older connection: one POST whose request and response bodies stream the samples."""

    def __init__(self, url: str, uuid: str, listener: Listener) -> None:
        self._url = url
        self._uuid = uuid
        self._listener = listener
        self._to_send: asyncio.Queue[bytes] = asyncio.Queue()
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = asyncio.create_task(self._run())

    @classmethod
    async def open(cls, url: str, uuid: str, listener: Listener) -> "StreamConnection":
        """Connect without waiting for the response headers, which may follow the first audio."""
        connection = cls(url, uuid, listener)
        await asyncio.wait(
            {connection._request, connection._connected}, return_when=asyncio.FIRST_COMPLETED
        )
        if not connection._connected.done():
            await connection._request
        return connection

    def speak(self, pcm: bytes) -> None:
        self._to_send.put_nowait(pcm)

    def press(self, digit: str) -> None:
        raise CallError(
            "The http:// connection cannot send keys: use --digits with a ws:// address."
        )

    async def hang_up(self) -> None:
        self._to_send.put_nowait(b"")
        await asyncio.wait({self._request}, timeout=_HANG_UP_SECONDS)
        self._request.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
            await self._request

    async def _run(self) -> None:
        reason = "the service hung up"
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
            headers = {"X-UUID": self._uuid, "Content-Type": "audio/x-raw"}
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self._url, data=self._body(), headers=headers) as answer,
            ):
                if answer.status == 200:
                    await self._receive(answer.content)
                else:
                    reason = f"the service answered {answer.status} {answer.reason}"
        except (aiohttp.ClientError, OSError) as error:
            if not self._connected.done():
                raise
            reason = f"the connection was lost: {error}"
        self._listener.closed(reason)

    async def _receive(self, content: aiohttp.StreamReader) -> None:
        # HTTP may split the stream anywhere, even within a sample.
        odd = b""
        async for chunk in content.iter_any():
            pcm = odd + chunk
            whole = len(pcm) & ~1
            odd = pcm[whole:]
            self._listener.audio(pcm[:whole])

    async def _body(self) -> AsyncIterator[bytes]:
        self._connected.set_result(None)
        while pcm := await self._to_send.get():
            yield pcm
