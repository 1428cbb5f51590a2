"""Requests side by side: one is heard, all others are ended, and nothing is left of them."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import virtual_time

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.tts.race import Failed, Race, Spoke


class Voice:
    """Speaks its pieces after a while, or fails then."""

    def __init__(self, after: float, pieces: list[bytes] | None = None) -> None:
        self.after = after
        self.pieces = pieces
        self.open = False

    async def speak(self) -> AsyncGenerator[bytes, None]:
        self.open = True
        try:
            await asyncio.sleep(self.after)
            if self.pieces is None:
                raise ServiceError("tts", "gone", retryable=True)
            for piece in self.pieces:
                yield piece
        finally:
            self.open = False


async def test_the_first_to_speak_is_heard_and_the_other_is_ended() -> None:
    slow, quick = Voice(5, [b"slow"]), Voice(0.01, [b"quick", b"er"])
    race = Race[str]()
    race.add("slow", slow.speak())
    race.add("quick", quick.speak())
    assert race.running == ["slow", "quick"]
    outcome = await race.next(5)
    assert isinstance(outcome, Spoke)
    assert (outcome.who, outcome.piece) == ("quick", b"quick")
    await race.close()
    assert not slow.open
    assert [piece async for piece in outcome.audio] == [b"er"]


async def test_a_failure_leaves_the_other_running() -> None:
    broken, late = Voice(0, None), Voice(0.05, [b"late"])
    race = Race[str]()
    race.add("broken", broken.speak())
    race.add("late", late.speak())
    failed = await race.next(5)
    assert isinstance(failed, Failed)
    assert failed.who == "broken"
    assert race.running == ["late"]
    spoke = await race.next(5)
    assert isinstance(spoke, Spoke)
    await race.close()
    await spoke.audio.aclose()


async def test_nobody_in_time_is_no_outcome() -> None:
    slow = Voice(5, [b"slow"])
    race = Race[int]()
    assert await race.next(0.01) is None
    race.add(1, slow.speak())
    assert await race.next(0.05) is None
    assert race.running == [1]
    await race.close()
    assert not slow.open


async def test_audio_without_a_piece_is_a_failure() -> None:
    race = Race[int]()
    race.add(1, Voice(0, []).speak())
    failed = await race.next(5)
    assert isinstance(failed, Failed)
    assert "without audio" in str(failed.error)
    await race.close()


async def test_a_fault_of_our_own_is_raised() -> None:
    async def faulty() -> AsyncGenerator[bytes, None]:
        raise TypeError("ours")
        yield b""

    race = Race[int]()
    race.add(1, faulty())
    with pytest.raises(TypeError):
        await race.next(5)
    await race.close()


@given(
    voices=st.lists(st.tuples(st.floats(0, 3), st.booleans()), min_size=1, max_size=4),
    gaps=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_whatever_happens_one_is_heard_at_most_and_none_is_left(
    voices: list[tuple[float, bool]], gaps: list[float]
) -> None:
    async def main() -> None:
        made = [
            Voice(after, [b"%d" % at] if works else None)
            for at, (after, works) in enumerate(voices)
        ]
        race, heard = Race[int](), []
        for at, voice in enumerate(made):
            race.add(at, voice.speak())
            outcome = await race.next(gaps[at])
            if isinstance(outcome, Spoke):
                heard.append(outcome)
                break
        await race.close()
        for spoke in heard:
            assert spoke.piece == b"%d" % spoke.who
            await spoke.audio.aclose()
        assert not any(voice.open for voice in made)
        assert len(asyncio.all_tasks()) == 1

    virtual_time.run(main())
