"""Values that every package may use: a secret stays one, a vocabulary entry can be a key."""

import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.values import Secret, VocabEntry, counted

KEYS = st.text("abcdef0123456789", min_size=8)


@given(KEYS)
def test_a_secret_is_shown_by_reveal_and_by_nothing_else(key: str) -> None:
    secret = Secret(key)
    assert secret.reveal() == key
    shown = (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{[secret]}",
        f"{secret!r:>20}",
    )
    assert not any(key in text for text in shown)


def test_a_secret_is_in_no_log_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("speech-key")
    try:
        raise ValueError(secret)
    except ValueError as error:
        logging.getLogger("a.test").exception("with %s", secret)
        text = "".join(traceback.format_exception(error)) + caplog.text
    assert "Secret(***)" in text
    assert "speech-key" not in text.replace('Secret("speech-key")', "")


@given(KEYS, KEYS)
def test_secrets_are_equal_when_their_texts_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one) != one


def test_equal_entries_of_a_vocabulary_are_one_key() -> None:
    entries = {VocabEntry("Speechmatics", ("speech matics",)) for _ in range(2)}
    assert len(entries) == 1
    assert VocabEntry("AVR").sounds_like == ()
    assert pickle.loads(pickle.dumps(entries)) == entries


def test_a_number_agrees_with_its_noun() -> None:
    assert [counted(n, "call") for n in (0, 1, 2)] == ["0 calls", "1 call", "2 calls"]
