"""Traces of calls: nothing is lost, no word is told, and a bad disk harms no call."""

import asyncio
import json
import re
import stat
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.call.observer import (
    CallBegan,
    CallEnded,
    CallerStopped,
    Observed,
    UtteranceHeard,
)
from avr_sts_speechmatics.conversation import Entry
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.history import heard_words
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.telemetry import call_trace
from avr_sts_speechmatics.telemetry.call_trace import (
    BUFFER_BYTES,
    CallTraces,
    TraceBegan,
    Traced,
    decode,
    encode,
    read,
    without_words,
)

CALLER = Caller("0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2", "test", {"from": "+49 30 12"})
SAID = ev.SegmentHeard("My PIN is 4711.", 1.5)

texts = st.text(max_size=30)
numbers = st.floats(0, 1e5).map(lambda at: round(at, 4))
entries = st.lists(st.one_of(*map(st.builds, get_args(Entry))), max_size=3).map(tuple)


def made(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a dataclass, with numbers that equal themselves."""
    strategies: dict[Any, st.SearchStrategy[Any]] = {
        float: numbers,
        float | None: st.none() | numbers,
        Sequence[Entry]: entries,
        Sequence[Entry] | None: st.none() | entries,
    }
    given = {}
    for name, hint in get_type_hints(kind).items():
        if hint in strategies:
            given[name] = strategies[hint]
        elif is_dataclass(hint):
            given[name] = made(hint)
        elif get_origin(hint) is tuple and is_dataclass(item := get_args(hint)[0]):
            given[name] = st.lists(made(item), max_size=3).map(tuple)
    return st.builds(kind, **given)


everything = st.one_of(*map(made, get_args(Traced)))


def files_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


@given(at=numbers, what=everything)
def test_a_written_trace_can_be_read_again(at: float, what: Traced) -> None:
    assert decode(encode(at, what, words=True)) == (at, what)


@given(what=everything)
def test_each_line_is_one_line_of_ascii(what: Traced) -> None:
    line = encode(0.0, what, words=True)
    assert line.isascii()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


def test_half_a_character_can_be_traced() -> None:
    said = ev.SegmentHeard("half \ud83d", 1.0)
    assert decode(encode(0.0, said, words=True)) == (0.0, said)
    assert decode(encode(0.0, said, words=False))[0] == 0.0


def test_facts_may_have_any_name() -> None:
    began = CallBegan(Caller("", "", {"is": "Caller", "at": "1", "timer": "x"}), "")
    assert decode(encode(0.0, began, words=True)) == (0.0, began)


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"at":1}', '{"at":1,"is":"Nothing"}', "{", "1"])
def test_a_file_that_is_not_a_trace_is_rejected(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        decode(line)
    path = tmp_path / "a.jsonl"
    path.write_text(encode(0.0, ev.CallStarted(), words=True).decode())
    with pytest.raises(ValueError, match="not a trace of version"):
        list(read(path))


# --- words -------------------------------------------------------------------------------------


def test_a_text_keeps_its_shape_and_no_word() -> None:
    assert without_words("Könnte I have 12, a B?") == "wwwwww a wwww 00, a w?"
    assert without_words('{"code": "KX41"}') == '{"wwww": "ww00"}'


@given(text=texts, share=st.floats(0, 1))
def test_the_shape_of_a_text_is_cut_where_the_text_is(text: str, share: float) -> None:
    shape = without_words(text)
    assert len(shape) == len(text)
    assert without_words(shape) == shape
    assert len(heard_words(shape, share)) == len(heard_words(text, share))


def words_of(value: Any, *kept: str) -> list[str]:
    """All texts within a value, but for those of fields that may be kept."""
    if isinstance(value, str):
        return [value]
    if is_dataclass(value):
        return [
            text
            for field in fields(value)
            if field.name not in kept
            for text in words_of(getattr(value, field.name), *kept)
        ]
    if isinstance(value, dict):
        return [text for item in value.values() for text in words_of(item, *kept)]
    return (
        [text for item in value for text in words_of(item, *kept)]
        if (isinstance(value, tuple))
        else []
    )


KEPT = (
    *(
        "uuid",
        "transport",
        "agent",
        "name",
        "id",
        "key",
        "role",
        "leaves",
        "barge_in",
        "backchannels",
    ),
    "language",
    *("began", "message", "error", "reason", "kind"),  # of the service itself
    *("service", "server", "model"),
)


@given(what=everything)
def test_without_words_no_field_contains_what_was_said(what: Traced) -> None:
    _, told = decode(encode(0.0, what, words=False))
    assert type(told) is type(what)
    for text in words_of(told, *KEPT):
        assert not re.search(r"[^\W\dwa_]|[1-9]", re.sub(r"[^\x00-\x7f]", "", text)), text


# --- the file ----------------------------------------------------------------------------------


def lines_of(directory: Path) -> list[dict[str, Any]]:
    (path,) = files_in(directory)
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_call_is_one_file_for_the_operator_alone(tmp_path: Path) -> None:
    traces = CallTraces(tmp_path, words=False)
    trace = traces.trace(CALLER)
    trace.event(100.0, CallBegan(CALLER, "default"))
    trace.event(101.5, SAID)
    trace.command(101.6, ev.SendTranscript("user", "My PIN is 4711."))
    trace.event(102.0, CallEnded())
    await traces.close()
    (path,) = files_in(tmp_path)
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}\.\d{{6}}Z-{CALLER.uuid}\.jsonl", path.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    began, *lines = read(path)
    assert isinstance(began[1], TraceBegan)
    assert began[1].words is False
    assert [(at, type(what).__name__) for at, what in lines] == [
        *((0.0, "CallBegan"), (1.5, "SegmentHeard"), (1.6, "SendTranscript"), (2.0, "CallEnded"))
    ]
    assert "PIN" not in path.read_text()
    assert "4711" not in path.read_text()
    assert "+49" not in path.read_text()


async def test_words_are_traced_if_they_are_allowed(tmp_path: Path) -> None:
    traces = CallTraces(tmp_path, words=True)
    trace = traces.trace(CALLER)
    trace.event(1.0, SAID)
    trace.event(2.0, CallEnded())
    await traces.close()
    assert lines_of(tmp_path)[1]["text"] == SAID.text


async def test_times_inside_events_are_on_the_clock_of_the_trace(tmp_path: Path) -> None:
    traces = CallTraces(tmp_path, words=False)
    trace = traces.trace(CALLER)
    events: list[Observed] = [
        *(CallBegan(CALLER, "a"), CallerStopped(103.25), UtteranceHeard(1, 104.5, 1.0)),
        *(UtteranceHeard(2, None, 0.0), CallEnded()),
    ]
    for at, event in enumerate(events, start=100):
        trace.event(float(at), event)
    await traces.close()
    lines = lines_of(tmp_path)
    assert lines[2]["stopped"] == 3.25
    assert (lines[3]["first_sent"], lines[4]["first_sent"]) == (4.5, None)


async def test_a_long_call_is_written_while_it_lasts_and_stays_in_order(tmp_path: Path) -> None:
    traces = CallTraces(tmp_path, words=True)
    trace, size = traces.trace(CALLER), 0
    for number in range(500):
        trace.event(float(number), ev.SegmentHeard("word " * 30, float(number)))
        size = max(size, len(trace._buffer))
    trace.event(500.0, CallEnded())
    await traces.close()
    assert size < BUFFER_BYTES
    assert [line["end"] for line in lines_of(tmp_path)[1:-1]] == [float(n) for n in range(500)]


@pytest.mark.parametrize("uuid", ["../../etc/passwd", "a/b\x00c", "", "ü" * 500])
async def test_a_callers_uuid_names_no_other_place(tmp_path: Path, uuid: str) -> None:
    inside = tmp_path / "traces"
    inside.mkdir()
    traces = CallTraces(inside, words=False)
    for _ in range(2):  # two calls may carry the same
        traces.trace(Caller(uuid, "test")).event(1.0, CallEnded())
    await traces.close()
    assert len(files_in(inside)) == 2
    assert files_in(tmp_path) == [inside]


async def test_a_missing_directory_is_logged_once_and_harms_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    traces = CallTraces(tmp_path / "gone", words=False)
    for _ in range(3):
        trace = traces.trace(CALLER)
        trace.event(1.0, CallBegan(CALLER, "default"))
        trace.event(2.0, CallEnded())
    await traces.close()
    (record,) = caplog.records
    assert "No such file or directory" in record.getMessage()
    assert "CALL_TRACE_DIR" in record.getMessage()


async def test_a_trace_whose_beginning_was_lost_is_not_written(tmp_path: Path) -> None:
    directory = tmp_path / "late"
    traces = CallTraces(directory, words=True)
    trace = traces.trace(CALLER)
    while trace._first:
        trace.event(1.0, SAID)
    await asyncio.wait(traces._writing)
    directory.mkdir()
    trace.event(2.0, CallEnded())
    await traces.close()
    assert not files_in(directory)


async def test_a_disk_that_is_too_slow_costs_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(call_trace, "WAITING_MAX", 1000)
    traces = CallTraces(tmp_path, words=False)
    traces.write(tmp_path / "a", bytes(900), first=True)
    traces.write(tmp_path / "b", bytes(900), first=True)
    await traces.close()
    assert [path.name for path in files_in(tmp_path)] == ["a"]
    assert "the disk is too slow" in caplog.text


async def test_lines_after_the_end_are_dropped_without_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    traces = CallTraces(tmp_path, words=False)
    await traces.close()
    traces.trace(CALLER).event(1.0, CallEnded())
    assert not files_in(tmp_path)
    assert "the service is ending" in caplog.text


async def test_where_a_trace_is_is_logged_once_the_trace_is_complete(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    traces = CallTraces(tmp_path, words=False)
    trace = traces.trace(CALLER)
    trace.event(1.0, CallBegan(CALLER, "default"))
    trace.event(2.0, CallEnded())
    await traces.close()
    await asyncio.sleep(0)  # the future's callbacks
    (path,) = tmp_path.iterdir()  # noqa: ASYNC240
    assert caplog.messages == [f"trace of the call: {path}"]
