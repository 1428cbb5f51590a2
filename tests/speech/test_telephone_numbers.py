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
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said
