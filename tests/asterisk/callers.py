"""What the callers of the real calls do, and whether all that the agent said reached them."""

import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bench.voiceprint import sound
from tests.asterisk.measures import Heard, Tape
from tests.asterisk.phone import Phone, call
from tests.asterisk.rig import Rig
from tests.asterisk.rtp import RATE, Packet
from tests.asterisk.service import Service
from tests.asterisk.tone_callers import Saying, ToneStt, utterance
from tests.asterisk.ways import Way

SETTLED_S = 0.6
"""How long after the answer the conversation has surely begun (s)."""

WHOLE, WHOLE_PART = 0.99, 0.9
"""Correlation of a sentence that arrived whole, and of the worst 20 ms of it."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A service that waits for calls. ears: what its recogniser has told it, and when."""

    service: Service
    ears: ToneStt


def dial(rig: Rig, way: Way) -> AbstractAsyncContextManager[Phone]:
    return call(rig.sip, way.extension, law=way.law)


async def ask(phone: Phone, way: Way, saying: Saying) -> float:
    """Say something once the call has settled; returns when it was said to its end."""
    await phone.stay(SETTLED_S)
    phone.say(utterance(way.number, saying))
    await phone.until(lambda: not phone.speaking)
    return time.monotonic()


def heard_whole(
    phone: Phone, sentences: Sequence[str], packets: Sequence[Packet] | None = None
) -> list[Heard]:
    """When the sentences were heard. Fails where one was not, or not every sample of it.

    packets: all that the phone heard, if not given. How even they came is another question: see
    `measures.pace`.
    """
    tape = Tape(phone.heard if packets is None else packets, phone.law)
    places = [tape.find(sound(sentence, RATE)) for sentence in sentences]
    for sentence, heard in zip(sentences, places, strict=True):
        assert heard.found.correlation > WHOLE, f"{sentence}: {heard.found}"
        assert heard.found.worst > WHOLE_PART, f"{sentence}: {heard.found}"
    return places
