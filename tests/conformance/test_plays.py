"""The plays' own judgement: which audio and which transcripts show that calls were mixed."""

from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.avr_service import noise

from avr_sts_speechmatics.conformance.core import FRAME_BYTES, Received
from avr_sts_speechmatics.conformance.plays import mixed_audio, mixed_transcripts


def heard(pcm: bytes) -> list[Received]:
    """Messages with audio in frames."""
    frames = (pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES))
    return [Received(at, "audio", {}, frame) for at, frame in enumerate(frames)]


def said(role: str, text: str) -> Received:
    return Received(0, "transcript", {"type": "transcript", "role": role, "text": text})


ONE, TWO = noise(1, 20), noise(2, 20)


def test_two_answers_of_their_own_are_not_mixed() -> None:
    assert not mixed_audio([heard(ONE), heard(TWO)], [heard(ONE), heard(TWO)])


def test_answers_that_are_never_the_same_are_not_mixed() -> None:
    calls = [heard(noise(3, 20)), heard(noise(4, 20))]
    assert not mixed_audio([heard(ONE), heard(TWO)], calls)


def test_the_same_answer_to_both_questions_is_not_mixed() -> None:
    assert not mixed_audio([heard(ONE), heard(ONE)], [heard(ONE), heard(ONE)])


@given(st.integers(0, 300).map(lambda half: 2 * half), st.integers(0, 18))
def test_a_piece_of_the_other_answer_is_found_wherever_it_is(offset: int, frame: int) -> None:
    stolen = TWO[frame * FRAME_BYTES :][: 2 * FRAME_BYTES]
    stolen += TWO[: 2 * FRAME_BYTES - len(stolen)]
    mixed = ONE[:offset] + stolen + ONE[offset:]
    found = mixed_audio([heard(ONE), heard(TWO)], [heard(mixed), heard(TWO)])
    assert found.endswith("s of audio came to the wrong call")


def test_a_transcript_in_both_calls_is_found() -> None:
    one, two = [said("user", "One."), said("agent", "Yes.")], [said("user", "Two.")]
    assert not mixed_transcripts(one, [*two, said("agent", "Yes.")])
    assert "'One.'" in mixed_transcripts(one, [*two, said("user", "One.")])
