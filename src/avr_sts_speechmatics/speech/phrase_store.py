"""Kept phrases on disk: speech of fixed texts, so that a start does not wait for TTS.

Each sentence of a voice has one file. The name is a hash of everything that changes the sound, so a
file never has to be changed, only replaced by a newer recording of the same sentence:

    AVRP1 | digest of the rest (16 bytes) | when it was made (8 bytes, s since 1970) | s16le 8 kHz

Files are written beside their place and moved there, so several processes may share a folder. A
file that cannot be read, or whose digest is wrong, is missing. A folder that cannot be written
costs one warning. Neither names nor files contain a text, and only the fixed phrases of agents are
stored: nothing of a caller.
"""

import contextlib
import hashlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LIMIT_BYTES = 64 << 20
"""Largest size of all files (bytes), an hour of speech. The files that were not used for longest
are removed."""

FRESH_S = 7 * 24 * 3600.0
"""Age after which a sentence is synthesised anew in the background (s): vendors change voices."""

_MAGIC = b"AVRP1"
_DIGEST = 16
_HEAD = len(_MAGIC) + _DIGEST + 8
_FILE_MAX = 4 << 20
_ENDING = ".phrase"
_LEFT_BEHIND_S = 3600.0

_log = logging.getLogger(__name__)


class Stored(NamedTuple):
    """A stored sentence.

    pcm: s16le mono at 8 kHz.
    fresh: False if the sentence should be synthesised anew.
    """

    pcm: bytes
    fresh: bool


class PhraseStore:
    """A folder of phrases. All methods read or write files and never raise OSError.

    folder: folder of the files, created if missing.
    limit_bytes: see LIMIT_BYTES.
    clock: returns seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = LIMIT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._warned = False
        self._one_at_a_time = threading.Lock()

    def load(self, key: str) -> Stored | None:
        """Read a sentence; None if the sentence is not stored.

        key: everything that changes the sound, see `Shelf`.
        """
        path = self._path(key)
        try:
            with path.open("rb") as file:
                content = file.read(_FILE_MAX + 1)
        except OSError:
            return None
        digest, rest = content[len(_MAGIC) : _HEAD - 8], content[_HEAD - 8 :]
        whole = content.startswith(_MAGIC) and digest == _digest(rest) and len(content) > _HEAD
        if not whole or len(content) > _FILE_MAX:
            _log.info("a phrase in %s is damaged and is synthesised again", self.folder)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used now
        age = self._clock() - int.from_bytes(rest[:8], "big")
        return Stored(rest[8:], -FRESH_S < age < FRESH_S)

    def save(self, key: str, pcm: bytes) -> None:
        """Write a sentence, and remove old ones if the folder is full.

        pcm: s16le mono at 8 kHz.
        """
        rest = int(self._clock()).to_bytes(8, "big") + pcm
        if len(rest) > _FILE_MAX - _HEAD:
            return
        try:
            with self._one_at_a_time:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._write(self._path(key), _MAGIC + _digest(rest) + rest)
                self._make_room()
        except OSError as error:
            if not self._warned:
                self._warned = True
                why = error.strerror or error
                _log.warning(
                    "phrases cannot be kept in %s (%s): after a start they are synthesised again; "
                    "set PHRASE_CACHE_DIR to a writable folder, or to off",
                    self.folder,
                    str(why).lower(),
                )

    def _path(self, key: str) -> Path:
        name = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=24).hexdigest()
        return self.folder / f"{name}{_ENDING}"

    def _write(self, path: Path, content: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _make_room(self) -> None:
        files: list[tuple[float, int, str]] = []
        now = time.time()
        with os.scandir(self.folder) as entries:
            found = list(entries)
        for entry in found:
            with contextlib.suppress(OSError):  # another process may remove it at the same time
                if not entry.is_file(follow_symlinks=False):
                    continue
                stat = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_ENDING):
                    files.append((stat.st_mtime, stat.st_size, entry.path))
                elif entry.name.endswith(".tmp") and now - stat.st_mtime > _LEFT_BEHIND_S:
                    os.unlink(entry.path)  # of a process that was killed while it wrote
        size = sum(size for _, size, _ in files)
        for _, bytes_, path in sorted(files):
            if size <= self._limit_bytes:
                return
            with contextlib.suppress(OSError):
                os.unlink(path)
            size -= bytes_


class Shelf:
    """The sentences of one voice in a store.

    store: the folder.
    voice: everything but the text that changes the sound: vendor, server, model, name, language.
    """

    def __init__(self, store: PhraseStore, *voice: str) -> None:
        self.store = store
        self._voice = voice

    def load(self, text: str) -> Stored | None:
        """Read a sentence; None if the sentence is not stored.

        text: the sentence as it is spoken.
        """
        return self.store.load(self._key(text))

    def save(self, text: str, pcm: bytes) -> None:
        """Write a sentence, unless the audio cannot be the speech of the text.

        text: the sentence as it is spoken.
        pcm: s16le mono at 8 kHz.
        """
        # A server that sends silence, or a click, must not be believed for a week.
        if len(pcm) >= 80 * len(text) and any(pcm):
            self.store.save(self._key(text), pcm)

    def _key(self, text: str) -> str:
        return "\x00".join((*self._voice, text))


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


def default_folder() -> Path | None:
    """Return the default folder, in the user's cache; None for a user without a home."""
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(cache) / "avr-sts-speechmatics" / "phrases"
    except RuntimeError:  # a user without a home, as in some containers
        return None
    return folder if folder.is_absolute() else None
