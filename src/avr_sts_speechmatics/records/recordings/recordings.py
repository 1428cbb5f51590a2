"""The recordings of a process: one thread writes the files of all calls.

The thread writes to each recording every ROUND_S, one recording after the other and evenly spread.
The event loop never waits for the thread, see `recording`, except that only one of them can execute
Python at a time. A thread that has written to one recording therefore sleeps before the next, if
only for BREATH_S: without a sleep, Python would let the loop wait for 5 ms. The thread has a lower
priority than the loop, which matters where both share a core.

A file that cannot be written costs the call its recording and nothing else. The reason is logged
once, until a recording succeeds again.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.recordings.bucket import Bucket
from avr_sts_speechmatics.records.recordings.flac_file import encoder
from avr_sts_speechmatics.records.recordings.place import Folder, is_name, name_of
from avr_sts_speechmatics.records.recordings.recording import Recording
from avr_sts_speechmatics.records.recordings.stored import LocalRecording, StoredRecording
from avr_sts_speechmatics.records.recordings.uploads import Uploads

ROUND_S = 0.5
"""Time between two writes of a recording (s)."""

PRIORITY = 10
"""Priority of the thread (nice)."""

BREATH_S = 0.0002
"""Shortest pause after a recording was written (s)."""

CLOSE_S = 5.0
"""Longest wait at the end of the process for files and for uploads, each (s)."""

_log = logging.getLogger(__name__)


class Recordings:
    """All recordings.

    folder: the directory.
    bucket: where finished recordings go; None if they stay in the directory.

    The thread starts with `run`; `open` and `delete` need no thread.
    """

    def __init__(
        self,
        folder: Folder,
        bucket: Bucket | None = None,
    ) -> None:
        self._folder = folder
        self._bucket = bucket
        self._add: Callable[[Change], None] = _ignore
        self._uploads = None if bucket is None else Uploads(folder, bucket)
        self._new: deque[tuple[str, Recording]] = deque()
        self._something = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failing = ""
        self._missed = 0
        self._lacking_s = 0.0

    @property
    def folder(self) -> Path:
        """The local directory."""
        return self._folder.root

    @property
    def uploads(self) -> bool:
        """Whether finished recordings leave the directory."""
        return self._bucket is not None

    def run(self, add: Callable[[Change], None]) -> None:
        """Start the thread, which first finishes what a killed process has left.

        add: takes the name of a recording, for the record of the call, when the file has begun;
            called on the event loop.

        Raises SettingsError if the encoder is not there.
        """
        encoder()
        self._add = add
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def start(self, key: str) -> Recording:
        """Begin the recording of a call; its file begins with the first audio.

        key: the call's key.
        """
        name = name_of(key, time.time())
        recording = Recording(key, self._folder.part(name), time.monotonic())
        self._new.append((name, recording))
        self._something.set()
        return recording

    async def open(self, name: str) -> StoredRecording | None:
        """Open a recording, of a running call as well; None if there is none.

        Raises StoreError.
        """
        if not is_name(name):
            return None
        try:
            found = await asyncio.to_thread(self._open_file, name)
        except OSError as error:
            raise StoreError(f"recordings: {error.strerror or error}") from error
        if found is None and self._bucket is not None:
            return await self._bucket.open(name)
        return found

    async def delete(self, names: Iterable[str]) -> None:
        """Delete recordings; names that are not there are ignored.

        A recording of a running call is deleted as well, and the rest of the call is not kept.

        Raises StoreError after all that can be deleted is deleted.
        """
        wanted = [name for name in names if is_name(name)]
        why = await asyncio.to_thread(self._delete_files, wanted)
        if self._bucket is not None:
            await self._bucket.delete(wanted)
        if why:
            raise StoreError(f"recordings: {why}")

    async def close(self) -> None:
        """End all recordings and the thread, within a bounded time."""
        self._closing.set()
        self._something.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, CLOSE_S)
        if self._uploads is not None and self._thread is not None:
            await asyncio.to_thread(self._uploads.close, CLOSE_S)

    # --- the disk, in any thread ---------------------------------------------------------------

    def _open_file(self, name: str) -> LocalRecording | None:
        for _ in range(2):  # it may be finished, or uploaded, in between
            path = self._folder.find(name)
            if path is None:
                return None
            try:
                return LocalRecording(path, finished=path == self._folder.path(name))
            except FileNotFoundError:
                continue
        return None

    def _delete_files(self, names: list[str]) -> str:
        why = ""
        for name in names:
            try:
                if self._folder.delete(name):
                    self._folder.tidy(name)
            except OSError as error:
                why = error.strerror or str(error)
        return why

    # --- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere the priority is that of the whole process
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PRIORITY)
        try:
            if count := self._folder.finish_abandoned():
                _log.warning("recordings of calls that were cut off are kept: %d", count)
        except OSError as error:
            self._fails(error)
        if self._uploads is not None:
            self._uploads.start()
        running: list[tuple[str, Recording]] = []
        while True:
            closing = self._closing.is_set()
            while self._new:
                running.append(self._new.popleft())
            running = self._round(running, closing=closing)
            if running or self._new:
                continue
            if closing:
                return
            self._something.wait()
            self._something.clear()

    def _round(
        self, running: list[tuple[str, Recording]], *, closing: bool
    ) -> list[tuple[str, Recording]]:
        """Write to each recording, spread over ROUND_S. Returns those that go on."""
        begun, left = time.monotonic(), []
        for number, entry in enumerate(running, 1):
            if not self._step(*entry, closing=closing):
                left.append(entry)
            if not closing:
                pause = begun + ROUND_S * number / len(running) - time.monotonic()
                self._closing.wait(max(pause, BREATH_S))
        return left

    def _step(self, name: str, recording: Recording, *, closing: bool) -> bool:
        """Write what a recording has. Returns True if the recording is done with."""
        if closing:
            recording.end()
        over = recording.ended_at is not None
        had_begun = recording.begun
        try:
            recording.write(time.monotonic())
            if recording.begun and not had_begun:
                self._report(recording.key, name)
            if over:
                self._finish(name, recording)
        except OSError as error:
            self._give_up(name, recording)
            self._fails(error)
            return True
        except Exception:  # a fault here must not end the thread, which writes all recordings
            _log.exception("a recording failed by a fault of this service; please report it")
            self._give_up(name, recording)
            return True
        return over

    def _finish(self, name: str, recording: Recording) -> None:
        if not recording.begun:
            return
        recording.close()
        if self._folder.finish(name) and self._uploads is not None:
            self._uploads.add(name)
        if recording.lost_s:
            self._lacking_s += recording.lost_s
            self._missed += 1
            if not self._failing:
                self._failing = "the disk or this machine is too slow"
                _log.error("recordings lack audio: %s; calls are not affected", self._failing)
        elif self._failing:
            _log.warning(
                "recordings are complete again; %d of calls before are missing or lack audio, "
                "%.0f s in all",
                self._missed,
                self._lacking_s,
            )
            self._failing, self._missed, self._lacking_s = "", 0, 0.0

    def _give_up(self, name: str, recording: Recording) -> None:
        recording.give_up()
        self._missed += 1
        with suppress(OSError):  # what was written before can be played
            recording.close()
        with suppress(OSError):  # the next start finishes the file
            if self._folder.finish(name) and self._uploads is not None:
                self._uploads.add(name)

    def _fails(self, error: OSError) -> None:
        why = error.strerror or str(error)
        if self._failing != why:
            self._failing = why
            where = f": {error.filename}" if error.filename else ""
            _log.error("recordings cannot be written (%s%s); calls go on without", why, where)

    def _report(self, key: str, name: str) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended, and the call with it
            change = Change("calls", {"key": key, "recording": name}, update=True)
            self._loop.call_soon_threadsafe(self._add, change)


def _ignore(change: Change) -> None:
    """Take a change of the records where no records are kept."""
