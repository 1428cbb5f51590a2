"""The tables of the cost page, made from the price table.

    python docs/_tools/cost.py

computes what a minute of a call costs with the prices in `telemetry/prices.yaml`, and replaces the
tables in `docs/cost.md`. A test fails while the page is older than the prices.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avr_sts_speechmatics.services import stt, tts
from avr_sts_speechmatics.services.stt import speechmatics
from avr_sts_speechmatics.services.use import server_of
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.prices import Price, Prices, Service, default_prices

PAGE = Path(__file__).parents[1] / "cost.md"

OPENAI = "api.openai.com"
SPEECHMATICS = "speechmatics.com"


@dataclass(frozen=True, slots=True)
class Talk:
    """What a minute of a conversation uses.

    turns: answers of the agent.
    instructions: instructions and tools in each request (tokens).
    turn: words of both sides that a turn adds to the conversation (tokens).
    answer: length of an answer (tokens).
    characters: text that the voice speaks.
    """

    turns: int = 4
    instructions: int = 1000
    turn: int = 55
    answer: int = 35
    characters: int = 400

    def prompt(self, begin: int, end: int, history: int) -> int:
        """Tokens of all requests from the minute `begin` to the minute `end`, from 0.

        history: longest conversation in a request (tokens, HISTORY_TOKENS).
        """
        turns = range(begin * self.turns, end * self.turns)
        return sum(self.instructions + min(history, turn * self.turn) for turn in turns)


@dataclass(frozen=True, slots=True)
class Ahead:
    """A measured call of ten turns with PREEMPTIVE on, and with it off.

    goes_on: turns in which the caller paused and then went on.
    requests: requests to the model.
    prompt: tokens of the requests.
    prompt_off: tokens of the requests with PREEMPTIVE=off.
    """

    goes_on: int
    requests: int
    prompt: int
    prompt_off: int


MEASURED = (Ahead(0, 10, 3025, 3025), Ahead(1, 11, 3286, 3135), Ahead(3, 13, 3854, 3322))
"""Calls of ten turns against the scripted model of the sandbox, 2026-11-28: the recogniser settles
the words 0.4 s before it ends the turn, or before the caller goes on."""

MODELS = ("gpt-6-luna", "gpt-5.6-luna", "gpt-6.1-terra", "gpt-6-sol")
LENGTHS = (1, 5, 15, 30, 60)
"""Lengths of calls (minutes)."""


def tables(prices: Prices) -> dict[str, str]:
    """Return the tables by the names of their places in the page."""
    settings = Settings()
    return {
        "minute": _minute(prices, settings),
        "choices": _choices(prices, settings),
        "long": _long(prices, settings),
        "ahead": _ahead(),
        "sources": _sources(prices),
    }


def page_with(page: str, made: dict[str, str]) -> str:
    """Return a page with its tables replaced."""
    for name, table in made.items():
        begin, end = f"<!-- {name} -->\n\n", f"<!-- /{name} -->"
        assert begin in page, f"the page has no place for the table {name}"
        assert end in page, f"the page has no place for the table {name}"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{table}\n\n{end}{rest.partition(end)[2]}"
    return page


# --- the tables ----------------------------------------------------------------------------------


def _minute(prices: Prices, settings: Settings) -> str:
    talk, hear = Talk(), speechmatics.MODEL
    prompt = talk.prompt(2, 3, settings.history_tokens)
    answered = talk.turns * talk.answer
    rows = [
        ("STT", f"Speechmatics `{hear}`", "60 s of audio", _hearing(prices, SPEECHMATICS, hear)),
        (
            "LLM",
            f"OpenAI `{settings.openai_model}`",
            f"{prompt:,} tokens asked, {answered} answered",
            _thinking(_of(prices, "llm", OPENAI, settings.openai_model), prompt, 0, answered),
        ),
        (
            "TTS",
            "Speechmatics",
            f"{talk.characters} characters",
            talk.characters * _of(prices, "tts", SPEECHMATICS, "").character,
        ),
    ]
    total = sum(cost for *_, cost in rows)
    cells = [
        (what, name, used, _money(cost), f"{cost / total:.0%}") for what, name, used, cost in rows
    ]
    cells.append(("**together**", "", "", f"**{_money(total)}**", ""))
    return _table(
        ("", "service", "used in a minute", f"{prices.currency} a minute", "share"), cells
    )


def _choices(prices: Prices, settings: Settings) -> str:
    talk = Talk()
    prompt, answered = talk.prompt(2, 3, settings.history_tokens), talk.turns * talk.answer
    cells: list[tuple[str, ...]] = []
    for server, name, model in (
        (SPEECHMATICS, "Speechmatics", speechmatics.MODEL),
        (SPEECHMATICS, "Speechmatics", stt.realtime.MODEL),
        (OPENAI, "OpenAI", stt.openai.MODEL),
    ):
        cells.append(("STT", f"{name} `{model}`", _money(_hearing(prices, server, model))))
    for model in MODELS:
        price = _of(prices, "llm", OPENAI, model)
        cells.append(("LLM", f"OpenAI `{model}`", _money(_thinking(price, prompt, 0, answered))))
    voices = ((SPEECHMATICS, "Speechmatics", ""), (OPENAI, "OpenAI", tts.OPENAI_MODEL))
    for server, name, model in voices:
        shown = f"{name} `{model}`" if model else name
        cost = talk.characters * _of(prices, "tts", server, model).character
        cells.append(("TTS", shown, _money(cost)))
    return _table(("", "service", f"{prices.currency} a minute"), cells)


def _long(prices: Prices, settings: Settings) -> str:
    talk, price = Talk(), _of(prices, "llm", OPENAI, settings.openai_model)
    cells = []
    for minutes in LENGTHS:
        prompt = talk.prompt(0, minutes, settings.history_tokens)
        requests = minutes * talk.turns
        # All but the newest turn was in the request before.
        cached = prompt - talk.instructions - requests * talk.turn
        answered = requests * talk.answer
        without = _thinking(price, prompt, 0, answered) / minutes
        cells.append(
            (
                f"{minutes} min",
                f"{prompt // requests:,}",
                _money(without),
                _money(_thinking(price, prompt, cached, answered) / minutes),
            )
        )
    unit = f"{prices.currency} a minute"
    head = ("call of", "tokens in a request", f"{unit}, nothing cached", f"{unit}, all cached")
    return _table(head, cells)


def _ahead() -> str:
    cells = [
        (
            f"{one.goes_on} of 10 turns",
            f"{one.requests / 10:.1f}",
            f"{one.prompt // 10}",
            f"{one.prompt_off // 10}",
            f"{one.prompt / one.prompt_off - 1:+.0%}",
        )
        for one in MEASURED
    ]
    head = (
        "the caller goes on in",
        "requests a turn",
        "tokens asked a turn",
        "`off`",
        "difference",
    )
    return _table(head, cells)


def _sources(prices: Prices) -> str:
    cells = [
        (one.service.upper(), one.server, one.model or "", _unit(one.price), one.read, one.source)
        for one in prices.entries
    ]
    head = ("", "server", "model", prices.currency, "read", "source")
    return _table(head, cells)


# --- sums and forms ------------------------------------------------------------------------------


def _of(prices: Prices, service: Service, server: str, model: str) -> Price:
    price = prices.of(service, server_of(f"https://{server}"), model)
    assert price is not None, f"the price table has no {service} {model} of {server}"
    return price


def _hearing(prices: Prices, server: str, model: str) -> float:
    return 60 * _of(prices, "stt", server, model).second


def _thinking(price: Price, prompt: int, cached: int, answered: int) -> float:
    asked = (prompt - cached) * price.prompt + cached * price.cached
    return asked + answered * price.completion


def _money(cost: float) -> str:
    return f"{cost:.5f}"


def _unit(price: Price) -> str:
    million = 1_000_000
    if price.second:
        return f"{price.second * 3600:g} an hour"
    if price.character:
        return f"{price.character * million:g} for 1M characters"
    if price.prompt:
        tokens = (price.prompt, price.cached, price.completion)
        asked, cached, answered = (f"{one * million:g}" for one in tokens)
        return f"{asked} / {cached} cached / {answered} answered for 1M tokens"
    return "0"


def _table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(head)} |"
        yield "|" + "---|" * len(head)
        for row in cells:
            yield f"| {' | '.join(row)} |"

    return "\n".join(lines())


if __name__ == "__main__":
    written = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page_with(written, tables(default_prices())), encoding="utf-8")
