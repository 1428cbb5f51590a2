"""Keys of a telephone, by their names."""

import pytest
from tests.speech.reading_examples import examples

from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.telephone_keys import ASKS_FOR_KEYS

EXAMPLES = """
Dial *72. | Dial star seven two.
Dial *72 to go and *73 to stop. | Dial star seven two to go and star seven three to stop.
*#06# or *100# | star hash zero six hash or star one zero zero hash
Press #. | Press hash.
press # or * to go on | press hash or star to go on
Enter 1234# now | Enter one two three four hash now
press 1 followed by # | press one followed by hash
Dial #31# first, press #5 | Dial hash three one hash first, press hash five
the pound key (#) | the pound key
#5 and #A12 | number five and number A twelve
a 5* hotel, C#, #summer | a five star hotel, C sharp, hashtag summer
2 * 3 and 2*3 | two by three and two by three
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize("text", ["Press ", "please dial: ", 'Then enter "', "key in "])
def test_words_that_ask_for_keys_are_known(text: str) -> None:
    assert ASKS_FOR_KEYS.search(text)
    assert not ASKS_FOR_KEYS.search(text + "it and ")
