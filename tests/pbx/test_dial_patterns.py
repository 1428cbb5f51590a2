"""Where a call may be sent, in the words of a dialplan."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.pbx.dial_patterns import allowed, is_context, is_extension, parse

EXTENSIONS = st.text(string.ascii_letters + string.digits + "*#+_-", min_size=1, max_size=79)

# A sign of a pattern, and which characters it stands for.
SIGNS = [
    *(("X", "0123456789"), ("Z", "123456789"), ("N", "23456789"), ("x", "0123456789")),
    *(("[2-4]", "234"), ("[137]", "137"), ("[*0-2#]", "*012#"), ("7", "7"), ("*", "*"), ("-", "")),
]


def test_the_words_of_the_documentation_mean_what_it_says() -> None:
    patterns = parse("700, _7XX, _[2-4]XXX, _9011., _00!")
    for extension in ("700", "799", "2000", "4999", "90111", "9011x44", "00", "0049"):
        assert allowed(patterns, extension), extension
    for extension in ("7000", "70", "7a0", "1000", "5000", "9011", "901", "0", "_7XX"):
        assert not allowed(patterns, extension), extension


@given(st.lists(st.sampled_from(SIGNS), min_size=1, max_size=12), st.data())
def test_a_pattern_allows_what_its_signs_stand_for_and_nothing_longer_or_shorter(
    signs: list[tuple[str, str]], data: st.DataObject
) -> None:
    meant = [characters for _, characters in signs if characters]
    if not meant:
        return
    patterns = parse("_" + "".join(sign for sign, _ in signs))
    extension = "".join(data.draw(st.sampled_from(characters)) for characters in meant)
    assert allowed(patterns, extension)
    assert not allowed(patterns, extension + data.draw(st.sampled_from("0123456789*#")))
    assert not allowed(patterns, extension[:-1])
    at = data.draw(st.integers(0, len(meant) - 1))
    other = data.draw(st.sampled_from([c for c in "0123456789*#+abXZN" if c not in meant[at]]))
    assert not allowed(patterns, extension[:at] + other + extension[at + 1 :])


@given(EXTENSIONS.filter(lambda text: not text.startswith("_")), EXTENSIONS)
def test_a_plain_extension_allows_itself_alone(written: str, asked: str) -> None:
    assert allowed(parse(written), written)
    assert allowed(parse(written), asked) == (asked == written)


@given(st.text())
def test_no_pattern_lets_anything_through_that_is_no_extension(asked: str) -> None:
    ok = all(c.isascii() and (c.isalnum() or c in "*#+_-") for c in asked) and 0 < len(asked) < 80
    assert allowed(parse("_."), asked) == ok
    assert is_extension(asked) == ok


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0", " ", ",", ")", "\n\n", "\x85", "\u2028", "٣"])
def test_what_ends_a_line_or_an_argument_is_in_no_extension_and_no_context(end: str) -> None:
    for text in (f"700{end}", f"{end}700", f"7{end}00"):
        assert not allowed(parse("_., _!, 700"), text)
        assert not is_context(text)


@given(st.text(alphabet=st.sampled_from("_XZN[]-.!,0179*#+ab \n("), max_size=30) | st.text())
def test_whatever_is_written_is_understood_or_refused_in_words(text: str) -> None:
    written = [item.strip() for item in text.split(",") if item.strip()]
    try:
        understood = [pattern.text for pattern in parse(text)]
    except ValueError as error:
        refused = str(error).partition(": ")[0].rstrip("…")
        assert any(item.startswith(refused) for item in written)
    else:
        assert understood == written


def test_nothing_written_allows_nothing() -> None:
    assert parse("") == parse(" , ") == ()
    assert not allowed((), "700")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("7XX.", "7XX.: no extension"),
        ("_", "needs something"),
        ("_-", "needs something"),
        ("_.X", "only at the end"),
        ("_7!!", "only at the end"),
        ("_[2-", "begins no set"),
        ("_[]7", "begins no set"),
        ("_[2,3]X", "begins no set"),
        ("_[4-2]X", "runs backwards"),
        ("_7 X", "' ' has no meaning"),
        ("_7]", "']' has no meaning"),
        ("7" * 80, "longer than 79"),
    ],
)
def test_a_mistake_is_named_with_its_pattern(written: str, said: str) -> None:
    with pytest.raises(ValueError) as told:
        parse(f"700,{written}")
    assert said in str(told.value)
    assert written[:10].split(",")[0] in str(told.value)


def test_a_context_is_a_plain_name() -> None:
    assert is_context("from-internal")
    assert is_context("demo")
    assert not is_context("")
    assert not is_context("a" * 80)
