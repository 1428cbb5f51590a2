"""Dates and times of the day, as people say them."""

import pytest
from tests.speech.reading_examples import examples

from avr_sts_speechmatics.speech.read_aloud import spoken

EXAMPLES = """
at 9:30 or 9:05 | at nine thirty or nine oh five
at 14:00. | at two p.m.
at 14:30, 0:15 or 12:00 | at two thirty p.m., twelve fifteen a.m. or twelve o'clock
Come at 9am. Then call. | Come at nine a.m. Then call.
from 9 a.m. to 1 p.m. | from nine a.m. to one p.m.
9-5 | nine to five
5-6 p.m. | five to six p.m.
9am-5pm, 9:30-17:00 | nine a.m. to five p.m., nine thirty to five p.m.
9.30pm | nine thirty p.m.
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
Jan. 5 at noon | January fifth at noon
Jan 1, 1980. | January first, nineteen eighty.
Mon-Fri, Sat. 9am | Monday to Friday, Saturday nine a.m.
Mon, Jan 5 | Monday, January fifth
Jan-Mar, in Nov. we | January to March, in November we
2026/11/23 | November twenty-third, twenty twenty-six
0900 hours, 1430 hours | zero nine hundred hours, fourteen thirty hours
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said
