"""Where a stream of text is cut, and what of it reaches the voice."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.words import speech_seconds
from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.sentences import (
    FIRST_CLAUSE_CHARS,
    LONGEST_CHARS,
    Sentences,
    sentences_of,
    speakable,
)

# What models write, in pieces that meet in unforeseen ways.
FRAGMENTS = st.sampled_from(
    "word Two a.m. p.m. Dr. e.g. etc. No. 5 3.5 1. J. I. U.S. yes, well; so: - – — ... ! ? … "
    "\" ' ) ” * ** _ `code` # - > | 😀 → a.b@example.com 9:30 Straße дом 東京 "
    "averyveryverylongwordwithoutanyspaceinit".split(" ")
) | st.sampled_from([" ", "  ", "\n", "\n\n", "\t", " \n ", ". ", ", "])
TEXTS = st.lists(FRAGMENTS, max_size=120).map("".join) | st.lists(FRAGMENTS, max_size=90).map(
    " ".join
)
CUTS = st.lists(st.integers(1, 40), max_size=60)


def cut(text: str, *sizes: int) -> list[str]:
    """What comes of a text that arrives in deltas of these sizes, then the rest at once."""
    sentences = Sentences()
    pieces = []
    for size in sizes:
        pieces += sentences.feed(text[:size])
        text = text[size:]
    return pieces + sentences.feed(text) + sentences.end()


def letter_by_letter(text: str) -> list[str]:
    return cut(text, *[1] * len(text))


# --- properties --------------------------------------------------------------------------------


@settings(deadline=None)
@given(TEXTS, CUTS)
@example("x" * 238 + ".\n\n\n\n", [239, 1])
@example("x" * 235 + " p.m.  And so on.", [241])
def test_the_pieces_do_not_depend_on_how_the_stream_was_cut(text: str, sizes: list[int]) -> None:
    assert cut(text, *sizes) == cut(text) == letter_by_letter(text)


@settings(deadline=None)
@given(TEXTS, CUTS)
def test_no_word_is_lost_or_changes_its_place(text: str, sizes: list[int]) -> None:
    said = "".join(cut(text, *sizes))
    assert [c for c in said if c.isalnum()] == [c for c in text if c.isalnum()]


@settings(deadline=None)
@given(TEXTS, CUTS)
def test_every_piece_can_be_spoken(text: str, sizes: list[int]) -> None:
    for piece in cut(text, *sizes):
        assert any(c.isalnum() for c in piece)
        assert len(piece) <= LONGEST_CHARS
        assert piece == piece.strip()


@settings(deadline=None)
@given(TEXTS)
def test_a_sentence_that_fits_is_spoken_as_soon_as_the_next_one_begins(text: str) -> None:
    sentences = Sentences()
    pieces = sentences.feed("Yes. " + text)
    pieces += sentences.feed("\nSo")  # a line break ends whatever was begun
    ended = sentences.end()
    assert pieces[0] == "Yes."
    assert ended == ["So"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["seven", "letters", "words"]), min_size=60, max_size=200))
def test_words_are_not_torn_apart(words: list[str]) -> None:
    assert " ".join(cut(" ".join(words))).split() == words


# --- where a sentence ends ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "That is 3.5 percent more than last year.",
        "Ask Dr. Smith about it.",
        "Ask J. R. Smith about it.",
        "Fruit e.g. apples is cheap.",
        "Take approx. two of them.",
        "Write to a.b@example.com today.",
        "We open at 9 a.m. on weekdays.",
        "Bring pens etc. with you.",
        "It is No. 5 on the list.",
        "Look at example.com for more.",
    ],
)
def test_a_full_stop_inside_a_sentence_does_not_end_it(text: str) -> None:
    assert cut(text + " Then call.") == [text, "Then call."]


@pytest.mark.parametrize(
    "text",
    [
        "No.",
        "It is done!",
        "Is it done?",
        "Well...",
        "Well…",
        "It costs 5.",
        'He said "yes."',
        "(It is done.)",
        "Really?!",
        "We close at 5 p.m.",
        "So do I.",
    ],
)
def test_the_end_of_a_sentence_is_found(text: str) -> None:
    assert cut(text + " Then we call.") == [text, "Then we call."]


def test_hours_are_not_torn_and_the_question_after_them_is_its_own() -> None:
    text = "We are open from 9 a.m. to 1 p.m. Would you like to come?"
    assert letter_by_letter(text) == [
        "We are open from 9 a.m. to 1 p.m.",
        "Would you like to come?",
    ]


def test_no_is_an_answer_of_its_own() -> None:
    sentences = Sentences()
    assert sentences.feed("No. ") == []
    assert sentences.feed("W") == ["No."]


def test_lines_are_sentences_even_without_full_stops() -> None:
    assert cut("First\nSecond\n\nThird") == ["First", "Second", "Third"]


def test_the_last_sentence_needs_no_mark() -> None:
    assert cut("See you") == ["See you"]


def test_a_stream_of_nothing_is_nothing() -> None:
    assert cut("") == cut(" \n\n ") == cut("... !") == []


# --- the first clause --------------------------------------------------------------------------


def test_the_first_clause_is_spoken_before_its_sentence_is_complete() -> None:
    sentences = Sentences()
    assert sentences.feed("Yes, we are open today, ") == ["Yes, we are open today,"]


def test_only_the_first_sentence_is_spoken_by_clauses() -> None:
    assert cut("Of course I can do that, no problem. When you come, bring a pen, please.") == [
        "Of course I can do that,",
        "no problem.",
        "When you come, bring a pen, please.",
    ]


def test_a_clause_too_short_to_stand_alone_waits() -> None:
    text = "Yes, sure, go on."
    assert len("Yes, sure,") < FIRST_CLAUSE_CHARS
    assert cut(text) == [text]


def test_a_comma_inside_a_number_is_no_clause() -> None:
    assert cut("There are about 12,000 people here.") == ["There are about 12,000 people here."]


# --- pieces that leave by time ------------------------------------------------------------------

TTS_S = 0.2


@dataclass
class Heard:
    """What a caller hears of a text that a model writes at a steady pace.

    first_s: when the first word is heard, after the first token (s).
    pauses: silences between two pieces (s).
    pieces: as they were sent to the TTS.
    """

    first_s: float
    pauses: list[float]
    pieces: list[str]


def heard(text: str, words_per_second: float, *, language: str = "en") -> Heard:
    sentences, sent, now = Sentences(language), list[tuple[float, str]](), 0.0
    for number, token in enumerate(re.findall(r"\s*\S+", text)):
        came = number / words_per_second
        while number and (due := sentences.due_at(now)) is not None and due < came:
            now = due
            sent += [(now, piece) for piece in sentences.due(now)]
        now = came
        sent += [(now, piece) for piece in sentences.feed(token, now)]
    sent += [(now, piece) for piece in sentences.end()]
    first_s = until = sent[0][0] + TTS_S
    pauses = []
    for at, piece in sent:
        pauses.append(max(0.0, at + TTS_S - until))
        until = max(until, at + TTS_S) + speech_seconds(piece)
    return Heard(first_s, pauses, [piece for _, piece in sent])


LONG = (
    """
