"""How notices are set; the values are tested with the topic, see test_agent_defaults."""

import pytest

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings.notices import NOTICE, NOTICE_MAX, notice


def test_a_notice_is_on_off_or_a_sentence_of_bounded_length() -> None:
    assert [notice(text) for text in ("On", "TRUE", "off", "No", "", " \n")] == [
        *("on", "on"),
        *("", "", "", ""),
    ]
    assert notice("On air\nwe are.") == "On air we are."
    assert notice("x" * NOTICE_MAX) == "x" * NOTICE_MAX
    for wrong in ("x" * (NOTICE_MAX + 1), "Hello {from}.", "...", "{ok} 7"):
        with pytest.raises(InvalidValue):
            notice(wrong)


def test_the_sentence_of_a_language_is_put_in_later() -> None:
    assert NOTICE.to_manner("on") == NOTICE.to_manner("") == ""
    assert NOTICE.to_manner("We record.") == "We record."
