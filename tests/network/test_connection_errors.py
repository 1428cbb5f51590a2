"""A failed connection is named for what it is, with host and port and what to check."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest

from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network.connection_errors import never_connected, shown, why
from avr_sts_speechmatics.services.llm.openai import OpenAiLlm
from avr_sts_speechmatics.services.llm.protocol import Brief
from avr_sts_speechmatics.services.stt.speechmatics import SpeechmaticsStt
from avr_sts_speechmatics.services.tts.openai import OpenAiTts
from avr_sts_speechmatics.services.tts.speechmatics import SpeechmaticsTts
from avr_sts_speechmatics.values import Secret

KEY = Secret("a-key")


async def ask_llm(url: str) -> None:
    client = OpenAiLlm("a-model", KEY, url)
    try:
        async with aclosing(client.reply(Brief("Hi."), (Message("user", "Hi."),))) as words:
            async for _ in words:
                pass
    finally:
        await client.close()


async def ask_stt(url: str) -> None:
    await SpeechmaticsStt(url.replace("http", "ws", 1), KEY).try_out()


async def ask_tts(url: str) -> None:
    client = SpeechmaticsTts(url, KEY, "sarah", patience=1)
    try:
        async with aclosing(client.speak("Hi.")) as audio:
            async for _ in audio:
                pass
    finally:
        await client.close()


async def ask_second_tts(url: str) -> None:
    client = OpenAiTts(KEY, "a-model", "nova", url, patience=1)
    try:
        async with aclosing(client.speak("Hi.")) as audio:
            async for _ in audio:
                pass
    finally:
        await client.close()


every_service = pytest.mark.parametrize("ask", [ask_llm, ask_stt, ask_tts, ask_second_tts])


async def failure_of(ask: Callable[..., object], url: str) -> str:
    with pytest.raises(ServiceError) as failed:
        await ask(url)  # type: ignore[misc]
    text = str(failed.value)
    assert "ssl:default" not in text
    assert "Errno" not in text
    assert "timed out" not in text
    return text


def a_closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[int]:
    """A server that answers everything with the same bytes, then closes; returns its port."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is not None:
            await reader.read(1)
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@every_service
async def test_a_refused_connection_is_called_refused(ask: Callable[..., object]) -> None:
    port = a_closed_port()
    said = await failure_of(ask, f"http://127.0.0.1:{port}")
    assert f"cannot connect to 127.0.0.1:{port}: the connection is refused" in said


@every_service
async def test_a_name_that_does_not_resolve_is_named(ask: Callable[..., object]) -> None:
    said = await failure_of(ask, "http://no-such-host.invalid")
    assert "cannot connect to no-such-host.invalid:80: the name no-such-host.invalid " in said
    assert "name server" in said


@every_service
async def test_a_port_without_tls_is_named(ask: Callable[..., object]) -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        said = await failure_of(ask, f"https://127.0.0.1:{port}")
    assert f"cannot connect to 127.0.0.1:{port}: the server does not speak TLS" in said


@every_service
async def test_a_connection_that_is_closed_without_an_answer_is_named(
    ask: Callable[..., object],
) -> None:
    async with answering(None) as port:
        said = await failure_of(ask, f"http://127.0.0.1:{port}")
    assert (
        f"cannot connect to 127.0.0.1:{port}: the connection was closed without an answer" in said
    )


def refused() -> OSError:
    return OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] no")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refused(), "the connection is refused"),
        (OSError(errno.EHOSTUNREACH, "No route"), "there is no way to it (no route to host)"),
        (OSError(errno.EMFILE, "Too many"), "ulimit -n"),
        (OSError(errno.EACCES, "Permission denied"), "permission denied"),
        (ConnectionResetError(), "closed without an answer"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "cannot be looked up"),
        (UnicodeError("label too long"), "the host name is not valid"),
        (TimeoutError(), "no connection within 2 s"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "no connection within 2 s"),
        (ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] alert"), "TLS fails"),
        (ValueError("what\never"), "what ever"),
        (ValueError(), "ValueError"),
    ],
)
def test_each_cause_has_its_words(error: Exception, said: str) -> None:
    text = why(error, "https://voice.example/v1?token=secret", within=2)
    assert text.startswith("cannot connect to voice.example:443: ")
    assert said in text
    assert "secret" not in text


def test_a_certificate_that_is_not_accepted_is_named() -> None:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] no")
    error.verify_message = "self-signed certificate"
    text = why(error, "wss://stt.example:9000/v2")
    assert "cannot connect to stt.example:9000: its certificate is not accepted" in text
    assert "self-signed certificate" in text
    assert "SSL_CERT_FILE" in text


def test_the_cause_inside_of_a_library_error_counts() -> None:
    outer = TimeoutError("Request timed out.")
    outer.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")
    assert "refused" in why(outer, "http://localhost:8000/v1")
    assert never_connected(outer)
    assert not never_connected(TimeoutError())


def test_addresses_are_shown_with_their_port() -> None:
    assert shown("http://[::1]:8000/v1") == "[::1]:8000"
    assert shown("wss://user:pass@host/v2?jwt=x") == "host:443"
