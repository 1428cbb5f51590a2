"""What of an answer the caller may hear, however the stream is cut."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.services.llm.visible_text import VisibleText

NOTHING: dict[str, object] = {"type": "object", "properties": {}}
TEXT = {"type": "object", "properties": {"transfer_extension": {"type": "string"}}}
TOOLS = [ToolSpec("avr_transfer", "Transfers.", TEXT), ToolSpec("avr_hangup", "Ends.", NOTHING)]
TRANSFER = ("avr_transfer", '{"transfer_extension": "700"}')


def read(
    text: str, cuts: Sequence[int] = (), *, reasons_first: bool = False, cut: bool = False
) -> VisibleText:
    """Read a text in pieces; what was shown is in `shown`."""
    visible = VisibleText(TOOLS, reasons_first=reasons_first)
    places = [0, *sorted(place for place in cuts if place < len(text)), len(text)]
    shown = "".join(visible.feed(text[one:next_]) for one, next_ in itertools.pairwise(places))
    visible.shown = shown + visible.end(cut=cut)  # type: ignore[attr-defined]
    return visible


def shown(text: str, cuts: Sequence[int] = (), **options: bool) -> str:
    return str(read(text, cuts, **options).shown)  # type: ignore[attr-defined]


CUTS = st.lists(st.integers(0, 200), max_size=30)


@given(CUTS)
def test_thoughts_are_never_shown_however_the_stream_is_cut(cuts: list[int]) -> None:
    text = "Well, <think>they ask about <b>hours</b></think>we close at 5 < 6."
    assert shown(text, cuts) == "Well, we close at 5 < 6."


def test_a_thought_that_never_ends_is_never_shown() -> None:
    assert shown("Yes.<think>hm") == "Yes."


REASONED = [
    "<think>no</think>Yes.",
    "<thinking>\nno\n</thinking>\n\nYes.",
    "<thought>no</thought>Yes.",
    "<THOUGHTS>no</THOUGHTS>Yes.",
    '<reasoning effort="low">no</reasoning>Yes.',
    "<reflection>no</reflection><answer>Yes.</answer>",
    "[THINK]no[/THINK]Yes.",
    "◁think▷no◁/think▷Yes.",
    "<seed:think>no</seed:think>Yes.",
    "<|channel|>analysis<|message|>no<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
    "Yes.<|im_end|>",
    "Yes.</s>",
    "Yes.<end_of_turn>",
]


@pytest.mark.parametrize("text", REASONED)
@settings(max_examples=20)
@given(cuts=CUTS)
def test_reasoning_and_special_tokens_are_not_shown(text: str, cuts: list[int]) -> None:
    assert shown(text, cuts) == "Yes."


ORDINARY = [
    "We close at 5 < 6, <b>really</b>.",
    "Well [laughs], {yes} and `code`.",
    "A list: [1, 2] and a set {1, 2}.",
    "```\n5 to 6\n``` is code.",
    "I'd say [[this]] <i>that</i> </i> <3.",
    "avr_ is a prefix, and so is [avr.",
    "",
    "<",
    "The answer: {",
]


@pytest.mark.parametrize("text", ORDINARY)
@settings(max_examples=20)
@given(cuts=CUTS)
def test_ordinary_text_is_shown_as_it_is(text: str, cuts: list[int]) -> None:
    visible = read(text, cuts)
    assert visible.shown == text  # type: ignore[attr-defined]
    assert visible.calls == []


@given(st.text(st.sampled_from("abc .,!?'\n"), max_size=60), CUTS)
def test_text_without_marks_waits_for_nothing(text: str, cuts: list[int]) -> None:
    visible, so_far = VisibleText(TOOLS), ""
    for character in "x" + text:
        so_far += visible.feed(character)
    assert so_far == "x" + text


WRITTEN = [
    '<tool_call>{"name": "avr_transfer", "arguments": {"transfer_extension": "700"}}</tool_call>',
    '<tool_call>\n{"name": "avr_transfer", "arguments": {"transfer_extension": "700"}}',
    '<function=avr_transfer>{"transfer_extension": "700"}</function>',
    '<function=avr_transfer{"transfer_extension": "700"}</function>',
    '[TOOL_CALLS][{"name": "avr_transfer", "arguments": {"transfer_extension": "700"}}]',
    '[TOOL_CALLS]avr_transfer{"transfer_extension": "700"}',
    '```json\n{"name": "avr_transfer", "arguments": {"transfer_extension": "700"}}\n```',
    '{"name": "avr_transfer", "parameters": {"transfer_extension": "700"}}',
    '{"avr_transfer": {"transfer_extension": "700"}}',
    '<|python_tag|>{"name": "avr_transfer", "parameters": {"transfer_extension": "700"}}<|eom_id|>',
    '<|python_tag|>avr_transfer(transfer_extension="700")',
    'avr_transfer(transfer_extension="700")',
    '[avr_transfer(transfer_extension="700")]',
    '```tool_code\nprint(avr_transfer(transfer_extension="700"))\n```',
    (
        "<tool_call>\n<function=avr_transfer>\n<parameter=transfer_extension>\n700\n</parameter>\n"
        "</function>\n</tool_call>"
    ),
    (
        "<tool_call>avr_transfer\n<arg_key>transfer_extension</arg_key>\n<arg_value>700</arg_value>\n"
        "</tool_call>"
    ),
    (
        '<function_calls><invoke name="avr_transfer"><parameter name="transfer_extension">700'
        "</parameter></invoke></function_calls>"
    ),
    (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>avr_transfer\n```json\n"
        '{"transfer_extension": "700"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    ),
    (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.avr_transfer:0"
        '<|tool_call_argument_begin|>{"transfer_extension": "700"}<|tool_call_end|>'
        "<|tool_calls_section_end|>"
    ),
    (
        "<|channel|>commentary to=functions.avr_transfer <|constrain|>json<|message|>"
        '{"transfer_extension": "700"}<|call|>'
    ),
    '<|tool_call>call:avr_transfer{transfer_extension:<|"|>700<|"|>}<tool_call|>',
    (
        '{"type": "function", "function": {"name": "avr_transfer", "arguments": '
        '"{\\"transfer_extension\\": \\"700\\"}"}}'
    ),
    "{'name': 'avr_transfer', 'arguments': {'transfer_extension': '700'}}",
    '<tool_call name="avr_transfer">{"transfer_extension": "700"}</tool_call>',
    '<function name="avr_transfer">{"transfer_extension": "700"}</function>',
    '<avr_transfer>{"transfer_extension": "700"}</avr_transfer>',
    "<avr_transfer><transfer_extension>700</transfer_extension></avr_transfer>",
    '<avr_transfer transfer_extension="700"/>',
    'functions.avr_transfer({"transfer_extension": "700"})',
    'print(default_api.avr_transfer(transfer_extension="700"))',
]


@pytest.mark.parametrize("text", WRITTEN)
@settings(max_examples=20)
@given(cuts=CUTS)
def test_a_tool_call_written_as_text_is_a_tool_call(text: str, cuts: list[int]) -> None:
    visible = read(text, cuts)
    assert visible.calls == [TRANSFER]
    assert visible.shown == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["avr_hangup", "[avr_hangup]", "<avr_hangup/>", "avr_hangup()"])
@settings(max_examples=20)
@given(cuts=CUTS)
def test_the_name_of_a_tool_alone_is_a_call_without_arguments(text: str, cuts: list[int]) -> None:
    visible = read(text, cuts)
    assert visible.calls == [("avr_hangup", "{}")]
    assert visible.shown == ""  # type: ignore[attr-defined]


@given(CUTS)
def test_text_around_a_written_call_is_shown(cuts: list[int]) -> None:
    text = f"<think>I should.</think>One moment. {WRITTEN[0]} Goodbye."
    visible = read(text, cuts)
    assert visible.calls == [TRANSFER]
    assert visible.shown == "One moment.  Goodbye."  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ('<tool_call>{"name": "nope", "arguments": {}}</tool_call>', ("nope", "{}")),
        ('{"name": "nope", "arguments": {}}', ("nope", "{}")),
        ("<tool_call>transfer them</tool_call>", ("", "<tool_call>transfer them</tool_call>")),
    ],
)
def test_a_written_call_that_cannot_be_run_is_a_call_too(text: str, call: tuple[str, str]) -> None:
    visible = read(text)
    assert visible.calls == [call]
    assert visible.shown == ""  # type: ignore[attr-defined]


def test_reasoning_without_its_beginning_is_reported() -> None:
    visible = VisibleText()
    assert visible.feed("They ask for the time. ") == "They ask for the time. "
    assert visible.feed("I say five.</think>\n\nAt five.") == "\nAt five."
    assert visible.closes_unopened


def test_reasoning_without_its_beginning_is_not_shown_if_it_came_in_one_piece() -> None:
    assert shown("They ask for the time.</think>At five.") == "At five."


@given(CUTS)
def test_a_server_that_leaves_out_the_beginning_is_waited_for(cuts: list[int]) -> None:
    text = "They ask. <b>Five</b>!</think>\nAt five."
    assert shown(text, cuts, reasons_first=True) == "At five."


def test_an_answer_without_reasoning_of_such_a_server_is_shown_at_its_end() -> None:
    text = f"At five. {WRITTEN[0]}"
    visible = read(text, reasons_first=True)
    assert (visible.shown, visible.calls) == ("At five. ", [TRANSFER])  # type: ignore[attr-defined]


def test_reasoning_that_was_cut_at_the_longest_answer_is_not_shown() -> None:
    assert shown("They ask for the", reasons_first=True, cut=True) == ""


@given(st.text(max_size=80), CUTS)
def test_any_text_can_be_read(text: str, cuts: list[int]) -> None:
    read(text, cuts)


@given(st.lists(st.sampled_from([*"<>[]{}`|/=\"'", "tool_call", "think", "name", "◁", " "])), CUTS)
def test_any_heap_of_marks_can_be_read(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    assert shown(text, cuts) is not None
