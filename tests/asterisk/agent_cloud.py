"""The cloud of the real calls: tones are heard, answers name the caller, and sound like their text.

What an agent says is decided by what the caller said, so that any number of calls may go on side by
side; each sentence names its caller, and its sound is made from its text alone (the benchmark's
voice), so that a sentence in the wrong call, or with a sample missing, is known by the caller's
recording.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bench.voiceprint import pcm
from tests.asterisk.tone_callers import NAMES, Saying, ToneStt, text_of

from avr_sts_speechmatics.sandbox.engines import Engines, ToolCall
from avr_sts_speechmatics.sandbox.scripted_cloud import RATE, RunningSandbox, running_sandbox

TRANSFER_TO = "600"

_DIGITS = "zero one two three four five six seven eight nine".split()
_PIECE_BYTES = 6400


def answer(caller: int, saying: Saying) -> list[str]:
    """The sentences a caller hears for what they said."""
    name = NAMES[caller]
    return {
        Saying.QUESTION: [
            f"Here is the first part for caller {name}.",
            f"This is the second part for caller {name} alone.",
        ],
        Saying.STOP: [f"Then I will listen to what caller {name} has to say."],
        Saying.GOODBYE: [f"It was a pleasure to talk and goodbye to caller {name}."],
        Saying.TRANSFER: [f"One moment and a person will talk to caller {name}."],
    }[saying]


def answer_to_keys(keys: str) -> list[str]:
    """The sentence for keys that were pressed; the same for every caller."""
    return [f"The number you have typed is {' '.join(_DIGITS[int(key)] for key in keys)}."]


class Thinker:
    """Implements `engines.ThinkingEngine`."""

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        last = messages[-1]
        if last["role"] == "tool":
            # What there was to say stood before the order.
            return
        text = str(last["content"])
        for saying in Saying:
            for caller in range(len(NAMES)):
                if text_of(caller, saying) in text:
                    for piece in _streamed(answer(caller, saying)):
                        yield piece
                    for order in _ORDERS.get(saying, ()):
                        yield order
                    return
        keys = "".join(re.findall(r"\d", text))
        for piece in _streamed(answer_to_keys(keys) if keys else ["Nobody has understood that."]):
            yield piece


class PrintedTts:
    """Implements `engines.VoiceEngine`; the sound is the benchmark's for the same text."""

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        sound = pcm(text, RATE)
        for at in range(0, len(sound), _PIECE_BYTES):
            yield sound[at : at + _PIECE_BYTES]


@asynccontextmanager
async def agent_cloud(max_calls: int) -> AsyncIterator[tuple[RunningSandbox, ToneStt]]:
    """The cloud, up, and its ears; for `max_calls` at a time."""
    ears = ToneStt()
    engines = Engines(ears, PrintedTts(), Thinker())
    async with running_sandbox(engines, max_calls=max_calls) as cloud:
        yield cloud, ears


_ORDERS = {
    Saying.GOODBYE: (ToolCall("avr_hangup", "{}"),),
    Saying.TRANSFER: (ToolCall("avr_transfer", json.dumps({"transfer_extension": TRANSFER_TO})),),
}


def _streamed(sentences: list[str]) -> list[str]:
    """In pieces of a word each, as a model streams."""
    first, *rest = " ".join(sentences).split(" ")
    return [first, *(f" {word}" for word in rest)]
