"""The search for the FAQ entry that fits."""

import pytest

from avr_sts_speechmatics.receptionist.entities import plain
from avr_sts_speechmatics.receptionist.faq import Entry
from avr_sts_speechmatics.receptionist.matching import best_entry, mentions

PARKING = Entry("Behind the house.", ("car park", "parking"), ("Where can I park?",))
PRICES = Entry("Ninety pounds.", ("prices", "how much"), ("What does it cost?",))


@pytest.mark.parametrize(
    ("said", "entry"),
    [
        ("Is there parking nearby?", PARKING),
        ("Is there a car park?", PARKING),
        ("Where can I park", PARKING),
        ("Where is the parkink?", PARKING),
        ("How much is parking?", PRICES),
        ("The sky is blue", None),
        ("", None),
    ],
)
def test_the_best_entry_is_found(said: str, entry: Entry | None) -> None:
    assert best_entry(plain(said), [PARKING, PRICES]) is entry


def test_short_words_must_match_exactly() -> None:
    assert mentions("sales please", ["sales"])
    assert not mentions("safes please", ["sales"])
    assert mentions("technicel support", ["technical"])
