"""A manager interface as Asterisk 22 was seen to speak it, over a small exchange of its own.

Deeds change that exchange, so a test sees what became of a call, not only what was asked.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from avr_sts_speechmatics.pbx.ami import Ami
from avr_sts_speechmatics.pbx.channels import Channel
from avr_sts_speechmatics.values import Secret

RIGHTS = {
    "Status": "system,call,reporting,all",
    "Getvar": "call,reporting,all",
    "Hangup": "system,call,all",
    "Redirect": "call,all",
}


@dataclass
class FakeAmi:
    """places: (context, extension, priority) there are; None: func_dialplan is not loaded.
    rights: what the user may do. silent_at, broken_at: the action that is done but not answered,
    the one at which the connection ends. banner: the first line."""

    channels: list[Channel] = field(default_factory=list)
    places: set[tuple[str, str, int]] | None = field(default_factory=set)
    rights: dict[str, str] = field(default_factory=lambda: dict(RIGHTS))
    secret: str = "a secret"
    banner: str = "Asterisk Call Manager/11.0.0\r\n"
    silent_at: str = ""
    broken_at: str = ""
    port: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    moved: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)

    def client(self, secret: str = "a secret") -> Ami:
        return Ami("127.0.0.1", self.port, "avr", Secret(secret))

    @property
    def actions(self) -> list[str]:
        return [request["Action"] for request in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(self.banner.encode())
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                request = {n: v.strip() for n, _, v in (line.partition(":") for line in lines) if n}
                self.asked.append(request)
                if request["Action"] == self.broken_at:
                    return
                answer = self.answer(request)
                if request["Action"] != self.silent_at:
                    # Slowly: a message may come in any number of pieces.
                    for at in range(0, len(answer), 50):
                        writer.write(answer[at : at + 50].encode())
                        await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def answer(self, request: dict[str, str]) -> str:
        action, tag = request["Action"], f"ActionID: {request['ActionID']}\r\n"
        if action == "Login":
            if request["Secret"] != self.secret:
                return f"Response: Error\r\n{tag}Message: Authentication failed\r\n\r\n"
            booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"
            return f"Response: Success\r\n{tag}Message: Authentication accepted\r\n\r\n{booted}"
        if action == "ListCommands":
            listed = "".join(f"{a}: Does it.  (Priv: {p})\r\n" for a, p in self.rights.items())
            return f"Response: Success\r\n{tag}{listed}Ping: Keepalive.  (Priv: <none>)\r\n\r\n"
        if action not in self.rights:
            return f"Response: Error\r\n{tag}Message: Permission denied\r\n\r\n"
        return getattr(self, f"_{action.lower()}")(request, tag)  # type: ignore[no-any-return]

    def _status(self, request: dict[str, str], tag: str) -> str:
        start = f"Response: Success\r\n{tag}EventList: start\r\nMessage: Channel status will follow"
        events = "".join(
            f"Event: Status\r\nPrivilege: Call\r\nChannel: {c.name}\r\nChannelState: 6\r\n"
            f"CallerIDName: <unknown>\r\nBridgeID: {c.bridge}\r\nApplication: {c.application}\r\n"
            f"Data: {c.data}\r\n{tag}\r\n"
            for c in self.channels
        )
        end = f"Event: StatusComplete\r\n{tag}EventList: Complete\r\nItems: {len(self.channels)}"
        return f"{start}\r\n\r\n{events}{end}\r\n\r\n"

    def _getvar(self, request: dict[str, str], tag: str) -> str:
        context, extension, priority = request["Variable"].partition("(")[2][:-1].split(",")
        value = ""
        if self.places is not None:
            value = "1" if (context, extension, int(priority)) in self.places else "0"
        echoed = f"Variable: {request['Variable']}\r\nValue: {value}"
        return f"Response: Success\r\n{tag}{echoed}\r\n\r\n"

    def _hangup(self, request: dict[str, str], tag: str) -> str:
        if request["Channel"] not in {c.name for c in self.channels}:
            return f"Response: Error\r\n{tag}Message: No such channel\r\n\r\n"
        self.ended[request["Channel"]] = request["Cause"]
        self.channels = [c for c in self.channels if c.name != request["Channel"]]
        return f"Response: Success\r\n{tag}Message: Channel Hungup\r\n\r\n"

    def _redirect(self, request: dict[str, str], tag: str) -> str:
        name = request["Channel"]
        if name not in {c.name for c in self.channels}:
            return f"Response: Error\r\n{tag}Message: Channel does not exist: {name}\r\n\r\n"
        self.moved[name] = (request["Context"], request["Exten"], int(request["Priority"]))
        return f"Response: Success\r\n{tag}Message: Redirect successful\r\n\r\n"


@asynccontextmanager
async def running(pbx: FakeAmi) -> AsyncIterator[FakeAmi]:
    server = await asyncio.start_server(pbx.serve, "127.0.0.1", 0)
    async with server:
        pbx.port = server.sockets[0].getsockname()[1]
        yield pbx
