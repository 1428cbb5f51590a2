"""What is remembered of an agent that may hear itself."""

import pytest

from avr_sts_speechmatics.dialogue.own_voice import ECHO_KNOWN, IN_A_ROW_MAX, OwnVoice


def test_nothing_is_suspected_at_first() -> None:
    own = OwnVoice()
    assert not own.is_known
    assert not own.is_likely
    assert own.more_words == 0


def test_a_sure_echo_or_two_doubtful_ones_make_the_line_known() -> None:
    assert OwnVoice(evidence=ECHO_KNOWN).is_known
    assert not OwnVoice(evidence=ECHO_KNOWN - 1).is_known


@pytest.mark.parametrize("in_a_row", range(20))
def test_each_further_interruption_in_a_row_takes_more_words_up_to_a_limit(in_a_row: int) -> None:
    fewer, more = OwnVoice(in_a_row=in_a_row), OwnVoice(in_a_row=in_a_row + 1)
    assert 0 <= fewer.more_words <= more.more_words <= 6
    assert fewer.is_likely is (in_a_row >= IN_A_ROW_MAX)
