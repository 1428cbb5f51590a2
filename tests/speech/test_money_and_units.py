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
$80/yr, $5/mo, $15/hr | eighty dollars per year, five dollars per month, fifteen dollars per hour
€3/kg, $12/sq ft | three euros per kilogram, twelve dollars per square foot
5 GB/month, 2x/week | five gigabytes per month, two times per week
$20/lesson | twenty dollars per lesson
EUR 1.234,56 | one thousand two hundred and thirty-four euros and fifty-six cents
1.200,56 € | one thousand two hundred euros and fifty-six cents
€12,50 or 12,50 EUR | twelve euros and fifty cents or twelve euros and fifty cents
CHF 1'234.50 | one thousand two hundred and thirty-four Swiss francs and fifty centimes
€1.234.567 | one million two hundred and thirty-four thousand five hundred and sixty-seven euros
3,5 km | three point five kilometres
C$50, A$20, 500 SEK | fifty Canadian dollars, twenty Australian dollars, five hundred Swedish kronor
250K people, 10k steps | two hundred and fifty thousand people, ten thousand steps
2.5M users, a 4K screen | two point five million users, a four K screen
5'10", 1 1/2 tsp | five foot ten, one and a half teaspoons
3/4 lb, $5 x 3 | three quarters of a pound, five dollars times three
$9/mo. for 12 mos. at 5 lbs. each | nine dollars per month for twelve months at five pounds each
he ran a 10K | he ran a ten K
between $5-$10, between 5-6 | between five dollars and ten dollars, between five and six
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said
