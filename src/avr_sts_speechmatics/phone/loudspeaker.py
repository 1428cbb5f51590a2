"""The loudspeaker of `call --listen`: plays the agent's voice while the agent speaks.

The agent's audio waits in a queue here and leaves for the sound device at the speed of sound, so
that an interruption can still drop what was not played. Between two answers silence is played: a
device that runs dry clicks.
"""

import asyncio
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from avr_sts_speechmatics.phone.connection import CallError
from avr_sts_speechmatics.phone.sound_programs import INSTALL, PLAYERS, RATE, installed
from avr_sts_speechmatics.phone.tape import FRAME, FRAME_SECONDS

_AHEAD_SECONDS = 0.06
"""How much sound a player has that was not played yet: enough for a busy moment."""

_STUCK_BYTES = 64_000
"""A player that leaves so much in its pipe plays nothing: it gets no more."""

_END_SECONDS = 1.0


class Loudspeaker(Protocol):
    """Plays the agent's audio."""

    def play(self, pcm: bytes) -> None:
        """Play audio behind what waits already: s16le mono at 8 kHz."""

    def drop(self) -> None:
        """Drop what was not played yet."""

    async def close(self) -> None:
        """Play no more."""


async def open_loudspeaker(tell: Callable[[str], None]) -> Loudspeaker:
    """Open the sound device, by `sounddevice` or by a program of the system.

    tell: called with one sentence if the sound stops during the call.

    Raises CallError, with what to install, if this machine can play nothing.
    """
    device = _sounddevice()
    if device is not None:
        return device
    command = installed(PLAYERS)
    if command is None:
        raise CallError(f"--listen: nothing here plays sound: {INSTALL}.")
    player = _Player(command, tell)
    await player.start()
    return player


class _Player:
    """A program that reads samples from its standard input."""

    def __init__(self, command: Sequence[str], tell: Callable[[str], None]) -> None:
        self._command = command
        self._tell = tell
        self._waiting = bytearray()
        self._process: asyncio.subprocess.Process | None = None
        self._feeding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C hangs up first
        )
        self._feeding = asyncio.create_task(self._feed(self._process))

    def play(self, pcm: bytes) -> None:
        self._waiting += pcm

    def drop(self) -> None:
        self._waiting.clear()

    async def close(self) -> None:
        process = self._process
        assert process is not None
        assert self._feeding is not None
        self._feeding.cancel()
        await asyncio.wait((self._feeding,))
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
        await process.wait()

    async def _feed(self, process: asyncio.subprocess.Process) -> None:
        """Write a frame every 20 ms, against absolute deadlines."""
        assert process.stdin is not None
        assert process.stderr is not None
        ended = asyncio.create_task(process.wait())
        began, frames = time.perf_counter() - _AHEAD_SECONDS, 0
        try:
            while not ended.done():
                frame = bytes(self._waiting[: len(FRAME)])
                del self._waiting[: len(FRAME)]
                if process.stdin.transport.get_write_buffer_size() < _STUCK_BYTES:
                    process.stdin.write(frame.ljust(len(FRAME), b"\0"))
                frames += 1
                due = began + frames * FRAME_SECONDS
                await asyncio.wait((ended,), timeout=max(0.0, due - time.perf_counter()))
            why = (await process.stderr.read(300)).decode(errors="replace").strip()
            first = why.splitlines()[0] if why else f"exit status {process.returncode}"
            self._tell(f"(no sound: {self._command[0]} has ended: {first})")
        finally:
            ended.cancel()


def _sounddevice() -> Loudspeaker | None:
    """Open the default device by the package `sounddevice`; None if that is not possible."""
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: the package is there, its library is not
        return None
    speaker = _SoundDevice()
    try:
        speaker.start(sounddevice)
    except sounddevice.PortAudioError:
        return None
    return speaker


class _SoundDevice:
    """The default output of `sounddevice`. Its own thread calls `_fill`."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._stream: Any = None

    def start(self, sounddevice: Any) -> None:
        self._stream = sounddevice.RawOutputStream(
            samplerate=RATE, channels=1, dtype="int16", callback=self._fill
        )
        self._stream.start()

    def play(self, pcm: bytes) -> None:
        self._waiting += pcm

    def drop(self) -> None:
        self._waiting.clear()

    async def close(self) -> None:
        await asyncio.to_thread(self._stream.close)

    def _fill(self, out: Any, frames: int, times: Any, status: Any) -> None:
        size = 2 * frames
        piece = bytes(self._waiting[:size])
        del self._waiting[:size]
        out[:] = piece.ljust(size, b"\0")
