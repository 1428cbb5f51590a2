"""Cost of a call: the sum of what the call used, at the prices of a table."""

from avr_sts_speechmatics.call.observer import TokensUsed
from avr_sts_speechmatics.services.use import AudioSent, TextSent
from avr_sts_speechmatics.telemetry.prices import Prices

DECIMALS = 6
"""Decimals of a cost: a short answer of a small model costs less than 0.0001."""


class CallCost:
    """Adds up the cost of one call.

    prices: the price table.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._sum = 0.0
        self.unknown: dict[str, None] = {}
        """Services that were used and have no price, in words, each once."""

    @property
    def currency(self) -> str:
        return self._prices.currency

    @property
    def known(self) -> float:
        """The part of the cost that is known so far."""
        return self._sum

    @property
    def amount(self) -> float | None:
        """The cost so far, rounded; None if a service that was used has no price."""
        return None if self.unknown else round(self._sum, DECIMALS)

    def add(self, used: AudioSent | TextSent | TokensUsed) -> None:
        """Add what was used."""
        match used:
            case AudioSent(server, model, seconds):
                if (price := self._prices.of("stt", server, model)) is not None:
                    self._sum += seconds * price.second
                elif seconds > 0:
                    self._note("stt", server, model)
            case TextSent(server, model, characters):
                if (price := self._prices.of("tts", server, model)) is not None:
                    self._sum += characters * price.character
                elif characters > 0:
                    self._note("tts", server, model)
            case TokensUsed():
                if (price := self._prices.of("llm", used.server, used.model)) is not None:
                    cached = min(used.cached, used.prompt)
                    self._sum += (
                        (used.prompt - cached) * price.prompt
                        + cached * price.cached
                        + used.completion * price.completion
                    )
                elif used.prompt or used.completion:
                    self._note("llm", used.server, used.model)

    def _note(self, service: str, server: str, model: str) -> None:
        self.unknown[" ".join(filter(None, (service, model, "at", server)))] = None
