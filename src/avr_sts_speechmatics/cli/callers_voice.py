"""The voice of a simulated caller: the first voice of the settings, or the sandbox's."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.cli.progress import Progress
from avr_sts_speechmatics.errors import ServiceError, SettingsError
from avr_sts_speechmatics.sandbox_process import SandboxProcess
from avr_sts_speechmatics.services import tts
from avr_sts_speechmatics.services.quiet_retries import quiet_retries
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.speech.kept_phrases import speech_of
from avr_sts_speechmatics.values import Secret

Say = Callable[[str], Awaitable[bytes]]
"""Turns text into speech, s16le mono at 8 kHz. Raises SettingsError."""


@asynccontextmanager
async def callers_voice(chosen: settings.Settings) -> AsyncIterator[Say]:
    """Yield a function that speaks; the voice is opened when the first words are spoken."""
    async with AsyncExitStack() as stack:
        voice: Tts | None = None

        async def say(text: str) -> bytes:
            nonlocal voice
            if voice is None:
                voice = await _opened(chosen, stack)
            try:
                with quiet_retries():  # the sentence below says what failed
                    return await speech_of(text, voice)
            except ServiceError as error:
                raise SettingsError(f"The caller's words could not be spoken: {error}.") from error

        yield say


async def _opened(chosen: settings.Settings, stack: AsyncExitStack) -> Tts:
    engine = tts.ENGINES[tts.first(chosen)]
    url, key = engine.address(chosen), engine.key(chosen)
    if url is None:
        progress = Progress(sys.stderr)
        sandbox = SandboxProcess(news=progress.show)
        stack.push_async_callback(sandbox.stop)
        progress.show("a voice for the caller", 0, 1)
        try:
            url, key = await sandbox.start(), Secret("sandbox")
        finally:
            progress.close()
    voice = engine.make(chosen, url, key, engine.voice(chosen))
    stack.push_async_callback(voice.close)
    return voice
