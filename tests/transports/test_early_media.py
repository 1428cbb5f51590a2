"""Early media: delivered whole and in order, and never more than the bound."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.transports.early_media import KEYS_MAX, EarlyMedia

Keep = Literal["first", "last"]


class Notes:
    """A call that writes down what arrives."""

    def __init__(self) -> None:
        self.events: list[bytes | str] = []

    @property
    def audio(self) -> bytes:
        return b"".join(event for event in self.events if isinstance(event, bytes))

    @property
    def keys(self) -> str:
        return "".join(event for event in self.events if isinstance(event, str))

    def hear(self, pcm: bytes) -> None:
        assert pcm
        self.events.append(pcm)

    def press(self, digit: str) -> None:
        self.events.append(digit)

    def write(self, text: str) -> None: ...

    def audio_ended(self) -> None: ...
    def leave(self) -> None: ...


def delivered(early: EarlyMedia) -> Notes:
    notes = Notes()
    early.deliver(notes)
    return notes


@pytest.mark.parametrize("keep", ["first", "last"])
def test_audio_and_keys_are_delivered_in_the_order_of_their_arrival(keep: Keep) -> None:
    early = EarlyMedia(1.0, keep)
    early.press("1")
    early.hear(b"ab")
    early.hear(b"cd")
    early.press("#")
    early.hear(b"ef")
    assert delivered(early).events == ["1", b"abcd", "#", b"ef"]


def test_a_delivery_happens_once() -> None:
    early = EarlyMedia(1.0, "first")
    early.hear(b"ab")
    early.press("1")
    delivered(early)
    assert delivered(early).events == []


@given(
    pieces=st.lists(st.one_of(st.integers(0, 400), st.sampled_from("0123456789*#ABCD"))),
    keep=st.sampled_from(["first", "last"]),
)
def test_the_kept_audio_is_bounded_and_is_the_beginning_or_the_end(
    pieces: list[int | str], keep: Keep
) -> None:
    limit = 320  # bytes of 20 ms
    early = EarlyMedia(0.02, keep)
    said, keys = b"", ""
    for piece in pieces:
        if isinstance(piece, str):
            early.press(piece)
            keys += piece
        else:
            pcm = b"".join((len(said) // 2 + n).to_bytes(2, "little") for n in range(piece))
            early.hear(pcm)
            said += pcm
    notes = delivered(early)
    assert notes.keys == keys[:KEYS_MAX]
    assert notes.audio == (said[:limit] if keep == "first" else said[-limit:])


def test_after_a_delivery_the_bounds_are_whole_again() -> None:
    early = EarlyMedia(0.02, "first")
    early.hear(bytes(640))
    for _ in range(KEYS_MAX + 1):
        early.press("5")
    delivered(early)
    early.hear(b"\1" * 320)
    early.press("7")
    assert delivered(early).events == [b"\1" * 320, "7"]
