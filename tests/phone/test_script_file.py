"""Reading scripts: a script is read completely, or rejected with one sentence."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.phone.script import ANY, Expect, Pause, Press, Speak, Step
from avr_sts_speechmatics.phone.script_file import KEYS, ScriptError, parse


def steps(text: str) -> tuple[Step, ...]:
    return parse(text, Path("calls/script.yaml")).steps


def test_a_script_is_read_with_all_its_steps() -> None:
    text = """
- expect: how can I help
- say: What do you
    charge?
- play: hello.wav
  interrupt: 800
- keys: 012a#
- pause: 1.5
- expect: [nine, "9"]
- expect: {tool: book_table, no_tool: [avr_transfer, avr-hangup]}
- expect: {says: no, matches: ['a+', b], interrupted: No, ended: agent, within: 5}
"""
    assert steps(text) == (
        Expect(says=("how can I help",)),
        Speak("What do you charge?"),
        Speak(Path("calls/hello.wav"), 800),
        Press("012A#"),
        Pause(1.5),
        Expect(says=("nine", "9")),
        Expect(tool=("book_table",), no_tool=("avr_transfer", "avr-hangup")),
        Expect(("no",), ("a+", "b"), interrupted=False, ended="agent", within=5.0),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ": no steps; write a list of them"),
        ("say: Hello", ": no steps; write a list of them"),
        ("- say: 'Hello", ": line 1: found unexpected end of stream; write the steps as YAML"),
        ("- say: a\n- keys: *", ": line 2: expected alphabetic or numeric character"),
        ("- say: a\x07", ": cannot be read as YAML; write the steps as text"),
        ("- say: a\n- Hello", ", step 2: 'Hello' is no step; begin it with one of say, play"),
        ("- - say: a", ", step 1: a list is no step; begin it with one of say, play"),
        ("- {}", ", step 1: '' is no step; give one of say, play, keys, pause, expect"),
        ("- sya: a", ", step 1: 'sya' is no step; give one of say, play, keys, pause, expect"),
        ("- say: a\n  expect: b", ", step 1: say and expect are steps of their own; begin each"),
        ("- say: a\n  say: b", ": line 1: 'say' stands twice in one step"),
        ("- say:", ", step 1: say: '' is not a text; give some"),
        ("- say: [a]", ", step 1: say: a list is not a text; give some"),
        ("- say: a\n  within: 3", ", step 1: 'within' is not known; allowed: say, interrupt."),
        ("- say: a\n  interrupt: soon", ", step 1: interrupt: 'soon' is not a number of millis"),
        ("- pause: -1", ", step 1: pause: '-1' is not a number of seconds from 0 to 600."),
        ("- pause: nan", ", step 1: pause: 'nan' is not a number of seconds from 0 to 600."),
        ("- pause: 1\n  interrupt: 3", ", step 1: 'interrupt' is not known; allowed: pause."),
        ("- keys: 12x", ", step 1: keys: '12x' has keys that no phone has; use 0-9, * and #."),
        ("- expect: {}", ", step 1: expect: nothing to expect; give one of says, matches, tool"),
        ("- expect: {within: 3}", ", step 1: expect: nothing to expect; give one of says"),
        ("- expect: {say: a}", ", step 1: expect.'say' is not known; allowed: says, matches"),
        ("- expect: {says: [a, []]}", ", step 1: expect.says: a list is not a text"),
        ("- expect: {matches: (a}", ", step 1: expect.matches: '(a' is no regular expression"),
        ("- expect: {interrupted: 2}", ", step 1: expect.interrupted: '2' is none of yes, no."),
        ("- expect: {ended: me}", ", step 1: expect.ended: 'me' is none of agent, caller, trans"),
        ("- expect: {tool: book a table}", ", step 1: expect.tool: 'book a table' is no tool's"),
        ("- expect: {no_tool: {}}", ", step 1: expect.no_tool: a mapping is not a text"),
        ("- expect: {no_tool: [any, a]}", ", step 1: expect.no_tool: any stands for every tool"),
        ("- expect: {says: a, within: x}", ", step 1: expect.within: 'x' is not a number of sec"),
        ("- expect: {ended: agent}\n- say: a", ", step 1: expect.ended: steps follow; give it in"),
    ],
)
def test_an_error_is_one_sentence_with_file_step_and_key(text: str, complaint: str) -> None:
    with pytest.raises(ScriptError) as error:
        steps(text)
    assert str(error.value).startswith(f"calls/script.yaml{complaint}")
    assert "\n" not in str(error.value)


@given(st.text() | st.text(alphabet="-: sayexpctinrulk[]{}#*&!'\"\n012", max_size=60))
def test_any_text_is_a_script_or_an_error_of_one_sentence(text: str) -> None:
    try:
        assert steps(text)
    except ScriptError as error:
        assert str(error).startswith("calls/script.yaml")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
INTERRUPT = st.none() | st.integers(0, 600_000)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
SECONDS = st.floats(0, 600)
TOOL = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True).filter(lambda name: name != ANY)
TOOLS = st.just((ANY,)) | st.lists(TOOL, max_size=3).map(tuple)
STEPS = st.one_of(
    st.builds(Speak, TEXT, INTERRUPT),
    st.builds(Press, st.text(KEYS, min_size=1), INTERRUPT),
    st.builds(Pause, SECONDS),
    st.builds(
        Expect,
        says=TEXTS,
        tool=TOOLS,
        no_tool=TOOLS,
        interrupted=st.none() | st.booleans(),
        within=st.none() | SECONDS,
    ).filter(lambda step: step.says or step.tool or step.interrupted is not None),
)


def written(step: Step) -> dict[str, Any]:
    """A step as a person would write it in a file."""
    match step:
        case Speak(words, interrupt):
            found: dict[str, Any] = {"say": str(words), "interrupt": interrupt}
        case Press(keys, interrupt):
            found = {"keys": keys, "interrupt": interrupt}
        case Pause(seconds):
            found = {"pause": seconds}
        case Expect(says=says, tool=tool, no_tool=no_tool, interrupted=interrupted, within=within):
            asked = {
                "says": list(says) or None,
                "tool": list(tool) or None,
                "no_tool": list(no_tool) or None,
                "interrupted": None if interrupted is None else "yes" if interrupted else "no",
                "within": within,
            }
            found = {"expect": {key: value for key, value in asked.items() if value is not None}}
    return {key: value for key, value in found.items() if value is not None}


@given(st.lists(STEPS, min_size=1))
def test_a_written_script_is_read_back_unchanged(wanted: list[Step]) -> None:
    text = yaml.safe_dump([written(step) for step in wanted], allow_unicode=True, sort_keys=False)
    assert steps(text) == tuple(wanted)


@pytest.mark.parametrize(
    ("word", "holds"), [("yes", True), ("true", True), ("ON", True), ("off", False), ("0", False)]
)
def test_a_truth_value_may_be_written_in_every_usual_way(word: str, holds: bool) -> None:
    (step,) = parse(f"- expect: {{says: x, interrupted: {word}}}", Path("a.yaml")).steps
    assert isinstance(step, Expect)
    assert step.interrupted is holds
