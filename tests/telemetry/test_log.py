"""The log: one line an event, with the call it belongs to, and without a key in it."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support import full_pipe

from avr_sts_speechmatics.telemetry.background_writer import BackgroundStream, BackgroundWriter
from avr_sts_speechmatics.telemetry.log import (
    MASK,
    ConsoleLines,
    JsonLines,
    lines_lost,
    set_up,
)

KEY = "sk-very-secret"
CALL = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"

FORMS = pytest.mark.parametrize("lines", [ConsoleLines, JsonLines], ids=["console", "json"])


def no_call() -> str:
    return ""


def record(message: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("avr.test", level, __file__, 1, message, args, None)
    made.created, made.msecs = 1_700_000_000.25, 250.0
    return made


def with_traceback(message: str, error: Exception) -> logging.LogRecord:
    made = record(message)
    try:
        raise error
    except Exception:
        made.exc_info = sys.exc_info()
    return made


def read(line: str) -> dict[str, Any]:
    entry = json.loads(line)
    assert isinstance(entry, dict)
    return entry


# --- secrets -----------------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize(
    "event",
    [
        record(f"refused: {KEY}"),
        record("refused: %s", KEY),
        record("refused: %r", {"Authorization": f"Bearer {KEY}"}),
        with_traceback("refused", ValueError(f"bad key {KEY}")),
    ],
    ids=["message", "argument", "inside an argument", "traceback"],
)
def test_a_key_is_masked_wherever_a_library_puts_it(
    lines: type[ConsoleLines | JsonLines], event: logging.LogRecord
) -> None:
    line = lines([KEY], no_call).format(event)
    assert KEY not in line
    assert MASK in line
    assert "refused" in line


@FORMS
def test_a_key_within_a_key_leaves_no_rest(lines: type[ConsoleLines | JsonLines]) -> None:
    line = lines(["abcd", "abcd-efgh"], no_call).format(record("keys: abcd-efgh, abcd."))
    assert line.count(MASK) == 2
    assert "efgh" not in line


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20),
    st.text(max_size=20),
)
def test_no_key_is_too_odd_to_be_masked(key: str, around: str) -> None:
    around = f"({around})"
    assume(key not in around)
    entry = read(JsonLines([key], no_call).format(record("%s", f"{around} {key} {around}")))
    assert entry["message"] == f"{around} {MASK} {around}"


@pytest.mark.parametrize("key", ["message", "info", '"', "1", ":"])
def test_a_key_that_is_a_common_word_does_not_spoil_the_line(key: str) -> None:
    entry = read(JsonLines([key], no_call).format(record("all is well")))
    assert (entry["level"], entry["message"]) == ("info", "all is well")
    assert entry["time"] == "2023-11-14T22:13:20.250Z"


@FORMS
def test_no_keys_mask_nothing(lines: type[ConsoleLines | JsonLines]) -> None:
    assert MASK not in lines(["", ""], no_call).format(record("all is well"))


# --- the two forms -----------------------------------------------------------------------------


def test_a_line_for_people_has_time_level_call_and_text() -> None:
    line = ConsoleLines([], lambda: CALL).format(record("heard %d words", 3))
    assert re.fullmatch(r"2023-11-1[45] \d\d:\d\d:20\.250 info +\[0b7f6a52\] heard 3 words", line)


def test_a_line_outside_of_calls_names_none() -> None:
    assert "[" not in ConsoleLines([], no_call).format(record("listening"))
    assert "call" not in read(JsonLines([], no_call).format(record("listening")))


def test_a_line_for_machines_has_every_field() -> None:
    entry = read(JsonLines([], lambda: CALL).format(record("slow", level=logging.WARNING)))
    assert entry == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "avr.test",
        "message": "slow",
        "call": CALL,
    }


@given(st.text(max_size=200), st.text(max_size=40))
def test_any_message_is_one_json_object_on_one_line(text: str, call: str) -> None:
    line = JsonLines([], lambda: call).format(record("%s", text))
    assert "\n" not in line
    assert read(line)["message"] == text


def test_bytes_that_are_no_text_do_not_cost_the_line() -> None:
    line = JsonLines([], no_call).format(record("file %s is missing", "caf\udce9.yaml"))
    assert "is missing" in msgspec.json.decode(line.encode())["message"]


@FORMS
def test_a_traceback_is_part_of_its_line(lines: type[ConsoleLines | JsonLines]) -> None:
    line = lines([], no_call).format(with_traceback("fault", ValueError("seven")))
    assert "ValueError: seven" in line
    assert "Traceback" in line


# --- the process's log -------------------------------------------------------------------------


def flushed(capsys: pytest.CaptureFixture[str]) -> Any:
    """What was written, once the thread that writes has written it."""
    logging.getLogger().handlers[0].flush()
    return capsys.readouterr()


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger and those that are quietened, put back as they were."""
    libraries = ("alembic", "openai", "httpx", "httpx2", "httpcore2", "aiohttp.access")
    names = (*libraries, "picows", "mcp", "client")
    root, levels = logging.getLogger(), {n: logging.getLogger(n).level for n in names}
    level, handlers = root.level, root.handlers[:]
    yield root
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.setLevel(level)
    root.handlers[:] = handlers
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_messages_below_the_level_are_not_written(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    set_up(level, "json", [KEY], lambda: CALL)
    log = logging.getLogger("avr.test.levels")
    names = ["debug", "info", "warning", "error"]
    for name in names:
        getattr(log, name)("a line with %s", KEY)
    written = flushed(capsys)
    entries = [read(line) for line in written.err.splitlines()]
    assert [entry["level"] for entry in entries] == names[names.index(level) :]
    assert {entry["message"] for entry in entries} == {f"a line with {MASK}"}
    assert {entry["call"] for entry in entries} == {CALL}
    assert written.out == ""


def test_the_log_for_people_goes_to_standard_error_too(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up("info", "console", [], no_call)
    logging.getLogger("avr.test").info("listening")
    assert flushed(capsys).err.endswith(" info    listening\n")


@pytest.mark.parametrize("name", ["openai", "httpx", "aiohttp.access", "picows", "alembic"])
def test_libraries_that_log_whole_requests_stay_quiet_even_when_debugging(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    set_up("debug", "console", [], no_call)
    logging.getLogger(name).info("POST /v1 {'messages': ['what the caller said']}")
    assert flushed(capsys).err == ""


@pytest.mark.parametrize("name", ["client", "mcp.client.streamable_http", "mcp.shared.session"])
def test_requests_to_mcp_servers_are_not_logged_even_as_errors(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    set_up("debug", "console", [], no_call)
    logging.getLogger(name).exception("cannot use %s", {"arguments": "what the caller said"})
    assert flushed(capsys).err == ""


def test_with_a_stream_in_the_background_nobody_waits_for_the_reader(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with full_pipe() as (reading, pipe):
        writer = BackgroundWriter(pipe, most_bytes=400)
        monkeypatch.setattr(sys, "stderr", BackgroundStream(pipe, writer))
        set_up("info", "json", [KEY], lambda: CALL)
        for number in range(50):
            logging.getLogger("avr.test").info("line %d with %s", number, KEY)
        lost = lines_lost()
        assert 40 < lost < 50
        got = b""
        while b"lost" not in got:
            got += os.read(reading, 65536).replace(b"\0", b"")
        entries = [read(line) for line in got.decode().splitlines()]
        assert entries[0]["message"] == f"line 0 with {MASK}"
        assert entries[0]["call"] == CALL
        assert entries[-1]["message"] == f"log lines were lost: {lost} (nobody reads them)"
        assert entries[-1]["level"] == "warning"
        logging.getLogger("avr.test").info("%d and %d", "not a number", KEY)
        assert "cannot be formatted" in os.read(reading, 65536).decode()
        logging.getLogger().handlers[0].close()
