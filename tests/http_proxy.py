"""A real HTTP proxy on a local socket: CONNECT, and requests with a whole address.

Every host is "found" at one local port, so that tests can use names that no name server knows. With
a TLS context the proxy also plays the remote end of each tunnel to port 443.
"""

import asyncio
import base64
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit


class HttpProxy:
    """What was asked of a proxy, and how it answers.

    port: where the proxy listens.
    target: local port at which every host is found.
    asked: the first line of each request, such as "CONNECT a.test:443", without the protocol.
    refuses: status that every request gets; None to serve requests.
    user: user name and password that are required, such as "user:password"; None for none.
    """

    def __init__(self, target: int, tls: ssl.SSLContext | None) -> None:
        self.port = 0
        self.target = target
        self.asked: list[str] = []
        self.refuses: int | None = None
        self.user: str | None = None
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def hosts(self) -> set[str]:
        """Hosts that were asked for."""
        lines = [line.split(" ")[1] for line in self.asked]
        return {urlsplit(to if "://" in to else f"//{to}").hostname or "" for to in lines}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, to, version = first.split(" ")
        self.asked.append(f"{method} {to}")
        headers = {name.lower(): value.strip() for name, _, value in map(_parted, lines)}
        status = self.refuses
        if self.user is not None:
            given = "Basic " + base64.b64encode(self.user.encode()).decode()
            if headers.get("proxy-authorization") != given:
                status = 407
        if status is not None:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                if self._tls is not None and to.endswith(":443"):
                    await writer.start_tls(self._tls)
            else:
                parts = urlsplit(to)
                path = parts._replace(scheme="", netloc="").geturl() or "/"
                dropped = ("proxy-", "connection:")
                kept = [line for line in lines if not line.lower().startswith(dropped)]
                # One request for each connection: the next one would need the same rewriting.
                kept.insert(0, "Connection: close")
                ours.write("\r\n".join((f"{method} {path} {version}", *kept)).encode("latin-1"))
            await _both_ways((reader, ours), (theirs, writer))
        finally:
            ours.transport.abort()


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(":")


async def _both_ways(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass data on until one side has closed."""

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

    tasks = [asyncio.create_task(pass_on(*way)) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def http_proxy(
    target: int, tls: ssl.SSLContext | None = None, *, front: ssl.SSLContext | None = None
) -> AsyncIterator[HttpProxy]:
    """A running proxy. For the other arguments see HttpProxy.

    front: TLS context of the proxy itself; None for plain HTTP.
    """
    proxy = HttpProxy(target, tls)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=front)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()


def certificate(folder: Path, names: Sequence[str]) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for these host names, and the file of its certificate."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert
