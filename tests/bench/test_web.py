"""The synthetic LLM's usage: characters read, and characters written before a disconnect."""

import asyncio

import aiohttp
import pytest
from bench.codewords import Turn, answer, question
from bench.ledger import Delays, Ledger
from bench.load import cloud

TURN = Turn(1, 2)
DELAYS = Delays(settled=0.04, speech_end=0.1, stt=0.1, llm=0.2, voice=0.0)


def asked(text: str) -> dict[str, object]:
    messages = [
        {"role": "system", "content": "0123456789"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": text},
    ]
    return {"messages": messages, "stream": True}


async def test_a_complete_answer_is_counted_with_its_whole_prompt() -> None:
    ledger = Ledger()
    async with cloud(ledger, DELAYS) as (_, port), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        async with http.post(url, json=asked(question(TURN))) as reply:
            await reply.read()
    (usage,) = ledger.usage
    assert usage.turn == TURN
    assert usage.read == 10 + len(question(TURN))
    assert usage.wrote == len(" ".join(answer(TURN))) + 1


async def test_an_abandoned_answer_costs_only_its_prompt() -> None:
    ledger = Ledger()
    async with cloud(ledger, DELAYS) as (_, port), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await http.post(url, json=asked("This is call"))
        # The abandoned answer would have been written before a later answer.
        async with http.post(url, json=asked(question(TURN))) as reply:
            await reply.read()
    dropped, kept = ledger.usage
    assert (dropped.turn, dropped.read, dropped.wrote) == (None, 22, 0)
    assert kept.wrote > 0
