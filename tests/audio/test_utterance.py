"""One utterance: what is missing in the middle of it. Whole ones are in test_playout."""

from avr_sts_speechmatics.audio.pcm import FRAME_BYTES
from avr_sts_speechmatics.audio.utterance import MAX_CATCH_UP, Utterance


def begun() -> Utterance:
    """An utterance of which one frame was heard, and nothing else has come."""
    utterance = Utterance(1)
    utterance.write(bytes(FRAME_BYTES))
    assert utterance.take() is not None
    return utterance


def test_a_pause_is_noted_once_when_it_has_become_too_long() -> None:
    utterance = begun()
    noted = [utterance.is_starving() for _ in range(10)]
    assert noted.index(True) == MAX_CATCH_UP
    assert noted.count(True) == 1


def test_each_pause_is_noted() -> None:
    utterance = begun()
    for _ in range(2):
        assert sum(utterance.is_starving() for _ in range(10)) == 1
        utterance.write(bytes(FRAME_BYTES))
        utterance.take()


def test_an_utterance_that_has_not_begun_or_is_over_has_no_pause() -> None:
    waiting, over = Utterance(1), begun()
    over.end(whole=True)
    assert not any(one.is_starving() for one in (waiting, over) for _ in range(10))
