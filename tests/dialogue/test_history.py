"""What was said, and what was really heard."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.conversation import Message, ToolCall, ToolResult
from avr_sts_speechmatics.dialogue.history import CUT_MARK, History, heard_words
from avr_sts_speechmatics.dialogue.words import word_ends

# Words between spaces; languages without spaces have tests of their own.
WORDS = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12).filter(
    lambda word: len(list(word_ends(word))) == 1
)
SENTENCES = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
SHARES = st.floats(0, 1)


@pytest.fixture
def history() -> History:
    return History()


def conversation(history: History) -> list[tuple[str, str]]:
    entries = history.messages()
    return [(entry.role, entry.content) for entry in entries if isinstance(entry, Message)]


def played(history: History, utterance: int, text: str, share: float = 1.0) -> str:
    history.agent_will_say(utterance, text)
    return history.heard(utterance, share)


# --- how far a cut reached ---------------------------------------------------------------------


@given(SENTENCES, SHARES)
def test_what_was_heard_is_the_beginning_of_what_was_said(text: str, share: float) -> None:
    heard = heard_words(text, share)
    assert text.startswith(heard)
    assert re.split(r"\s+", heard) in (text.split()[: len(heard.split())], [""])


@given(SENTENCES, SHARES)
def test_no_more_letters_count_as_heard_than_were_played(text: str, share: float) -> None:
    assert len(heard_words(text, share)) <= share * len(text) or share == 1


@given(SENTENCES, SHARES)
def test_no_word_that_was_played_is_left_out(text: str, share: float) -> None:
    heard = heard_words(text, share)
    if heard != text:
        following = text[len(heard) :].split()[0]
        assert len(heard) + bool(heard) + len(following) > share * len(text)


@given(SENTENCES, SHARES, SHARES)
def test_who_listens_longer_hears_no_less(text: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert heard_words(text, more).startswith(heard_words(text, less))


@given(SENTENCES)
def test_all_of_the_audio_is_all_of_the_text_and_none_is_none(text: str) -> None:
    assert heard_words(text, 1.0) == text
    assert heard_words(text, 0.0) == ""


@pytest.mark.parametrize(
    ("share", "heard"),
    [(0.09, ""), (0.15, "We"), (0.29, "We are"), (0.57, "We are open"), (0.99, "We are open from")],
)
def test_a_cut_falls_between_words(share: float, heard: str) -> None:
    assert heard_words("We are open from nine", share) == heard


@pytest.mark.parametrize(
    "text",
    [
        "我们的营业时间是周一到周五上午九点到下午五点，周末休息，欢迎您随时来电咨询。",
        "営業時間は平日の午前九時から午後五時までで、土日は休業しております。",
        "เราเปิดให้บริการตั้งแต่วันจันทร์ถึงวันศุกร์เวลาเก้าโมงเช้าถึงห้าโมงเย็นทุกสัปดาห์ค่ะ",
    ],
)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_a_text_without_spaces_is_cut_where_it_was_heard(text: str, share: float) -> None:
    heard = heard_words(text, share)
    assert text.startswith(heard)
    assert share - 0.1 <= len(heard) / len(text) <= share


@given(st.text(), SHARES, SHARES)
def test_any_text_is_cut_at_most_where_it_was_heard(text: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert heard_words(text, more).startswith(heard_words(text, less))
    assert len(heard_words(text, less)) <= less * len(text) or less == 1


# --- the conversation --------------------------------------------------------------------------


def test_what_is_still_to_be_said_is_not_history(history: History) -> None:
    history.agent_will_say(1, "Hello.")
    assert conversation(history) == []


def test_an_utterance_is_written_down_when_it_has_been_heard(history: History) -> None:
    assert played(history, 1, "Hello.") == "Hello."
    assert history.messages() == [Message("assistant", "Hello.")]


def test_utterances_in_a_row_are_one_message(history: History) -> None:
    played(history, 1, "Hello.")
    played(history, 2, "How can I help?")
    assert conversation(history) == [("assistant", "Hello. How can I help?")]


def test_turns_in_a_row_are_one_message(history: History) -> None:
    history.caller_said("Hello.")
    history.caller_said("Are you open?")
    assert conversation(history) == [("user", "Hello. Are you open?")]


def test_an_utterance_is_written_down_once(history: History) -> None:
    played(history, 1, "Hello.")
    assert history.heard(1) == ""
    assert history.heard(7) == ""
    assert conversation(history) == [("assistant", "Hello.")]


def test_an_utterance_that_was_cut_is_marked(history: History) -> None:
    assert played(history, 1, "We are open from nine to five.", 0.5) == "We are open"
    assert conversation(history) == [("assistant", "We are open" + CUT_MARK)]


def test_a_reply_cut_between_two_utterances_is_marked(history: History) -> None:
    played(history, 1, "We are open.")
    played(history, 2, "From nine to five.", 0.0)
    assert conversation(history) == [("assistant", "We are open." + CUT_MARK)]


def test_an_utterance_of_which_nothing_was_heard_leaves_no_trace(history: History) -> None:
    history.caller_said("Are you open?")
    assert played(history, 1, "We are.", 0.0) == ""
    assert conversation(history) == [("user", "Are you open?")]


def test_a_cut_stays_marked_where_it_was_when_the_agent_speaks_on(history: History) -> None:
    played(history, 1, "We are open from nine to five.", 0.5)
    played(history, 2, "One moment, please.")
    assert conversation(history) == [
        ("assistant", f"We are open{CUT_MARK} One moment, please."),
    ]


def test_two_utterances_dropped_together_are_one_cut(history: History) -> None:
    history.agent_will_say(1, "We are open from nine to five.")
    history.agent_will_say(2, "On Sundays we are closed.")
    history.heard(1, 0.5)
    history.heard(2, 0.0)
    assert conversation(history) == [("assistant", "We are open" + CUT_MARK)]


def test_what_was_given_up_before_it_was_heard_is_forgotten(history: History) -> None:
    history.agent_will_say(1, "We are open.")
    history.forget_unheard()
    assert history.heard(1) == ""
    assert conversation(history) == []


def test_who_spoke_is_kept_in_order(history: History) -> None:
    played(history, 1, "Hello.")
    history.caller_said("Are you open?")
    played(history, 2, "Yes, until five.")
    history.caller_said("Thanks.")
    assert conversation(history) == [
        ("assistant", "Hello."),
        ("user", "Are you open?"),
        ("assistant", "Yes, until five."),
        ("user", "Thanks."),
    ]


# --- tools -------------------------------------------------------------------------------------

LOOK_UP = ToolCall("a", "look_up", '{"day": "Sunday"}')
BOOK = ToolCall("b", "book", "{}")


def test_a_tool_and_its_result_are_entries_of_their_own(history: History) -> None:
    history.caller_said("Are you open?")
    history.tools_called({1: LOOK_UP})
    history.tool_done(1, "Until five.")
    played(history, 7, "Yes, until five.")
    assert history.messages() == [
        Message("user", "Are you open?"),
        LOOK_UP,
        ToolResult("a", "Until five."),
        Message("assistant", "Yes, until five."),
    ]


def test_tools_asked_for_together_stand_together_whichever_ends_first(history: History) -> None:
    history.tools_called({1: LOOK_UP, 2: BOOK})
    history.tool_done(2, "Booked.")
    with pytest.raises(KeyError):
        history.messages()
    history.tool_done(1, "Until five.")
    results = [ToolResult("a", "Until five."), ToolResult("b", "Booked.")]
    assert history.messages() == [LOOK_UP, BOOK, *results]


def test_only_the_first_result_of_a_tool_counts(history: History) -> None:
    history.tools_called({1: BOOK})
    history.tool_done(1, "Booked.")
    history.tool_done(1, "Too late.")
    assert history.messages() == [BOOK, ToolResult("b", "Booked.")]


def test_the_result_of_a_tool_nobody_asked_for_is_not_written_down(history: History) -> None:
    history.tools_called({1: BOOK})
    history.tool_done(1, "Booked.")
    history.tool_done(2, "What?")
    assert history.messages() == [BOOK, ToolResult("b", "Booked.")]


def test_two_turns_with_a_tool_between_are_two_messages(history: History) -> None:
    history.caller_said("Book a table.")
    history.tools_called({1: BOOK})
    history.tool_done(1, "Booked.")
    history.caller_said("Thanks.")
    assert conversation(history) == [("user", "Book a table."), ("user", "Thanks.")]


def test_words_written_before_a_tool_stand_before_it_though_heard_after_it(
    history: History,
) -> None:
    history.agent_will_say(7, "Let me see.")
    history.tools_called({1: LOOK_UP})
    history.tool_done(1, "Until five.")
    assert history.heard(7) == "Let me see."
    assert history.messages()[0] == Message("assistant", "Let me see.")


def test_words_written_before_a_tool_are_marked_where_they_stand_when_they_are_cut(
    history: History,
) -> None:
    played(history, 6, "Certainly.")
    history.agent_will_say(7, "Let me have a look.")
    history.tools_called({1: LOOK_UP})
    history.caller_said("Hurry.")
    history.heard(7, 0.5)
    history.tool_done(1, "Until five.")
    assert history.messages() == [
        Message("assistant", f"Certainly. Let me{CUT_MARK}"),
        LOOK_UP,
        ToolResult("a", "Until five."),
        Message("user", "Hurry."),
    ]


def test_words_before_a_tool_of_which_nothing_was_heard_leave_no_trace(history: History) -> None:
    history.agent_will_say(7, "Let me see.")
    history.tools_called({1: LOOK_UP})
    history.tool_done(1, "Until five.")
    history.forget_unheard()
    assert history.messages() == [LOOK_UP, ToolResult("a", "Until five.")]


# --- as a model is to see it -------------------------------------------------------------------


def test_what_is_on_its_way_to_the_ear_counts_as_heard_where_that_is_expected(
    history: History,
) -> None:
    played(history, 6, "Certainly.")
    history.agent_will_say(7, "Let me see.")
    history.tools_called({1: LOOK_UP})
    history.tool_done(1, "Until five.")
    expected = history.messages(expected=True)
    assert expected[0] == Message("assistant", "Certainly. Let me see.")
    assert history.messages()[0] == Message("assistant", "Certainly.")
    history.heard(7)
    assert history.messages() == expected


def test_what_the_caller_may_be_saying_is_asked_without_being_written_down(
    history: History,
) -> None:
    played(history, 7, "How can I help?")
    assert history.messages("Are you open?")[-1] == Message("user", "Are you open?")
    assert history.messages() == [Message("assistant", "How can I help?")]


def test_what_the_caller_may_be_saying_joins_what_they_said_as_it_would_be_written(
    history: History,
) -> None:
    history.caller_said("Hello.")
    asked = history.messages("Are you open?")
    history.caller_said("Are you open?")
    assert asked == history.messages() == [Message("user", "Hello. Are you open?")]


def test_the_agents_last_words_are_known_as_far_as_they_were_heard(history: History) -> None:
    assert history.last_heard == ""
    played(history, 6, "Certainly.")
    played(history, 7, "What is your number?")
    history.caller_said("Four four one.")
    history.agent_will_say(8, "And your name?")
    assert history.last_heard == "What is your number?"


# --- as a model is asked to continue it --------------------------------------------------------


def test_a_request_after_a_slow_tool_ends_with_its_result(history: History) -> None:
    history.caller_said("Are you open?")
    history.tools_called({1: LOOK_UP})
    history.agent_will_say(7, "One moment.", phrase=True)
    history.heard(7)
    history.tool_done(1, "Until five.")
    assert history.request(expected=True) == [
        Message("user", "Are you open?"),
        LOOK_UP,
        ToolResult("a", "Until five."),
    ]
    assert history.messages()[-1] == Message("assistant", "One moment.")
    played(history, 8, "Yes.")
    assert history.request()[-1] == Message("assistant", "One moment. Yes.")


def test_a_filler_after_the_callers_words_is_left_out_of_the_request(history: History) -> None:
    history.caller_said("Are you open?")
    history.agent_will_say(7, "One moment.", phrase=True)
    history.heard(7)
    assert history.request() == [Message("user", "Are you open?")]
    played(history, 8, "Yes.")
    assert history.request()[-1] == Message("assistant", "One moment. Yes.")


def test_the_models_own_words_stay_at_the_end_of_a_request(history: History) -> None:
    history.caller_said("Are you open?")
    played(history, 7, "Yes, until five.", 0.5)
    assert history.request() == history.messages()


def test_a_welcome_alone_stays(history: History) -> None:
    history.agent_will_say(7, "Hello.", phrase=True)
    history.heard(7)
    assert history.request() == [Message("assistant", "Hello.")]
    assert history.request("Are you open?")[-1] == Message("user", "Are you open?")
