"""A whole call against the scripted cloud: what the caller lives through, also when things fail."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
from tests.avr_core import SILENCE, AvrCore, Heard, dial
from tests.support import Serve, open_sockets, until, url_of

from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import Played, Playout, PlayoutClock
from avr_sts_speechmatics.call.call import Call
from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    KeyReceived,
    Observed,
    Observer,
)
from avr_sts_speechmatics.call.services import Services
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.pbx.departures import Departures
from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.faults import Drop, RefuseKey, Status, Truncate
from avr_sts_speechmatics.sandbox.received import SttSession
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn
from avr_sts_speechmatics.services.stt import websocket_session
from avr_sts_speechmatics.services.stt.protocol import SttListener
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases
from avr_sts_speechmatics.tools.tool_runner import Toolbox

QUESTION = turn("When do you close?", start=0.2, end=0.8)
SORRY = Manners().sorry
FAREWELL = Manners().farewell


async def ask(core: AvrCore) -> None:
    await core.init()
    await core.speak(bytes(32_000))


def say_now(session: SttSession, text: str, *, at: float) -> None:
    """A whole turn of the caller, at this moment. at: its end in seconds of audio."""
    session.say(stt_messages.segment(text, at - 0.5, at))
    session.say(stt_messages.end_of_turn(at))


def has_said(text: str, heard: Heard) -> bool:
    return heard.said("agent") == text


async def test_the_agent_greets_first(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, speechmatics_welcome_message="Good morning.") as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        heard = await core.until(lambda heard: bool(heard.transcript))
        assert heard.transcript == [("agent", "Good morning.")]


async def test_a_turn_is_one_log_line_without_its_words(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five. Good bye."])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await core.stay(1.6)  # in real time: the caller's last sound is put on our clock
        await core.until(lambda heard: heard.said("agent") == "At five. Good bye.")
        await until(lambda: any(hasattr(record, "turn") for record in caplog.records))
        lines = [record for record in caplog.records if hasattr(record, "turn")]
    assert len(lines) == 1
    turn_times = lines[0].turn
    assert turn_times["words_said"] == turn_times["words_heard"] == 4
    assert turn_times["interrupted"] is False
    assert 400 <= turn_times["voice_to_voice_ms"] <= 2500
    assert "five" not in caplog.text
    assert "close" not in caplog.text


async def test_a_welcome_that_was_prepared_needs_no_voice(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, speechmatics_welcome_message="Good morning.") as server,
    ):
        cloud.faults.add(Status(part="tts", count=None))
        async with dial(url_of(server)) as core:
            await core.init()
            heard = await core.until(lambda heard: bool(heard.transcript))
            assert len(heard.frames) > 10


@pytest.mark.parametrize(
    "fault",
    [
        Status(part="llm", count=2),
        RefuseKey(part="llm"),
        Truncate(part="llm", after=0),
    ],
)
async def test_a_model_that_fails_is_apologised_for_and_the_next_question_answered(
    serve: Serve, fault: Status | RefuseKey | Truncate
) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five."])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        cloud.faults.add(fault)
        await ask(core)
        await core.until(lambda heard: heard.said("agent") == SORRY)
        say_now(cloud.received.sessions[0], "Hello?", at=20)
        heard = await core.until(lambda heard: heard.said("agent") == f"{SORRY} At five.")
        assert heard.said("user") == "When do you close? Hello?"


async def test_a_model_cut_in_mid_sentence_is_heard_so_far_and_apologised_for(
    serve: Serve,
) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five. On Sundays we are"])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        cloud.faults.add(Truncate(part="llm", after=4))
        await ask(core)
        await core.until(lambda heard: heard.said("agent") == f"At five. {SORRY}")


async def test_a_voice_that_fails_is_apologised_for_with_kept_audio(serve: Serve) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five."])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        cloud.faults.add(Status(part="tts", count=None))
        await ask(core)
        await core.until(lambda heard: heard.said("agent") == SORRY, timeout=9)


async def test_a_voice_that_never_works_ends_the_call(serve: Serve) -> None:
    async with running_sandbox(scripted(QUESTION, answers=["At five."])) as cloud:
        cloud.faults.add(Status(part="tts", status=404, count=None))
        async with serve(cloud, prepared=False) as server, dial(url_of(server)) as core:
            await ask(core)
            heard = await core.until_closed()
            assert heard.said("agent") == ""
            assert "voice" in heard.of("error")[0]["message"]
            assert heard.close_code == 1011


async def test_a_sentence_cut_short_is_followed_by_the_next(serve: Serve) -> None:
    answer = "We close at five every day. Good bye."
    async with (
        running_sandbox(scripted(QUESTION, answers=[answer])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        cloud.faults.add(Truncate(part="tts", after=6400))
        await ask(core)
        heard = await core.until(lambda heard: len(heard.transcript) == 3)
        assert heard.transcript[2] == ("agent", "Good bye.")


async def test_a_model_that_never_works_ends_the_call(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        cloud.faults.add(RefuseKey(part="llm", count=None))
        await core.init()
        session = await cloud.received.session()
        for number, last in enumerate((SORRY, SORRY, FAREWELL), start=1):
            say_now(session, "Hello?", at=10.0 * number)
            said = " ".join([*[SORRY] * (number - 1), last])
            await core.until(partial(has_said, said), timeout=9)
        heard = await core.until_closed()
        assert heard.of("error")
        assert heard.close_code == 1011


async def test_a_recogniser_that_never_works_ends_the_call_with_a_farewell(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        cloud.faults.add(RefuseKey(part="stt", count=None))
        await core.init()
        heard = await core.until_closed(timeout=8)
        assert heard.said("agent") == FAREWELL
        assert heard.of("error")
        assert heard.close_code == 1011


async def test_a_recogniser_that_drops_in_mid_word_loses_nothing(serve: Serve) -> None:
    begun = turn("When do", start=0.2, end=3.0, partials=["When"])
    async with (
        running_sandbox(scripted(begun, QUESTION, answers=["At five."])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        cloud.faults.add(Drop(after=0.6))
        await core.init()
        for _ in range(60):
            await core.speak(SILENCE)
            await asyncio.sleep(0.01)
        await core.speak(bytes(32_000))
        heard = await core.until(lambda heard: len(heard.transcript) == 2)
        assert heard.transcript == [("user", "When do you close?"), ("agent", "At five.")]


async def test_the_caller_is_asked_to_wait_while_the_recogniser_is_away(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_session, "QUOTA_WAIT_S", 3.0)
    async with running_sandbox(max_calls=1) as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as first, dial(url_of(server)) as second:
            await first.init()
            await cloud.received.session()
            await second.init()
            await second.until(lambda heard: ("agent", Manners().wait) in heard.transcript)
            await first.hang_up()
            await cloud.received.session(1)


async def test_a_quiet_line_is_filled_with_the_silence_that_ends_a_turn(
    serve: Serve,
) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five."])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await core.speak(bytes(round(16_000 * 0.9)))  # and not a frame more
        await core.until(lambda heard: len(heard.transcript) == 2)


async def test_a_slow_model_is_dropped_when_the_caller_speaks_on(serve: Serve) -> None:
    never = asyncio.Event()
    two = [
        *turn("I would like,", start=0.2, end=0.8),
        *turn("a table for two.", start=2.0, end=3.0, partials=["a table"]),
    ]
    async with (
        running_sandbox(scripted(two, answers=[["Well", never], "For two."])) as cloud,
        serve(cloud, unfinished_ms=0) as server,
        dial(url_of(server)) as core,
    ):
        await ask(core)
        await cloud.received.until(lambda: len(cloud.received.chats) == 1)
        await core.speak(bytes(48_000))
        heard = await core.until(lambda heard: len(heard.transcript) == 3)
        assert heard.transcript[2] == ("agent", "For two.")
        messages = cloud.received.chats[1].body["messages"]
        assert messages[-1]["content"] == "I would like, a table for two."
        assert heard.of("interruption") == []


async def test_the_voice_is_asked_one_sentence_ahead_and_no_further(serve: Serve) -> None:
    answer = "One one one one one. Two two two two two. Three three three. Four four four."
    async with (
        running_sandbox(scripted(QUESTION, answers=[answer])) as cloud,
        serve(cloud) as server,
        dial(url_of(server)) as core,
    ):
        prepared = len(cloud.received.speech)
        await ask(core)
        heard = await core.until(lambda heard: len(heard.frames) > 10)
        assert len(cloud.received.speech) - prepared == 2
        heard = await core.until(lambda heard: len(heard.transcript) == 5, timeout=9)
        assert " ".join(text for _, text in heard.transcript[1:]) == answer


async def test_twenty_calls_one_after_another_leave_no_task_socket_or_memory(
    serve: Serve,
) -> None:
    engines = scripted(*[QUESTION] * 24, answers=["Yes."])
    async with running_sandbox(engines) as cloud, serve(cloud) as server:

        async def one_call() -> None:
            async with dial(url_of(server)) as core:
                await ask(core)
                await core.until(lambda heard: len(heard.transcript) == 2)
            await until(lambda: server.health()["calls"] == 0)
            cloud.received.sessions.clear()
            cloud.received.chats.clear()
            cloud.received.speech.clear()

        for _ in range(4):
            await one_call()
        gc.collect()
        tasks, sockets = len(asyncio.all_tasks()), len(open_sockets())
        tracemalloc.start()
        try:
            before = tracemalloc.take_snapshot()
            for _ in range(20):
                await one_call()
            gc.collect()
            after = tracemalloc.take_snapshot()
        finally:
            tracemalloc.stop()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: len(open_sockets()) <= sockets)
        ours = [tracemalloc.Filter(True, "*/avr_sts_speechmatics/*")]
        ours += [tracemalloc.Filter(False, "*/sandbox/*")]
        grown = sum(
            stat.size_diff
            for stat in after.filter_traces(ours).compare_to(before.filter_traces(ours), "filename")
        )
        # The interpreter keeps names it looked up (its type cache), the loop's heap cancelled
        # timers: both bounded. A call that stayed would be tens of kilobytes of audio.
        assert grown < 48 * 1024


# --- with services of its own ----------------------------------------------------------------


class NotedLine(Line):
    """A line that only remembers."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.closed: list[bool] = []

    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> Playout:
        return pacing.playout(lambda frame: None, finished)

    def send_error(self, message: str) -> None:
        self.errors.append(message)

    def close(self, *, failed: bool) -> None:
        self.closed.append(failed)


