"""Scripted engines."""

import pytest
from tests.sandbox.agent_wire import FRAME, Connect

from avr_sts_speechmatics.sandbox.scripted_cloud import (
    At,
    ScriptedLlm,
    cough,
    running_sandbox,
    scripted,
    tone,
    turn,
)


async def test_a_script_follows_the_audio_instead_of_the_clock(connect: Connect) -> None:
    script = [At(0.1, {"message": "Info", "reason": "a"}), At(0.2, "not JSON")]
    async with running_sandbox(scripted(script)) as cloud:
        client = await connect(cloud)
        await client.started()
        await client.audio(FRAME * 10)
        got = [await client.socket.receive_str() for _ in range(12)]
        assert [i for i, text in enumerate(got) if "AudioAdded" not in text] == [4, 10]
        assert got[10] == "not JSON"


async def test_each_session_has_its_own_script(connect: Connect) -> None:
    first, second = turn("One.", start=0, end=0.1), turn("Two.", start=0, end=0.1)
    async with running_sandbox(scripted(first, second)) as cloud:
        heard = []
        for _ in range(3):
            client = await connect(cloud)
            await client.started()
            messages = await client.finish(await client.audio(FRAME * 50))
            heard.append([m["segment"]["transcript"] for m in messages if "segment" in m])
            await client.close_code()
        assert heard == [["One."], ["Two."], []]


def test_a_scripted_turn_has_the_message_order_of_the_cloud() -> None:
    steps = turn("One two.", start=1, end=2, partials=["One", "One two"])
    assert [step.seconds for step in steps] == sorted(step.seconds for step in steps)
    names = [step.message["message"] for step in steps if not isinstance(step.message, str)]
    assert names[0] == "SpeechStarted"
    assert names[-3:] == ["AddSegment", "SpeechEnded", "EndOfTurn"]
    assert [step.seconds for step in cough(start=1, end=1.2)] == [1.1, 1.7]


def test_a_tone_is_as_long_as_its_text() -> None:
    assert len(tone("0123456789")) == 2 * 8000
    assert tone("abc") == tone("xyz")


def test_a_scripted_llm_needs_at_least_one_answer() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ScriptedLlm()
