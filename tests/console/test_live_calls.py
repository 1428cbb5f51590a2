"""Readers of live calls: bounded buffers, snapshots, the calls of other workers."""

import json
from typing import Any

import pytest

from avr_sts_speechmatics.console.live_calls import LiveCalls, Reader, TooManyReaders
from avr_sts_speechmatics.console.live_view import View


def view(key: str, **values: Any) -> View:
    call: View = {"key": key, "uuid": f"uuid of {key}", "agent": "a", "state": "arriving"}
    return call | {"caller_says": None, "agent_says": None} | values


class Running:
    def __init__(self, key: str) -> None:
        self.view = view(key)

    def shown(self) -> View:
        return self.view


def events(piece: bytes) -> list[tuple[str, Any]]:
    found = []
    for block in piece.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields["event"], json.loads(fields["data"])))
    return found


def unread() -> None:
    raise AssertionError


async def test_nothing_is_published_while_nobody_reads() -> None:
    live = LiveCalls("transcripts")
    live.began("1", Running("1"))
    assert not live.listened
    reader = Reader(unread)
    await live.add(reader)
    assert live.listened
    assert [call["key"] for call in events(live.snapshot(reader))[0][1]["calls"]] == ["1"]
    live.remove(reader)
    assert not live.listened
    live.ended("1", unread)


async def test_every_reader_receives_every_event_in_order() -> None:
    live = LiveCalls("transcripts")
    readers = [Reader(unread), Reader(unread)]
    for reader in readers:
        await live.add(reader)
        live.snapshot(reader)
    live.began("1", Running("1"))
    live.publish("state", {"key": "1", "state": "listening"})
    live.ended("1", lambda: {"key": "1", "reason": "caller"})
    for reader in readers:
        kinds = [kind for kind, _ in events(reader.take())]
        assert kinds == ["began", "state", "ended"]


async def test_a_reader_whose_buffer_is_full_is_cut_off_and_the_others_read_on() -> None:
    live, cut = LiveCalls("transcripts"), []
    slow, fast = Reader(lambda: cut.append("slow"), buffer_max=1000), Reader(unread)
    for reader in (slow, fast):
        await live.add(reader)
        live.snapshot(reader)
    for number in range(100):
        live.publish("words", {"key": "1", "text": f"word {number}"})
        fast.take()
    assert cut == ["slow"]
    assert slow.over
    assert slow.take() == b""


async def test_further_readers_than_the_bound_are_refused() -> None:
    live = LiveCalls("transcripts", readers_max=1)
    await live.add(Reader(unread))
    with pytest.raises(TooManyReaders):
        await live.add(Reader(unread))


async def test_at_the_end_each_reader_is_told() -> None:
    live, reader = LiveCalls("transcripts"), Reader(unread)
    await live.add(reader)
    live.close()
    await reader.wait()
    assert reader.over
    assert b"event: closing" in reader.take()
    with pytest.raises(TooManyReaders):
        await live.add(Reader(unread))


async def test_calls_of_other_workers_are_shown_and_end_with_their_worker() -> None:
    live, reader = LiveCalls("transcripts"), Reader(unread)
    await live.add(reader)
    live.happened(7, "began", view("0"))  # before the list, which has it
    live.calls_of(7, [view("1"), view("2")])
    assert reader.resync
    assert [call["key"] for call in events(live.snapshot(reader))[0][1]["calls"]] == ["1", "2"]
    live.happened(7, "began", view("3"))
    live.happened(7, "state", {"key": "1", "state": "speaking", "agent": "b"})
    live.happened(7, "words", {"key": "1", "speaker": "agent", "text": "At five.", "final": True})
    live.happened(7, "ended", {"key": "2", "reason": "caller"})
    live.happened(7, "state", {"key": "unknown", "state": "speaking"})
    snapshot = events(live.snapshot(reader))[0][1]["calls"]
    assert [(call["key"], call["state"], call["agent"]) for call in snapshot] == [
        ("1", "speaking", "b"),
        ("3", "arriving", "a"),
    ]
    assert snapshot[0]["agent_says"] == {"text": "At five.", "final": True}
    live.lost(7)
    ended = [(kind, data["key"], data["reason"]) for kind, data in events(reader.take())]
    assert ended == [("ended", "1", "lost"), ("ended", "3", "lost")]
    assert events(live.snapshot(reader))[0][1]["calls"] == []
