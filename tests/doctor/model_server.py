"""A small model server that is not the sandbox: picky about requests, and near its end."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Refuses = Callable[[dict[str, Any]], str]


@asynccontextmanager
async def model_server(
    *, refuses: Refuses = lambda body: "", described: object = None
) -> AsyncIterator[str]:
    """The base address of a server that answers "Here." to everything.

    refuses: the words with which a request is refused (400); empty for a request that is taken.
    described: what the server says of its models; None for a 404.
    """

    async def chat(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if reason := refuses(body):
            error = {"message": reason, "type": "invalid_request_error"}
            return web.json_response({"error": error}, status=400)
        choice = {"index": 0, "delta": {"content": "Here."}, "finish_reason": "stop"}
        text = f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    async def model(_: web.Request) -> web.Response:
        if described is None:
            raise web.HTTPNotFound
        return web.json_response(described)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models/{name:.*}", model)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
