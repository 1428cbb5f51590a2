"""The recording of a call: whole, or a range of its bytes. [RFC 9110, 14]"""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import PurePosixPath
from typing import Any, Protocol

from aiohttp import web

from avr_sts_speechmatics.console.calls_api import (
    NAME,
    NO_HISTORY,
    HistoryOf,
    no_such_call,
    reader_of,
)
from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.operations import Answer, Operation
from avr_sts_speechmatics.console.parameters import Parameter, YesNo

_MEDIA = {
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
}

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)

_AUDIO = {
    name: {"type": "string", "contentEncoding": "binary"} for name in sorted({*_MEDIA.values()})
}


class Stored(Protocol):
    """What this module needs of `records.recordings.stored.StoredRecording`."""

    size: int
    finished: bool

    def read(self, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]: ...

    def close(self) -> None: ...


class Recordings(Protocol):
    """What this module needs of `records.recordings.recordings.Recordings`."""

    async def open(self, name: str) -> Stored | None: ...


RecordingsOf = Callable[[], Recordings | None]
"""Returns the recordings; None while the service starts, or if there are none."""


def operations(history: HistoryOf, level: str, recordings: RecordingsOf) -> list[Operation]:
    """Return the operations of this topic. level: what is kept, see HISTORY_LEVELS."""

    async def play(request: web.Request, given: dict[str, Any]) -> web.StreamResponse:
        call = await (await reader_of(history, level)).call(given["call"])
        if call is None:
            raise no_such_call()
        name, kept = call["recording"], recordings()
        if name is None:
            raise Refused(
                404, "The call was not recorded, or its recording was erased (KEEP_DAYS)."
            )
        stored = None if kept is None else await kept.open(name)
        if stored is None:
            raise Refused(404, f"The recording {name} is not there any more; see RECORDINGS_URL.")
        try:
            return await _send(request, stored, name, download=bool(given["download"]))
        finally:
            stored.close()

    return [
        Operation(
            method="GET",
            path="/calls/{call}/recording",
            name="playCall",
            topic="Calls",
            summary="The recording of a call: the caller left, the agent right",
            about="Answers `Range` with one range; `If-Range` takes the ETag. The recording of a "
            "running call is as long as the call so far.",
            parameters=(NAME, Parameter("download", YesNo(), "Whether a browser saves the file.")),
            answers={
                200: Answer("the recording", _AUDIO, {"ETag": "version", "Accept-Ranges": "bytes"}),
                206: Answer("a range of the recording", _AUDIO, {"Content-Range": "which one"}),
                304: Answer("the client has this version already (If-None-Match)"),
            },
            refusals={
                **NO_HISTORY,
                404: "there is no such call, or no recording of it",
                416: "the range is behind the end; Content-Range has the size",
            },
            answer=play,
        )
    ]


async def _send(
    request: web.Request, stored: Stored, name: str, *, download: bool
) -> web.StreamResponse:
    path = PurePosixPath(name)
    weak = "" if stored.finished else "W/"
    tag = f'{weak}"{path.stem}-{stored.size}"'
    headers = {
        "Content-Type": _MEDIA.get(path.suffix, "application/octet-stream"),
        "Content-Disposition": f'{"attachment" if download else "inline"}; filename="{path.name}"',
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Cache-Control": "private, no-cache",
    }
    known = request.headers.get("If-None-Match", "")
    if known.strip() == "*" or tag in [one.strip() for one in known.split(",")]:
        return web.Response(status=304, headers=headers)
    begin, end, status = 0, stored.size, 200
    wanted = range_of(request.headers.get("Range"), stored.size)
    # A weak tag never matches here: the bytes may differ. [RFC 9110, 13.1.5]
    same = request.headers.get("If-Range", tag) == tag
    if wanted is not None and same and (stored.finished or "If-Range" not in request.headers):
        begin, end = wanted
        status = 206
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{stored.size}"
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = end - begin
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    async for piece in stored.read(begin, end):
        await response.write(piece)
    return response


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the range that a header asks for: its first byte, and the first byte behind it.

    size: of the whole (bytes).

    Returns None if there is no range, several ranges, or one that is malformed: the whole is sent.
    Raises Refused (416) if the range is behind the end.
    """
    found = None if header is None else _RANGE.fullmatch(header)
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        begin, end = max(0, size - int(found[2])), size
    else:
        begin = int(found[1])
        end = size if found[2] == "" else min(size, int(found[2]) + 1)
        if found[2] != "" and int(found[2]) < begin:
            return None
    if begin >= size or begin >= end:
        why = f"The recording has {size} bytes; ask for a range within them."
        raise Refused(416, why, headers={"Content-Range": f"bytes */{size}"})
    return begin, end
