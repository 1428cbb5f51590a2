"""The synthetic LLM and the synthetic TTS, over a minimal HTTP/1.1.

Both record in the ledger the time that they really took, from the last byte of a request to the
first byte of the answer, so that the lateness of this process is not counted as latency of the
service. The LLM answers with the sentences of the turn that the request names. The TTS answers with
their sound, faster than real time and in pieces that end within a sample. The characters that the
LLM reads are counted when the request arrives, those that it writes when they are sent: none after
a disconnect.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from bench.codewords import Turn, answer, find, letters
from bench.ledger import Delays, Ledger, Request, Usage
from bench.voiceprint import pcm

VOICE_RATE = 16000
# The usual estimate for English.
CHARACTERS_PER_TOKEN = 4
# 104 ms of sound every 20 ms: five times real time. Odd, as HTTP may cut the audio anywhere.
_PIECE_BYTES = 3333
_PIECE_SECONDS = 0.02
# The model is faster than the TTS too: later sentences are written while the first is spoken.
_SENTENCE_SECONDS = 0.06

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class Web(asyncio.Protocol):
    """One connection. Requests are served one after another, each answer in timed pieces.

    Closing the connection stops the answer, as with the real services.
    """

    def __init__(self, ledger: Ledger, delays: Delays, long: dict[Turn, str]) -> None:
        """Make the protocol of one connection.

        ledger: record of the run.
        delays: of LLM and TTS.
        long: the long first sentences so far, shared by all connections.
        """
        self._ledger = ledger
        self._delays = delays
        self._long = long
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because uvloop's transports are not subclasses of asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        total = end + 4 + (int(length.group(1)) if length else 0)
        if len(self._buffer) < total:
            return
        target = self._buffer.split(b" ", 2)[1].decode()
        body = self._buffer[end + 4 : total]
        self._buffer = self._buffer[total:]
        self._serve(target, body, time.perf_counter())

    def _serve(self, target: str, body: bytes, came_at: float) -> None:
        if target.startswith("/generate/") and "output_format=pcm_16000" in target:
            self._speak(json.loads(body)["text"], came_at)
        elif target.endswith("/chat/completions"):
            self._complete(json.loads(body), came_at)
        elif target.endswith("/models"):
            # A service may open its connections before the first call.
            self._transport.write(_head("200 OK", "application/json", length=2) + b"{}")
        else:
            self._ledger.protocol_errors.append(f"unknown request target {target}")
            self._transport.write(_head("404 Not Found", "text/plain", length=0))

    def _complete(self, request: dict[str, Any], came_at: float) -> None:
        messages = request["messages"]
        asked = next((str(m["content"]) for m in reversed(messages) if m["role"] == "user"), "")
        turn = find(asked)
        read = sum(len(str(m.get("content") or "")) for m in messages)
        if tools := request.get("tools"):
            read += len(json.dumps(tools))
        usage = Usage(turn, read)
        self._ledger.usage.append(usage)
        sentences = answer(turn, self._delays.first_words)
        if self._delays.tokens_per_second:
            bursts, every = _tokens(sentences), 1 / self._delays.tokens_per_second
        else:
            bursts, every = _bursts(sentences), _SENTENCE_SECONDS
        if self._delays.first_words and turn:
            self._long[turn] = letters(sentences[0])

        def written() -> Iterator[bytes]:
            last = len(bursts) - 1
            for number, burst in enumerate(bursts):
                usage.wrote += sum(map(len, burst))
                piece = b"".join([_event(token) for token in burst if token])
                if number == 0:
                    piece = _STREAM_HEAD + piece
                yield piece + _STREAM_END if number == last else piece

        def begin() -> None:
            now = time.perf_counter()
            self._ledger.llm.append(Request(turn, asked, came_at, now))
            self._send(written(), every, now)

        self._after(self._delays.llm - (time.perf_counter() - came_at), begin)

    def _speak(self, text: str, came_at: float) -> None:
        voice = pcm(text, VOICE_RATE)

        def pieces() -> Iterator[bytes]:
            yield _VOICE_HEAD + _chunk(voice[:_PIECE_BYTES])
            for at in range(_PIECE_BYTES, len(voice), _PIECE_BYTES):
                yield _chunk(voice[at : at + _PIECE_BYTES])
            yield _chunk(b"")

        def begin() -> None:
            now = time.perf_counter()
            self._ledger.speaking.append(Request(self._named(text), text, came_at, now))
            self._send(pieces(), _PIECE_SECONDS, now)

        self._after(self._delays.voice - (time.perf_counter() - came_at), begin)

    def _named(self, text: str) -> Turn | None:
        """The turn that a text belongs to. A piece of a long sentence may name the turn in part."""
        turn = find(text)
        if turn is None and (piece := letters(text)):
            for asked, sentence in reversed(self._long.items()):
                if piece in sentence:
                    return asked
        return turn

    def _send(self, pieces: Iterator[bytes], every: float, due: float) -> None:
        """Send a piece now and the others later; each piece is made when it is due.

        every: time between two pieces, s.
        due: time of this piece, which a late timer does not move.
        """
        piece = next(pieces, None)
        if piece is not None:
            self._transport.write(piece)
            due += every
            self._after(due - time.perf_counter(), lambda: self._send(pieces, every, due))

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), then)


def _bursts(sentences: list[str]) -> list[list[str]]:
    """Tokens that are sent together: a sentence each.

    Each burst ends with the first word of the next sentence, because only that word shows that the
    sentence is over. The wait for that word must not count as added latency.
    """
    bursts = []
    for number, sentence in enumerate(sentences):
        head, rest = f"{sentence} ".split(" ", 1)
        last = number + 1 == len(sentences)
        following = "" if last else sentences[number + 1].split(" ", 1)[0]
        bursts.append(([head] if number == 0 else []) + [" ", rest, following])
    return bursts


def _tokens(sentences: list[str]) -> list[list[str]]:
    """Tokens that are sent one by one."""
    text = " ".join(sentences)
    return [
        [text[at : at + CHARACTERS_PER_TOKEN]] for at in range(0, len(text), CHARACTERS_PER_TOKEN)
    ]


_EVENT = b"""data: {"id":"bench","object":"chat.completion.chunk","created":0,"model":"bench",\
"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n"""


def _event(token: str) -> bytes:
    # No character of a token needs more than quotation marks in JSON.
    return _chunk(_EVENT % (b'{"content":"%b"}' % token.encode(), b"null"))


def _head(status: str, kind: str, length: int | None = None) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{size}\r\n\r\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_STREAM_HEAD = _head("200 OK", "text/event-stream")
_STREAM_END = _chunk(_EVENT % (b"{}", b'"stop"')) + _chunk(b"data: [DONE]\n\n") + _chunk(b"")
_VOICE_HEAD = _head("200 OK", "audio/pcm")
