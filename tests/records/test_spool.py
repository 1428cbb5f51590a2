"""The spool: what waits on disk survives its process, and exactly one other takes it up."""

import json
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records.rows import begun, turn

from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.spool import Spool, SpoolFull, erase

TEXTS = st.text(st.characters(codec=None), max_size=20)


def all_of(spool: Spool, most: int = 100) -> list[Change]:
    """Read and drop everything."""
    found: list[Change] = []
    while changes := spool.read(most):
        found += changes
        spool.advance(len(changes))
    return found


@given(st.lists(st.lists(TEXTS, max_size=5), max_size=5), st.integers(1, 7))
def test_what_is_put_in_comes_out_in_order(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[list[str]], most: int
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"))
    changes = [[turn(said=text) for text in piece] for piece in pieces]
    for piece in changes:
        if piece:
            spool.append(piece)
    put = [change for piece in changes for change in piece]
    assert spool.waiting == len(put)
    assert all_of(spool, most) == put
    assert spool.is_empty
    assert spool.waiting == 0


def test_there_is_a_file_only_while_something_waits(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert not (tmp_path / "spool").exists()
    spool.append([begun()])
    (file,) = (tmp_path / "spool").iterdir()
    assert spool.path == file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert all_of(spool) == [begun()]
    assert list((tmp_path / "spool").iterdir()) == []


def test_reading_and_adding_go_on_side_by_side(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([turn(number=0)])
    found = []
    for number in range(1, 50):
        changes = spool.read(1)
        spool.append([turn(number=number)])
        spool.advance(len(changes))
        found += changes
    found += all_of(spool)
    assert [change.row["number"] for change in found] == list(range(50))


def test_a_change_that_is_no_json_leaves_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([begun()])
    with pytest.raises(TypeError):
        spool.append([turn(), turn(said=object())])
    assert all_of(spool) == [begun()]


def test_a_full_spool_takes_nothing_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_bytes=1000)
    kept = 0
    with suppress(SpoolFull):
        for kept in range(100):
            spool.append([turn(number=kept)])
    assert spool.path.stat().st_size <= 1000
    assert len(all_of(spool)) == kept > 1
    spool.append([turn()])
    spool.close()


# --- of processes that have ended ---------------------------------------------------------------


def test_nobody_takes_up_what_a_process_still_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([begun()])
    assert Spool.take_up(tmp_path) is None
    spool.close()
    other = Spool.take_up(tmp_path)
    assert other is not None
    assert Spool.take_up(tmp_path) is None
    assert all_of(other) == [begun()]
    assert list(tmp_path.iterdir()) == []


def test_exactly_one_takes_up_each_spool(tmp_path: Path) -> None:
    for number in range(20):
        spool = Spool(tmp_path)
        spool.append([begun(str(number))])
        spool.close()
    found: list[str] = []
    begin = threading.Barrier(8)

    def take_up_all() -> None:
        begin.wait()
        while (spool := Spool.take_up(tmp_path)) is not None:
            found.extend(change.row["key"] for change in all_of(spool))

    threads = [threading.Thread(target=take_up_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=int) == [str(number) for number in range(20)]
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_is_taken_up_first(tmp_path: Path) -> None:
    for number in range(3):
        spool = Spool(tmp_path)
        spool.append([begun(str(number))])
        spool.close()
    found = []
    while (taken := Spool.take_up(tmp_path)) is not None:
        found += [change.row["key"] for change in all_of(taken)]
    assert found == ["0", "1", "2"]


def test_a_line_that_was_cut_costs_that_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([begun(), turn(), turn(number=2)])
    spool.close()
    os.truncate(spool.path, spool.path.stat().st_size - 10)
    taken = Spool.take_up(tmp_path)
    assert taken is not None
    assert all_of(taken) == [begun(), turn()]
    assert taken.damaged == 1
    assert list(tmp_path.iterdir()) == []


# --- erasure ------------------------------------------------------------------------------------


def test_erased_calls_are_in_no_file_of_any_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    wanted = begun("1", caller_number="+49123")
    spool.append([wanted, turn("1", said="secret"), begun("2"), turn("2")])
    (first,) = spool.read(1)
    spool.advance(1)
    found = erase(tmp_path, (), lambda row: row.get("caller_number") == "+49123")
    assert first == wanted
    assert found == {"1"}
    assert "secret" not in spool.path.read_text()
    spool.append([turn("2", 2)])
    assert all_of(spool) == [begun("2"), turn("2"), turn("2", 2)]


def test_calls_are_erased_by_their_keys(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([turn("1"), turn("2"), Change("calls", {"key": "1", "ended_ms": 1}, True)])
    assert erase(tmp_path, ["1", "7"]) == {"1"}
    assert all_of(spool) == [turn("2")]
    assert erase(tmp_path / "none", ["1"]) == set()


def test_a_line_is_json_for_people(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([begun(facts={"a": 1})])
    table, row, update = json.loads(spool.path.read_text())
    assert (table, row, update) == ("calls", begun(facts={"a": 1}).row, False)
    spool.close()
