"""One answer as its chunks arrive."""

import pytest

from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.services.llm.chunks import CallPiece, Chunk
from avr_sts_speechmatics.services.llm.protocol import Brief
from avr_sts_speechmatics.services.llm.request_form import RequestForm
from avr_sts_speechmatics.services.llm.streamed_answer import StreamedAnswer

TOOL = ToolSpec("look_up", "Looks it up.", {"type": "object"})


@pytest.fixture
def answer() -> StreamedAnswer:
    return StreamedAnswer(Brief("", (TOOL,)), RequestForm({}, proven=True))


def test_visible_text_comes_as_it_arrives(answer: StreamedAnswer) -> None:
    said = [answer.add(Chunk(text=text)) for text in ("We ", "open ", "at nine.")]
    assert "".join(said) + answer.end() == "We open at nine."
    assert answer.has_text


def test_reasoning_is_not_visible(answer: StreamedAnswer) -> None:
    said = answer.add(Chunk(text="<think>They ask for hours.</think>At nine."))
    assert said + answer.end() == "At nine."


@pytest.mark.parametrize(
    ("chunk", "whole"),
    [
        (Chunk(text="At nine.", finish="stop"), True),
        (Chunk(text="At", finish="error"), False),
        (Chunk(text="At nine."), True),
        (Chunk(text="At"), False),
    ],
)
def test_an_answer_is_whole_by_its_reason_or_its_last_sign(
    answer: StreamedAnswer, chunk: Chunk, whole: bool
) -> None:
    answer.add(chunk)
    assert answer.is_complete is whole


def test_pieces_of_a_call_are_one_call(answer: StreamedAnswer) -> None:
    answer.add(Chunk(calls=(CallPiece(0, "a", "look_up", '{"x"', {}),)))
    answer.add(Chunk(calls=(CallPiece(0, "", "", ": 1}", {}),)))
    (call,) = answer.calls("server")
    assert (call.name, call.arguments) == ("look_up", '{"x": 1}')
