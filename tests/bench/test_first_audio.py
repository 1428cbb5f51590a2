"""First audio: a model that writes token by token, and a long first sentence."""

import asyncio
import json
import time

import aiohttp
import pytest
from bench.codewords import Turn, answer, letters, question
from bench.figures import Integrity, Timings
from bench.first_audio import FirstAudio
from bench.ledger import Delays, Ledger
from bench.load import cloud
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.reports import report

DELAYS = Delays(0.04, 0.1, 0.1, 0.05, 0.01, tokens_per_second=200, first_words=25)


@given(st.integers(0, 25), st.integers(0, 25), st.integers(1, 60))
def test_the_first_sentence_has_its_length_and_no_comma(call: int, turn: int, words: int) -> None:
    first, *rest = answer(Turn(call, turn), words)
    assert len(first.split()) == words
    assert first.endswith(".")
    assert "," not in first
    assert rest == answer(Turn(call, turn))[1:]


@given(st.integers(0, 25), st.integers(0, 25), st.integers(0, 20), st.integers(4, 25))
def test_a_piece_of_the_first_sentence_tells_the_call(
    call: int, other: int, begin: int, words: int
) -> None:
    mine, theirs = (letters(answer(Turn(number, 0), 25)[0]) for number in (call, other))
    piece = " ".join(mine.split()[begin : begin + words])
    names = {word for word in piece.split() if word == str(Turn(call, 0)).split()[2]}
    assert piece in mine
    if call != other and names and call:
        assert piece not in theirs


async def test_the_model_writes_token_by_token() -> None:
    ledger = Ledger()
    turn = Turn(1, 2)
    came: list[tuple[float, str]] = []
    async with cloud(ledger, DELAYS) as (_, port), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        body = {"messages": [{"role": "user", "content": question(turn)}], "stream": True}
        asked = time.perf_counter()
        async with http.post(url, json=body) as reply:
            async for line in reply.content:
                if line.startswith(b"data: {"):
                    delta = json.loads(line[6:])["choices"][0]["delta"]
                    came.append((time.perf_counter() - asked, delta.get("content", "")))
    whole = " ".join(answer(turn, 25))
    assert "".join(text for _, text in came) == whole
    assert max(len(text) for _, text in came) == 4
    # No sooner than the model writes, whatever this machine is doing.
    assert came[0][0] >= 0.05 - 0.002
    assert came[-1][0] >= 0.05 + (len(whole) / 4 - 2) / 200 - 0.005


async def test_a_piece_of_a_sentence_belongs_to_its_turn() -> None:
    ledger = Ledger()
    async with cloud(ledger, DELAYS) as (_, port), aiohttp.ClientSession() as http:
        root = f"http://127.0.0.1:{port}"
        for call in (3, 4):
            messages = [{"role": "user", "content": question(Turn(call, 0))}]
            async with http.post(f"{root}/v1/chat/completions", json={"messages": messages}) as it:
                await it.read()
        words = answer(Turn(3, 0), 25)[0].split()
        for piece in (words[:9], words[9:17], words[17:]):
            voice = f"{root}/generate/sarah?output_format=pcm_16000"
            async with (
                http.post(voice, json={"text": " ".join(piece)}) as sound,
                asyncio.timeout(30),
            ):
                assert await sound.read()
    assert [request.turn for request in ledger.speaking] == [Turn(3, 0)] * 3


@pytest.mark.parametrize(("seconds", "verdict"), [(0.85, "met"), (0.95, "MISSED")])
def test_the_figure_stands_beside_its_budget(seconds: float, verdict: str) -> None:
    first = FirstAudio(DELAYS, report(Timings(first_audio=[seconds] * 5)))
    assert f"p95 < 900: {verdict}" in first.table()
    assert "200 tokens/s, a first sentence of 25 words, 50 ms to the first token" in first.table()
    told = first.document()
    assert told["first_audio_ms"]["p95"] == pytest.approx(1000 * seconds)
    assert (told["valid"], told["whole"], told["first_sentence_words"]) == (True, True, 25)


def test_a_late_load_is_not_judged() -> None:
    late = report(Timings(first_audio=[0.85]), Integrity(answers=1), lags=[0.05])
    assert "NOT JUDGED" in FirstAudio(DELAYS, late).table()
    assert "NOT MEASURED" in FirstAudio(DELAYS, report(Timings(), Integrity(answers=1))).table()
