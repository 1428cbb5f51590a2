"""Tokens as operators write them."""

import pytest

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings.token_checks import TOKEN_MIN, tokens
from avr_sts_speechmatics.values import Secret


def test_a_token_has_a_least_length() -> None:
    assert tokens("x" * TOKEN_MIN) == (Secret("x" * TOKEN_MIN),)
    with pytest.raises(InvalidValue, match="openssl"):
        tokens("x" * (TOKEN_MIN - 1))


def test_the_example_of_a_token_is_none() -> None:
    with pytest.raises(InvalidValue, match="placeholder"):
        tokens("<your-secret-token-here>")
