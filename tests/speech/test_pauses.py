"""Where a voice may pause inside a sentence."""

import pytest

from avr_sts_speechmatics.speech.languages import language_of
from avr_sts_speechmatics.speech.pauses import clause_ends, has_words, part_ends


def parts(text: str, code: str, *, anywhere: bool = False) -> list[str]:
    """The text with each place marked by "|", split there."""
    ends = [place.at for place in part_ends(text, language_of(code), anywhere=anywhere)]
    return [text[a:b].strip() for a, b in zip([0, *ends], [*ends, None], strict=True)]


PAUSES = """
en: We can offer you a table | for two people | and a view | of the garden.
en: The table | which you booked is free | because somebody called.
en: Please tell us | that you will come later.
en: We arrange that for you.
en: Johnson and Johnson is here.
en: Ask Dr. Smith | about the room.
en: It costs five hundred euros | for both of you.
en: It takes two hours and thirty minutes | from here.
en: It takes two hours | and you may park here.
en: We open | between 5 and 9 today.
en: Our branch | at Baker Street in London is open.
en: On Monday the third of May we close.
en: Please take the number 12 | because it is quick.
de: Wir reservieren einen Tisch | für zwei Personen | und schicken Ihnen alles zu.
de: Unsere Praxis | in Frankfurt am Main | bei Müller und Söhne ist offen.
de: Das kostet fünfhundert Euro | für alle zusammen.
fr: Je vous propose une table | pour deux personnes | dans la salle | qui donne au sud.
it: Posso prenotare un tavolo | per due persone | nella sala | che preferisce tanto.
es: Puedo reservar una mesa | para dos personas | en la terraza | que le gusta tanto.
pt: Posso reservar uma mesa | para duas pessoas | no terraço | que prefere muito.
nl: Ik reserveer een tafel | voor twee personen | in de zaal | die u mooi vindt.
ar: نحجز لكم طاولة كبيرة | في المطعم | الذي تحبونه كثيرا.
cmn: 我们可以安排一张四人桌|而且您可以免费停车。
cmn: 停车三百五十或者四百分钟。
ja: ご予約の件は|担当者が|確認いたしますので|少々お待ちください。
th: เราสามารถจองโต๊ะ|สำหรับสี่ท่านในวันจันทร์|และคุณสามารถจอดรถได้ฟรีหรือไม่
"""


@pytest.mark.parametrize("line", PAUSES.strip().splitlines())
def test_a_sentence_is_cut_before_conjunctions_relatives_and_prepositions(line: str) -> None:
    code, _, marked = line.partition(": ")
    pieces = [piece.strip() for piece in marked.replace(" | of", " of").split("|")]
    between = "" if code in ("cmn", "ja", "th") else " "
    assert parts(between.join(pieces), code) == pieces


TOGETHER = """
en: New York
en: San Francisco
en: Bank of America
en: Marks and Spencer
en: Monday the third of May
en: five hundred euros
en: five hundred and twenty euros
en: half past two
en: two hours and ten minutes
en: ten kilometres
en: from nine to five
en: Dr. Smith
en: J. R. Miller
en: 10 km
en: 9 a.m.
en: room three
de: Montag dem dritten Mai
de: fünfhundert Euro
de: Frankfurt am Main
fr: cinq cents euros
es: quinientos euros
it: cinquecento euro
pt: quinhentos euros
nl: vijfhonderd euro
"""


@pytest.mark.parametrize("line", TOGETHER.strip().splitlines())
@pytest.mark.parametrize("anywhere", [False, True])
def test_no_name_number_or_unit_is_cut(line: str, anywhere: bool) -> None:
    code, _, together = line.partition(": ")
    text = f"certainly {together} certainly whatever"
    first, last = text.index(together), text.index(together) + len(together)
    places = part_ends(text, language_of(code), anywhere=anywhere)
    assert not [place for place in places if first < place.at < last]


@pytest.mark.parametrize("code", ["en", "de", "fr", "it", "es", "pt", "nl", "ar", "cmn", "ja"])
def test_a_word_that_is_not_complete_is_no_conjunction(code: str) -> None:
    language = language_of(code)
    for word in language.joins | language.prepositions:
        assert part_ends(f"Certainly {word}", language, anywhere=True) == []


def test_a_conjunction_is_a_better_place_than_a_preposition_and_that_than_another_word() -> None:
    text = "certainly whatever with everybody because nobody "
    places = part_ends(text, language_of("en"), anywhere=True)
    ranks = {text[place.at :].split()[0]: place.rank for place in places}
    assert ranks == {"whatever": 0, "with": 1, "because": 2}


def test_clauses_end_at_commas_but_not_inside_a_date() -> None:
    text = "On May 5, 2026, we close, and then we open; call us."
    assert [text[:at].split()[-1] for at in clause_ends(text)] == ["2026,", "close,", "open;"]


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("one two three four five six seven eight ", True),
        ("one two three four five six seven eight", False),  # the last word may go on
        ("über zwei drei vier fünf sechs sieben acht ", True),
        ("über zwei drei vier fünf sechs sieben ", False),
        ("我们可以为您在三楼靠窗的位置安排", False),
        ("我们可以为您在三楼靠窗的位置安排一张", True),
        ("ご予約の件は担当者が確認いたしますので少々", True),
        ("", False),
    ],
)
def test_words_are_counted_in_every_script(text: str, has: bool) -> None:
    assert has_words(text, 8) is has
