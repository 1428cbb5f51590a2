"""Prices and measures, as people say them."""

import pytest
from tests.speech.reading_examples import examples

from avr_sts_speechmatics.speech.read_aloud import spoken

EXAMPLES = """
It costs $3.50. | It costs three dollars and fifty cents.
€12 or 12€ | twelve euros or twelve euros
£1,250.99 | one thousand two hundred and fifty pounds and ninety-nine pence
20 USD, USD 20, US$20 | twenty US dollars, twenty US dollars, twenty US dollars
$1, $0.99, -$5 | one dollar, ninety-nine cents, minus five dollars
$1.5 million | one point five million dollars
$5-$10 or $5-10 | five to ten dollars or five to ten dollars
£3.50/hour | three pounds and fifty pence per hour
20% or 3.5 % off | twenty percent or three point five percent off
10-20% | ten to twenty percent
5 km, 1 kg, 20 °C, 3x | five kilometres, one kilogram, twenty degrees Celsius, three times
100 km/h | one hundred kilometres per hour
30-day | thirty-day
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said