class Deaf:
    """Ears that hear nothing, and break if asked to."""

    def __init__(self, breaks: bool = False) -> None:
        self._breaks = breaks

    def hear(self, pcm: bytes) -> None: ...

    async def run(self) -> None:
        if self._breaks:
            raise ZeroDivisionError("a fault of our own")
        await asyncio.Event().wait()


class Watching:
    """An observer that keeps what is reported, without the times."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def event(self, at: float, event: Observed) -> None:
        self.seen.append(event)

    def command(self, at: float, command: ev.Command) -> None:
        self.seen.append(command)


@asynccontextmanager
async def call_with(
    open_stt: Callable[[SttListener], Any], *observers: Observer, agents: Agents | None = None
) -> AsyncIterator[tuple[Any, NotedLine]]:
    line, clock = NotedLine(), PlayoutClock()
    nobody: Any = None
    services = Services(
        agents=agents or Agents.load(Settings(speechmatics_welcome_message="", disclosure="")),
        open_stt=lambda _, listener: open_stt(listener),
        llm=nobody,
        voice_of=lambda _: (nobody, KeptPhrases(())),
        toolbox=Toolbox((), timeout_s=1),
        departures=Departures(None),
        observers=lambda caller, line: observers,
    )
    yield Call(Caller("a-call", "test"), line, services, clock), line
    clock.close()


async def test_an_unexpected_exception_is_logged_and_ends_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with call_with(lambda _: Deaf(breaks=True)) as (call, line):
        await call.run()
        assert line.closed == [True]
        assert line.errors == ["internal error"]
        assert "ZeroDivisionError" in caplog.text


class Confused(Deaf):
    """Ears that report, from outside any task of the call, what is no word at all."""

    def __init__(self, listener: SttListener) -> None:
        super().__init__()
        self._listener = listener

    async def run(self) -> None:
        words: Any = None
        asyncio.get_running_loop().call_soon(self._listener.words_heard, words, 1.0)
        await super().run()


async def test_a_fault_in_a_socket_callback_is_logged_and_ends_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with call_with(Confused) as (call, line):
        await asyncio.wait_for(call.run(), 2)
        assert line.closed == [True]
        assert line.errors == ["internal error"]
        assert "TypeError" in caplog.text


async def test_a_caller_may_leave_before_the_call_runs() -> None:
    async with call_with(lambda _: Deaf()) as (call, line):
        call.leave()
        await asyncio.wait_for(call.run(), 1)
        assert line.closed == [False]


async def test_a_call_reports_its_begin_its_events_and_commands_and_its_end() -> None:
    watching = Watching()
    async with call_with(lambda _: Deaf(), watching) as (call, _):
        running = asyncio.create_task(call.run())
        await until(lambda: ev.CallStarted() in watching.seen)
        call.press("5")
        call.leave()
        call.press("6")  # too late for the dialogue; whoever watches still learns of it
        await asyncio.wait_for(running, 1)
        call.press("7")  # after the end nobody does
    assert [type(report) for report in watching.seen[:3]] == [
        *(CallBegan, AgentAnswered, ev.CallStarted)
    ]
    key = watching.seen.index(ev.KeyPressed("5"))
    assert watching.seen[key - 1] == KeyReceived("5")
    assert watching.seen[-3] == ev.SetTimer(ev.Timer.KEYS, Manners().keys_s)
    assert watching.seen[-2:] == [KeyReceived("6"), CallEnded()]


class Faulty(Watching):
    """An observer that has a fault."""

    def event(self, at: float, event: Observed) -> None:
        super().event(at, event)
        raise ZeroDivisionError("a fault of an observer")


async def test_an_observer_that_fails_costs_the_call_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faulty, watching = Faulty(), Watching()
    async with call_with(lambda _: Deaf(), faulty, watching) as (call, line):
        call.leave()
        await asyncio.wait_for(call.run(), 1)
        assert line.closed == [False]
    assert len(faulty.seen) == 1
    assert watching.seen[-1] == CallEnded()
    assert caplog.text.count("Faulty failed") == 1


class Slow:
    """Agents of whom one is known only when `told` is set."""

    def __init__(self) -> None:
        self._agents = Agents.load(Settings(speechmatics_welcome_message="", disclosure=""))
        self.told = asyncio.Event()
        self.for_call = self._agents.for_call

    def needs_brief(self, agent: Agent) -> bool:
        return True

    async def brief(self, agent: Agent, caller: Caller) -> Agent:
        await self.told.wait()
        return agent


class Hearing(Deaf):
    """Ears that keep what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self.audio = bytearray()

    def hear(self, pcm: bytes) -> None:
        self.audio += pcm


