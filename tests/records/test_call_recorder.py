"""What is kept of a call: whole calls through the service, and what the levels leave out."""

import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.avr_core import dial
from tests.calls.live_call import OWN_TOOLS, asks_for, desk, fake_avr_ami, live_call, until
from tests.pbx.test_avr_ami import UUID
from tests.records.recorded_calls import Kept, Recording, end_of
from tests.support import Serve, url_of
from websockets.exceptions import InvalidStatus

from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    CallerStopped,
    Flushed,
    KeyReceived,
    Observed,
    ReplyOver,
    ToolRan,
    UtteranceHeard,
)
from avr_sts_speechmatics.conversation import TRANSFER, ToolCall
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.database_address import DatabaseAddress
from avr_sts_speechmatics.pbx.dial_patterns import parse
from avr_sts_speechmatics.records import batch, tables
from avr_sts_speechmatics.records.call_recorder import CallRecorder
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.history import CallFilter, History
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought, running_sandbox, scripted
from avr_sts_speechmatics.speech.speaker import ServiceFailed
from avr_sts_speechmatics.telemetry.turn_times import TurnTimesObserver

WELCOME = "Welcome to the restaurant."
LONG = "We are open from nine in the morning until eleven in the evening, on every day of the week."


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Recording:
    return Recording(monkeypatch, "transcripts")


# --- whole calls ---------------------------------------------------------------------------------


async def test_both_sides_of_a_call_are_kept_with_what_was_cut(
    serve: Serve, words: Recording
) -> None:
    answers: tuple[Thought, ...] = LONG, "Yes, at eight."
    changes: dict[str, Any] = {"speechmatics_welcome_message": WELCOME}
    async with words.call(serve, *answers, query="?from=%2B49228&to=5001&x=1", **changes) as call:
        await call.until(lambda heard: heard.said("agent") == WELCOME)
        call.begin_to_speak()
        call.say("When are you open?")
        await call.until(lambda heard: len(heard.frames) > 25)
        call.say("Is my table booked?")  # an interruption
        await call.until(lambda heard: heard.said("agent").endswith("at eight."))
    kept = words.kept
    speeches = kept.shown()
    assert [one[:2] for one in speeches] == [
        ("agent", "welcome"),
        ("caller", "words"),
        ("agent", "answer"),
        ("caller", "words"),
        ("agent", "answer"),
    ]
    assert [speeches[n][2] for n in (0, 1, 3, 4)] == [
        WELCOME,
        "When are you open?",
        "Is my table booked?",
        "Yes, at eight.",
    ]
    turns = sorted(kept.turns, key=lambda turn: turn["number"])
    cut = turns[2]
    assert cut["said"] == LONG
    assert cut["heard"].endswith("…")
    assert LONG.startswith(cut["heard"].removesuffix("…"))
    assert 0 < cut["words_heard"] < cut["words_said"]
    assert [turn["interrupted"] for turn in turns] == [False, False, True, False, False]
    for turn in (cut, turns[4]):
        assert turn["model_ms"] >= 0
        assert turn["voice_ms"] >= 0
        assert turn["requests"] == 1
    assert turns[0].get("requests") is None  # nobody was asked for the welcome
    times = [(turn["at_ms"], turn["until_ms"]) for turn in turns]
    assert times == sorted(times)
    assert all(begun <= ended for begun, ended in times)
    row = kept.call
    assert (row["caller_number"], row["called_number"], row["facts"]) == (
        "+49228",
        "5001",
        {"x": "1"},
    )
    assert (row["uuid"], row["transport"], row["agent"]) == (call.uuid, "avr-websocket", "default")
    assert row["key"] == words.callers[0].key
    assert row["reason"] == "caller"
    assert row["began_ms"] <= row["ended_ms"] <= time.time() * 1000
    assert row["ended_ms"] - row["began_ms"] >= max(until for _, until in times)


