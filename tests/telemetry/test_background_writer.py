"""Output through a thread: nobody waits for a reader, and what is lost is counted."""

import io
import os
import threading
import time

import pytest
from tests.support import full_pipe

from avr_sts_speechmatics.telemetry.background_writer import (
    NOT_READ,
    BackgroundStream,
    BackgroundWriter,
)


def lost_line(lines: int, why: str) -> str:
    return f"{lines} lost: {why}\n"


def read_until(reading: int, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        got += os.read(reading, 65536)
    return got.replace(b"\0", b"")


def test_lines_arrive_in_order() -> None:
    stream = io.StringIO()
    writer = BackgroundWriter(stream)
    for number in range(1000):
        writer.write(f"{number}\n")
    writer.close()
    assert stream.getvalue().splitlines() == [str(number) for number in range(1000)]
    assert writer.lines_lost == 0


def test_a_pipe_that_nobody_reads_blocks_nobody_and_the_loss_is_told_when_it_is_read() -> None:
    with full_pipe() as (reading, stream):
        writer = BackgroundWriter(stream, lost=lost_line, most_bytes=1000)
        begun = time.monotonic()
        for number in range(500):
            writer.write(f"line {number:4}\n")
        assert not writer.flush(0.1)
        assert time.monotonic() - begun < 1
        assert writer.lines_lost == 400
        told = lost_line(400, NOT_READ)
        got = read_until(reading, told.encode()).decode()
        assert got.splitlines() == [*(f"line {number:4}" for number in range(100)), told.strip()]
        writer.write("again\n")
        assert read_until(reading, b"again\n") == b"again\n"
        writer.close()


def test_the_end_does_not_wait_for_a_reader() -> None:
    with full_pipe() as (reading, stream):
        writer = BackgroundWriter(stream)
        writer.write("never read\n")
        begun = time.monotonic()
        writer.close()
        assert time.monotonic() - begun < 3
        read_until(reading, b"never read\n")  # lets the thread of the test end


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_costs_the_lines_and_is_told_once() -> None:
    told: list[str] = []
    with open("/dev/full", "w", encoding="utf-8") as stream:
        writer = BackgroundWriter(stream, failed=told.append)
        for _ in range(3):
            writer.write("a line\n")
            assert writer.flush()
        writer.close()
    assert writer.lines_lost == 3
    assert told == ["no space left on device"]


def test_a_reader_that_has_gone_costs_the_lines() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:
        writer = BackgroundWriter(stream)
        writer.write("a line\n")
        writer.close()
    assert writer.lines_lost == 1


def test_after_a_failure_the_loss_is_told_with_the_next_line() -> None:
    class Disk(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    disk = Disk()
    writer = BackgroundWriter(disk, lost=lost_line)
    writer.write("lost\n")
    writer.flush()
    disk.full = False
    writer.write("kept\n")
    writer.close()
    assert disk.getvalue() == "kept\n1 lost: no space left on device\n"


def test_a_closed_stream_costs_the_lines() -> None:
    writer = BackgroundWriter(None)
    writer.write("nowhere\n")
    writer.close()
    assert writer.lines_lost == 1


def test_a_pipe_that_another_program_made_non_blocking_is_waited_for() -> None:
    with full_pipe() as (reading, stream):
        os.set_blocking(stream.fileno(), False)
        writer = BackgroundWriter(stream)
        writer.write("a line\n")
        assert not writer.flush(0.1)
        assert read_until(reading, b"a line\n") == b"a line\n"
        writer.close()
    assert writer.lines_lost == 0


def test_print_goes_through_the_thread_too() -> None:
    below = io.StringIO()
    stream = BackgroundStream(below, BackgroundWriter(below))
    print("two\nlines", file=stream)
    stream.writer.flush()
    assert below.getvalue() == "two\nlines\n"
    assert not stream.isatty()
    stream.writer.close()


def test_nothing_is_started_for_a_stream_that_is_not_written_to() -> None:
    threads = threading.active_count()
    BackgroundWriter(io.StringIO()).close()
    assert threading.active_count() == threads
