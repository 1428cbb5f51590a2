"""The expectations of a script: words and tools."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.phone.script import ANY, Expect

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
TOOL = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True).filter(lambda name: name != ANY)


@given(st.text(alphabet="abc d", min_size=1), TEXT, st.text(alphabet="abc d"))
def test_words_are_found_anywhere_in_the_text_and_in_any_notation(
    before: str, text: str, after: str
) -> None:
    heard = f"{before} {text} {after}"
    assert Expect(says=("nowhere", text)).found_in(heard)
    assert Expect(says=(text.lower(),)).found_in(heard)
    assert not Expect(says=(text + "x" * len(heard),)).found_in(heard)


def test_says_and_matches_must_both_hold() -> None:
    both = Expect(says=("nine", "ten"), matches=(r"\bopen\b", "shut"))
    assert both.found_in("We’re OPEN from Nine")
    assert not both.found_in("We are opening at nine")
    assert not both.found_in("We are open")
    assert Expect(says=("we're\nopen",)).found_in("We’re open")


@given(tools=st.sets(TOOL, min_size=1), others=st.sets(TOOL))
def test_an_expected_tool_must_run_and_an_excluded_tool_must_not(
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
