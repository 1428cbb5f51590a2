"""The sandbox as a child process: started, monitored, restarted, stopped.

The service and the sandbox communicate only through sockets; this module does not import the
sandbox either. The child prints one JSON object a line (`loading`, `ready`, `failed`). The child
ends when its standard input is closed, so it never outlives the service, even if the service
crashes.
"""

import asyncio
import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping

import msgspec

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode

READY_S = 60.0
"""Limit for the start of the sandbox (s). A start takes less than 5 s."""

RESTART_S = 1.0
RESTART_MAX_S = 60.0
"""Pauses before a sandbox that has ended is restarted (s): the first and the longest. Each pause is
doubled, unless the sandbox had run for RESTART_MAX_S."""

STOP_S = 2.0
"""Time in which the sandbox must end before it is killed (s)."""

PASSED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|VIRTUAL_ENV"
    r"|PYTHON\w*|LD_\w+|DYLD_\w+|COVERAGE_\w+|(OMP|MKL|OPENBLAS|CT2|ORT)_\w+"
    r"|SYSTEMROOT|XDG_\w+"
)
"""Names of the variables that the child inherits: where programs and libraries are, language, time
zone, and how many threads libraries use. Keys, passwords and settings are not among them."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CHATTER = re.compile(r"\[[VIW]:onnxruntime:")

_log = logging.getLogger(__name__)


class SandboxNews(msgspec.Struct):
    """One line of the child's output.

    event: "loading", "ready" or "failed".
    part: "loading" only: name of the part that has been loaded.
    done: "loading" only: number of parts loaded so far.
    of: "loading" only: number of parts in all.
    url: "ready" only: base address of the sandbox.
    reason: "failed" only: why the sandbox cannot start.
    """

    event: str
    part: str = ""
    done: int = 0
    of: int = 0
    url: str = ""
    reason: str = ""


class SandboxProcess:
    """The sandbox's child process.

    faq_file: the receptionist's FAQ file; None for the packaged file.
    max_calls: number of simultaneous calls; None for the sandbox's default.
    news: called after each part is loaded, with its name, the number loaded and the number in all.
    changed: called with `ready` whenever it changes.
    """

    def __init__(
        self,
        *,
        faq_file: str | None = None,
        max_calls: int | None = None,
        news: Callable[[str, int, int], None] = lambda part, done, of: None,
        changed: Callable[[bool], None] = lambda ready: None,
    ) -> None:
        self._options: list[str] = []
        if faq_file is not None:
            self._options += ["--faq-file", faq_file]
        if max_calls is not None:
            self._options += ["--max-calls", str(max_calls)]
        self._news = news
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._port = 0
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether the sandbox accepts calls now."""
        return self._ready

    def _set_ready(self, ready: bool) -> None:
        if ready is not self._ready:
            self._ready = ready
            self._changed(ready)

    async def start(self) -> str:
        """Start the child and return its base address (`http://127.0.0.1:port`) once it is ready.

        Raises SettingsError with the child's reason when the sandbox cannot run.
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
            # Read here: a child that writes to our own standard error would freeze with the calls
            # that it serves when nobody reads there.
            stderr=asyncio.subprocess.PIPE,
            env=environment(os.environ),
            # A session of its own: Ctrl-C reaches only the service, which stops the sandbox when
            # no call needs it any more.
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._reading = asyncio.create_task(_log_output(self._process.stderr))
        try:
            async with running_time.timeout(READY_S):
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
        self._set_ready(True)
        return url

    async def keep_running(self) -> None:
        """Restart the child on the same port whenever it ends. Runs until cancelled."""
        pause, tries, told = RESTART_S, 0, ""
        while True:
            if self._process is not None:
                begun = time.monotonic()
                status = await self._process.wait()
                self._set_ready(False)
                if time.monotonic() - begun > RESTART_MAX_S:
                    pause = RESTART_S
                _log.error("the sandbox ended with status %d; starting it again", status)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RESTART_MAX_S)
            tries += 1
            try:
                await self.start()
            except SettingsError as error:
                if str(error) != told:
                    told = str(error)
                    _log.error("%s", error)
            else:
                _log.info("the sandbox runs again (try %d)", tries)
                tries, told = 0, ""

    async def stop(self) -> None:
        """Stop the child. Returns when the process has ended."""
        process, self._process = self._process, None
        self._set_ready(False)
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await self._all_logged()

    async def _all_logged(self) -> None:
        """Wait until the last words of a child that has ended are logged."""
        if self._reading is not None:
            await asyncio.wait((self._reading,), timeout=STOP_S)
            self._reading.cancel()

    async def _read_until_ready(self, process: asyncio.subprocess.Process) -> str:
        assert process.stdout is not None
        async for line in process.stdout:
            try:
                news: SandboxNews = decode(line, SandboxNews)
            except BadJson:
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
        await self._all_logged()
        raise SettingsError(
            "The sandbox ended before it was ready; its error message is printed above."
        )


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: the part of the service's environment that the child needs.

    ours: the environment of the service.
    """
    passed_on = {name: value for name, value in ours.items() if PASSED_ON.fullmatch(name)}
    return {**passed_on, "ORT_DISABLE_TELEMETRY": "1"}


async def _log_output(output: asyncio.StreamReader) -> None:
    """Log what the child writes to its standard error, line by line, without colours."""
    while True:
        try:
            line = await output.readline()
        except ValueError:  # longer than any log line; the reader has dropped the line
            continue
        if not line:
            return
        text = _COLOURS.sub("", line.decode("utf-8", "replace")).rstrip()
        if text and not _CHATTER.search(text):
            _log.warning("sandbox: %s", text.removeprefix("sandbox: "))
