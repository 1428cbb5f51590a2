"""The interface of a transport: what a line may leave out."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.line import Line, began_ms_of, new_call_key


class BareLine(Line):
    """Only what every line must have."""

    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> AgentAudio:
        return pacing.playout(lambda frame: None, finished)

    def close(self, *, failed: bool) -> None: ...


def test_a_line_without_messages_takes_everything_a_call_sends() -> None:
    line = BareLine()
    line.send_interruption()
    line.send_transcript("agent", "Hello?")
    line.send_error("the recogniser is lost")
    line.send_record("turn", {"words_said": 3})
    line.hang_up()


def test_a_line_is_a_phone_call_that_cannot_be_hung_up_unless_it_says_otherwise() -> None:
    line = BareLine()
    assert not line.can_hang_up
    assert not line.rehearsed


@pytest.mark.parametrize("missing", ["open_playout", "close"])
def test_a_line_without_playout_or_end_cannot_be_made(missing: str) -> None:
    (there,) = {"open_playout", "close"} - {missing}
    incomplete: Any = type("Incomplete", (Line,), {there: getattr(BareLine, there)})
    with pytest.raises(TypeError, match=missing):
        incomplete()


def test_a_key_holds_the_time_and_follows_the_keys_before_it() -> None:
    before = time.time_ns() // 1_000_000
    keys = [new_call_key() for _ in range(100)]
    assert before <= began_ms_of(keys[0]) <= began_ms_of(keys[-1]) <= time.time_ns() // 1_000_000
    assert {len(key) for key in keys} == {32}
    assert len(set(keys)) == 100
    assert [key[:12] for key in keys] == sorted(key[:12] for key in keys)
