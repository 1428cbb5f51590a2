"""A call as a table for a person, and as a document for a machine."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st
from tests.phone.calling import Printed, call
from tests.phone.simple_agent import ANSWER, RATE, Agent, answering, sound

from avr_sts_speechmatics.phone.caller import HUNG_UP, Conversation, Spoken, ToolRun, Turn
from avr_sts_speechmatics.phone.connection import AnswerTimes
from avr_sts_speechmatics.phone.report import WIDTH, answered, document, table, wide_table


async def test_an_answered_call_is_printed_live_and_as_a_table(printed: Printed) -> None:
    async with answering(Agent(answers=[ANSWER])) as url:
        assert await call("--url", url, "--say", "What are your opening hours?") == 0
    out, err = printed()
    lines = out.splitlines()
    assert lines[0].startswith("(saying: What are your opening hours?, ")
    assert lines[1:3] == ["caller: A question?", "agent: An answer."]
    assert lines[4].split()[:2] == ["1", "What"]
    assert lines[4].endswith("ms")
    assert lines[5].startswith("1 of 1 turns answered, median ")
    assert err == ""


async def test_a_call_without_any_answer_fails(printed: Printed) -> None:
    async with answering(Agent(answers=[None])) as url:
        assert await call("--url", url, "--say", "Hello?") == 1
    out, _ = printed()
    assert "error: no answer today" in out
    assert "no answer\n0 of 1 turns answered" in out


async def test_the_table_shows_only_what_was_heard_if_the_service_reports_no_timing(
    printed: Printed,
) -> None:
    tells: dict[str, object] = {"type": "of_another_service", "frame_ms": 5}
    async with answering(Agent(answers=[ANSWER], tells=tells)) as url:
        assert await call("--url", url, "--say", "Hello?") == 0
    assert printed()[0].splitlines()[3].split() == ["turn", *"caller said after".split()]


def rehearsed() -> Conversation:
    """A call of two turns: one answered after 400 ms, with a tool, and one without an answer."""
    call = Conversation(tell=lambda line: None)
    call.tape.sent(bytes(2 * RATE * 3))
    call.tape.heard(sound(200), at=0.1)
    call.tape.heard(sound(200), at=1.4)
    first = Turn("Book a table.", began_at=0.5, spoken_at=1.0, answered_at=1.4)
    first.answers.append(
        AnswerTimes(confirm_ms=100, model_ms=200, voice_ms=90, requests=2, words_said=3)
    )
    call.turns += [first, Turn("keys 1", began_at=2.0, spoken_at=2.1)]
    call.tools.append(ToolRun(1, 1.2, "book_table", 40))
    call.spoken += [
        Spoken(0.3, "agent", "Hello."),
        Spoken(1.1, "user", "Book a table."),
        Spoken(1.6, "agent", "A table is"),
        Spoken(1.8, "agent", "booked."),
        Spoken(2.2, "user", "[keys: 1]"),
    ]
    call.end(HUNG_UP)
    return call


def test_the_table_has_a_bar_for_each_answer_in_which_each_wait_has_its_letter() -> None:
    call = rehearsed()
    call.turns[0].answers = [
        AnswerTimes(confirm_ms=60),  # was dropped: nobody heard it
        AnswerTimes(confirm_ms=100, model_ms=200, clause_ms=0, voice_ms=80, frame_ms=20),
    ]
    lines = table(call).splitlines()
    assert lines[0].split() == ["turn", "caller", "said", "after"]
    assert lines[1].split() == ["1", "Book", "a", "table.", "400", "ms", "cccccmmmmmmmmmmvvvvf"]
    assert lines[2].strip() == "tool book_table, 40 ms"
    assert lines[3].split() == ["2", "keys", "1", "no", "answer"]
    assert lines[4].strip().endswith("a column is 20 ms")
    assert lines[5].startswith("1 of 2 turns answered")


@given(st.lists(st.tuples(*[st.integers(0, 30_000)] * 5), min_size=1, max_size=5))
def test_bars_fit_the_terminal_and_are_as_long_as_the_waits(
    waits: list[tuple[int, int, int, int, int]],
) -> None:
    call = rehearsed()
    call.tools.clear()
    call.turns = [Turn("x" * 200, 0.5, 1.0, 1.4) for _ in waits]
    for turn, (confirm, model, clause, voice, frame) in zip(call.turns, waits, strict=True):
        turn.answers = [AnswerTimes(None, confirm, None, model, clause, voice, frame)]
    plain = table(call)
    assert max(map(len, plain.splitlines())) <= WIDTH
    bars = [line[WIDTH - 28 :] for line in plain.splitlines()[1 : len(waits) + 1]]
    if any(map(sum, waits)):
        step = int(re.findall(r"a column is (\d+) ms", plain)[0])
        assert all(
            abs(len(bar) - sum(parts) / step) <= 0.5 for bar, parts in zip(bars, waits, strict=True)
        )


def test_a_terminal_shows_colours_instead_of_letters() -> None:
    call = rehearsed()
    call.turns[0].answers = [AnswerTimes(confirm_ms=100, model_ms=200, voice_ms=90, frame_ms=0)]
    coloured = table(call, colour=True)
    plain = re.sub(r"\x1b\[\d+m", "", coloured)
    assert "cccc" not in plain
    assert "█" * 20 in plain.splitlines()[1]
    assert max(map(len, plain.splitlines())) <= WIDTH


def test_the_wide_table_has_a_line_for_each_turn_its_tools_and_the_totals() -> None:
    lines = wide_table(rehearsed()).splitlines()
    assert lines[0].split() == [
        *("turn", "caller", "said", "answered", "after"),
    ]
    assert lines[1].split() == [
        *("confirm", "model", "clause", "voice", "frame", "requests", "heard"),
    ]
    assert lines[2].split() == ["1", "Book", "a", "table.", "400", "ms"]
    assert lines[3].split() == ["100", "200", "-", "90", "-", "2", "0", "of", "3"]
    assert lines[4].strip() == "tool book_table, 40 ms"
    assert lines[5].split() == ["2", "keys", "1", "no", "answer"]
    assert lines[6] == (
        "1 of 2 turns answered, median 400 ms, 3.0 s, 0 interruptions, the caller hung up"
    )


def test_the_wide_table_fits_a_terminal() -> None:
    call = rehearsed()
    call.turns[0].said = (
        "I would like to book a table for two people on Friday evening, please. " * 2
    )
    waits = dict.fromkeys(("confirm_ms", "model_ms", "clause_ms", "voice_ms", "frame_ms"), 10_000)
    call.turns[0].answers.append(
        AnswerTimes(**waits, requests=12, words_said=100, words_heard=99, interrupted=True)
    )
    *rows, _totals = wide_table(call).splitlines()
    assert max(map(len, rows)) <= 80


def test_the_document_has_the_words_and_tools_of_each_turn() -> None:
    told = document(rehearsed(), "ws://localhost:6040", "call-7")
    assert json.loads(json.dumps(told)) == told
    assert (told["uuid"], told["url"]) == ("call-7", "ws://localhost:6040")
    assert (told["answered"], told["ended"]) == (True, "the caller hung up")
    assert (told["welcome_ms"], told["latency_ms_median"], told["seconds"]) == (100, 400, 3.0)
    first, second = told["turns"]
    assert (first["heard"], first["answer"]) == ("Book a table.", "A table is booked.")
    assert first["tools"] == [{"at": 1.2, "name": "book_table", "took_ms": 40}]
    assert first["answers"][0]["requests"] == 2
    assert (second["heard"], second["answer"], second["latency_ms"]) == ("[keys: 1]", "", None)
    assert len(told["transcript"]) == 5


def test_a_caller_who_said_nothing_was_answered_if_anybody_spoke() -> None:
    call = Conversation(tell=lambda line: None)
    assert not answered(call)
    assert document(call, "", "")["welcome_ms"] is None
    call.tape.heard(sound(100), at=0.5)
    assert answered(call)
    assert document(call, "", "")["welcome_ms"] == 500


def test_an_answer_is_not_taken_for_a_welcome() -> None:
    call = Conversation(tell=lambda line: None)
    call.turns.append(Turn("Hello?", began_at=0.2, spoken_at=0.6, answered_at=1.0))
    call.tape.heard(sound(100), at=1.0)
    assert document(call, "", "")["welcome_ms"] is None
