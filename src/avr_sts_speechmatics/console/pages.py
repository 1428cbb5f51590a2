"""The pages that a person opens in a browser: files of this package, served as they are.

`/` is the page; its modules, styles and drawings are below `/console/`. Everything that the pages
show comes from the API. A strict Content-Security-Policy keeps out whatever is not a file of this
service, so that no text of a caller can become a script.
"""

import hashlib
from collections.abc import Callable
from importlib.resources import files

from aiohttp import web

from avr_sts_speechmatics.console.errors import Refused

PATH = "/console/"

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    # Asked for again each time, and sent only if it has changed: a new version is seen at once.
    "Cache-Control": "no-cache",
}


class Pages:
    """The pages.

    check: raises Refused for a client that may not see them.
    """

    def __init__(self, check: Callable[[web.Request], None]) -> None:
        self._check = check
        self._contents = {
            file.name: file.read_bytes()
            for file in files(__package__).joinpath("pages").iterdir()
            if file.name.rpartition(".")[2] in _TYPES
        }

    def add_to(self, app: web.Application) -> None:
        """Add the pages to the application of a port."""
        app.router.add_get("/", self._page)
        app.router.add_get(PATH + "{name}", self._file)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return self._answer(request, "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return self._answer(request, request.match_info["name"])

    def _answer(self, request: web.Request, name: str) -> web.StreamResponse:
        try:
            self._check(request)
        except Refused as refused:
            return web.Response(status=refused.status, text=f"{refused.why}\n", headers=_HEADERS)
        content = self._contents.get(name)
        if content is None:
            raise web.HTTPNotFound(text=f"There is no {PATH}{name}; the page is at /.\n")
        tag = hashlib.sha256(content).hexdigest()[:20]
        headers = {**_HEADERS, "ETag": f'"{tag}"'}
        if any(one.value == tag for one in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        kind = _TYPES[name.rpartition(".")[2]]
        return web.Response(body=content, headers={**headers, "Content-Type": kind})
