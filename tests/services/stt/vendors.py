"""The vendors' servers, scripted: what each recogniser of the service is tested against.

A script is the same for all vendors (`Said`); each server turns it into its own messages.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Self

from tests.services.stt.collecting import SttCollector
from tests.settings.environment import given_that
from tests.support import until

from avr_sts_speechmatics.sandbox import faults
from avr_sts_speechmatics.sandbox.engines import Engines
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedLlm,
    ScriptedStt,
    ToneTts,
    running_sandbox,
    turn,
)
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.values import VocabEntry


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of the caller.

    text: the final text.
    start, end: of the speech, seconds of the session's audio.
    partials: partial texts, spread evenly over the speech.
    """

    text: str
    start: float
    end: float
    partials: tuple[str, ...] = ()

    def timed_partials(self) -> Iterator[tuple[float, str]]:
        for number, partial in enumerate(self.partials, start=1):
            yield self.start + (self.end - self.start) * number / len(self.partials), partial


Fault = Literal["bad key", "full", "unknown language", "mute", "garbage", "drop at 3.5 s"]
"""What a vendor's server does with its next session."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a vendor's server was given in one session.

    key: API key.
    language: as the vendor writes it.
    vocabulary: the words to expect, as text.
    rate: announced sample rate (Hz).
    audio: s16le at `rate`.
    open: whether the session still runs.
    said_goodbye: whether the client ended the session in the vendor's way.
    """

    key: str
    language: str
    vocabulary: str
    rate: int
    audio: bytes
    open: bool
    said_goodbye: bool

    @property
    def seconds(self) -> float:
        return len(self.audio) / 2 / self.rate


class Vendor(ABC):
    """A vendor's server at work.

    key_setting: name of the setting that holds the key.
    german: how the vendor writes the language `de`.
    reports: the kinds of reports of a turn, in order.
    """

    key_setting = "SPEECHMATICS_API_KEY"
    german = "de"
    reports: tuple[str, ...] = ("speech started", "words", "segment", "speech ended", "turn ended")

    @classmethod
    @abstractmethod
    def running(cls) -> AbstractAsyncContextManager[Self]:
        """Run the server."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The settings of a service that uses the server."""

    @abstractmethod
    def script(self, *sessions: Sequence[Said]) -> None:
        """Say what the sessions will hear, in the order in which they open."""

    @abstractmethod
    def fail(self, fault: Fault) -> None:
        """Let the next session go wrong."""

    @abstractmethod
    def asked(self) -> list[Asked]:
        """The sessions that got through, oldest first."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Send a text message to the client of the newest session."""

    async def until(self, holds: Callable[[list[Asked]], bool]) -> list[Asked]:
        await until(lambda: holds(self.asked()), timeout=5)
        return self.asked()

    def stt(self, **environ: str) -> Stt:
        return Stt(given_that(**(self.environment | environ)))


class AgentStt(Vendor):
    """The sandbox's server of Agent STT; the vendor's own client is its test client."""

    def __init__(self, cloud: RunningSandbox, stt: ScriptedStt) -> None:
        self._cloud = cloud
        self._stt = stt

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        stt = ScriptedStt()
        async with running_sandbox(Engines(stt, ToneTts(), ScriptedLlm("I see."))) as cloud:
            yield cls(cloud, stt)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "STT": "agent",
            "SPEECHMATICS_API_KEY": "a-key",
            "SPEECHMATICS_RT_URL": self._cloud.rt_url,
        }

    def script(self, *sessions: Sequence[Said]) -> None:
        for session in sessions:
            turns = (
                turn(said.text, start=said.start, end=said.end, partials=said.partials)
                for said in session
            )
            self._stt.add([step for steps in turns for step in steps])

    def fail(self, fault: Fault) -> None:
        match fault:
            case "bad key":
                self._cloud.faults.add(faults.RefuseKey(part="stt"))
            case "full":
                self._cloud.faults.add(faults.Error(part="stt", type="quota_exceeded"))
            case "unknown language":
                self._cloud.faults.add(faults.Error(part="stt", type="invalid_language"))
            case "mute":
                self._cloud.faults.add(faults.Stall(part="stt", after=None))
            case "garbage":
                self._cloud.faults.add(faults.Malformed(part="stt", after=0.1))
            case "drop at 3.5 s":
                self._cloud.faults.add(faults.Drop(after=3.5))

    def asked(self) -> list[Asked]:
        found = []
        for session in self._cloud.received.sessions:
            if not session.messages:
                continue
            start = session.messages[0]
            config = start["transcription_config"]
            asked = Asked(
                key=session.headers["Authorization"].removeprefix("Bearer "),
                language=config["language"],
                vocabulary=str(config.get("additional_vocab", "")),
                rate=start["audio_format"]["sample_rate"],
                audio=bytes(session.audio),
                open=session.open,
                said_goodbye=session.messages[-1]["message"] == "EndOfStream",
            )
            found.append(asked)
        return found

    def say(self, text: str) -> None:
        self._cloud.received.sessions[-1].say(text)


@asynccontextmanager
async def listening(
    vendor: Vendor, language: str = "en", vocab: tuple[VocabEntry, ...] = ()
) -> AsyncIterator[SttCollector]:
    """A call's stream that hears through the vendor's server."""
    ears = SttCollector(vendor.stt().recogniser(language, vocab))
    try:
        yield ears
    finally:
        ears.running.cancel()
        await asyncio.wait((ears.running,))
