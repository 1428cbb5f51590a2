"""A store that speaks S3, as far as recordings need it, and misbehaves when a test wants it."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, unescape

from aiohttp import web

XML = "application/xml"


@dataclass(slots=True)
class S3Server:
    """objects: by bucket and key.
    types: the content type of each object.
    signed: the access keys with which requests were signed.
    deleted: bucket and key of every deletion, also of what was not there.
    broken: status with which every request is refused; 0 for none.
    held: while it is set, an upload waits for `go_on` before it is answered.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    broken: int = 0
    requests: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    held: asyncio.Event | None = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    _parts: dict[str, dict[int, bytes]] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.path.lstrip("/")
        self.requests.append(f"{request.method} {name}")
        authorization = request.headers.get("Authorization", "")
        if "Credential=" in authorization:
            self.signed.add(authorization.split("Credential=")[1].split("/")[0])
        body = await request.read()
        if self.broken:
            return error(self.broken, "Broken")
        if request.method == "PUT" and self.held is not None:
            self.held.set()
            await self.go_on.wait()
        upload = request.query.get("uploadId", "")
        if request.method == "PUT" and upload:
            self._parts[upload][int(request.query["partNumber"])] = body
            return web.Response(headers={"ETag": '"part"'})
        if request.method == "PUT":
            return self._keep(name, body, request.headers.get("Content-Type", ""))
        if request.method == "POST" and "uploads" in request.query:
            upload = f"upload-{len(self._parts)}"
            self._parts[upload] = {}
            self.types[name] = request.headers.get("Content-Type", "")
            bucket, _, key = name.partition("/")
            return xml(
                f"<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{escape(key)}</Key>"
                f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        if request.method == "POST" and upload:
            parts = self._parts.pop(upload)
            self._keep(name, b"".join(parts[one] for one in sorted(parts)), self.types[name])
            return xml(
                "<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag>"
                "</CompleteMultipartUploadResult>"
            )
        if request.method == "POST" and "delete" in request.query:
            keys = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", body.decode())]
            for key in keys:
                self.deleted.append(f"{name}/{key}")
                self.objects.pop(f"{name}/{key}", None)
            found = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
            return xml(f"<DeleteResult>{found}</DeleteResult>")
        if request.method == "DELETE" and upload:
            self._parts.pop(upload, None)
            return web.Response(status=204)
        if name not in self.objects:
            return error(404, "NoSuchKey")
        return self._answer(request, self.objects[name])

    def _keep(self, name: str, body: bytes, kind: str) -> web.Response:
        self.objects[name] = body
        self.types[name] = kind
        return web.Response(headers={"ETag": '"whole"'})

    def _answer(self, request: web.Request, found: bytes) -> web.Response:
        headers = {"ETag": '"whole"', "Last-Modified": "Sat, 28 Nov 2026 20:00:00 GMT"}
        if "Range" not in request.headers:
            return web.Response(body=found, headers=headers)
        begin, end = request.http_range.start, request.http_range.stop
        part = found[begin:end]
        headers["Content-Range"] = f"bytes {begin}-{begin + len(part) - 1}/{len(found)}"
        return web.Response(status=206, body=part, headers=headers)


def xml(text: str) -> web.Response:
    return web.Response(text=f'<?xml version="1.0"?>{text}', content_type=XML)


def error(status: int, code: str) -> web.Response:
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return web.Response(status=status, text=text, content_type=XML)


@asynccontextmanager
async def s3_server() -> AsyncIterator[S3Server]:
    found = S3Server()
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{name:.*}", found.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    found.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield found
    finally:
        await runner.cleanup()
