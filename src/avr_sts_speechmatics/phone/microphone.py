"""The microphone of `call --mic`: what a person says goes into the call, 20 ms at a time."""

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from avr_sts_speechmatics.phone.connection import CallError
from avr_sts_speechmatics.phone.sound_programs import INSTALL, RATE, RECORDERS, installed
from avr_sts_speechmatics.phone.tape import FRAME

_LATE_BYTES = 16 * len(FRAME)
"""Most sound that waits: a microphone whose clock is faster than ours must not delay the caller."""

_END_SECONDS = 1.0


class Microphone(Protocol):
    """Gives what is said, frame by frame."""

    def take(self) -> bytes:
        """Return the next 20 ms, s16le mono at 8 kHz; empty if they have not been recorded yet."""

    async def close(self) -> None:
        """Record no more."""


async def open_microphone(tell: Callable[[str], None]) -> Microphone:
    """Open the microphone, by `sounddevice` or by a program of the system.

    tell: called with one sentence if the microphone stops during the call.

    Raises CallError, with what to install, if this machine can record nothing.
    """
    device = _sounddevice()
    if device is not None:
        return device
    command = installed(RECORDERS)
    if command is None:
        raise CallError(f"--mic: nothing here records sound: {INSTALL}.")
    recorder = _Recorder(command, tell)
    await recorder.start()
    return recorder


class _Frames:
    """Recorded sound that waits to be sent."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def add(self, pcm: bytes) -> None:
        self._waiting += pcm
        if (late := len(self._waiting) - _LATE_BYTES) > 0:
            del self._waiting[: late + late % 2]

    def take(self) -> bytes:
        if len(self._waiting) < len(FRAME):
            return b""
        frame = bytes(self._waiting[: len(FRAME)])
        del self._waiting[: len(FRAME)]
        return frame


class _Recorder(_Frames):
    """A program that writes samples to its standard output."""

    def __init__(self, command: Sequence[str], tell: Callable[[str], None]) -> None:
        super().__init__()
        self._command = command
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C hangs up first
        )
        self._reading = asyncio.create_task(self._read(self._process))

    async def close(self) -> None:
        process = self._process
        assert process is not None
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.wait((self._reading,))
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
        await process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        odd = b""
        while read := await process.stdout.read(4096):
            pcm = odd + read
            whole = len(pcm) & ~1
            odd = pcm[whole:]
            self.add(pcm[:whole])
        why = (await process.stderr.read(300)).decode(errors="replace").strip()
        first = why.splitlines()[0] if why else f"exit status {await process.wait()}"
        self._tell(f"(no microphone: {self._command[0]} has ended: {first})")


def _sounddevice() -> Microphone | None:
    """Open the default device by the package `sounddevice`; None if that is not possible."""
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: the package is there, its library is not
        return None
    microphone = _SoundDevice()
    try:
        microphone.start(sounddevice)
    except sounddevice.PortAudioError:
        return None
    return microphone


class _SoundDevice(_Frames):
    """The default input of `sounddevice`. Its own thread hands the sound to the event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._stream: Any = None

    def start(self, sounddevice: Any) -> None:
        self._stream = sounddevice.RawInputStream(
            samplerate=RATE,
            channels=1,
            dtype="int16",
            callback=lambda pcm, *_: self._loop.call_soon_threadsafe(self.add, bytes(pcm)),
        )
        self._stream.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._stream.close)
