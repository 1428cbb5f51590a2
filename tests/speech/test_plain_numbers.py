"""Numbers that are no date, price or telephone number, as people say them."""

import pytest
from tests.speech.reading_examples import examples

from avr_sts_speechmatics.speech.read_aloud import spoken

EXAMPLES = """
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
2 + 2 = 4 | two plus two equals four
3:1 and 4x4 | three to one and four by four
version 1.2.3 | version one dot two dot three
In 1999 and 2026. | In nineteen ninety-nine and twenty twenty-six.
since 2005 | since two thousand and five
the 1990s, the 90s | the nineteen nineties, the nineties
2½ cups, ⅔ cup | two and a half cups, two thirds cup
p. 12, pp. 14-16, vol. II | page twelve, pages fourteen to sixteen, volume II
v2.3 | version two point three
2024-2026 | twenty twenty-four to twenty twenty-six
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said