async def test_what_the_caller_heard_before_they_hung_up_is_kept(
    serve: Serve, words: Recording
) -> None:
    async with words.call(serve, LONG) as call:
        call.say("When are you open?")
        await call.until(lambda heard: len(heard.frames) > 30)
    (_, answer) = words.kept.turns
    assert 0 < answer["words_heard"] < answer["words_said"]
    assert answer["heard"].endswith("…")
    assert answer["interrupted"]


async def test_tools_are_kept_with_arguments_times_and_results(
    serve: Serve, words: Recording
) -> None:
    both = [asks_for("slow_booking"), asks_for("broken_booking")]
    more: list[Any] = [asks_for("no_such_tool", "not JSON")]
    async with words.call(serve, both, more, "It is on Friday.", tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await until(lambda: len(desk().ran) == 2)
        desk().may_end.set()
        await call.until_said("It is on Friday.")
    tools = {tool["name"]: tool for tool in words.kept.tools}
    slow, broken, missing = (
        tools[name] for name in ("slow_booking", "broken_booking", "no_such_tool")
    )
    assert (slow["arguments"], slow["result"], slow["failed"]) == (
        {"code": "KX41"},
        "KX41 is on Friday.",
        False,
    )
    assert broken["failed"]
    assert broken["result"].startswith("The tool failed.")
    assert missing["failed"]
    assert missing["arguments"] == "not JSON"
    assert missing["result"].startswith("There is no tool of this name.")
    for tool in tools.values():
        assert tool["at_ms"] >= 0
        assert tool["took_ms"] >= 0


async def test_a_tool_that_still_runs_when_the_call_ends_is_kept(
    serve: Serve, words: Recording
) -> None:
    async with words.call(serve, [asks_for("slow_booking")], tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await until(lambda: desk().ran == ["slow_booking KX41"])
        await call.core.hang_up()
        await until(lambda: call.server.health()["calls"] == 0)
        desk().may_end.set()
    (tool,) = words.kept.tools
    assert (tool["name"], tool["took_ms"], tool["result"]) == ("slow_booking", None, None)


async def test_a_transfer_is_kept_with_its_extension(serve: Serve, words: Recording) -> None:
    leaves = asks_for(TRANSFER, '{"transfer_extension": "700"}')
    elsewhere = asks_for(TRANSFER, '{"transfer_extension": "666"}')
    answers: list[Any] = [[elsewhere], ["I put you through.", leaves]]
    async with fake_avr_ami() as ami:
        changes: dict[str, Any] = {"ami_url": ami.url, "transfer_allow": parse("700")}
        async with words.call(serve, *answers, **changes) as call:
            call.say("A person, please.")
            await until(lambda: bool(ami.asked))
            await until(lambda: bool(words.kept.events("transfer")))
    assert words.kept.events("transfer") == [{"to": "700", "failed": False}]
    refused, done = words.kept.tools
    assert (refused["failed"], refused["took_ms"]) == (True, None)
    assert "may not be transferred" in refused["result"]
    assert (done["name"], done["failed"]) == (TRANSFER, False)
    assert words.kept.call["transferred_to"] == "700"


async def test_a_call_of_keys_alone(serve: Serve, words: Recording) -> None:
    async with words.call(serve, "That was four seven.") as call:
        for digit in "47#":
            await call.core.send({"type": "dtmf_digit", "digit": digit})
        await call.until_said("That was four seven.")
    assert words.kept.events("key") == [{"key": key} for key in "47#"]
    typed, answer = words.kept.turns
    assert (typed["speaker"], typed["kind"], typed["said"]) == ("caller", "keys", "[keys: 4 7]")
    assert answer["heard"] == "That was four seven."
    assert answer["voice_to_voice_ms"] is None


async def test_a_failure_and_the_apology_that_the_caller_heard(
    serve: Serve, words: Recording
) -> None:
    sorry = Manners().sorry
    async with words.call(serve, "", openai_base_url="http://127.0.0.1:9") as call:
        call.say("Are you open?")
        await call.until(lambda heard: heard.said("agent") == sorry)
    (failure,) = words.kept.events("failure")
    assert failure["service"] == "llm"
    assert "9" in failure["error"]
    spoken = [turn for turn in words.kept.turns if turn["words_said"] and turn["kind"] != "words"]
    assert [(turn["kind"], turn["heard"]) for turn in spoken] == [("sorry", sorry)]


async def test_a_recogniser_that_breaks_off_is_noted(serve: Serve, words: Recording) -> None:
    async with words.call(serve, "Yes.") as call:
        call.lose_stt()
        await until(lambda: len(words.kept.events("note")) == 2)
        call.session = await call.cloud.received.session(1)
        call.say("Are you there?")
        await call.until_said("Yes.")
    lost, restored = words.kept.events("note")
    assert "broke off" in lost["text"]
    assert "again" in restored["text"]


async def test_a_call_that_never_gets_its_agent_has_a_row(serve: Serve, words: Recording) -> None:
    # The web service for the instructions is silent; the caller leaves meanwhile.
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    web = await asyncio.start_server(silent, "127.0.0.1", 0)
    host, port = web.sockets[0].getsockname()
    async with web, running_sandbox(scripted(answers=("No.",))) as cloud:
        changes = {"speechmatics_url_instructions": f"http://{host}:{port}/"}
        async with serve(cloud, **changes) as server:
            async with dial(url_of(server)) as core:
                await core.init(UUID)
                await until(lambda: bool(words.kept.changes))
                await core.hang_up()
                await until(lambda: server.health()["calls"] == 0)
    assert words.kept.call["reason"] == "caller"
    assert words.kept.call["ended_ms"] >= words.kept.call["began_ms"]
    assert not words.kept.turns


async def test_a_call_that_is_refused_has_no_row(serve: Serve, words: Recording) -> None:
    async with words.call(serve, "Yes.", max_calls=1) as call:
        with pytest.raises(InvalidStatus):
            async with dial(url_of(call.server)):
                pass
        assert call.server.health()["calls_refused"] == 1
    assert len(words.kept.rows("calls")) == 1


async def test_a_call_that_the_end_of_the_service_ends(serve: Serve, words: Recording) -> None:
    async with words.call(serve, "Yes.", drain_s=0.1) as call:
        call.say("Are you there?")
        await call.until_said("Yes.")
        await call.server.drain(replaced=False)
    assert words.kept.call["reason"] == "shutdown"
    assert [turn["kind"] for turn in words.kept.turns] == ["words", "answer", "farewell"]


async def test_at_calls_times_and_facts_are_kept_and_no_words(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Recording(monkeypatch, "calls")
    answers: tuple[Thought, ...] = [asks_for("find_booking")], "It is on Friday.", "Ninety."
    async with calls.call(
        serve,
        *answers,
        query="?from=4922812345&display=Hildegard",
        tools_dir=OWN_TOOLS,
        speechmatics_welcome_message=WELCOME,
    ) as call:
        await call.until(lambda heard: heard.said("agent") == WELCOME)
        call.say("When is my booking?")
        await call.until(lambda heard: heard.said("agent").endswith("Friday."))
        for digit in "90#":
            await call.core.send({"type": "dtmf_digit", "digit": digit})
        await call.until(lambda heard: heard.said("agent").endswith("Ninety."))
    kept = calls.kept
    assert kept.call["caller_number"] == "4922812345"
    assert [turn["words_said"] for turn in kept.turns] == [4, 4, 4, None, 1]
    assert kept.turns[2]["model_ms"] >= 0
    assert kept.tools[0]["name"] == "find_booking"
    assert kept.events("key") == [{}, {}, {}]
    everything = json.dumps(kept.changes)
    for word in ("Welcome", "booking?", "Friday", "KX41", "Ninety", "9 0", "Hildegard"):
        assert word not in everything


# --- the recorder alone --------------------------------------------------------------------------


def recorder(kept: Kept, level: str = "transcripts", caller: Caller | None = None) -> CallRecorder:
    return CallRecorder(kept.add, caller or Caller("a-uuid", "audiosocket"), level, end_of, "here")


def observe(
    observer: CallRecorder,
    *reports: tuple[float, Observed | ev.Command],
    times_first: bool = True,
) -> None:
    """Report as `Observers` does, before or behind an observer of turn times."""
    times = TurnTimesObserver(observer.turn)
    observers = (times, observer) if times_first else (observer, times)
    for at, report in reports:
        for one in observers:
            if isinstance(report, get_args(ev.Command)):
                one.command(at, report)
            else:
                one.event(at, report)  # type: ignore[arg-type]


def test_a_key_that_comes_before_the_call_has_begun_follows_the_row_of_the_call() -> None:
    kept = Kept()
    one = recorder(kept)
    observe(
        one,
        (9.9, KeyReceived("1")),
        (10.0, CallBegan(Caller("a", "b"), "default")),
        (10.5, CallEnded("caller")),
    )
    assert [change.table for change in kept.changes] == ["calls", "events", "calls"]
    (key,) = kept.rows("events")
    assert (key["at_ms"], key["details"]) == (0, {"key": "1"})


def test_a_call_that_never_began_makes_no_row() -> None:
    kept = Kept()
    observe(recorder(kept), (9.9, KeyReceived("1")), (10.0, CallEnded("caller")))
    assert not kept.changes


def test_a_call_of_hours_has_times_that_the_tables_can_hold() -> None:
    kept = Kept()
    day = 86_400.0
    observe(
        recorder(kept),
        (1.0, CallBegan(Caller("a", "b"), "default")),
        (1.0 + day, ev.Say(1, "Hm.")),
        (1.0 + day, ev.SentenceReady(1, 1, "Hm.")),
        (2.0 + day, UtteranceHeard(1, 1.5 + day, 1.0)),
        (2.0 + day, ReplyOver(1, cancelled=False)),
        (1.0 + 20 * day, CallEnded("longest_call")),
    )
    (turn,) = kept.turns
    assert (turn["at_ms"], turn["until_ms"]) == (86_400_500, 86_401_000)
    assert kept.call["ended_ms"] - kept.call["began_ms"] == 20 * 86_400_000 < 2**31


def test_the_caller_speaks_from_their_first_sound_to_their_last() -> None:
    kept = Kept()
    observe(
        recorder(kept),
        (0.0, CallBegan(Caller("a", "b"), "default")),
        (1.0, ev.CallerSpeechStarted()),  # a cough
        (5.0, ev.CallerSpeechStarted()),
        (5.4, ev.WordsHeard("Are", 5.3)),
        (6.0, CallerStopped(5.9)),
        (6.2, ev.CallerSpeechStarted()),  # goes on after a pause
        (7.0, CallerStopped(6.9)),
        (7.4, ev.SendTranscript("user", "Are you open now?")),
        (8.0, ev.SendTranscript("user", "Hello?")),  # words that no sound announced
        (9.0, CallEnded()),
    )
    first, second = kept.turns
    assert (first["at_ms"], first["until_ms"], first["words_said"]) == (5000, 6900, 4)
    assert (second["at_ms"], second["until_ms"]) == (8000, 8000)


def test_words_that_came_to_nothing_do_not_lengthen_the_next_speech() -> None:
    kept = Kept()
    observe(
        recorder(kept),
        (0.0, CallBegan(Caller("a", "b"), "default")),
        (1.0, ev.CallerSpeechStarted()),
        (1.4, ev.WordsHeard("We are open", 1.3)),  # the agent's own voice
        (2.0, CallerStopped(1.9)),
        (60.0, ev.CallerSpeechStarted()),
        (61.0, ev.SendTranscript("user", "Yes.")),
        (62.0, CallEnded()),
    )
    (turn,) = kept.turns
    assert turn["at_ms"] == 60_000


def test_a_draft_that_nobody_waited_for_makes_no_row() -> None:
    kept = Kept()
    observe(
        recorder(kept),
        (0.0, CallBegan(Caller("a", "b"), "default")),
        (1.0, ev.StartReply(1, (), tentative=True)),
        (1.5, ReplyOver(1, cancelled=True)),
        (2.0, ev.StartReply(2, ())),
        (3.0, ReplyOver(2, cancelled=True)),  # the caller went on before a word was said
        (4.0, CallEnded()),
    )
    (turn,) = kept.turns
    assert (turn["words_said"], turn["heard"], turn["interrupted"]) == (0, "", True)
    assert (turn["at_ms"], turn["until_ms"], turn["requests"]) == (2000, None, 2)


def test_phrases_are_kept_by_the_names_of_the_agent_file() -> None:
    kept = Kept()
    manners = Manners(welcome="Hello.", sorry="Sorry.", prompts=("Are you there?", "Hello?"))
    reports: list[tuple[float, Observed | ev.Command]] = [
        (0.0, CallBegan(Caller("a", "b"), "default")),
        (0.1, AgentAnswered("support", manners)),
    ]
    for number, text in enumerate(("Hello.", "Sorry.", "Hello?", "Something else."), 1):
        reports += [
            (float(number), ev.Say(number, text)),
            (number + 0.1, ev.SentenceReady(number, number, text)),
            (number + 0.5, UtteranceHeard(number, number + 0.2, 1.0)),
            (number + 0.5, ReplyOver(number, cancelled=False)),
        ]
    observe(recorder(kept), *reports, (9.0, CallEnded()))
    kinds = [turn["kind"] for turn in kept.turns]
    assert kinds == ["welcome", "sorry", "prompts", "phrase"]
    assert kept.call["agent"] == "support"


def test_a_sentence_that_is_said_again_is_kept_as_the_caller_heard_it() -> None:
    kept = Kept()
    observe(
        recorder(kept),
        (0.0, CallBegan(Caller("a", "b"), "default")),
        (1.0, ev.StartReply(1, ())),
        (1.1, ev.SentenceReady(1, 1, "We are open today.")),
        (2.0, UtteranceHeard(1, 1.5, 0.5)),
        (2.0, Flushed((ev.UtteranceDropped(1, 0.5),))),
        (2.1, ev.HoldReply(1)),
        (3.0, ev.GoOnWithReply(1)),
        (3.1, ev.SentenceReady(1, 2, "We are open today.")),
        (4.0, UtteranceHeard(2, 3.2, 1.0)),
        (4.0, ReplyOver(1, cancelled=False)),
        (5.0, CallEnded()),
    )
    (turn,) = kept.turns
    assert turn["heard"] == "We are… We are open today."
    assert (turn["at_ms"], turn["until_ms"], turn["interrupted"]) == (1500, 4000, False)


NUMBERS = [
    ({"from": "4711", "to": "5001"}, "4711", "5001", {}),
    ({"From": " 4711 ", "DNID": "5001"}, "4711", "5001", {}),
    ({"callerid": '"Ann" <4711>', "exten": "7"}, '"Ann" <4711>', "7", {}),
    ({"from": "", "caller": "1", "did": "2", "called": "3"}, "1", "2", {"from": "", "called": "3"}),
    ({"lang": "it"}, None, None, {"lang": "it"}),
]


@pytest.mark.parametrize(("facts", "caller", "called", "others"), NUMBERS)
def test_numbers_are_found_under_the_names_that_dialplans_use(
    facts: dict[str, str], caller: str | None, called: str | None, others: dict[str, str]
) -> None:
    for level in ("calls", "transcripts"):
        kept = Kept()
        one = Caller("a", "b", facts)
        observe(recorder(kept, level, one), (0.0, CallBegan(one, "default")), (1.0, CallEnded()))
        row = kept.call
        assert (row["caller_number"], row["called_number"]) == (caller, called)
        assert row["facts"] == (others if level == "transcripts" else None)


# --- properties ----------------------------------------------------------------------------------

ANY_TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from("\0\ud83d\udc00\"'\\{}[]")), max_size=40
)
SECRET = st.text("αβγδεζηθ", min_size=4, max_size=12)
"""Words in letters that occur nowhere else."""


@st.composite
def reports(draw: st.DrawFn, text: st.SearchStrategy[str]) -> list[tuple[float, Any]]:
    """Reports in any order, between the beginning and the end of a call."""
    number = st.integers(1, 3)
    share = st.floats(0, 1)
    call = st.builds(ToolCall, st.just("id"), st.sampled_from(("find", TRANSFER)), text)
    request = st.builds(
        ev.ToolRequest,
        call,
        st.sampled_from(("", "transfer", "hang_up")),
        st.sampled_from(("", "No.")),
    )
    one = st.one_of(
        st.builds(ev.Say, number, text),
        st.builds(ev.StartReply, number, st.just(()), st.booleans()),
        st.builds(ev.ConfirmReply, number),
        st.builds(ev.SentenceReady, number, number, text),
        st.builds(UtteranceHeard, number, st.none() | st.just(5.0), share),
        st.builds(ReplyOver, number, st.booleans()),
        st.builds(ev.SendTranscript, st.sampled_from(("user", "agent")), text),
        st.builds(ev.WordsHeard, text, st.just(1.0)),
        st.builds(ev.SegmentHeard, text, st.just(1.0)),
        st.just(ev.CallerSpeechStarted()),
        st.builds(CallerStopped, st.floats(0, 100)),
        st.builds(ev.RunTool, number, request),
        st.builds(ev.ToolDone, number, text, st.booleans()),
        st.builds(ToolRan, st.just("find"), st.floats(0, 9), st.booleans()),
        st.builds(ev.ToolsCalled, number, st.tuples(request)),
        st.builds(KeyReceived, st.sampled_from("αβ")),
        st.just(ServiceFailed("tts", "tts: too many requests")),
        st.just(ev.Note("the line is noisy")),
        st.builds(AgentAnswered, st.just("default"), st.builds(Manners, welcome=text, sorry=text)),
    )
    between = draw(st.lists(one, max_size=30))
    facts = draw(st.dictionaries(st.sampled_from(("lang", "name")), text))
    began = CallBegan(Caller("a-uuid", "audiosocket", {"from": "4711", **facts}), "default")
    ordered = [began, *between, CallEnded("caller")]
    return [(at * 0.5, report) for at, report in enumerate(ordered)]


def kept_of(call: Sequence[tuple[float, Any]], level: str, *, times_first: bool = True) -> Kept:
    kept = Kept()
    observe(recorder(kept, level, call[0][1].caller), *call, times_first=times_first)
    return kept


@given(reports(SECRET))
def test_the_place_among_the_observers_changes_nothing(call: list[tuple[float, Any]]) -> None:
    first, last = (kept_of(call, "transcripts", times_first=first) for first in (True, False))
    assert first.changes == last.changes


@given(reports(SECRET))
def test_no_word_key_or_argument_is_in_any_change_at_calls(call: list[tuple[float, Any]]) -> None:
    kept = kept_of(call, "calls")
    text = json.dumps(kept.changes, ensure_ascii=False)
    assert not set("αβγδεζηθ") & set(text)
    assert kept.call["caller_number"] == "4711"


def columns(table: str) -> Iterator[str]:
    yield from tables.metadata.tables[table].columns.keys()


@given(reports(ANY_TEXT), st.sampled_from(("calls", "transcripts", "recordings")))
def test_every_change_fits_its_table_and_every_database(
    call: list[tuple[float, Any]], level: str
) -> None:
    kept = kept_of(call, level)
    assert kept.changes[0].table == "calls"
    seen = set()
    for change in kept.changes:
        assert set(change.row) <= set(columns(change.table))
        table = tables.metadata.tables[change.table]
        if not change.update:
            needed = {c.name for c in table.columns if not c.nullable}
            assert needed <= set(change.row)
            name = change.table, change.row.get("number")
            assert name not in seen
            seen.add(name)
        written = json.dumps(change.row, allow_nan=False, ensure_ascii=False)
        written.encode()  # no half of a surrogate pair
        assert "\\u0000" not in written
        for column, value in change.row.items():
            if column.endswith("_ms") and column not in ("began_ms", "seen_ms", "ended_ms"):
                assert value is None or abs(value) < 2**31


@given(reports(ANY_TEXT))
def test_levels_differ_in_words_and_in_nothing_else(call: list[tuple[float, Any]]) -> None:
    few, many = kept_of(call, "calls"), kept_of(call, "transcripts")
    clock = {"began_ms", "seen_ms", "ended_ms"}
    hidden = {"said", "heard", "arguments", "result", "facts", "details"}

    def bare(change: Change) -> tuple[Any, ...]:
        row = {n: v for n, v in change.row.items() if n not in hidden | clock}
        return change.table, row, change.update

    assert list(map(bare, few.changes)) == list(map(bare, many.changes))


# --- in a database -------------------------------------------------------------------------------


async def test_a_call_is_read_back_as_it_was(
    serve: Serve, words: Recording, database: Database
) -> None:
    answers: list[Any] = [[asks_for("find_booking")], "It is on Friday."]
    async with words.call(serve, *answers, query="?from=4711", tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await call.core.send({"type": "dtmf_digit", "digit": "5"})
        await call.until_said("It is on Friday.")
    async with database.writing() as connection:
        await batch.write(connection, words.kept.changes)
    whole = await History(database).call(call.uuid)
    assert whole is not None
    heard = [turn["heard"] or turn["said"] for turn in whole["turns"]]
    assert heard == ["When is my booking?", "It is on Friday."]
    assert [tool["arguments"] for tool in whole["tools"]] == [{"code": "KX41"}]
    assert [event["details"] for event in whole["events"]] == [{"key": "5"}]
    assert (whole["reason"], whole["ended_by"], whole["caller_turns"]) == ("caller", "caller", 1)
    assert whole["voice_to_voice_worst_ms"] == whole["turns"][1]["voice_to_voice_ms"]
    found = await History(database).calls(CallFilter(number="4711"))
    assert [one["key"] for one in found.calls] == [whole["key"]]


async def test_the_service_keeps_its_calls(
    serve: Serve, address: DatabaseAddress, tmp_path: Path
) -> None:
    url = None if address.path is not None else address
    data_dir = tmp_path if address.path is None else address.path.parent
    async with live_call(
        serve, "At five.", history="transcripts", database_url=url, data_dir=data_dir
    ) as call:
        call.say("When do you close?")
        await call.until_said("At five.")
        await call.core.hang_up()
        await until(lambda: call.server.health()["calls"] == 0)
    database = Database(address)
    whole = await History(database).call(call.uuid)
    await database.close()
    assert whole is not None
    assert [turn["heard"] or turn["said"] for turn in whole["turns"]] == [
        "When do you close?",
        "At five.",
    ]
    assert whole["turns"][1]["model_ms"] is not None
    assert whole["reason"] == "caller"
    assert whole["service"].endswith(f":{os.getpid()}")


async def test_the_changes_of_any_call_can_be_written_twice(database: Database) -> None:
    kept = Kept()
    strange = "a\0b\ud83d"
    one = Caller(strange, "audiosocket", {"from": "4711", strange: strange})
    tool = ev.ToolRequest(ToolCall("1", strange, f'{{"a": "{strange}"}}'))
    observe(
        recorder(kept, caller=one),
        (0.0, CallBegan(one, strange)),
        (1.0, ev.SendTranscript("user", strange)),
        (1.0, ev.RunTool(1, tool)),
        (2.0, ev.ToolDone(1, strange)),
        (2.0, ServiceFailed("tts", strange)),
        (3.0, CallEnded("failure", error=strange)),
    )
    for _ in range(2):
        async with database.writing() as connection:
            await batch.write(connection, kept.changes)
    (found,) = (await History(database).calls(CallFilter(failed=True))).calls
    assert found["key"] == one.key


async def test_notices_are_kept_with_text_and_time_whatever_is_kept(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Recording(monkeypatch, "calls")
    machine = "I am an automated assistant."
    async with facts.call(serve, disclosure="on") as call:
        await call.until_said(machine)
    (event,) = [one.row for one in facts.kept.changes if one.table == "events"]
    assert (event["kind"], event["details"]) == (
        "notice",
        {"notice": "disclosure", "text": machine},
    )
    assert event["at_ms"] > 0
