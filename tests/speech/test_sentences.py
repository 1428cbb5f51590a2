"""Where a stream of text is cut, and what of it reaches the voice."""

import itertools
import re
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.words import speech_seconds
from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.sentences import (
    FIRST_CLAUSE_CHARS,
    FIRST_S,
    LONGEST_CHARS,
    QUIET_S,
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
SPACED_TEXTS = st.lists(FRAGMENTS, max_size=90).map(" ".join)
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


def without_last_marks(pieces: list[str]) -> list[str]:
    return [re.sub(r"[\W_]+$", "", piece) for piece in pieces]


# --- properties --------------------------------------------------------------------------------


@settings(deadline=None)
@given(SPACED_TEXTS, CUTS)
@example("x" * 238 + ".\n\n\n\n", [239, 1])
@example("x" * 235 + " p.m.  And so on.", [241])
def test_the_pieces_do_not_depend_on_how_the_stream_was_cut(text: str, sizes: list[int]) -> None:
    # A sentence that has left cannot gain further marks: "Well." may become "Well...".
    whole = without_last_marks(cut(text))
    assert without_last_marks(cut(text, *sizes)) == whole
    assert without_last_marks(letter_by_letter(text)) == whole


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


@pytest.mark.parametrize("end", [".", "!", "?", "...", "…", '!"', "?!", ".**", "! 😀"])
def test_a_sentence_with_a_certain_mark_does_not_wait_for_the_next_token(end: str) -> None:
    sentences = Sentences()
    assert sentences.feed("We are open") == []
    (piece,) = sentences.feed(end)
    assert piece.startswith("We are open")
    assert piece != "We are open"
    assert sentences.feed(" So") + sentences.end() == ["So"]


@pytest.mark.parametrize("text", ["We close at 5 p.m.", "Bring pens etc.", 'He said "yes."', "O !"])
def test_a_mark_in_doubt_waits_30_ms_for_more(text: str) -> None:
    sentences = Sentences()
    sentences.feed("Well. ", 1.0)
    assert sentences.feed(text, 1.0) == []
    assert sentences.due_at(1.0) == 1.0 + QUIET_S == 1.03
    assert sentences.due(1.029) == []
    assert sentences.due(1.03) == [text]
    assert sentences.feed(" on Monday.", 1.1) == ["on Monday."]


def test_each_token_begins_the_wait_anew() -> None:
    sentences = Sentences()
    assert sentences.feed("Well. We close at 5 p.m.", 1.0) == ["Well."]
    assert sentences.feed(" on", 1.02) == []
    assert sentences.due(1.04) == []
    assert sentences.feed(" Monday.", 1.04) == ["We close at 5 p.m. on Monday."]


@pytest.mark.parametrize("text", ["It costs 3.", "Ask Dr.", "Ask J.", "It is No.", "It is in Jan."])
def test_a_mark_inside_a_name_or_number_is_not_taken_for_an_end(text: str) -> None:
    sentences = Sentences()
    assert sentences.feed("Well. ", 1.0) == ["Well."]
    assert sentences.feed(text, 1.0) == []
    assert sentences.due(9.0) == []
    assert sentences.feed("50" if text.endswith("3.") else " 5", 9.0) == []


@pytest.mark.parametrize(
    ("tokens", "pieces"),
    [
        (["Write to john", ".", "smith@example.com"], ["Write to john.", ".smith@example.com"]),
        (["It is example", ".", "com", " today"], ["It is example.", ".com today"]),
        (["Well", ".", ".", ".", " yes"], ["Well.", "yes"]),
        (["Really", "?", "!", " Yes"], ["Really?", "Yes"]),
        (["It is so", ".", '"', " Yes"], ["It is so.", "Yes"]),
        (["It is so", ".", "Yes"], ["It is so.", "Yes"]),
        (["It is so", ".", " ", '"Yes" it is'], ["It is so.", '"Yes" it is']),
        (["It is so. ", '"Yes" it is'], ["It is so.", '"Yes" it is']),
        (["Yes", "!", "<br>", "No"], ["Yes!", "No"]),
        (["Yes", "!", "[here](https://a.example)", "."], ["Yes!", "here"]),
        (["![a cat](https://a.example/cat.png)", " Look"], ["a cat Look"]),
        (["Ja 'n"], ["Ja 'n"]),
    ],
)
def test_an_end_that_was_taken_too_early_costs_a_pause_only(
    tokens: list[str], pieces: list[str]
) -> None:
    sentences = Sentences()
    said = [piece for token in tokens for piece in sentences.feed(token)] + sentences.end()
    assert [piece.rstrip(".") for piece in said] == [piece.rstrip(".") for piece in pieces]


# Texts that are easily torn. The list stands for what models write in calls.
EASILY_TORN = """
en: We open at 3.30 p.m. on Monday and close at 5 p.m. on Friday.
en: Ask Dr. Smith about it and then call J. R. Miller of the U.S. Army, i.e. him.
en: Fruit e.g. apples is cheap. It is No. 5 on the list. Etc. etc. and so on.
en: Go to www.example.com. Then write to john.smith@example.com or info@example.co.uk today.
en: It costs $3.50. Or 3.14 euros. Or €1,234.56 for 10 km and 5 kg. Or $3.5.
en: Well... yes! Really?! "Yes." he said. (It is done.) **Yes.** It is *so*. Great 😀! Look!
en: Your code is 4821. The card ends in 4242. Version 1.2.3 is out. Call 555-0123. So do I.
en: We meet in New York on Monday the third of May for five hundred euros and ten minutes.
en: It was in 2026. On May 3, 2026. Acme Inc. is at 5 Main St. near Mt. Vernon ca. 10 ft. away.
en: The five hundred and twenty euros that Johnson and Johnson paid for two hours and ten minutes.
de: Ihr Termin ist am 3. Mai um 14.30 Uhr bei Dr. Müller. Das sind z. B. ca. 5 Min. von hier.
de: Das kostet 1.234,56 Euro bzw. 5 Mio. Euro. Am 3.5.2026. Wir haben Brot usw. und so.
fr: M. Dupont vous attend av. Foch, p. ex. demain. Bonjour ! Oui. C'est 3,50 euros.
it: Il Sig. Rossi e la Dott.ssa Verdi sono qui. Pane ecc. e vino.
es: La Sra. López le espera en la Av. Mayor núm. 5, aprox. a las 10. ¡Hola! ¿Qué tal?
pt: O Sr. Silva mora na Av. Central n. 5. Sim. Bem-vindo à cidade grande e bonita.
nl: Dhr. Jansen komt bijv. morgen, d.w.z. dinsdag. Ja. Brood enz. en kaas.
cmn: 您好。他说「好。」我们可以为您安排一张四人桌而且您可以免费停车。好的！真的？！
ja: はい！三名様ですね？ご予約の件は担当者が確認いたしますので少々お待ちください。
th: เราสามารถจองโต๊ะสำหรับสี่ท่านและคุณสามารถจอดรถได้ฟรีหรือไม่
ar: كيف حالك؟ شكرا. نحجز لكم طاولة كبيرة لأربعة أشخاص في المطعم الذي تحبونه.
"""


def words_said(pieces: list[str], code: str) -> list[str]:
    said = " ".join(spoken(piece, code) for piece in pieces)
    between = "" if code in ("cmn", "ja", "th") else " "
    return re.sub(r"[\W_]+", between, said).split()


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(EASILY_TORN.strip().splitlines()),
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from([0.0, 0.01, 0.02, 0.035, 0.1, 0.4, 1.2])),
        min_size=1,
    ),
)
def test_no_word_is_read_otherwise_however_the_text_is_cut_and_whenever_it_comes(
    line: str, tokens: list[tuple[int, float]]
) -> None:
    code, _, text = line.partition(": ")
    sentences, pieces, now, rest = Sentences(code), list[str](), 0.0, text
    for size, wait in itertools.cycle(tokens):
        if not rest:
            break
        pieces += sentences.feed(rest[:size], now)
        rest = rest[size:]
        until = now + wait
        while (due := sentences.due_at(now)) is not None and due < until:
            now = due
            pieces += sentences.due(now)
        now = until
    pieces += sentences.end()
    assert words_said(pieces, code) == words_said(sentences_of(text, code), code)


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


