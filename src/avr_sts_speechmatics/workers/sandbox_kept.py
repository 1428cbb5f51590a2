"""The sandbox of all workers: started when a worker first asks for it, and kept running."""

import asyncio
from collections.abc import Callable

from avr_sts_speechmatics.sandbox_process import SandboxProcess
from avr_sts_speechmatics.workers.channel import Message


class SandboxKept:
    """One sandbox for all workers.

    news: called when the sandbox has loaded a part: its name, how many are loaded, of how many.
    tell_all: sends a message to all workers.
    """

    def __init__(
        self, news: Callable[[str, int, int], None], tell_all: Callable[[Message], None]
    ) -> None:
        self._process = SandboxProcess(
            news=news, changed=lambda ready: tell_all({"tell": "sandbox", "ready": ready})
        )
        self._starting: asyncio.Task[str] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def url(self) -> str:
        """Return the sandbox's address. Raises SettingsError if the sandbox cannot run."""
        if self._starting is None or (self._starting.done() and self._starting.exception()):
            self._starting = asyncio.create_task(self._process.start())
        url = await asyncio.shield(self._starting)
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._process.keep_running())
        return url

    async def close(self) -> None:
        tasks = [task for task in (self._starting, self._keeping) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._process.stop()
