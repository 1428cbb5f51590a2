"""What a model writes beside words, and what of it is spoken."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avr_sts_speechmatics.speech.markup_reader import LABEL_CHARS
from avr_sts_speechmatics.speech.plain_text import PlainText, speakable

# Markup whole and in pieces, which meet in unforeseen ways.
FRAGMENTS = st.sampled_from(
    "word Two 5 72 a.b@example.com https://h.com/x_(y)?z=1. www.x.de http h w * ** *** **** _ __ ~ "
    "~~ ` `` ``` ~~~ ```python [ ] ( ) [text](http://h/x_(y)) ![alt](i.png) [^1] [1] [1]: "
    "【4:0†source】 【 】 \ue200cite\ue201 \ue200 < > <br> <b> </b> <!-- --> <a@b.com> "
    "<script> </script> <|end|> & &amp; &lt; &#39; &amp;lt; &nbsp; $ $5 $x^2$ $$ \\( \\) \\[ \\] "
    "\\frac{1}{2} \\times \\n \\* "
    "\\ # ## > - + • | |---| :--- --- === : ; :) :smile: 😀 1️⃣ *72 *#06# #31# press dial "
    "\x1b[31m \x1b "
    "\u200b \u200d \u00ad 。 您好 \x00 ™ ^ {} . , ! ?".split(" ")
) | st.sampled_from([" ", "  ", "\n", "\n\n", "\t", "\r\n", ". ", ", "])
TEXTS = (
    st.lists(FRAGMENTS, max_size=40).map("".join)
    | st.lists(FRAGMENTS, max_size=30).map(" ".join)
    | st.text(max_size=80)
)


def in_deltas(text: str, *sizes: int) -> str:
    """What comes of a text that arrives in deltas of these sizes, then the rest at once."""
    plain, said = PlainText(), ""
    for size in sizes:
        said += plain.feed(text[:size])
        text = text[size:]
    return said + plain.feed(text) + plain.end()


# --- properties --------------------------------------------------------------------------------


@settings(deadline=None, max_examples=400)
@given(TEXTS, st.lists(st.integers(1, 12), max_size=60))
@example("xhttp://a b", [1])
@example("<b\n>x", [3])
@example("\x1b[31mhttps://h.com/x_(y)?z=1.", [1])
def test_the_plain_text_does_not_depend_on_how_the_stream_was_cut(
    text: str, sizes: list[int]
) -> None:
    assert in_deltas(text, *sizes) == in_deltas(text) == in_deltas(text, *[1] * len(text))


@settings(deadline=None)
@given(TEXTS)
def test_nothing_that_only_a_screen_shows_is_left(text: str) -> None:
    said = speakable(text)
    assert said == " ".join(said.split())
    assert not any(c < " " or "\x7f" <= c <= "\x9f" or "\ue000" <= c <= "\uf8ff" for c in said)
    for mark in ("```", "【", "†", "😀", "<br>", "<script>", "&amp;amp;", "\ufffd"):
        assert mark not in said


@given(st.lists(st.sampled_from(["yes", "we", "don't", "Are", "open", "well-known"])))
def test_words_are_returned_as_they_came_at_once(words: list[str]) -> None:
    plain, text = PlainText(), "".join(f"{word} " for word in words)
    assert plain.feed(text) == text


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [
                *"* ** _ ~ ~~ ` # > - | & < $ ^ \\( \\ ; ! = == -- . , ?".split(),
                *("one", "two", "three", " ", "\n"),
            ]
        ),
        max_size=30,
    )
    .map("".join)
    .filter(lambda text: "```" not in text and "~~~" not in text)  # may name a language
)
def test_marks_cost_no_word(text: str) -> None:
    words = re.findall("one|two|three", re.sub(r"<[^<>]*>", "", text))
    said = re.findall("one|two|three", speakable(text))
    assert said == words or "<" in text or "\\" in text or "$" in text


@pytest.mark.parametrize(
    "begun", ["[text", "`code", "<b", "$x", "\\(", "【", "&am", "&lt;a", "![", "*72 a"]
)
def test_what_is_held_back_is_bounded(begun: str) -> None:
    plain = PlainText()
    said = plain.feed(f"So {begun}" + " word" * LABEL_CHARS)
    assert said.endswith(" word")


# --- what is spoken ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # code
        ("```python\nprint('x')\n```\nDone", "Done"),
        ("```text\nYour code is ABC.\n```", "Your code is ABC."),
        ("Run `pip install x` or ``a`b``", "Run pip install x or ab"),
        ("Press `*` or `#` in `my_file`, `<br>`", "Press * or # in my_file,"),
        ("~~~\nwords\n~~~\nmore", "words more"),
        # lines
        ("# One\n## Two ##\n### Three", "One Two Three"),
        ("- [x] milk\n- [ ] **bread**\n* eggs\n+ tea\n• jam", "milk bread eggs tea jam"),
        ("> so\n>> he said", "so he said"),
        ("One\n---\nTwo\n===\n***\nThree", "One Two Three"),
        ("1. First\n2) Second", "1. First 2) Second"),
    ],
)
def test_a_person_would_read_it_so(written: str, said: str) -> None:
    assert speakable(written) == said


def test_an_exclamation_mark_is_held_back_while_it_may_begin_an_image() -> None:
    plain = PlainText()
    assert plain.feed("Great!") == "Great"
    assert plain.holds_mark
    assert plain.feed("[a cat](https://a.example/cat.png) there") == "a cat there"
    assert not plain.holds_mark


def test_an_exclamation_mark_that_was_released_is_said_once() -> None:
    plain = PlainText()
    assert plain.feed("Great!") + plain.release_mark() == "Great!"
    assert not plain.holds_mark
    assert plain.feed(" Next") + plain.end() == " Next"