async def test_audio_and_keys_before_the_agent_is_known_are_not_lost() -> None:
    ears, watching, agents = Hearing(), Watching(), cast("Any", Slow())
    async with call_with(lambda _: ears, watching, agents=agents) as (call, _):
        running = asyncio.create_task(call.run())
        await until(lambda: bool(watching.seen))
        call.hear(b"\x01\x02")
        call.press("5")
        call.hear(b"\x03\x04")
        assert [type(report) for report in watching.seen] == [CallBegan, KeyReceived]
        agents.told.set()
        await until(lambda: ev.KeyPressed("5") in watching.seen)
        call.hear(b"\x05\x06")
        assert bytes(ears.audio) == b"\x01\x02\x03\x04\x05\x06"
        call.leave()
        await asyncio.wait_for(running, 1)


async def test_a_caller_may_leave_before_the_agent_is_known() -> None:
    watching, agents = Watching(), cast("Any", Slow())
    async with call_with(lambda _: Deaf(), watching, agents=agents) as (call, line):
        running = asyncio.create_task(call.run())
        await until(lambda: bool(watching.seen))
        call.leave()
        await asyncio.wait_for(running, 1)
        assert line.closed == [False]
    assert [type(report) for report in watching.seen] == [CallBegan, CallEnded]


async def test_a_call_that_is_cancelled_closes_its_line() -> None:
    async with call_with(lambda _: Deaf()) as (call, line):
        running = asyncio.create_task(call.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait((running,))
        assert running.cancelled()
        assert line.closed
