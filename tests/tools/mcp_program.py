"""An MCP server for tests, made with the SDK's own: `mcp_program.py stdio`, or `http PORT KEY`.

By HTTP it prints its port when it listens, and refuses whoever does not bring the key.
"""

import asyncio
import os
import socket
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

server = MCPServer("weather")


@server.tool()
async def forecast(city: str, days: int = 1) -> str:
    """The weather to come in a city."""
    return f"{city}: rain for {days} days"


@server.tool()
async def secret() -> str:
    """Nothing for callers."""
    return "secret"


@server.tool()
async def slow() -> str:
    """Never ends."""
    await asyncio.Event().wait()
    return ""


@server.tool()
async def broken() -> str:
    """Fails."""
    raise ValueError("no such city")


@server.tool()
async def crash() -> str:
    """Takes the server with it."""
    os._exit(3)


@server.tool()
async def process() -> str:
    """Which process this is, and what it was given."""
    names = ("OPENAI_API_KEY", "WEATHER_KEY")
    return " ".join([str(os.getpid()), *(os.environ.get(name, "none") for name in names)])


@server.tool()
async def traced(context: Context) -> str:
    """The trace that the request names."""
    return str((context.request_context.meta or {}).get("traceparent"))


class _Guarded:
    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and Request(scope).headers.get("Authorization") != self._key:
            refusal: Response = PlainTextResponse("who are you?", 401)
            app = refusal
        await app(scope, receive, send)


def _serve(port: int, key: str) -> None:
    listener = socket.create_server(("127.0.0.1", port))
    print(listener.getsockname()[1], flush=True)
    app = _Guarded(server.streamable_http_app(), key)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        _serve(int(sys.argv[2]), sys.argv[3])
