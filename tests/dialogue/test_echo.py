"""Words of the agent that come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.echo import without_echo

SAID = ["Welcome to the garden shop.", "We are open from nine to five on weekdays."]


def left(heard: str, *, settled: bool = True, known: bool = False) -> str:
    return without_echo(heard, SAID, settled=settled, known=known).text


@pytest.mark.parametrize(
    "heard",
    [
        "We are open from nine to five on weekdays.",
        "open from nine to five",
        "are open from mine to five on weekdays",
        "the are open from nine to hive on weak days",
        "to the garden shop we are open",
        "Welcome to the garden shop. We are open from nine",
    ],
)
@pytest.mark.parametrize("settled", [True, False])
def test_what_the_agent_has_just_said_is_an_echo_though_a_few_words_are_misheard(
    heard: str, settled: bool
) -> None:
    assert left(heard, settled=settled) == ""


@pytest.mark.parametrize(
    ("heard", "real"),
    [
        ("We are open from nine to stop", "stop"),
        ("we are open from nine no wait a moment", "no wait a moment"),
        ("Hang on, we are open from nine to five", "Hang on,"),
        ("open from nine to five and on Sundays?", "and on Sundays?"),
    ],
)
def test_real_words_among_them_are_the_callers(heard: str, real: str) -> None:
    assert left(heard) == real


@pytest.mark.parametrize(
    "heard",
    [
        "Nine?",
        "On weekdays?",
        "Stop.",
        "I want to go to the bank on Sunday.",
        "Are you open on Sundays?",
        "Yes.",
        "From when to when?",
        "",
        "...",
    ],
)
def test_words_of_a_caller_are_no_echo(heard: str) -> None:
    assert left(heard) == heard


def test_a_guess_of_one_word_may_be_the_beginning_of_an_echo() -> None:
    assert left("We", settled=False) == ""
    assert left("we are", settled=False) == ""
    assert left("Stop", settled=False) == "Stop"
    assert left("When", settled=False) == "When"


def test_few_words_of_the_agent_are_doubtful() -> None:
    for heard in ("we are", "on weekdays", "the are open", "to the shop"):
        compared = without_echo(heard, SAID, settled=True, known=False)
        assert (compared.text, compared.doubtful) == (heard, True), heard
        assert compared.evidence
    one = without_echo("Nine?", SAID, settled=True, known=False)
    assert (one.text, one.doubtful, one.evidence) == ("Nine?", False, 1)


def test_on_a_line_that_is_known_to_echo_few_words_are_an_echo() -> None:
    for heard in ("on weekdays", "nine", "the are open", "we open from", "on Sundays"):
        assert left(heard, known=True) == ("" if heard != "on Sundays" else heard)
    assert left("thank you", known=True) == "thank you"


def test_a_language_without_blanks_is_compared_sign_by_sign() -> None:
    said = ["我们从九点营业到五点。"]
    assert without_echo("我们从九点营业", said, settled=True, known=False).text == ""
    assert without_echo("星期天呢?", said, settled=True, known=False).text == "星期天呢?"


def test_nothing_said_leaves_everything() -> None:
    assert without_echo("Hello?", [], settled=True, known=True).text == "Hello?"


WORDS = st.lists(st.sampled_from("we are open from nine to five stop wait the on".split()))


@given(WORDS, st.booleans(), st.booleans())
def test_what_is_left_is_a_part_of_what_was_heard(
    words: list[str], settled: bool, known: bool
) -> None:
    heard = " ".join(words)
    rest = iter(words)
    assert all(word in rest for word in left(heard, settled=settled, known=known).split())


@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=3), st.booleans())
def test_any_text_can_be_compared(heard: str, said: list[str], settled: bool) -> None:
    without_echo(heard, said, settled=settled, known=True)


@given(st.integers(0, 8), st.integers(1, 9))
def test_any_long_part_of_a_sentence_is_an_echo_of_it(begin: int, length: int) -> None:
    words = SAID[1].split()[begin : begin + length]
    if sum(2 if len(word.strip(".")) > 3 else 1 for word in words) >= 5:
        assert left(" ".join(words)) == ""


def test_on_a_line_that_is_known_to_echo_a_part_of_a_number_stays_the_callers() -> None:
    said = ["For three or four people?"]
    heard = "My number is four four one."
    assert without_echo(heard, said, settled=True, known=True).text == heard


def test_words_beyond_those_that_are_compared_are_the_callers() -> None:
    heard = f"we are open from nine to five on weekdays {' '.join(['word'] * 100)}"
    assert left(heard).split() == ["word"] * 100


@pytest.mark.parametrize(
    "agent",
    [
        "Hello, how can I help you?",
        "Good morning, this is the city bakery, what can I do for you?",
        "I can book that for you. What time would you like?",
        "Would you like me to transfer you to a colleague?",
    ],
)
@pytest.mark.parametrize(
    "caller",
    [
        "Can you transfer me?",
        "Can you help me?",
        "How can I pay?",
        "What can you do?",
        "How are you?",
        "Where are you?",
        "I can not hear you",
        "Are you open on Sunday?",
        "Who are you?",
    ],
)
def test_a_request_that_shares_small_words_with_the_agent_is_heard_whole(
    agent: str, caller: str
) -> None:
    compared = without_echo(caller, [agent], settled=True, known=False, suspected=True)
    assert compared.text == caller
