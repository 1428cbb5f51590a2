"""The receptionist's patterns take what callers say, and its sentences can be spoken."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.receptionist import wording
from avr_sts_speechmatics.receptionist.entities import plain


@pytest.mark.parametrize(
    ("pattern", "said", "not_said"),
    [
        (wording.YES, ["Yes, please.", "That's right."], ["No.", "I said yesterday"]),
        (wording.NO, ["No, thanks.", "That's wrong."], ["Yes.", "I know"]),
        (wording.WRONG, ["That is not right."], ["That's right."]),
        (wording.GOODBYE, ["Goodbye!", "That's all, thanks."], ["Who is there?"]),
        (wording.REPEAT, ["Say that again?", "Sorry?"], ["Repeat my order", "Sorry to hear it"]),
        (wording.MESSAGE, ["Can I leave a message?"], ["I got your message"]),
        (
            wording.TRANSFER,
            ["Put me through to sales.", "I'd like to speak to a human", "Operator, please"],
            ["Can I speak to you?", "Is the office open?"],
        ),
        (wording.CANCEL, ["I want to cancel it"], ["I can sell it"]),
        (wording.BOOK, ["an appointment", "book a table"], ["I read the book"]),
        (wording.HOURS, ["When do you close?"], ["Can I close account 5?"]),
    ],
)
def test_a_pattern_takes_what_callers_say(
    pattern: re.Pattern[str], said: list[str], not_said: list[str]
) -> None:
    for text in said:
        assert pattern.search(plain(text)), text
    for text in not_said:
        assert not pattern.search(plain(text)), text


VALUES = [value for name, value in vars(wording).items() if name[0].isupper()]
ANSWERS = [said for answers in (wording.ABOUT_ME, wording.SMALL_TALK) for _, said in answers]
SENTENCES = [
    *(value for value in VALUES if isinstance(value, str)),
    *wording.NOT_HEARD,
    *wording.UNKNOWN,
    *ANSWERS,
]


def test_sentences_are_found() -> None:
    assert {wording.GREETING, wording.ASK_DAY, wording.MESSAGE_NOTED} <= set(SENTENCES)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_can_be_spoken_by_any_voice(sentence: str) -> None:
    assert sentence[0].isupper()
    assert sentence[-1] in ".?"
    assert not re.search(r"\d|\b(e\.g|etc|Mr|Dr)\b|[;:()/]", sentence)
    assert set(re.findall(r"{(.*?)}", sentence)) <= {"company", "topics"}


@pytest.mark.parametrize("tool", ["avr_transfer", "avr_hangup", "find_booking"])
def test_a_failed_tool_is_told_from_one_that_ran(tool: str) -> None:
    failed = wording.tool_result(tool, failed=True)
    assert failed.startswith("I am sorry")
    assert "sorry" not in wording.tool_result(tool, failed=False)


@given(st.lists(st.text(min_size=30), min_size=2, unique_by=lambda text: text[:20]), st.integers(0))
def test_no_answer_is_given_twice_in_a_row(options: list[str], turns: int) -> None:
    first = wording.pick(options, "", turns)
    assert first in options
    again = wording.pick(options, first, turns)
    assert again in options
    assert again != first
    cut_off = wording.pick(options, first[:25], turns)
    assert cut_off != first
