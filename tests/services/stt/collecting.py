"""A call's STT stream without a call: what it is given, and what it reports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby

from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox
from avr_sts_speechmatics.services.stt.protocol import Recogniser
from avr_sts_speechmatics.services.stt.reconnecting import DOWN_MAX_S, ReconnectingStt
from avr_sts_speechmatics.services.stt.speechmatics import SpeechmaticsStt
from avr_sts_speechmatics.values import Secret


class Notes:
    """A listener that writes everything down."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, float]] = []
        self._changed = asyncio.Event()

    def _note(self, what: str, text: str = "", at: float = 0.0) -> None:
        self.heard.append((what, text, round(at, 2)))
        self._changed.set()

    def speech_started(self, at: float) -> None:
        self._note("speech started", at=at)

    def speech_ended(self, at: float) -> None:
        self._note("speech ended", at=at)

    def words_heard(self, text: str, end: float) -> None:
        self._note("words", text, end)

    def segment_heard(self, text: str, end: float) -> None:
        self._note("segment", text, end)

    def turn_ended(self, end: float) -> None:
        self._note("turn ended", at=end)

    def stt_lost(self) -> None:
        self._note("lost")

    def stt_restored(self) -> None:
        self._note("restored")

    def of(self, what: str) -> list[tuple[str, float]]:
        return [(text, at) for kind, text, at in self.heard if kind == what]

    async def until(self, what: str, *, times: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(self.of(what)) < times:
                self._changed.clear()
                await self._changed.wait()


class SttCollector:
    """The STT stream of a call at work, and what it reported."""

    def __init__(self, recogniser: Recogniser, *, down_max_s: float = DOWN_MAX_S) -> None:
        self.notes = Notes()
        self.stream = ReconnectingStt(recogniser, self.notes, down_max_s=down_max_s)
        self.running = asyncio.create_task(self.stream.run())

    async def speak(self, pcm: bytes, *, pause: float = 0.0) -> None:
        for at in range(0, len(pcm), 320):
            self.stream.hear(pcm[at : at + 320])
            await asyncio.sleep(pause)


@asynccontextmanager
async def listening(
    cloud: RunningSandbox, recogniser: Recogniser | None = None, *, down_max_s: float = DOWN_MAX_S
) -> AsyncIterator[SttCollector]:
    """A stream that hears through the cloud, or through a recogniser of its own."""
    ears = SttCollector(recogniser or speechmatics(cloud), down_max_s=down_max_s)
    try:
        yield ears
    finally:
        ears.running.cancel()
        await asyncio.wait((ears.running,))


def speechmatics(cloud: RunningSandbox) -> SpeechmaticsStt:
    return SpeechmaticsStt(cloud.rt_url + "/agent", Secret("a-key"))


def numbered(seconds: float, first: int = 0) -> bytes:
    """Audio of which every sample can be told from its neighbours: s16le, 8 kHz."""
    return b"".join(
        ((first + n) % 30_000).to_bytes(2, "little") for n in range(round(seconds * 8000))
    )


def kinds(ears: SttCollector) -> list[str]:
    """What was reported, without repetitions."""
    return [kind for kind, _ in groupby(what for what, _, _ in ears.notes.heard)]


def texts(ears: SttCollector, what: str) -> list[str]:
    return [text for text, _ in ears.notes.of(what)]