Well of course, our older gardeners would certainly love to walk you around every single greenhouse,
    whenever you happen to visit us again.
I would be very happy to help you with that booking and I will make sure that the restaurant
    knows about your allergy before you arrive on Friday evening.
Unfortunately the only appointment that Dr. Smith has left this week is on Friday at 9 a.m. in the
    clinic on Baker Street next to the station.
Your order number is 4821 and it was shipped on January 5, 2026 with our express carrier to the
    address that you gave us when you called last week.
""".strip()
    .replace("\n    ", " ")
    .splitlines()
)


@pytest.mark.parametrize("text", LONG)
@pytest.mark.parametrize("pace", [8, 15, 30])
def test_a_long_first_sentence_is_heard_soon_and_without_a_gap(text: str, pace: float) -> None:
    said = heard(text, pace)
    assert said.first_s <= 1.5
    assert max(said.pauses) <= 0.1
    assert " ".join(said.pieces) == text


def test_a_short_first_clause_leaves_when_the_model_is_slow() -> None:
    said = heard(LONG[0], 8)
    assert said.pieces[0] == "Well of course,"
    assert said.first_s <= 0.6


@pytest.mark.parametrize("pace", [2, 3, 4])
@pytest.mark.parametrize("text", LONG)
def test_a_model_slower_than_speech_is_heard_before_its_sentence_is_complete(
    text: str, pace: float
) -> None:
    said = heard(text, pace)
    assert said.first_s < len(text.split()) / pace / 2
    assert all(len(piece) >= 11 for piece in said.pieces)


def test_one_word_before_a_comma_waits_for_more() -> None:
    assert heard("Yes, we can certainly do that for you on Monday", 4).pieces[0] != "Yes,"


def test_a_fast_model_is_spoken_in_whole_sentences() -> None:
    text = "We are open from nine to five. You can come at any time. We look forward to it."
    assert heard(text, 60).pieces == re.findall(r"\S[^.]*\.", text)


def test_a_stalled_model_is_spoken_as_far_as_it_wrote() -> None:
    sentences = Sentences()
    assert sentences.feed("We would be happy to see you and", 10.0) == []
    due = sentences.due_at(10.0)
    assert due is not None
    assert sentences.due(due - 0.01) == []
    pieces = sentences.due(due) or sentences.due(sentences.due_at(due) or 0.0)
    assert pieces == ["We would be happy"]
    assert sentences.feed(" your family. ", 13.0) == ["to see you and your family."]


def test_a_chinese_clause_leaves_like_any_other() -> None:
    sentences = Sentences("cmn")
    assert sentences.feed("没关系，", 0.0) == []
    assert sentences.feed("我们", 0.5) == ["没关系，"]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "We can and with for from to the card ending in 4242 order number is 4821 code Jan 5, "
            "2026 May 3 Dr. Smith at 9 a.m. on Monday, last four digits of your are 1234, $5-$10 "
            "please press 1# 3.5 kg Washington, DC 20500 room 305 call 555-0123 yes, because when "
            "certainly happily number, codes: 12 Fri, Nov. 7th No. 8 gardeners".split()
        ),
        max_size=40,
    ),
    st.lists(st.floats(0, 0.8), min_size=40, max_size=40),
)
def test_no_number_or_date_is_read_otherwise_because_a_piece_left_early(
    words: list[str], waits: list[float]
) -> None:
    text, sentences, pieces, now = " ".join(words), Sentences(), [], 0.0
    for word, wait in zip(words, waits, strict=False):
        now += wait
        pieces += sentences.feed(f"{word} ", now)
        pieces += sentences.due(now + wait)
    pieces += sentences.end()
    assert " ".join(pieces) == text
    whole = sentences_of(text)
    assert " ".join(map(spoken, pieces)) == " ".join(map(spoken, whole))


# --- long sentences ----------------------------------------------------------------------------


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    clauses = [f"and this is clause number {n:2}," for n in range(20)]
    pieces = cut(" ".join(clauses))
    assert len(pieces) > 2
    assert all(piece.endswith(",") for piece in pieces)


def test_a_sentence_that_just_fits_is_not_cut() -> None:
    sentence = ("word " * (LONGEST_CHARS // 5))[:-2] + "d."
    assert len(sentence) == LONGEST_CHARS
    assert cut("Yes. " + sentence) == ["Yes.", sentence]


# --- what a voice cannot say -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Hello** there", "Hello there"),
        ("_Hello_ there, *you*.", "Hello there, you."),
        ("Press `0` now", "Press 0 now"),
        ("# Hours", "Hours"),
        ("- apples", "apples"),
        ("• apples", "apples"),
        ("> quoted", "quoted"),
        ("Great 😀👍🏽!", "Great !"),
        ("a → b", "a b"),
        ("See [our page](https://example.com/a?b=c) please", "See our page please"),
        ("See https://www.example.com/a/b?c=d please", "See example.com please"),
        ("2 * 3 is 6", "2 * 3 is 6"),
        ("my_file_name", "my_file_name"),
        ("  much \t space ", "much space"),
        ("...", ""),
        ("🎉🎉", ""),
        ("---", ""),
    ],
)
def test_only_what_can_be_said_reaches_the_voice(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


def test_a_numbered_list_is_one_piece_for_each_entry() -> None:
    assert cut("We have:\n1. Apples\n2. Pears, ripe ones\n") == [
        "We have:",
        "1. Apples",
        "2. Pears, ripe ones",
    ]


def test_a_list_of_points_is_one_piece_for_each_point() -> None:
    assert cut("- **Apples**\n- *Pears*\n") == ["Apples", "Pears"]


def test_an_address_is_not_cut_in_the_middle() -> None:
    assert cut("Go to https://example.com/a.b?day=monday. Then call.") == [
        "Go to example.com",
        "Then call.",
    ]
