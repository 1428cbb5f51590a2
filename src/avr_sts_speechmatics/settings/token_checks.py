"""Checks of the settings that hold tokens."""

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.values import Secret

TOKEN_MIN = 16
"""Fewest characters of a token."""


def tokens(value: str) -> tuple[Secret, ...]:
    """Tokens separated by commas, each once."""
    found = tuple(dict.fromkeys(check.secret(part.strip()) for part in value.split(",")))
    if any(len(token.reveal()) < TOKEN_MIN for token in found):
        raise InvalidValue(
            f"a token has at least {TOKEN_MIN} characters; make one with: openssl rand -hex 24"
        )
    return found