LONG_FIRST = """
en: I would be more than happy to help you find a table for two people on Friday evening here.
en: Our clinic in New York is open every weekday from nine in the morning until five on all days.
en: Your appointment with Dr. Smith is on Monday the third of May at half past two in the afternoon.
de: Ich würde Ihnen sehr gerne einen Tisch für zwei Personen am Freitagabend bei uns reservieren.
fr: Je serais ravi de vous aider à trouver une table pour deux personnes vendredi soir chez nous.
it: Sarei molto felice di aiutarla a trovare un tavolo per due persone venerdì sera da noi tutti.
es: Estaría encantado de ayudarle a encontrar una mesa para dos personas el viernes por la noche.
pt: Teria muito gosto em ajudar a encontrar uma mesa para duas pessoas na sexta à noite aqui mesmo.
nl: Ik help u heel graag met het vinden van een tafel voor twee personen op vrijdagavond bij ons.
"""


@pytest.mark.parametrize("line", LONG_FIRST.strip().splitlines())
def test_a_first_sentence_without_a_comma_leaves_with_eight_words(line: str) -> None:
    code, _, text = line.partition(": ")
    said = heard(text, 50, language=code)
    words = len(said.pieces[0].split())
    assert 2 <= words < 12
    assert said.first_s <= 14 / 50 + TTS_S
    assert " ".join(said.pieces) == text


def test_a_long_first_sentence_that_comes_at_once_is_spoken_whole() -> None:
    text = LONG_FIRST.strip().splitlines()[0].partition(": ")[2]
    sentences, pieces = Sentences(), list[str]()
    for number, token in enumerate(re.findall(r"\s*\S+", text)):
        pieces += sentences.feed(token, 5.0 + number / 1000)
    assert pieces == [text]


def test_a_sentence_without_a_good_place_is_cut_between_two_words_after_350_ms() -> None:
    text = "That restaurant serves wonderful homemade pasta dishes each evening except Sundays now."
    sentences, pieces, now = Sentences(), list[str](), 0.0
    for token in re.findall(r"\s*\S+", text)[:-1]:
        pieces += sentences.feed(token, now)
        assert not pieces
        now += 0.03
    due = sentences.due_at(now)
    assert due is not None
    assert due == pytest.approx(FIRST_S)
    (piece,) = sentences.due(due)
    assert text.startswith(f"{piece} ")


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
