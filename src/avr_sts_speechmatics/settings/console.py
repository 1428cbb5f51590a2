"""Settings: who may use the page and the API over calls."""

from dataclasses import dataclass

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting
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


@dataclass(frozen=True, kw_only=True)
class Console:
    """The tokens of the API under `/api/`."""

    console_token: tuple[Secret, ...] = setting(
        tokens,
        "Tokens for the API under `/api/`, at least 16 characters each; several are separated by "
        "commas, so that a token can be replaced without a gap. With a token, the API answers on "
        "every address of the service, and only with `Authorization: Bearer <token>` or after a "
        "sign-in. Without one, it answers on this machine only.",
        (),
        default_text="none",
        private=True,
    )
