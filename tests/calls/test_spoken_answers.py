"""What the voice is given of an answer, in whole calls: markup, figures, other languages."""

import re

import pytest
from tests.calls.live_call import LiveCall, live_call
from tests.support import Serve

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.scripted_cloud import ToneTts


@pytest.fixture
def any_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recogniser that hears every language: the scripted one has no ears anyway."""
    monkeypatch.setattr(stt_messages, "_check_language", lambda language: None)


async def spoken_by(call: LiveCall, answers: str) -> list[str]:
    """What the voice was asked to say for the answer to a question.

    answers: how the answer stands in the transcript.
    """
    begun = len(call.cloud.received.speech)
    call.say("And what is it?")
    await call.until_said(answers)
    bodies = [request.body for request in call.cloud.received.speech[begun:]]
    return [body.get("text") or body.get("input") for body in bodies]


async def test_markup_of_an_answer_is_neither_spoken_nor_in_the_history(serve: Serve) -> None:
    answer = (
        "This is ***great***&nbsp;news【4:0†source】.<br>See [our page](http://h/x_(y))[^1] 😀\n"
        "| Day | Hours |\n|---|---|\n| Monday | nine to five |\n"
        "```python\nprint('hello')\n```\nDial *72."
    )
    async with live_call(serve, answer) as call:
        said = "This is great news. See our page Day, Hours Monday, nine to five Dial *72."
        texts = await spoken_by(call, said)
        assert " ".join(texts) == said.replace("*72", "star seven two")
        call.say("Thanks.")
        messages = (await call.asked(2))[-1]
        assert [m["content"] for m in messages if m["role"] == "assistant"] == [said]


async def test_an_abbreviation_does_not_cut_a_sentence(serve: Serve) -> None:
    answer = "Sgt. Miller of our U.S. office can see you on Jan. 5 at noon."
    async with live_call(serve, answer) as call:
        texts = await spoken_by(call, answer)
        assert texts == [answer.replace("Jan. 5", "January fifth")]


@pytest.mark.usefixtures("any_language")
async def test_figures_of_another_language_are_said_in_its_words(serve: Serve) -> None:
    answer = "Das kostet 25 Euro. Ihr Termin ist am 3. Mai um 14:30 Uhr."
    async with live_call(
        serve, answer, speechmatics_language="de", voice_fallback="openai"
    ) as call:
        texts = await spoken_by(call, answer)
        assert texts == [
            "Das kostet fünfundzwanzig Euro.",
            "Ihr Termin ist am dritten Mai um vierzehn Uhr dreißig.",
        ]


@pytest.mark.usefixtures("any_language")
async def test_a_chinese_caller_interrupts_and_the_history_has_what_was_heard(
    serve: Serve,
) -> None:
    answer = "我们的营业时间是周一到周五上午九点到下午五点周末休息欢迎您随时来电咨询。"
    async with live_call(
        serve,
        answer,
        voice=ToneTts(seconds_per_character=0.05),
        speechmatics_language="cmn",
        voice_fallback="openai",
        barge_in_min_words=2,
    ) as call:
        call.say("你们几点开门？")
        frames = len(call.heard.frames)
        await call.until(lambda heard: len(heard.frames) >= frames + 60)  # 1.2 of 1.85 s
        call.say_partly("嗯")
        call.say_partly("等一下，我想改时间")
        await call.until(lambda heard: bool(heard.of("interruption")))
        call.end_turn()
        messages = (await call.asked(2))[-1]
        cut = next(m["content"] for m in messages if m["role"] == "assistant")
        heard = re.split(r"…? ?\[", cut)[0]
        assert answer.startswith(heard)
        assert 0.5 <= len(heard) / len(answer) <= 0.95
