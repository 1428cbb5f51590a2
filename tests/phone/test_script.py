"""What a script expects: words, tools, and how the result is told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.phone.script import (
    ANY,
    Expect,
    Outcome,
    Pause,
    Press,
    Script,
    Speak,
    Step,
    verdict,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
TOOL = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True).filter(lambda name: name != ANY)


@given(st.text(alphabet="abc d", min_size=1), TEXT, st.text(alphabet="abc d"))
def test_words_are_found_wherever_they_stand_and_however_they_are_written(
    before: str, text: str, after: str
) -> None:
    heard = f"{before} {text} {after}"
    assert Expect(says=("nowhere", text)).found_in(heard)
    assert Expect(says=(text.lower(),)).found_in(heard)
    assert not Expect(says=(text + "x" * len(heard),)).found_in(heard)


def test_every_kind_of_words_that_is_given_must_be_found() -> None:
    both = Expect(says=("nine", "ten"), matches=(r"\bopen\b", "shut"))
    assert both.found_in("We’re OPEN from Nine")
    assert not both.found_in("We are opening at nine")
    assert not both.found_in("We are open")
    assert Expect(says=("we're\nopen",)).found_in("We’re open")


@given(tools=st.sets(TOOL, min_size=1), others=st.sets(TOOL))
def test_a_tool_that_is_asked_for_must_have_run_and_one_that_is_not_must_not(
    tools: set[str], others: set[str]
) -> None:
    others -= tools
    some = next(iter(tools))
    assert Expect(tool=(some, "another")).uses(tools)
    assert Expect(tool=(ANY,)).uses(tools)
    assert not Expect(tool=(some,)).uses(others)
    assert not Expect(tool=(ANY,)).uses(())
    assert Expect(no_tool=tuple(others)).uses(tools)
    assert Expect(no_tool=(ANY,)).uses(())
    assert not Expect(no_tool=("another", some)).uses(tools)
    assert not Expect(no_tool=(ANY,), tool=(some,)).uses(tools)


def test_what_is_expected_is_the_end_of_a_sentence() -> None:
    everything = Expect(
        says=("nine", "ten"),
        matches=("open",),
        tool=(ANY,),
        no_tool=("avr_transfer", "avr_hangup"),
        interrupted=False,
        ended="agent",
    )
    assert str(everything) == (
        'expect: the agent to say "nine" or "ten" and the agent to say what matches "open" and '
        "any tool to run and the tool avr_transfer or avr_hangup not to run and the agent not to "
        "be interrupted and the call to be ended by the agent"
    )


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        (Speak("Hello."), "say: Hello."),
        (Speak(Path("calls/hello.wav"), 800), "play: calls/hello.wav"),
        (Press("12#"), "keys: 12#"),
        (Pause(1.5), "pause: 1.5"),
    ],
)
def test_a_step_is_shown_as_it_is_written(step: Step, shown: str) -> None:
    assert str(step) == shown


SCRIPT = Script(Path("calls/script.yaml"), (Speak("Hello."), Expect(says=("nine",)), Pause(1)))


def outcomes(*passed: bool | None) -> list[Outcome]:
    return [
        Outcome(number, step, at=number, until=number + 0.5, passed=one, expected="x", instead="y")
        for number, (step, one) in enumerate(zip(SCRIPT.steps, passed, strict=True), start=1)
    ]


def test_the_first_step_that_failed_is_the_verdict() -> None:
    assert verdict(SCRIPT, outcomes(True, True, True)) == "calls/script.yaml: all 3 steps passed"
    assert verdict(SCRIPT, outcomes(True, False, None)) == (
        "calls/script.yaml: step 2 (expect) failed: expected x; heard y"
    )


def test_a_step_that_was_not_reached_has_no_times() -> None:
    passed, failed, not_reached = (one.document() for one in outcomes(True, False, None))
    assert [step["result"] for step in (passed, failed, not_reached)] == [
        *("passed", "failed", "not reached")
    ]
    assert (passed["at"], passed["seconds"], passed["problem"]) == (1, 0.5, "")
    assert (failed["kind"], failed["problem"]) == ("expect", "expected x; heard y")
    assert (not_reached["at"], not_reached["seconds"]) == (None, None)
