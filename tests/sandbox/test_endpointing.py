"""Endpointing: when speech starts, when a turn is over, and the messages in between."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.sandbox.endpointing import FRAME_S, TURN_END_S, Decode, Output, Turns

VOICE, SILENCE = 0.95, 0.02


class Line:
    """A caller's line with a recogniser.

    recogniser: returns the text of an order at once; None answers only through `answer`.
    """

    def __init__(self, recogniser: Callable[[Decode], str] = lambda _: "Hello.", **options: Any):
        self.turns = Turns(**options)
        self.recogniser: Callable[[Decode], str] | None = recogniser
        self.messages: list[dict[str, Any]] = []
        self.decodes: list[Decode] = []
        self.unanswered: list[Decode] = []

    def goes_on(self, seconds: float, probability: float, *, idle: bool = True) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.take(self.turns.frame(probability, decoder_idle=idle))

    def take(self, outputs: list[Output]) -> None:
        for output in outputs:
            if not isinstance(output, Decode):
                self.messages.append(output)
                continue
            self.decodes.append(output)
            self.unanswered.append(output)
        while self.recogniser is not None and self.unanswered:
            self.answer(self.recogniser(self.unanswered[0]))

    def answer(self, text: str) -> None:
        """Give the text of the oldest pending order."""
        self.take(self.turns.heard(self.unanswered.pop(0).number, text))

    @property
    def names(self) -> list[str]:
        return [message["message"] for message in self.messages]


def a_turn(**options: Any) -> Line:
    line = Line(**options)
    line.goes_on(0.5, SILENCE)
    line.goes_on(1.0, VOICE)
    line.goes_on(1.0, SILENCE)
    return line


def test_a_turn_is_reported_in_the_documented_order() -> None:
    assert a_turn(partials=True).names == [
        "SpeechStarted",
        "StartOfTurn",
        "AddPartialSegment",
        "AddSegment",
        "SpeechEnded",
        "EndOfTurn",
    ]


def test_event_times_are_positions_in_the_audio() -> None:
    line = a_turn()
    started, _, segment, ended, over = line.messages
    assert abs(started["metadata"]["start_time"] - 0.5) < 0.05
    assert segment["metadata"]["start_time"] == started["metadata"]["start_time"]
    assert abs(ended["metadata"]["end_time"] - 1.5) < 0.05
    assert abs(over["metadata"]["end_time"] - (1.5 + TURN_END_S)) < 0.05


def test_without_partials_the_turn_still_starts_with_its_first_word() -> None:
    assert "AddPartialSegment" not in a_turn().names
    assert "StartOfTurn" in a_turn().names


def test_a_cough_starts_no_turn() -> None:
    line = a_turn(recogniser=lambda _: "")
    assert line.names == ["SpeechStarted", "SpeechEnded"]


def test_a_partial_without_final_words_ends_its_turn_without_a_segment() -> None:
    line = a_turn(recogniser=lambda decode: "" if decode.final else "Oh")
    assert line.names == ["SpeechStarted", "StartOfTurn", "SpeechEnded", "EndOfTurn"]


def test_a_click_is_not_speech() -> None:
    line = Line()
    line.goes_on(2 * FRAME_S, VOICE)
    line.goes_on(1.0, SILENCE)
    assert line.messages == []


def test_a_breath_does_not_end_the_speech() -> None:
    line = Line()
    line.goes_on(0.6, VOICE)
    line.goes_on(0.3, SILENCE)
    line.goes_on(0.6, VOICE)
    line.goes_on(1.0, SILENCE)
    assert line.names.count("AddSegment") == line.names.count("SpeechStarted") == 1
    final = [decode for decode in line.decodes if decode.final][-1]
    assert final.start == 0
    assert final.end > 1.4


def test_a_longer_pause_makes_a_second_segment_of_the_same_turn() -> None:
    line = Line()
    line.goes_on(0.6, VOICE)
    line.goes_on(0.5, SILENCE)
    line.goes_on(0.6, VOICE)
    line.goes_on(1.0, SILENCE)
    assert line.names == [
        "SpeechStarted",
        "StartOfTurn",
        "AddSegment",
        "SpeechEnded",
        "SpeechStarted",
        "AddSegment",
        "SpeechEnded",
        "EndOfTurn",
    ]


def test_the_final_text_is_ready_when_the_turn_ends() -> None:
    """Audio decoded early in the silence is not decoded again."""
    line = a_turn()
    finals = [decode for decode in line.decodes if decode.final]
    assert len(finals) == 1
    assert finals[0].end < 1.8


def test_partials_are_decoded_during_speech_only_while_the_decoder_is_idle() -> None:
    line = Line(partials=True)
    line.goes_on(2.0, VOICE)
    assert 4 <= len(line.decodes) <= 5
    busy = Line(partials=True)
    busy.goes_on(2.0, VOICE, idle=False)
    assert busy.decodes == []


def test_an_unchanged_partial_is_not_sent_again() -> None:
    line = Line(partials=True)
    line.goes_on(2.0, VOICE)
    assert line.names.count("AddPartialSegment") == 1


def test_a_slow_decoder_delays_the_end_of_the_turn() -> None:
    line = Line(recogniser=lambda _: "")
    line.recogniser = None
    line.goes_on(0.3, VOICE)
    line.goes_on(1.0, SILENCE)
    assert line.turns.waiting
    assert line.names == ["SpeechStarted", "SpeechEnded"]
    line.answer("Late.")
    assert line.names[2:] == ["StartOfTurn", "AddSegment", "EndOfTurn"]
    assert not line.turns.waiting


def test_the_text_of_speech_that_goes_on_is_only_a_partial() -> None:
    line = Line(partials=True)
    line.recogniser = None
    line.goes_on(0.3, VOICE)
    line.goes_on(0.3, SILENCE)
    line.goes_on(0.2, VOICE)
    line.answer("Half a")
    assert line.names[-1] == "AddPartialSegment"
    line.goes_on(1.0, SILENCE)
    while line.unanswered:
        line.answer("Half a sentence.")
    assert line.messages[-2]["segment"]["transcript"] == "Half a sentence."


def test_the_end_of_the_stream_sends_the_pending_messages() -> None:
    line = Line()
    line.goes_on(0.6, VOICE)
    line.take(line.turns.finish())
    assert line.names[-3:] == ["SpeechEnded", "AddSegment", "EndOfTurn"]


def test_the_end_of_a_silent_stream_sends_no_message() -> None:
    line = Line()
    line.goes_on(1, SILENCE)
    line.take(line.turns.finish())
    assert line.messages == []


def test_in_external_mode_only_the_client_ends_a_turn() -> None:
    line = Line(external=True, partials=True)
    line.goes_on(1.0, VOICE)
    line.goes_on(3.0, SILENCE)
    assert set(line.names) == {"StartOfTurn", "AddPartialSegment"}
    line.take(line.turns.force(3.9))
    assert line.names[-2:] == ["AddSegment", "EndOfTurn"]
    assert line.messages[-1]["metadata"]["end_time"] == 3.9


def test_a_forced_end_of_turn_in_silence_is_answered() -> None:
    line = Line(external=True)
    line.take(line.turns.force(0.5))
    assert line.names == ["EndOfTurn"]


def test_a_long_speech_is_cut_into_segments_short_enough_for_the_recogniser() -> None:
    line = Line()
    line.goes_on(40, VOICE)
    line.goes_on(1, SILENCE)
    assert line.names.count("AddSegment") == 2
    assert line.names.count("SpeechStarted") == line.names.count("EndOfTurn") == 1
    assert all(decode.end - decode.start < 26 for decode in line.decodes)


def test_each_sentence_becomes_a_segment_on_request() -> None:
    line = a_turn(sentences=True, recogniser=lambda _: "That's all. Thank you. Goodbye.")
    segments = [m for m in line.messages if m["message"] == "AddSegment"]
    assert [s["segment"]["transcript"] for s in segments] == [
        "That's all.",
        "Thank you.",
        "Goodbye.",
    ]
    times = [(s["metadata"]["start_time"], s["metadata"]["end_time"]) for s in segments]
    assert all(a[1] == b[0] for a, b in pairwise(times))


def test_speakers_are_labelled_on_request() -> None:
    line = a_turn(speaker="S1")
    assert line.messages[2]["segment"] == {"transcript": "Hello.", "speaker": "S1"}


PROBABILITIES = st.lists(
    st.tuples(st.sampled_from([0.02, 0.2, 0.4, 0.6, 0.95]), st.integers(1, 40)), max_size=30
)


@given(PROBABILITIES, st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_messages_stay_in_order_for_any_audio(
    stretches: list[tuple[float, int]], partials: bool, external: bool, random: Any
) -> None:
    line = Line(partials=partials, external=external)
    line.recogniser = None
    for probability, frames in stretches:
        for _ in range(frames):
            line.take(line.turns.frame(probability, decoder_idle=not line.unanswered))
            assert all(d.start >= line.turns.needed_from - FRAME_S for d in line.unanswered)
            while line.unanswered and (line.turns.waiting or random.random() < 0.2):
                line.answer(random.choice(["", "Yes.", "No."]))
    line.take(line.turns.finish())
    while line.unanswered:
        line.answer(random.choice(["", "Yes."]))

    speaking, turn, texts = False, False, 0
    for message in line.messages:
        match message["message"]:
            case "SpeechStarted":
                assert not speaking
                assert not external
                speaking = True
            case "SpeechEnded":
                assert speaking
                speaking = False
            case "StartOfTurn":
                assert not turn
                turn = True
            case "EndOfTurn":
                assert turn or external
                turn = False
            case "AddSegment" | "AddPartialSegment":
                assert turn
                assert message["segment"]["transcript"]
                times = message["metadata"]
                assert 0 <= times["start_time"] <= times["end_time"] <= line.turns.now + 0.001
                texts += 1
    assert not speaking
    assert not turn
    assert not line.turns.waiting
