"""Whole conversations with the timing of real services, through the wire: who said what, when.

The recogniser of these tests reports as the cloud does: a partial every 0.3 s whose last word still
changes; finals 0.6 to 0.9 s after the last word; the end of the turn right behind them, if at all.
The line runs at SPEED times real time, and so do the waits that can be set. Each conversation is
lived through twice, side by side: answers are begun ahead, or not. What the model is told, what the
caller hears and what avr-core is told must be the same; only sooner.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from tests.avr_core import SILENCE, AvrCore, Heard, dial
from tests.calls.live_call import live_call
from tests.support import Serve, url_of

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.engines import Engines
from avr_sts_speechmatics.sandbox.received import SttSession
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    At,
    RunningSandbox,
    ScriptedStt,
    ScriptedTts,
    cough,
    running_sandbox,
    tone,
)

SPEED = 3
WORD_S = 0.3
"""How long a word takes, and how often a partial comes (s)."""

LETTER_S = 0.05
"""How long the agent speaks for each letter (s)."""

UNASKED = "That was not to be asked."
QUESTION = "When do you close?"
ANSWER = "At five."
ANSWERS: Mapping[str, str] = {QUESTION: ANSWER}
LONG_ANSWER = "We close at five o'clock on every day of the week."
"""Heard for 2.5 s: time to say something over it."""


# --- the recogniser ------------------------------------------------------------------------------


def words(
    text: str,
    *,
    start: float,
    settles: float = 0.7,
    misheard: str = "",
    ends_turn: bool = True,
    settled_as: str | None = None,
) -> list[At]:
    """What is reported of words that begin at `start` seconds of audio.

    settles: how long after the last word they are final (s). misheard: the last partials.
    ends_turn: whether they are the end of it. settled_as: the final text, "" for none.
    """
    said = text.split()
    end = start + WORD_S * len(said)
    final = text if settled_as is None else settled_as
    steps = [
        At(start + 0.1, stt_messages.speech_started(start)),
        At(start + 0.3, stt_messages.start_of_turn(start)),
    ]
    for count in range(1, len(said) + 1):
        at = start + WORD_S * count
        heard = said[: count - 1] + ([f"{said[count - 1][:2]}uh"] if len(said) > 1 else said)
        steps.append(At(at, partial(" ".join(heard), start, at)))
    whole = misheard or text.lower().rstrip("?.")
    steps += [At(end + after, partial(whole, start, end)) for after in (0.1, 0.4)]
    steps.append(At(end + 0.2, stt_messages.speech_ended(end)))
    if final:
        steps.append(At(end + settles, stt_messages.segment(final, start, end)))
    if ends_turn:
        steps.append(At(end + settles + 0.05, stt_messages.end_of_turn(end + 0.5)))
    return sorted(steps, key=lambda step: step.seconds)


def partial(text: str, start: float, end: float) -> dict[str, Any]:
    return stt_messages.partial_segment(text, start, end)


# --- the model -----------------------------------------------------------------------------------


class Llm:
    """Answers what the caller said last, however it is written. seconds: until the first word."""

    def __init__(self, answers: Mapping[str, str], seconds: float) -> None:
        self._answers = {plain(question): answer for question, answer in answers.items()}
        self._seconds = seconds

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str]:
        await asyncio.sleep(self._seconds)
        yield self._answers.get(plain(messages[-1]["content"]), UNASKED)


class Tts:
    """Costs little, as the machine may have other things to do: only answers take their time.

    spoken: what it was asked to say of them.
    """

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._answers = (*answers.values(), UNASKED)
        self.spoken: list[str] = []

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        if any(text in answer for answer in self._answers):
            self.spoken.append(text)
            yield bytes(2 * round(LETTER_S * len(text) * 16_000))
        else:
            yield bytes(2 * 320)  # a phrase that every call has at hand


def plain(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.lower())


def told(heard: Heard) -> list[tuple[str, str]]:
    """What avr-core was told, an answer in one piece: it is told as its sentences are heard."""
    lines: list[tuple[str, str]] = []
    for role, text in heard.transcript:
        if role == "agent" and lines and lines[-1][0] == "agent":
            lines[-1] = role, f"{lines[-1][1]} {text}"
        else:
            lines.append((role, text))
    return lines


# --- the line ------------------------------------------------------------------------------------


@dataclass
class Line:
    """One call.

    now: how much the caller has sent (s). ended: when the first turn was said to have ended
    (monotonic s), and how often the model had been asked by then.
    """

    core: AvrCore
    cloud: RunningSandbox
    session: SttSession
    now: float = 0.0
    ended: tuple[float, int] | None = None

    async def hears(self, *steps: At) -> None:
        """Send silence in the time of the steps; the recogniser says what is due."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for step in sorted(steps, key=lambda step: step.seconds):
            while self.now < step.seconds:
                await self.core.speak(SILENCE)
                self.now += 0.02
                due += 0.02 / SPEED
                await asyncio.sleep(due - loop.time())
            if self.ended is None and "EndOfTurn" in str(step.message):
                self.ended = time.monotonic(), len(self.cloud.received.chats)
            self.session.say(step.message)

    async def says(self, text: str, **how: Any) -> None:
        await self.hears(*words(text, start=self.now + 0.1, **how))

    async def waits(self, seconds: float) -> None:
        await self.hears(At(self.now + seconds, stt_messages.warning(None, "nothing happens")))

    async def until_said(self, *transcript: tuple[str, str]) -> None:
        with suppress(TimeoutError):
            await self.core.until(lambda heard: told(heard) == list(transcript), timeout=7)
        assert told(self.core.heard) == list(transcript)

    async def until_asked(self, times: int) -> None:
        await self.cloud.received.until(lambda: len(self.cloud.received.chats) >= times)

    async def until_agent_speaks(self) -> None:
        before = len(self.core.heard.frames)
        await self.core.until(lambda heard: len(heard.frames) > before + 15, timeout=9)


