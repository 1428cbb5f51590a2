"""How what is written is said: figures and signs as words, words as they are."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avr_sts_speechmatics.speech import read_aloud as module
from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.sentences import LONGEST_CHARS

EXAMPLES = """
# plain words
Of course, I can do that for you. | Of course, I can do that for you.
Ask Dr. Smith, e.g. at noon... really?! | Ask Dr. Smith, e.g. at noon... really?!
# numbers
There are 1,250 of them. | There are one thousand two hundred and fifty of them.
There are 0 left, not 10000. | There are zero left, not ten thousand.
That is 3.5 or 0.25. | That is three point five or zero point two five.
1,234.56 | one thousand two hundred and thirty-four point five six
It is -5 or +5. | It is minus five or plus five.
1, 2, 3 and 1,2,3 | one, two, three and one, two, three
the 21st and the 112th | the twenty-first and the one hundred and twelfth
1st-3rd | first to third
Terminal 5, MP3, 3D, H2O | Terminal five, MP three, three D, H two O
1/2 or 3/4 or 1 1/2 hours | one half or three quarters or one and a half hours
7/10, 24/7 | seven out of ten, twenty-four seven
#5 and No. 6 | number five and number six
2 + 2 = 4 | two plus two equals four
3:1 and 4x4 | three to one and four by four
version 1.2.3 | version one dot two dot three
# years
In 1999 and 2026. | In nineteen ninety-nine and twenty twenty-six.
since 2005 | since two thousand and five
the 1990s, the 90s | the nineteen nineties, the nineties
2024-2026 | twenty twenty-four to twenty twenty-six
# money
It costs $3.50. | It costs three dollars and fifty cents.
€12 or 12€ | twelve euros or twelve euros
£1,250.99 | one thousand two hundred and fifty pounds and ninety-nine pence
20 USD, USD 20, US$20 | twenty US dollars, twenty US dollars, twenty US dollars
$1, $0.99, -$5 | one dollar, ninety-nine cents, minus five dollars
$1.5 million | one point five million dollars
$5-$10 or $5-10 | five to ten dollars or five to ten dollars
£3.50/hour | three pounds and fifty pence per hour
# percent and units
20% or 3.5 % off | twenty percent or three point five percent off
10-20% | ten to twenty percent
5 km, 1 kg, 20 °C, 3x | five kilometres, one kilogram, twenty degrees Celsius, three times
100 km/h | one hundred kilometres per hour
30-day | thirty-day
# times
at 9:30 or 9:05 | at nine thirty or nine oh five
at 14:00. | at two p.m.
at 14:30, 0:15 or 12:00 | at two thirty p.m., twelve fifteen a.m. or twelve o'clock
Come at 9am. Then call. | Come at nine a.m. Then call.
from 9 a.m. to 1 p.m. | from nine a.m. to one p.m.
9-5 | nine to five
5-6 p.m. | five to six p.m.
9am-5pm, 9:30-17:00 | nine a.m. to five p.m., nine thirty to five p.m.
9.30pm | nine thirty p.m.
# dates
on 2026-11-23. | on November twenty-third, twenty twenty-six.
2026-11-23T14:00 | November twenty-third, twenty twenty-six at two p.m.
23/11/2026 | November twenty-third, twenty twenty-six
11/23/2026 | November twenty-third, twenty twenty-six
03/04/2026 | three, four, twenty twenty-six
3/4/26 | three, four, twenty-six
Nov 23 | November twenty-third
Nov. 23, 2026 | November twenty-third, twenty twenty-six
23rd November 2026 | the twenty-third of November twenty twenty-six
on the 23rd of November at 5 | on the twenty-third of November at five
November 23-25 | November twenty-third to twenty-fifth
November 2026 | November twenty twenty-six
You may 5 times. | You may five times.
# telephone numbers and references
Call +44 20 7946 0958. | Call plus four four, two zero, seven nine four six, zero nine five eight.
555-0123 | five five five, zero one two three
(555) 123-4567 | five five five, one two three, four five six seven
0800 123 456 | zero eight zero zero, one two three, four five six
order 553882 is ready | order five five three, eight eight two is ready
553882 | five five three, eight eight two
order number 4821 | order number four eight two one
extension 1205, ext. 12 | extension one two zero five, extension twelve
room 305, room 300 | room three zero five, room three hundred
PIN 0042 | PIN zero zero four two
card 4111 1111 1111 1111 | card four one one one, one one one one, one one one one, one one one one
reference: 553-882 | reference: five five three, eight eight two
Call 112. | Call one one two.
221B Baker Street | two two one B Baker Street
flight BA2490 | flight BA two four nine zero
500-1000 people | five hundred to one thousand people
# addresses
Write to a.b@example.com. | Write to a dot b at example dot com.
See www.example.co.uk/help. | See www dot example dot co dot uk slash help.
# signs
R&D, tea + milk | R and D, tea plus milk
tea/coffee, and/or, n/a | tea or coffee, and or, n/a
"""


def examples() -> list[tuple[str, str]]:
    lines = [line for line in EXAMPLES.splitlines() if line and line[:2] != "# "]
    return [(written, said) for written, _, said in (line.partition(" | ") for line in lines)]


@pytest.mark.parametrize(("written", "said"), examples())
def test_what_is_written_is_said_as_people_say_it(written: str, said: str) -> None:
    assert spoken(written) == said


# --- whatever a model writes -------------------------------------------------------------------

PIECES = st.sampled_from(
    "0 1 5 9 12 21st 305 1,250 1999 2026 553882 3.5 .5 12,50 9:30 14:00 25:61 9am 9 a.m. p.m. "
    "$3.50 €12 £1,250.99 20 USD US$ % 3% $ £ & + - – — / : . , = × x # ° °C km km/h kg m ½ 1/2 "
    "2026-11-23 23/11/2026 99/99/9999 0000-01-01 Nov May 23rd of the November 24:00 "
    "+44 555-0123 0800 (0) ext. No. order number PIN a.b@example.com example.com @ .com and/or T "
    "1990s 1.2.3 192.168.1.1 A380 GPT-4 ~5 '5 AT&T tea/coffee 東京 ٣ ² ④ — I o'clock".split()
) | st.sampled_from([" ", "  ", ", ", ". ", "-", "\n", "(", ")"])
TEXTS = (
    st.lists(PIECES, max_size=40).map("".join)
    | st.lists(PIECES, max_size=40).map(" ".join)
    | st.text(max_size=LONGEST_CHARS)
    | st.text("0123456789.,:/-+$%@ aApm", max_size=LONGEST_CHARS)
)
WORDS = st.lists(
    st.sampled_from(["apples", "Pears", "don't", "naïve", "Straße", "well-known", "東京", "yes,"])
    | PIECES,
    max_size=40,
)


@settings(deadline=None)
@given(TEXTS)
@example("9" * 5000)
@example("0." + "1" * 5000)
def test_no_figure_is_left_to_the_voice(text: str) -> None:
    assert not any(c.isdecimal() for c in spoken(text))


@settings(deadline=None)
@given(TEXTS)
def test_saying_it_twice_is_saying_it_once(text: str) -> None:
    assert spoken(spoken(text)) == spoken(text)


@settings(deadline=None)
@given(TEXTS)
def test_a_text_grows_within_bounds(text: str) -> None:
    assert len(spoken(text)) <= 20 + 24 * len(text)


@settings(deadline=None)
@given(WORDS)
def test_words_stay_as_they_are_and_in_their_order(pieces: list[str]) -> None:
    known = r"apples|Pears|don't|naïve|Straße|well-known|yes,"
    text = " ".join(pieces)
    assert re.findall(known, spoken(text)) == re.findall(known, text)


@given(st.text(st.sampled_from("abcXYZ äé东 ,;!?'\"()-")))
def test_what_has_nothing_to_say_differently_is_the_same(text: str) -> None:
    assert spoken(text) == text


# --- when something is wrong -------------------------------------------------------------------


def test_what_cannot_be_put_in_words_is_sent_as_it_is_and_the_log_does_not_repeat_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(number: int, rules: str) -> str:
        raise ValueError(number)

    monkeypatch.setattr(module, "_by_rule", broken)
    assert spoken("Order 553882 & more.") == "Order 553882 & more."
    assert "ValueError" in caplog.text
    assert "553882" not in caplog.text
