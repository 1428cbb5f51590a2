"""Uploads: a thread brings finished recordings into the bucket and then deletes the local file.

A recording that cannot be uploaded stays on the disk and is tried again, with growing pauses, also
after a restart. Several processes may share the directory: a file is locked while it is uploaded.
"""

import fcntl
import logging
import os
import threading
from collections import deque

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.records.recordings.bucket import Bucket
from avr_sts_speechmatics.records.recordings.place import Folder

FIRST_PAUSE_S = 1.0
"""Pause after the first failure (s); each further failure doubles the pause."""

LONGEST_PAUSE_S = 300.0
"""Longest pause between two trials (s)."""

_log = logging.getLogger(__name__)


class Uploads:
    """The uploads of one process.

    folder: the local directory.
    bucket: the place of the recordings.
    first_pause_s: see FIRST_PAUSE_S.
    """

    def __init__(
        self, folder: Folder, bucket: Bucket, *, first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._folder = folder
        self._bucket = bucket
        self._first_pause_s = first_pause_s
        self._waiting: deque[str] = deque()
        self._something = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def start(self) -> None:
        """Upload what earlier processes have left, then what `add` names."""
        self._thread.start()

    def add(self, name: str) -> None:
        """Upload a finished recording. May be called by any thread."""
        self._waiting.append(name)
        self._something.set()

    def close(self, within_s: float) -> None:
        """End the thread. What is not uploaded within the time stays for the next process."""
        self._closing.set()
        self._something.set()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        pause, failed = self._first_pause_s, False
        self._waiting.extend(self._folder.names())
        while True:
            if not self._waiting:
                if self._closing.is_set():
                    return
                self._something.wait()
                self._something.clear()
                continue
            name = self._waiting[0]
            why = self._try(name)
            if not why:
                self._waiting.popleft()
                if failed:
                    _log.warning("recordings are uploaded again")
                pause, failed = self._first_pause_s, False
                continue
            if not failed:
                _log.error("recordings cannot be uploaded (%s); they wait in DATA_DIR", why)
            failed = True
            if self._closing.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_S)
            self._waiting.rotate(-1)  # one file that cannot be uploaded must not keep the others

    def _try(self, name: str) -> str:
        """Upload a recording. Returns the reason of a failure; empty if nothing is left to do."""
        path = self._folder.path(name)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return ""  # erased, or another process was faster
        except OSError as error:
            return error.strerror or str(error)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._bucket.put(name, path)
            try:
                path.unlink()
            except FileNotFoundError:
                # Erased while it was uploaded.
                self._bucket.delete_now(name)
            self._folder.tidy(name)
        except BlockingIOError:
            return ""  # another process uploads the file
        except FileNotFoundError:
            return ""
        except (StoreError, OSError) as error:
            return str(error)
        except Exception:  # a fault here must not end the thread
            _log.exception("an upload of a recording failed by a fault; please report it")
            return "a fault of this service"
        finally:
            os.close(file)
        return ""