@dataclass(frozen=True)
class Lived:
    """What came of a call."""

    heard: Heard
    chats: list[list[dict[str, Any]]]
    spoken: str
    ended: tuple[float, int] | None

    @property
    def asked(self) -> list[str]:
        """What the caller had said last whenever the model was asked, as in `turns`."""
        return [plain(chat[-1]["content"]) for chat in self.chats]

    @property
    def turns(self) -> list[str]:
        """The caller's side of the conversation, as the model was told it in the end.

        Without punctuation and capitals: an answer may be begun before they are settled.
        """
        chat = self.chats[-1]
        return [plain(message["content"]) for message in chat if message["role"] == "user"]

    @property
    def interruptions(self) -> int:
        return len(self.heard.of("interruption"))

    @property
    def waited(self) -> float:
        """From the end of the first turn to the first sound of the agent (s)."""
        assert self.ended is not None
        answered = next(at for at, message in self.heard.messages if message["type"] == "audio")
        return answered - self.ended[0]

    @property
    def asked_before_the_end(self) -> int:
        """How often the model was asked before the first turn was over."""
        assert self.ended is not None
        return self.ended[1]


Converse = Callable[[Line], Awaitable[None]]


async def lived(
    cloud: RunningSandbox, voice: Tts, serve: Serve, converse: Converse, **settings: object
) -> Lived:
    async with (
        serve(cloud, prepared=False, **settings) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        session = await cloud.received.session()
        line = Line(core, cloud, session)
        await converse(line)
        chats = [request.body["messages"] for request in cloud.received.chats]
        return Lived(core.heard, chats, " ".join(voice.spoken), line.ended)


@dataclass(frozen=True)
class Both:
    ahead: Lived
    """Answers were begun ahead."""
    plain: Lived

    def expect(self, *transcript: tuple[str, str], interruptions: int = 0) -> None:
        """avr-core was told this, with answers begun ahead or not."""
        for way in (self.ahead, self.plain):
            assert told(way.heard) == list(transcript)
            assert way.interruptions == interruptions
        assert self.ahead.turns == self.plain.turns
        assert self.ahead.spoken == self.plain.spoken


async def both(
    serve: Serve,
    converse: Converse,
    *,
    answers: Mapping[str, str] = ANSWERS,
    thinks_s: float = 0.15,
    **settings: object,
) -> Both:
    scaled = {"dictation_ms": 1500 / SPEED, "barge_in_confirm_ms": 700 / SPEED}

    async def one(preemptive: str) -> Lived:
        voice = Tts(answers)
        engines = Engines(ScriptedStt(), voice, Llm(answers, thinks_s))
        async with running_sandbox(engines) as cloud:
            chosen = {**scaled, **settings, "preemptive": preemptive}
            return await lived(cloud, voice, serve, converse, **chosen)

    async with asyncio.TaskGroup() as calls:
        ways = [calls.create_task(one(preemptive)) for preemptive in ("on", "off")]
    return Both(*(way.result() for way in ways))


# --- the conversations ---------------------------------------------------------------------------


@pytest.mark.parametrize("settles", [0.6, 0.9])
async def test_a_question_whose_partials_change_is_one_turn_answered_sooner_if_begun_ahead(
    serve: Serve, settles: float
) -> None:
    async def converse(line: Line) -> None:
        await line.says(QUESTION, settles=settles)
        await line.until_said(("user", QUESTION), ("agent", ANSWER))

    calls = await both(serve, converse, thinks_s=0.4)
    calls.expect(("user", QUESTION), ("agent", ANSWER))
    assert calls.plain.asked == calls.plain.turns == [plain(QUESTION)]
    assert (calls.plain.asked_before_the_end, calls.ahead.asked_before_the_end) == (0, 1)
    assert calls.ahead.waited < calls.plain.waited


async def test_an_answer_to_misheard_words_is_dropped_unheard_and_unspoken(serve: Serve) -> None:
    async def converse(line: Line) -> None:
        await line.says(QUESTION, misheard="when do you clothes")
        await line.until_said(("user", QUESTION), ("agent", ANSWER))

    calls = await both(serve, converse)
    calls.expect(("user", QUESTION), ("agent", ANSWER))
    assert calls.plain.asked == [plain(QUESTION)]
    assert calls.ahead.asked == ["when do you clothes", plain(QUESTION)]
    assert calls.ahead.spoken == ANSWER


async def test_a_turn_of_several_segments_and_sounds_is_one_question(serve: Serve) -> None:
    pieces = ["I would like a table", "for two people", "at the window."]
    whole = " ".join(pieces)

    async def converse(line: Line) -> None:
        await line.says(pieces[0], settles=0.6, ends_turn=False)
        await line.says(pieces[1], settles=0.9, ends_turn=False)
        await line.says(pieces[2], settles=0.6)
        await line.until_said(("user", whole), ("agent", "With pleasure."))

    calls = await both(serve, converse, answers={whole: "With pleasure."})
    calls.expect(("user", whole), ("agent", "With pleasure."))
    assert calls.plain.asked == [plain(whole)]
    assert calls.ahead.asked[-1] == plain(whole)
    assert calls.ahead.spoken == "With pleasure."


async def test_a_cough_and_a_turn_without_a_segment_ask_nothing(serve: Serve) -> None:
    async def converse(line: Line) -> None:
        await line.hears(*cough(start=line.now + 0.1, end=line.now + 0.4))
        await line.says("uh", settled_as="")
        await line.hears(At(line.now + 0.3, stt_messages.end_of_turn(line.now)))
        await line.says(QUESTION)
        await line.until_said(("user", QUESTION), ("agent", ANSWER))

    calls = await both(serve, converse)
    calls.expect(("user", QUESTION), ("agent", ANSWER))
    assert calls.plain.asked == [plain(QUESTION)]
    assert calls.ahead.turns == [plain(QUESTION)]


async def test_a_cough_over_the_answer_costs_nothing_of_it(serve: Serve) -> None:
    async def converse(line: Line) -> None:
        await line.says(QUESTION)
        await line.until_agent_speaks()
        await line.hears(*cough(start=line.now + 0.1, end=line.now + 0.4))
        await line.until_said(("user", QUESTION), ("agent", LONG_ANSWER))

    calls = await both(serve, converse, answers={QUESTION: LONG_ANSWER})
    calls.expect(("user", QUESTION), ("agent", LONG_ANSWER))
    for call in (calls.ahead, calls.plain):
        # It went silent for the sound: half a second that was neither sent nor lost.
        sent = [at for at, message in call.heard.messages if message["type"] == "audio"]
        assert max(later - at for at, later in pairwise(sent)) > 0.15
        assert len(sent) >= len(LONG_ANSWER) * LETTER_S / 0.02


async def test_mhm_over_the_answer_is_written_down_and_costs_nothing_of_it(serve: Serve) -> None:
    lines = (("user", QUESTION), ("user", "Mhm."), ("agent", LONG_ANSWER))

    async def converse(line: Line) -> None:
        await line.says(QUESTION)
        await line.until_agent_speaks()
        await line.says("Mhm.", misheard="mhm")
        await line.until_said(*lines)

    calls = await both(serve, converse, answers={QUESTION: LONG_ANSWER})
    calls.expect(*lines)
    for call in (calls.ahead, calls.plain):
        assert call.asked == [plain(QUESTION)] or call is calls.ahead


async def test_a_partial_over_the_answer_that_comes_to_nothing_costs_nothing_of_it(
    serve: Serve,
) -> None:
    async def converse(line: Line) -> None:
        await line.says(QUESTION)
        await line.until_agent_speaks()
        await line.says("well", settled_as="")
        await line.core.until(lambda heard: told(heard)[-1][1].endswith(LONG_ANSWER))

    calls = await both(serve, converse, answers={QUESTION: LONG_ANSWER})
    for call in (calls.ahead, calls.plain):
        cut, again = [text for role, text in call.heard.transcript if role == "agent"]
        assert LONG_ANSWER.startswith(cut)
        assert again == LONG_ANSWER
    assert calls.plain.asked == [plain(QUESTION)]


async def test_a_partial_as_the_answer_begins_that_comes_to_nothing_leaves_the_question_answered(
    serve: Serve,
) -> None:
    async def converse(line: Line) -> None:
        await line.says(QUESTION)
        at = line.now + 0.1
        await line.hears(At(at, stt_messages.speech_started(at)))
        await line.until_asked(1)
        await line.waits(0.6)
        await line.hears(At(line.now, partial("the", at, line.now)))
        await line.waits(0.4)
        await line.hears(At(line.now, stt_messages.end_of_turn(line.now)))
        await line.until_said(("user", QUESTION), ("agent", LONG_ANSWER))

    calls = await both(serve, converse, answers={QUESTION: LONG_ANSWER})
    assert calls.plain.asked == [plain(QUESTION)]


@pytest.mark.parametrize("word", ["Yeah.", "Okay."])
async def test_a_backchannel_over_the_end_of_a_question_is_answered(
    serve: Serve, word: str
) -> None:
    asks = "Shall I book it for you?"

    async def converse(line: Line) -> None:
        await line.says(QUESTION)
        await line.until_agent_speaks()
        await line.waits((LETTER_S * len(asks) - 0.6) * SPEED)
        await line.says(word, settles=0.2)  # while the agent is paused by the sound
        await line.until_said(
            *(("user", QUESTION), ("agent", asks), ("user", word), ("agent", "It is booked."))
        )

    answers = {QUESTION: asks, word: "It is booked."}
    calls = await both(serve, converse, answers=answers)
    assert calls.plain.interruptions == calls.ahead.interruptions == 0


async def test_words_over_the_answer_are_answered_and_the_model_knows_what_was_heard(
    serve: Serve,
) -> None:
    second, reply = "And on Sundays?", "On Sundays we are closed."

    async def converse(line: Line) -> None:
        await line.says(QUESTION)
        await line.until_agent_speaks()
        await line.says(second)
        await line.core.until(lambda heard: told(heard)[-1] == ("agent", reply))

    calls = await both(serve, converse, answers={QUESTION: LONG_ANSWER, second: reply})
    for call in (calls.ahead, calls.plain):
        roles = [role for role, _ in told(call.heard)]
        assert roles == ["user", "agent", "user", "agent"]
        cut = told(call.heard)[1][1]
        assert LONG_ANSWER.startswith(cut)
        assert call.interruptions == 1
        assert call.turns == [plain(QUESTION), plain(second)]
        answer = next(m["content"] for m in call.chats[-1] if m["role"] == "assistant")
        assert answer.startswith(cut)
        assert "interrupted" in answer


@pytest.mark.parametrize("pause", [0.2, 0.9])
async def test_a_number_said_in_pieces_is_one_turn_though_each_ends_one(
    serve: Serve, pause: float
) -> None:
    asked = "What is your phone number?"
    number = "four four one nine two"

    async def converse(line: Line) -> None:
        await line.core.until(lambda heard: heard.transcript == [("agent", asked)])
        await line.says("four four one")
        await line.waits(pause)
        await line.says("nine two")
        await line.until_said(("agent", asked), ("user", number), ("agent", "Thank you."))

    answers = {number: "Thank you."}
    calls = await both(serve, converse, answers=answers, speechmatics_welcome_message=asked)
    calls.expect(("agent", asked), ("user", number), ("agent", "Thank you."))
    assert calls.plain.asked == [number]
    assert calls.ahead.asked[-1] == number
    assert calls.ahead.spoken == "Thank you."


async def test_a_final_that_comes_while_the_next_turn_is_said_is_a_part_of_it(
    serve: Serve,
) -> None:
    whole = "When do you open please on Sundays?"
    lines = [("user", "When do you open"), ("user", "please"), ("user", "on Sundays?")]

    async def converse(line: Line) -> None:
        await line.says("When do you open")
        first_end = line.now - 0.5
        following = words("on Sundays?", start=line.now + 0.1)
        late = At(line.now + 0.35, stt_messages.segment("please", first_end - 0.3, first_end))
        await line.hears(*following, late)
        await line.until_said(*lines, ("agent", "At ten."))

    calls = await both(serve, converse, answers={whole: "At ten."}, thinks_s=0.5)
    calls.expect(*lines, ("agent", "At ten."))
    assert calls.plain.turns == [plain(whole)]
    assert calls.plain.spoken == "At ten."


async def test_a_final_that_comes_after_the_turn_that_follows_does_not_interrupt_its_answer(
    serve: Serve,
) -> None:
    lines = [("user", QUESTION), ("user", "please"), ("agent", LONG_ANSWER)]
    then = [("user", "Thank you."), ("agent", "You are welcome.")]

    async def converse(line: Line) -> None:
        await line.says("uh", settled_as="")  # what was said in this turn settles later
        first_end = line.now - 0.5
        await line.says(QUESTION)
        await line.until_agent_speaks()
        line.session.say(stt_messages.segment("please", first_end - 0.3, first_end))
        await line.until_said(*lines)
        await line.says("Thank you.")
        await line.until_said(*lines, *then)

    answers = {QUESTION: LONG_ANSWER, "Thank you.": "You are welcome."}
    calls = await both(serve, converse, answers=answers)
    calls.expect(*lines, *then)
    assert calls.plain.turns == [f"{plain(QUESTION)} please", "thank you"]


async def test_a_turn_whose_end_is_lost_is_answered_all_the_same(serve: Serve) -> None:
    async def converse(line: Line) -> None:
        await line.says(QUESTION, ends_turn=False)
        await line.until_said(("user", QUESTION), ("agent", ANSWER))

    calls = await both(serve, converse)
    calls.expect(("user", QUESTION), ("agent", ANSWER))
    assert calls.plain.asked == [plain(QUESTION)]


async def test_a_caller_who_continues_right_after_the_end_of_turn_had_not_finished(
    serve: Serve,
) -> None:
    lines = [("user", "When do you close"), ("user", "on Sundays?")]
    whole = "When do you close on Sundays?"

    async def converse(line: Line) -> None:
        await line.says("When do you close")
        await line.says("on Sundays?")
        await line.until_said(*lines, ("agent", "At six."))

    calls = await both(serve, converse, answers={whole: "At six."}, thinks_s=0.6)
    calls.expect(*lines, ("agent", "At six."))
    assert calls.plain.asked == ["when do you close", plain(whole)]
    assert calls.ahead.spoken == "At six."


async def test_words_in_the_silence_behind_the_last_word_interrupt_nothing(serve: Serve) -> None:
    spoken = tone(ANSWER, seconds_per_character=LETTER_S)
    voice = ScriptedTts({ANSWER: [spoken + bytes(2 * 2 * 16_000)]})  # 2 s of silence behind it
    async with live_call(serve, ANSWER, voice=voice) as call:
        call.say(QUESTION)
        frames = len(spoken) / 2 / 16_000 / 0.02
        await call.until(lambda heard: len(heard.frames) > frames + 15)
        call.say("Yes, and on Sundays?")
        await call.asked(2)
        assert call.requests[-1][:2] == [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": ANSWER},
        ]
        assert call.heard.of("interruption") == []
