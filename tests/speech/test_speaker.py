"""From text to the playout: order, one sentence ahead, and how a reply ends."""

import asyncio
import gc
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import virtual_time

from avr_sts_speechmatics.audio.playout import (
    Played,
    Playout,
    PlayoutClock,
    Utterance,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases
from avr_sts_speechmatics.speech.sentences import QUIET_S
from avr_sts_speechmatics.speech.speaker import (
    AHEAD,
    AudioStarted,
    ClauseReady,
    Report,
    Speaker,
    TextStarted,
)

FRAME = 320


class Tts:
    """Speaks each sentence as 20 ms of its own level; or fails, or waits until it may go on.

    levels: by sentence. fails: sentences that fail before (True) or after (False) their audio.
    """

    rate = 8000

    def __init__(self, levels: Mapping[str, int], fails: Mapping[str, bool] | None = None) -> None:
        self._levels = levels
        self._fails = fails or {}
        self.asked: list[str] = []
        self.may_speak: dict[str, asyncio.Event] = {}

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        self.asked.append(text)
        if text in self.may_speak:
            await self.may_speak[text].wait()
        if self._fails.get(text) is True:
            raise ServiceError("tts", "refused", retryable=False)
        yield self._levels[text].to_bytes(2, "little") * (FRAME // 2)
        if self._fails.get(text) is False:
            raise ServiceError("tts", "cut", retryable=False)

    async def close(self) -> None: ...


class Mouth:
    """A speaker with what it told and what was heard."""

    def __init__(
        self,
        voice: Tts,
        clock: PlayoutClock,
        phrases: KeptPhrases | None = None,
        language: str = "en",
    ) -> None:
        self.phrases = phrases or KeptPhrases(())
        self.told: list[ev.Event] = []
        self.reported: list[Report] = []
        self.frames: list[int] = []
        self.playout = Playout(clock, self._hear, self._played)
        self.speaker = Speaker(
            voice,
            self.phrases,
            self.playout,
            self.told.append,
            self.reported.append,
            language=language,
        )

    def _hear(self, frame: bytes) -> None:
        self.frames.append(int.from_bytes(frame[:2], "little"))

    def _played(self, played: Played) -> None:
        self.speaker.played(played.number)

    async def say(self, *deltas: str | Exception) -> None:
        async def text() -> AsyncGenerator[str, None]:
            for delta in deltas:
                if isinstance(delta, Exception):
                    raise delta
                yield delta

        await asyncio.wait_for(self.speaker.speak(1, text()), 5)


@pytest.fixture
async def clock() -> PlayoutClock:
    return PlayoutClock()


async def test_sentences_are_heard_in_order_though_the_second_is_there_first(
    clock: PlayoutClock,
) -> None:
    voice = Tts({"One.": 1, "Two.": 2})
    voice.may_speak["One."] = asyncio.Event()
    mouth = Mouth(voice, clock)
    saying = asyncio.create_task(mouth.say("One. Two."))
    async with asyncio.timeout(2):
        while len(voice.asked) < 2:  # noqa: ASYNC110 - the voice has no event for being asked
            await asyncio.sleep(0.005)
    assert mouth.frames == []
    voice.may_speak["One."].set()
    await saying
    assert mouth.frames == [1, 2]
    kinds = [type(event) for event in mouth.told]
    assert kinds == [*(2 * [ev.SentenceReady]), *(2 * [ev.VoiceStarted]), ev.ReplyEnded]
    assert mouth.reported == [
        *(TextStarted(1), ClauseReady(1), ClauseReady(1)),
        *(AudioStarted(2, False), AudioStarted(1, False)),
    ]


async def test_no_more_than_one_sentence_is_fetched_ahead(clock: PlayoutClock) -> None:
    voice = Tts({"One.": 1, "Two.": 2, "Three.": 3})
    voice.may_speak["One."] = asyncio.Event()
    mouth = Mouth(voice, clock)
    saying = asyncio.create_task(mouth.say("One. Two. Three."))
    await asyncio.sleep(0.05)
    assert voice.asked == ["One.", "Two."]
    voice.may_speak["One."].set()
    await saying
    assert mouth.frames == [1, 2, 3]


async def test_what_a_failing_model_said_is_heard_before_the_failure_is_told(
    clock: PlayoutClock,
) -> None:
    mouth = Mouth(Tts({"One.": 1}), clock)
    await mouth.say("One. Tw", ServiceError("llm", "cut", retryable=True))
    assert mouth.frames == [1]
    assert mouth.told[-1] == ev.ReplyFailed(1)


async def test_a_sentence_that_cannot_be_spoken_ends_the_reply_as_failed(
    clock: PlayoutClock,
) -> None:
    voice = Tts({"One.": 1, "Two.": 2, "Three.": 3}, fails={"Two.": True})
    mouth = Mouth(voice, clock)
    await mouth.say("One. ", "Two. ", "Three.")
    assert mouth.frames[:1] == [1]
    assert 2 not in mouth.frames
    assert mouth.told[-1] == ev.ReplyFailed(1)


async def test_a_sentence_cut_short_is_followed_by_the_next(clock: PlayoutClock) -> None:
    mouth = Mouth(Tts({"One.": 1, "Two.": 2}, fails={"One.": False}), clock)
    await mouth.say("One. Two.")
    assert mouth.frames == [1, 2]
    assert mouth.told[-1] == ev.ReplyEnded(1)


async def test_a_reply_without_a_word_has_failed(clock: PlayoutClock) -> None:
    mouth = Mouth(Tts({}), clock)
    await mouth.say("", " ** ")
    assert mouth.told == [ev.ReplyFailed(1)]


async def test_a_cancelled_reply_tells_nothing_more(clock: PlayoutClock) -> None:
    voice = Tts({"One.": 1})
    voice.may_speak["One."] = asyncio.Event()
    mouth = Mouth(voice, clock)
    saying = asyncio.create_task(mouth.say("One."))
    await asyncio.sleep(0.02)
    saying.cancel()
    with suppress(asyncio.CancelledError):
        await saying
    mouth.playout.flush()
    assert mouth.frames == []
    assert [type(event) for event in mouth.told] == [ev.SentenceReady]


async def test_a_filler_is_heard_before_the_answer_and_takes_none_of_its_place(
    clock: PlayoutClock,
) -> None:
    voice = Tts({"Wait.": 9, "One.": 1, "Two.": 2, "Three.": 3})
    go_on = voice.may_speak["One."] = voice.may_speak["Two."] = asyncio.Event()
    mouth = Mouth(voice, clock, KeptPhrases(("Wait.",)))
    assert await mouth.phrases.prepare(voice)
    saying = asyncio.create_task(mouth.say("One. Two. Three."))
    await asyncio.sleep(0.02)
    mouth.speaker.fill(1, "Wait.")
    mouth.speaker.fill(2, "Wait.")  # of a reply that is not there
    mouth.speaker.fill(1, "Never kept.")
    await asyncio.sleep(0.05)
    assert mouth.frames == [9]
    assert voice.asked[1:] == ["One.", "Two."]
    go_on.set()
    await saying
    assert mouth.frames == [9, 1, 2, 3]
    started = [event for event in mouth.told if isinstance(event, ev.VoiceStarted)]
    assert started == [ev.VoiceStarted(1, filler=True), *(3 * [ev.VoiceStarted(1)])]
    reported = [one for one in mouth.reported if not isinstance(one, AudioStarted)]
    assert reported == [TextStarted(1), *(3 * [ClauseReady(1)])]
    assert {one for one in mouth.reported if isinstance(one, AudioStarted)} == {
        AudioStarted(number, kept=False)
        for number in (1, 2, 4)  # 3 is the filler
    }


async def test_a_filler_alone_is_no_answer(clock: PlayoutClock) -> None:
    voice = Tts({"Wait.": 9, "One.": 1}, fails={"One.": True})
    voice.may_speak["One."] = asyncio.Event()
    mouth = Mouth(voice, clock, KeptPhrases(("Wait.",)))
    assert await mouth.phrases.prepare(voice)
    saying = asyncio.create_task(mouth.say("One."))
    await asyncio.sleep(0.02)
    mouth.speaker.fill(1, "Wait.")
    voice.may_speak["One."].set()
    await saying
    assert mouth.frames == [9]
    assert mouth.told[-1] == ev.ReplyFailed(1)


async def test_the_voice_is_given_words_and_history_what_was_written(clock: PlayoutClock) -> None:
    voice = Tts({"It costs three dollars and fifty cents.": 1})
    mouth = Mouth(voice, clock)
    await mouth.say("It costs $3.50.")
    assert mouth.frames == [1]
    assert mouth.told[0] == ev.SentenceReady(1, 1, "It costs $3.50.")


async def test_a_kept_phrase_sounds_as_the_voice_would_say_it(clock: PlayoutClock) -> None:
    voice = Tts({"Press nine.": 1})
    mouth = Mouth(voice, clock, KeptPhrases(("Press 9.",)))
    assert await mouth.phrases.prepare(voice)
    await mouth.say("Press 9.")
    assert mouth.frames == [1]
    assert voice.asked == ["Press nine."]


# --- a reply that is held ------------------------------------------------------------------------


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not holds():  # noqa: ASYNC110 - the speaker has no event for it
            await asyncio.sleep(0.005)


async def test_a_held_reply_goes_on_with_the_sentence_that_was_cut(clock: PlayoutClock) -> None:
    voice = Tts({"One.": 1, "Two.": 2, "Three.": 3})
    voice.may_speak["Two."] = asyncio.Event()
    mouth = Mouth(voice, clock)
    saying = asyncio.create_task(mouth.say("One. Two. Three."))
    await until(lambda: voice.asked == ["One.", "Two.", "Three."])
    mouth.playout.flush()
    mouth.speaker.hold(1)
    voice.may_speak["Two."].set()
    await asyncio.sleep(0.05)
    assert mouth.frames == [1]
    assert len(voice.asked) == 3
    mouth.speaker.go_on(1)
    await saying
    assert mouth.frames == [1, 2, 3]
    texts = [event.text for event in mouth.told if isinstance(event, ev.SentenceReady)]
    assert texts == ["One.", "Two.", "Three.", "Two.", "Three."]
    assert mouth.told[-1] == ev.ReplyEnded(1)


async def test_a_reply_that_is_held_between_two_sentences_does_not_end(
    clock: PlayoutClock,
) -> None:
    mouth = Mouth(Tts({"One.": 1}), clock)
    more = asyncio.Event()

    async def text() -> AsyncGenerator[str | None, None]:
        yield "One."
        yield None
        await more.wait()

    saying = asyncio.create_task(mouth.speaker.speak(1, text()))
    await until(lambda: mouth.frames == [1])
    mouth.speaker.hold(1)
    more.set()
    await asyncio.sleep(0.05)
    assert not saying.done()
    mouth.speaker.go_on(1)
    await asyncio.wait_for(saying, 2)
    assert mouth.told[-1] == ev.ReplyEnded(1)


async def test_a_held_reply_can_be_given_up(clock: PlayoutClock) -> None:
    voice = Tts({"One.": 1})
    voice.may_speak["One."] = asyncio.Event()
    mouth = Mouth(voice, clock)
    saying = asyncio.create_task(mouth.say("One."))
    await until(lambda: voice.asked == ["One."])
    mouth.playout.flush()
    mouth.speaker.hold(1)
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying
    mouth.speaker.go_on(1)
    assert mouth.frames == []
    assert [type(event) for event in mouth.told] == [ev.SentenceReady]


# --- in time, and in the language of the agent ---------------------------------------------------


class AnyTts(Tts):
    """Speaks every text as 20 ms of one level."""

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        self.asked.append(text)
        yield (1).to_bytes(2, "little") * (FRAME // 2)


async def until_asked(voice: Tts, times: int) -> None:
    async with asyncio.timeout(5):
        while len(voice.asked) < times:  # noqa: ASYNC110 - the voice has no event for being asked
            await asyncio.sleep(0.005)


async def test_a_model_that_stalls_in_a_long_sentence_is_spoken_as_far_as_it_wrote(
    clock: PlayoutClock,
) -> None:
    voice, goes_on, closed = AnyTts({}), asyncio.Event(), asyncio.Event()
    mouth = Mouth(voice, clock)

    async def text() -> AsyncGenerator[str, None]:
        try:
            yield "We would be happy to see you and"
            await goes_on.wait()
            yield " your family."
        finally:
            closed.set()

    saying = asyncio.create_task(mouth.speaker.speak(1, text()))
    await until_asked(voice, 1)
    assert not goes_on.is_set()
    assert voice.asked == ["We would be happy"]
    goes_on.set()
    await asyncio.wait_for(saying, 5)
    assert voice.asked == ["We would be happy", "to see you and your family."]
    assert closed.is_set()


async def test_a_sentence_is_spoken_before_the_model_writes_more(clock: PlayoutClock) -> None:
    voice, goes_on = AnyTts({}), asyncio.Event()
    mouth = Mouth(voice, clock)

    async def text() -> AsyncGenerator[str, None]:
        yield "One moment"
        yield "."
        await goes_on.wait()  # such as the arguments of a tool call
        yield " Done."

    saying = asyncio.create_task(mouth.speaker.speak(1, text()))
    await until_asked(voice, 1)
    assert voice.asked == ["One moment."]
    assert not goes_on.is_set()
    goes_on.set()
    await asyncio.wait_for(saying, 5)
    assert voice.asked == ["One moment.", "Done."]


async def test_a_mark_in_doubt_is_spoken_while_the_model_stalls_but_a_number_is_not(
    clock: PlayoutClock,
) -> None:
    voice = AnyTts({})
    goes_on = [asyncio.Event(), asyncio.Event()]
    mouth = Mouth(voice, clock)

    async def text() -> AsyncGenerator[str, None]:
        yield "We open at nine a.m."
        await goes_on[0].wait()
        yield " It costs 3."
        await goes_on[1].wait()
        yield "50 euros."

    saying = asyncio.create_task(mouth.speaker.speak(1, text()))
    await until_asked(voice, 1)
    goes_on[0].set()
    await asyncio.sleep(0.1)
    assert voice.asked == ["We open at nine a.m."]
    goes_on[1].set()
    await asyncio.wait_for(saying, 5)
    assert voice.asked == ["We open at nine a.m.", "It costs three point five zero euros."]


async def test_what_leaves_by_time_waits_for_room_and_does_not_wait_for_the_model(
    clock: PlayoutClock,
) -> None:
    voice, goes_on = AnyTts({}), asyncio.Event()
    mouth = Mouth(voice, clock)
    mouth.playout.pause()

    async def text() -> AsyncGenerator[str, None]:
        yield "One. Two. "
        yield "We open at three p.m."
        await goes_on.wait()

    saying = asyncio.create_task(mouth.speaker.speak(1, text()))
    await until_asked(voice, AHEAD)
    await asyncio.sleep(0.1)  # the third sentence is there by now
    assert voice.asked == ["One.", "Two."]
    mouth.playout.resume()
    await until_asked(voice, 3)
    assert not goes_on.is_set()
    goes_on.set()
    await asyncio.wait_for(saying, 5)
    assert voice.asked == ["One.", "Two.", "We open at three p.m."]


async def test_what_left_by_time_before_the_model_failed_is_heard(clock: PlayoutClock) -> None:
    voice, fails = AnyTts({}), asyncio.Event()
    mouth = Mouth(voice, clock)
    mouth.playout.pause()

    async def text() -> AsyncGenerator[str, None]:
        yield "One. Two. "
        yield "We open at three p.m."
        await fails.wait()
        raise ServiceError("llm", "cut", retryable=True)

    saying = asyncio.create_task(mouth.speaker.speak(1, text()))
    await until_asked(voice, AHEAD)
    await asyncio.sleep(0.1)  # the third sentence is there by now
    fails.set()
    mouth.playout.resume()
    await asyncio.wait_for(saying, 5)
    assert voice.asked == ["One.", "Two.", "We open at three p.m."]
    assert mouth.told[-1] == ev.ReplyFailed(1)


async def test_a_reply_that_is_cancelled_starts_no_sentence_that_is_due(
    clock: PlayoutClock,
) -> None:
    mouth = Mouth(AnyTts({}), clock)
    loop = asyncio.get_running_loop()

    async def text() -> AsyncGenerator[str, None]:
        yield "We open at nine a.m."
        # The loop stops until the sentence is due, and in its next turn the reply is cancelled.
        loop.call_at(loop.time() + QUIET_S / 2, saying.cancel)
        loop.call_soon(time.sleep, 2 * QUIET_S)
        await asyncio.Event().wait()

    saying = asyncio.create_task(mouth.speaker.speak(1, text()))
    with pytest.raises(asyncio.CancelledError):
        await saying
    await asyncio.sleep(0.05)
    assert mouth.told == []


async def test_no_task_is_made_for_a_token(clock: PlayoutClock) -> None:
    mouth = Mouth(AnyTts({}), clock)
    loop, made = asyncio.get_running_loop(), list[Any]()

    def make(loop: Any, coro: Any, **options: Any) -> Any:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    async def text() -> AsyncGenerator[str, None]:
        for word in ("We", " are", " open", " now", ".") * 40:
            await asyncio.sleep(0)
            yield word

    loop.set_task_factory(make)
    try:
        await asyncio.wait_for(mouth.speaker.speak(1, text()), 5)
    finally:
        loop.set_task_factory(None)
    assert len(made) <= 40 + 2


async def test_a_reply_leaves_nothing_for_the_cycle_collector(clock: PlayoutClock) -> None:
    mouth = Mouth(AnyTts({}), clock)
    tokens = ("We", " are", " open", " from", " 9", " a.m.", " It", " costs", " $3", ".", "50")

    async def text() -> AsyncGenerator[str, None]:
        for word in tokens:
            await asyncio.sleep(0)
            yield word

    await mouth.speaker.speak(1, text())
    gc.collect()
    gc.disable()
    try:
        for number in range(2, 12):
            await mouth.speaker.speak(number, text())
        found = gc.collect()
    finally:
        gc.enable()
    assert found < 10


@dataclass
class _Utterance:
    number: int
    waiting_bytes = 0
    written_bytes = 0

    async def room(self) -> None: ...


class InstantPlayout:
    """A playout in which everything is heard at once, in the time of the loop."""

    speaker: Speaker

    def open(self, number: int, *, ahead: bool = False) -> Any:
        return _Utterance(number)

    def write(self, utterance: Any, pcm: bytes) -> None:
        utterance.written_bytes += len(pcm)

    def end(self, utterance: Any, *, whole: bool = True) -> None:
        self.speaker.played(utterance.number)


class LateTts(AnyTts):
    """Its first byte comes after 120 ms."""

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        await asyncio.sleep(0.12)
        async for pcm in super().speak(text):
            yield pcm


def test_a_first_sentence_of_25_words_is_heard_within_900_ms_of_the_end_of_turn() -> None:
    sentence = (
        "I would be more than happy to help you find a table for two people on Friday evening in "
        "our restaurant near the old harbour."
    )
    assert len(sentence.split()) == 25

    async def text() -> AsyncGenerator[str, None]:
        await asyncio.sleep(0.35)
        for token in re.findall(r" ?\w+|\W", sentence):
            yield token
            await asyncio.sleep(1 / 75)

    async def first_audio() -> float:
        now = asyncio.get_running_loop().time
        began, heard = now(), list[float]()

        def tell(event: ev.Event) -> None:
            if isinstance(event, ev.VoiceStarted):
                heard.append(now() - began)

        playout = InstantPlayout()
        speaker = Speaker(
            LateTts({}), KeptPhrases(()), cast(Any, playout), tell, lambda report: None
        )
        playout.speaker = speaker
        await speaker.speak(1, text())
        return heard[0]

    assert virtual_time.run(first_audio()) < 0.9


async def test_a_reply_cancelled_while_the_model_stalls_closes_the_model(
    clock: PlayoutClock,
) -> None:
    begun, closed = asyncio.Event(), asyncio.Event()
    mouth = Mouth(AnyTts({}), clock)

    async def text() -> AsyncGenerator[str, None]:
        try:
            yield "We would"
            begun.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    saying = asyncio.create_task(mouth.speaker.speak(1, text()))
    await asyncio.wait_for(begun.wait(), 5)
    saying.cancel()
    with suppress(asyncio.CancelledError):
        await saying
    assert closed.is_set()
    assert mouth.told == []


async def test_a_model_that_fails_while_a_piece_is_awaited_fails_the_reply(
    clock: PlayoutClock,
) -> None:
    mouth = Mouth(AnyTts({}), clock)
    await mouth.say("We would be", ServiceError("llm", "cut", retryable=True))
    assert mouth.told[-1] == ev.ReplyFailed(1)


async def test_figures_are_spoken_in_the_language_of_the_agent(clock: PlayoutClock) -> None:
    voice = AnyTts({})
    mouth = Mouth(voice, clock, language="de")
    await mouth.say("Ihr Termin ist am 3. Mai. ", "Das kostet 25 Euro.")
    assert voice.asked == [
        "Ihr Termin ist am dritten Mai.",
        "Das kostet fünfundzwanzig Euro.",
    ]


class StreamedTts:
    """Delivers a sound in pieces, as an HTTP client does: all that came since the last read.

    sound: s16le at 8 kHz.
    piece: size of the pieces that arrive (bytes).
    every: time between two pieces (s).
    """

    rate = 8000

    def __init__(self, sound: bytes, piece: int, every: float) -> None:
        self._sound = sound
        self._piece = piece
        self._every = every
        self.reads = 0

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        begun, given = loop.time(), 0
        while given < len(self._sound):
            came = self._piece * (1 + int((loop.time() - begun + 1e-6) / self._every))
            if came <= given:
                due = begun + self._every * (given // self._piece)
                await asyncio.sleep(max(due - loop.time(), 0.001))
                continue
            self.reads += 1
            yield self._sound[given:came]
            given = min(came, len(self._sound))

    async def close(self) -> None: ...


class PlayingLine:
    """Plays one utterance in the loop's time, from its first frame on."""

    def __init__(self) -> None:
        self.heard = b""
        self.starved = 0
        self.begun_at: float | None = None
        self.over = asyncio.Event()
        self._utterance = Utterance(0)

    def open(self, number: int, *, ahead: bool = False) -> Utterance:
        self._utterance = Utterance(number)
        return self._utterance

    def write(self, utterance: Utterance, pcm: bytes) -> None:
        utterance.write(pcm)
        if self.begun_at is None:
            self.begun_at = asyncio.get_running_loop().time()
            self._play()

    def end(self, utterance: Utterance, *, whole: bool = True) -> None:
        utterance.end(whole=whole)

    def start(self) -> None: ...
    def close(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def flush(self) -> list[Played]:
        return []

    def _play(self) -> None:
        frame = self._utterance.take()
        if frame is not None:
            self.heard += frame
        elif self._utterance.ended:
            self.over.set()
            return
        else:
            self.starved += 1
        asyncio.get_running_loop().call_later(0.02, self._play)


@settings(deadline=None)
@given(
    st.integers(16, 200).map(lambda frames: bytes(range(1, 161)) * 2 * frames),
    st.floats(1.05, 12.0),
    st.integers(2, 20),
)
def test_a_voice_faster_than_real_time_never_starves_the_line(
    sound: bytes, speed: float, frames: int
) -> None:
    """speed: of the voice, times real time. frames: size of a piece."""

    async def main() -> None:
        piece = frames * FRAME
        voice = StreamedTts(sound, piece, piece / 16000 / speed)
        line = PlayingLine()
        speaker = Speaker(voice, KeptPhrases(()), line, lambda _: None, lambda _: None)
        saying = asyncio.create_task(speaker.speak(1, only("Hello.")))
        await line.over.wait()
        saying.cancel()
        assert line.begun_at == 0
        assert line.heard == sound
        assert line.starved == 0

    virtual_time.run(main())


def test_a_fast_voice_is_read_ten_times_a_second() -> None:
    async def main() -> None:
        sound = bytes(range(1, 161)) * 2 * 200  # 4 s, which come within 0.8 s
        voice = StreamedTts(sound, 2 * FRAME, 0.008)
        line = PlayingLine()
        speaker = Speaker(voice, KeptPhrases(()), line, lambda _: None, lambda _: None)
        saying = asyncio.create_task(speaker.speak(1, only("Hello.")))
        await line.over.wait()
        saying.cancel()
        assert line.heard == sound
        assert voice.reads < 20  # of 100 pieces

    virtual_time.run(main())


async def only(text: str) -> AsyncGenerator[str, None]:
    yield text
