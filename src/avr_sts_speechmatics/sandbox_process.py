"""The sandbox as a child process: started, watched, started again, ended.

The service and its offline stand-in meet only on the wire; even here nothing of it is imported.
The child prints one JSON object a line (`loading`, `ready`), ends when its standard input does, and
so never outlives the service, however that ends.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable

import msgspec

from avr_sts_speechmatics.errors import SettingsError

READY_S = 60.0
"""A sandbox that is not ready by then never will be (s). It needs below 5 s."""

RESTART_S = 1.0
STOP_S = 2.0

_log = logging.getLogger(__name__)


class SandboxNews(msgspec.Struct):
    """A line of the child. event: "loading", "ready" or "failed" (with a reason)."""

    event: str
    part: str = ""
    done: int = 0
    of: int = 0
    url: str = ""
    reason: str = ""


class SandboxProcess:
    """The child. news: told what it has loaded: the part, how many are done, of how many.

    faq_file, max_calls: passed on to it.
    """

    def __init__(
        self,
        *,
        faq_file: str | None = None,
        max_calls: int | None = None,
        news: Callable[[str, int, int], None] = lambda part, done, of: None,
    ) -> None:
        self._options: list[str] = []
        if faq_file is not None:
            self._options += ["--faq-file", faq_file]
        if max_calls is not None:
            self._options += ["--max-calls", str(max_calls)]
        self._news = news
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self.ready = False
        """Whether it takes calls now."""

    async def start(self) -> str:
        """Start the child; return its base address (`http://127.0.0.1:port`) when it is ready.

        Raises SettingsError with the child's own reason when it cannot run.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "avr_sts_speechmatics",
            "sandbox",
            "--child",
            "--port",
            str(self._port),
            *self._options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
            # Ctrl-C is for the service, which then ends its sandbox when no call needs it.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(READY_S):
                url = await self._read_until_ready(self._process)
        except TimeoutError:
            await self.stop()
            raise SettingsError(
                f"The sandbox was not ready within {READY_S:.0f} s: is the machine too busy? "
                "Set SPEECHMATICS_API_KEY to do without it."
            ) from None
        except BaseException:
            await self.stop()
            raise
        self._port = int(url.rsplit(":", 1)[1])
        self.ready = True
        return url

    async def keep_running(self) -> None:
        """Start it again, on the same port, whenever it ends; until cancelled."""
        while True:
            if self._process is not None:
                status = await self._process.wait()
                self.ready = False
                _log.error("the sandbox ended with status %d; starting it again", status)
            await asyncio.sleep(RESTART_S)
            try:
                await self.start()
            except SettingsError as error:
                _log.error("%s", error)

    async def stop(self) -> None:
        """End it; returns when it has ended."""
        process, self._process = self._process, None
        self.ready = False
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()
                return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _read_until_ready(self, process: asyncio.subprocess.Process) -> str:
        assert process.stdout is not None
        async for line in process.stdout:
            try:
                news = msgspec.json.decode(line, type=SandboxNews)
            except msgspec.MsgspecError:
                continue
            if news.event == "loading":
                self._news(news.part, news.done, news.of)
            if news.event == "ready":
                return news.url
            if news.event == "failed":
                raise SettingsError(
                    f"The sandbox cannot start: {news.reason}. "
                    "Set SPEECHMATICS_API_KEY to do without it."
                )
        raise SettingsError("The sandbox ended before it was ready; its own message stands above.")


def _environment() -> dict[str, str]:
    """The service's own, without the keys: the sandbox has no use for them."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
