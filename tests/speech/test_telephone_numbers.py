"""Telephone numbers and references, in groups that can be written down."""

import pytest
from tests.speech.reading_examples import examples

from avr_sts_speechmatics.speech.read_aloud import spoken

EXAMPLES = """
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
#5 and No. 6 | number five and number six
the card ending in 4242 | the card ending in four two four two
The last four digits are 1234. | The last four digits are one two three four.
the last 4 digits of your card are 2000 | the last four digits of your card are two zero zero zero
an account that ends with 0042 | an account that ends with zero zero four two
**** **** **** 4242 | ending in four two four two
1-800-FLOWERS | one, eight zero zero, FLOWERS
1-800-GO-FEDEX | one, eight zero zero, GO FEDEX
1-800-555-0199 | one, eight zero zero, five five five, zero one nine nine
Washington, DC 20500 | Washington, DC two zero five zero zero
Springfield, IL 62704-1234 | Springfield, IL six two seven zero four, one two three four
New York 10001 | New York one zero zero zero one
zip code 20500 | zip code two zero five, zero zero
flight UA123 or flight BA 2490 | flight UA one two three or flight BA two four nine zero
code X7K9P2 | code X seven K nine P two
AB12-CD34 | A B one two, C D three four
BE71 0961 2345 6769 | B E seven one, zero nine six one, two three four five, six seven six nine
card ending 4242, ending in 42 | card ending four two four two, ending in four two
P.O. Box 1234, Rm. 210 | P.O. Box one two three four, Rm. two one zero
dial 911 or 9-1-1, 911 calls | dial nine one one or nine, one, one, nine hundred and eleven calls
call 250 people | call two hundred and fifty people
the 911 operator | the nine one one operator
order #A1234 | order number A one two three four
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said
