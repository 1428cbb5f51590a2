"""Mail and web addresses, sign by sign."""

import pytest
from tests.speech.reading_examples import examples

from avr_sts_speechmatics.speech.read_aloud import spoken

EXAMPLES = """
Write to a.b@example.com. | Write to a dot b at example dot com.
See www.example.co.uk/help. | See www dot example dot co dot uk slash help.
.com today. | dot com today.
.smith@example.com | dot smith at example dot com
.example.com is it. | dot example dot com is it.
Go to joes.pizza or my-shop.store. | Go to joes dot pizza or my dash shop dot store.
"""


@pytest.mark.parametrize(("written", "said"), examples(EXAMPLES))
def test_written_forms_are_converted_to_spoken_words(written: str, said: str) -> None:
    assert spoken(written) == said
