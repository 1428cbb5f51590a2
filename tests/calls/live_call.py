"""A call to the service against a scripted cloud, for tests of what its caller lives through.

The caller speaks when the test says so, in whole turns; audio is not needed for it.
"""

import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import support
from tests.avr_core import AvrCore, Heard, dial
from tests.pbx.test_avr_ami import UUID, FakeAvrAmi, running
from tests.support import Serve, url_of

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.engines import ToolCall
from avr_sts_speechmatics.sandbox.received import SttSession
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedTts,
    Thought,
    ToneTts,
    running_sandbox,
    scripted,
)
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.values import Secret

OWN_TOOLS = Path(__file__).parent / "own_tools"

CHARACTER_S = 0.01
"""How long the voice speaks for a character (s): fast, so that a call takes a second or two."""


PATIENCE_S = 10.0
"""How long a test waits for what must come (s); a busy machine may need some of it."""


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that nobody announces."""
    await support.until(holds, timeout=PATIENCE_S)


@dataclass(slots=True)
class LiveCall:
    """One caller on the line, who has been heard since they came."""

    cloud: RunningSandbox
    server: Server
    core: AvrCore
    session: SttSession
    _at: float = field(default=0.0)

    @property
    def heard(self) -> Heard:
        return self.core.heard

    @property
    def uuid(self) -> str:
        return UUID

    @property
    def requests(self) -> list[list[dict[str, Any]]]:
        """The messages of each request to the model, without the instructions."""
        return [chat.body["messages"][1:] for chat in self.cloud.received.chats]

    def say(self, text: str) -> None:
        """A whole turn, now."""
        self.say_partly(text)
        self.end_turn()

    def say_partly(self, text: str) -> None:
        """Settled words of a turn that is not over."""
        self._at += 10
        self.session.say(stt_messages.segment(text, self._at - 0.5, self._at))

    def end_turn(self) -> None:
        self.session.say(stt_messages.end_of_turn(self._at))

    def lose_stt(self) -> None:
        """The recogniser breaks off."""
        self.session.say(stt_messages.error("job_error", "lost"))

    def fail_stt(self) -> None:
        """The recogniser breaks off and does not want to be asked again."""
        self.session.say(stt_messages.error("not_authorised", "not any more"))

    def begin_to_speak(self) -> None:
        self.session.say(stt_messages.speech_started(self._at + 1))

    async def until(self, holds: Callable[[Heard], bool]) -> Heard:
        """Wait until something holds of what was heard."""
        return await self.core.until(holds, timeout=PATIENCE_S)

    async def until_said(self, text: str) -> Heard:
        """Wait until the whole of what the agent said is `text`."""
        return await self.until(lambda heard: heard.said("agent") == text)

    async def until_closed(self) -> Heard:
        return await self.core.until_closed(timeout=PATIENCE_S)

    async def until_came(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what reached the cloud."""
        await self.cloud.received.until(holds, timeout=PATIENCE_S)

    async def asked(self, times: int) -> list[list[dict[str, Any]]]:
        """Wait until the model has been asked so often; `requests`."""
        await self.until_came(lambda: len(self.cloud.received.chats) >= times)
        return self.requests


@dataclass(frozen=True, slots=True)
class Rig:
    """A service and the cloud it uses."""

    cloud: RunningSandbox
    server: Server

    @asynccontextmanager
    async def call(self, query: str = "") -> AsyncIterator[LiveCall]:
        """A call that has begun. query: of the connection's address."""
        sessions = len(self.cloud.received.sessions)
        async with dial(url_of(self.server, f"/{query}")) as core:
            await core.init(UUID)
            session = await self.cloud.received.session(sessions, timeout=PATIENCE_S)
            yield LiveCall(self.cloud, self.server, core, session)


@asynccontextmanager
async def live_service(
    serve: Serve,
    *answers: Thought,
    voice: ToneTts | ScriptedTts | None = None,
    prepared: bool = True,
    outcomes: Sequence[Thought] = ("{}",),
    **changes: Any,
) -> AsyncIterator[Rig]:
    """A service whose model gives these answers.

    prepared: once the kept phrases are there. outcomes: what the model writes where it is asked
    for an object. changes: of the settings.
    """
    voice = voice or ToneTts(seconds_per_character=CHARACTER_S)
    engines = scripted(answers=answers or ("I see.",), voice=voice, outcomes=outcomes)
    async with running_sandbox(engines) as cloud:
        second: dict[str, Any] = {
            "openai_tts_url": cloud.openai_url,
            "openai_tts_api_key": Secret("a-third-key"),
        }
        async with serve(cloud, prepared=False, **(second | changes)) as server:
            if prepared:
                await until(lambda: server.health()["phrases_missing"] == 0)
            yield Rig(cloud, server)


@asynccontextmanager
async def live_call(
    serve: Serve, *answers: Thought, query: str = "", **changes: Any
) -> AsyncIterator[LiveCall]:
    """A call to such a service."""
    async with live_service(serve, *answers, **changes) as rig, rig.call(query) as call:
        yield call


def desk() -> Any:
    """The tools of OWN_TOOLS as the service has loaded them."""
    return sys.modules["avr_tool_desk"]


def asks_for(name: str, arguments: str = '{"code": "KX41"}') -> ToolCall:
    return ToolCall(name, arguments)


class Ami(FakeAvrAmi):
    """An avr-ami that keeps when it was asked (monotonic s), and may never answer."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.times: list[float] = []
        self.silent = False

    async def answer(self, request: Any) -> Any:
        self.times.append(time.monotonic())
        answer = await super().answer(request)
        if self.silent:
            await until(lambda: request.transport is None)  # they have gone
        return answer


@asynccontextmanager
async def fake_avr_ami() -> AsyncIterator[Ami]:
    there = Ami()
    listener = socket.create_server(("127.0.0.1", 0))
    async with running(there, listener):
        there.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield there
